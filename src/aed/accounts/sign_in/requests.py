"""The queue and the cookies of sign-in routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

from fastapi import Depends, Request, Response

from aed.accounts.authentication import client_address
from aed.accounts.sessions import SESSION_COOKIE
from aed.accounts.sign_in.rules import address_key
from aed.http.concurrency_limits import QueueLimits, wait_for_turn

TOO_MANY_SIGN_INS: Final = "Too many people are signing in at this moment. Try again in a few seconds."

SIGN_IN_QUEUE: Final = QueueLimits("sign-in", at_once=1, waiting=10, each=3, otherwise=TOO_MANY_SIGN_INS)
"""A hash takes 19 MiB and 20-40 ms of a core: a queue of ten is processed within a second."""


async def _turn(request: Request) -> AsyncIterator[None]:
    async with wait_for_turn(request, SIGN_IN_QUEUE, address_key(client_address(request))):
        yield


SIGN_IN_TURN: Final = Depends(_turn, scope="function")
"""For `dependencies` of sign-in routes. Raises TooBusy if too many people sign in at once."""


def set_sign_in_cookie(response: Response, key: str, *, lasts: timedelta) -> None:
    """Set the session cookie."""
    set_cookie(response, SESSION_COOKIE, key, lasts=lasts)
    response.headers["Cache-Control"] = "no-store"


def set_cookie(response: Response, name: str, value: str, *, lasts: timedelta) -> None:
    """Set a cookie with Secure, HttpOnly and SameSite=Lax."""
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )
