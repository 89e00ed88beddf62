"""Routes of signing in by a platform's account."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from aed import clock
from aed.accounts.authentication import client_address
from aed.accounts.fields import Name
from aed.accounts.people.rules import Language
from aed.accounts.platform_sign_in import actions
from aed.accounts.platform_sign_in.actions import Platform, PlatformApp
from aed.accounts.sign_in.requests import (
    TOO_MANY_SIGN_INS,
    FindPersonDep,
    ReturnTo,
    redirect_to_provider,
    return_from_provider,
)
from aed.accounts.sign_in.rules import (
    PROVIDER_COOKIE,
    Browser,
    NewAccount,
    address_key,
)
from aed.accounts.sign_in.schemas import SessionTokenOut, SignedInOut
from aed.database.dependencies import DatabaseDep
from aed.http.concurrency_limits import QueueLimits, wait_for_turn
from aed.http.parameters import SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.platforms.wechat import WechatApp

PlatformCode = Annotated[SecretStr, Field(min_length=1, max_length=512)]


class WechatSignInIn(BaseModel):
    """The codes that a mini program gets from WeChat; each is valid once, for five minutes."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"code": "0a3Zxy000kT9mP1wYv200gJd1z3Zxy0k"}]},
    )

    code: PlatformCode = Field(description="The `code` of `wx.login`")
    phone_code: PlatformCode | None = Field(
        None,
        description="The `code` of a button with `open-type=getPhoneNumber`; needed at the first sign-in, "
        "to link the WeChat account with the person of that number",
    )
    name: Name | None = Field(
        None, description="With a phone_code: open an account of this name if the number has none"
    )
    language: Language = Field(Language.ZH, description="Language of an account that is opened")


router = APIRouter(tags=["accounts"])

QUEUE: Final = QueueLimits("platform-sign-in", at_once=4, waiting=16, each=20, otherwise=TOO_MANY_SIGN_INS)
"""A platform takes about 0.1 s, and a slow one occupies at most these threads. Phones of one mobile network
share an address, so one address may fill the queue."""


async def _turn(request: Request) -> AsyncIterator[float]:
    """Wait for a turn; yield when the request arrived (`time.monotonic()`), from which its time counts."""
    arrived = time.monotonic()
    async with wait_for_turn(request, QUEUE, address_key(client_address(request))):
        yield arrived


TURN: Final = Depends(_turn, scope="function")
ArrivedDep = Annotated[float, TURN]


async def _wechat(request: Request) -> WechatApp | None:
    app: WechatApp | None = request.app.state.wechat
    return app


async def _platform_app(request: Request, platform: Platform) -> PlatformApp | None:
    apps: Mapping[Platform, PlatformApp | None] = {
        Platform.WECOM: request.app.state.wecom,
        Platform.DINGTALK: request.app.state.dingtalk,
    }
    return apps[platform]


PlatformAppDep = Annotated[PlatformApp | None, Depends(_platform_app)]


@router.get("/sign-in/platforms/{platform}", status_code=303, response_class=RedirectResponse)
def start_platform_sign_in(
    request: Request,
    database: DatabaseDep,
    settings: SettingsDep,
    platform: Platform,
    app: PlatformAppDep,
    return_to: ReturnTo = None,
) -> RedirectResponse:
    """Redirect the browser to WeCom or DingTalk; 404 if no app is configured there."""
    base = settings.public_url or str(request.base_url).rstrip("/")
    sent = actions.start_sign_in(
        database,
        platform,
        app,
        redirect_url=f"{base}/v1/sign-in/platforms/{platform}/back",
        browser=_browser(request),
        return_to=return_to,
        at=clock.now(),
    )
    return redirect_to_provider(sent.url, browser_key=sent.browser_key)


@router.get(
    "/sign-in/platforms/{platform}/back",
    response_model=SignedInOut,
    responses={303: {"description": "Redirect to another page"}},
    dependencies=[TURN, ANY_PARAMETER],  # platforms add parameters of their own, such as appid
)
def complete_platform_sign_in(
    request: Request,
    response: Response,
    database: DatabaseDep,
    settings: SettingsDep,
    platform: Platform,
    app: PlatformAppDep,
    find_person: FindPersonDep,
    state: Annotated[str | None, Query(max_length=200)] = None,
    code: Annotated[str | None, Query(max_length=1000)] = None,
    authCode: Annotated[  # noqa: N803 - DingTalk's name for it
        str | None, Query(max_length=1000, description="DingTalk's name of `code`")
    ] = None,
) -> SignedInOut | RedirectResponse:
    """Complete a sign-in after the redirect back, and go on to the page given at the start, if any."""
    lasts = timedelta(hours=settings.sign_in_hours)
    done, return_to = actions.complete_sign_in(
        database,
        platform,
        app,
        code=authCode or code,
        state=state,
        browser_key=request.cookies.get(PROVIDER_COOKIE),
        find_person=find_person,
        country=settings.phone_country,
        browser=_browser(request),
        lasts=lasts,
        at=clock.now(),
    )
    return return_from_provider(request, response, database, done, return_to, lasts=lasts, at=clock.now())


def _browser(request: Request) -> Browser:
    return Browser(client_address(request), user_agent=request.headers.get("user-agent"))


@router.post("/sign-in/wechat")
def sign_in_by_wechat(
    request: Request,
    response: Response,
    arrived: ArrivedDep,
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
    done = actions.sign_in_by_wechat(
        database,
        app,
        code=given.code.get_secret_value(),
        phone_code=phone_code,
        until=arrived + settings.wechat.seconds,
        new_account=new_account,
        find_person=find_person,
        browser=_browser(request),
        lasts=timedelta(hours=settings.sign_in_hours),
        at=clock.now(),
    )
    response.headers["Cache-Control"] = "no-store"
    return SessionTokenOut.of(done)
