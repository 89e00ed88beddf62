"""Routes of signing in by a platform's account."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from aed import clock
from aed.accounts.authentication import client_address
from aed.accounts.platform_sign_in import actions
from aed.accounts.platform_sign_in.schemas import WechatSignInIn
from aed.accounts.sign_in.requests import TOO_MANY_SIGN_INS, FindPersonDep
from aed.accounts.sign_in.rules import Browser, NewAccount
from aed.accounts.sign_in.schemas import SessionTokenOut
from aed.database.dependencies import DatabaseDep
from aed.http.parameters import SettingsDep, one_at_a_time
from aed.platforms.wechat import WechatApp

router = APIRouter(tags=["accounts"])

AT_ONCE: Final = 4
_places = threading.BoundedSemaphore(AT_ONCE)
"""A slow platform occupies at most this many threads."""


async def _wechat(request: Request) -> WechatApp | None:
    app: WechatApp | None = request.app.state.wechat
    return app


@router.post("/sign-in/wechat")
def sign_in_by_wechat(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    app: Annotated[WechatApp | None, Depends(_wechat)],
    find_person: FindPersonDep,
    given: WechatSignInIn,
) -> SessionTokenOut:
    """Sign in from the WeChat mini program; returns a bearer token. 404 if none is configured.

    The first time, the error `phone-needed` asks for a phone_code, and `name-needed` for a name, each with a
    new code of `wx.login`. If WeChat does not respond in time, the error is `platform-failed` (503).
    """
    phone_code = given.phone_code.get_secret_value() if given.phone_code is not None else None
    new_account = None
    if given.name is not None and settings.sign_up_codes_per_day > 0:
        new_account = NewAccount(given.name, given.language, settings.phone_country)
    with one_at_a_time(_places, TOO_MANY_SIGN_INS):
        done = actions.sign_in_by_wechat(
            database,
            app,
            code=given.code.get_secret_value(),
            phone_code=phone_code,
            new_account=new_account,
            find_person=find_person,
            browser=Browser(client_address(request), user_agent=request.headers.get("user-agent")),
            lasts=timedelta(hours=settings.sign_in_hours),
            at=clock.now(),
        )
    response.headers["Cache-Control"] = "no-store"
    return SessionTokenOut.of(done)
