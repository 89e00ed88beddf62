"""What the routes of people and roles have in common: whom paths name, and where numbers are at home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends, Path, Request, Response

from aed.accounts.authentication import client_address
from aed.accounts.sign_in.rules import SESSION_COOKIE, address_key
from aed.http.concurrency_limits import QueueLimits, wait_for_turn

PersonId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
GrantId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
TOO_MANY_SIGN_INS: Final = "Many are signing in at this moment. Try again in a few seconds."

SIGN_IN_QUEUE: Final = QueueLimits("sign-in", at_once=1, waiting=10, each=3, otherwise=TOO_MANY_SIGN_INS)
"""A hash takes 19 MiB and 20-40 ms of a core: ten who wait are signed in within a second."""


async def _turn(request: Request) -> AsyncIterator[None]:
    async with wait_for_turn(request, SIGN_IN_QUEUE, address_key(client_address(request))):
        yield


SIGN_IN_TURN: Final = Depends(_turn, scope="function")
"""For `dependencies` of routes by which people sign in. Raises TooBusy where too many do at this moment."""


def put_sign_in_cookie(response: Response, key: str, *, lasts: timedelta) -> None:
    """The browser is signed in by that key from now on."""
    put_cookie(response, SESSION_COOKIE, key, lasts=lasts)
    response.headers["Cache-Control"] = "no-store"


def put_cookie(response: Response, name: str, value: str, *, lasts: timedelta) -> None:
    """Set a cookie that only this site's pages send back, and no script reads."""
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
