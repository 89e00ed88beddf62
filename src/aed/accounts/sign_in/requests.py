"""The queue and the cookies of sign-in routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from aed.accounts.authentication import client_address, session_key_in_cookie
from aed.accounts.sessions import SESSION_COOKIE, sign_out
from aed.accounts.sign_in.actions import FindPerson
from aed.accounts.sign_in.rules import (
    CODE_COOKIE,
    KNOWN_BROWSER_COOKIE,
    KNOWN_BROWSER_LIFETIME,
    PROVIDER_COOKIE,
    PROVIDER_TIMEOUT,
    Browser,
    NewSession,
    address_key,
)
from aed.accounts.sign_in.schemas import SignedInOut
from aed.accounts.sign_in.throttling import known_browser_id, remember_browser
from aed.database.session import Database, transaction
from aed.http.concurrency_limits import QueueLimits, wait_for_turn

TOO_MANY_SIGN_INS: Final = "Too many people are signing in at this moment. Try again in a few seconds."

OWN_PAGE: Final = r"^/([A-Za-z0-9._~-][A-Za-z0-9._~/?=&%-]*)?$"
"""A path on this site: neither another host (//…) nor a scheme."""
ReturnTo = Annotated[
    str | None,
    Query(
        max_length=500,
        pattern=OWN_PAGE,
        description="Path of the page to go to after sign-in",
        examples=["/"],
    ),
]
SIGN_IN_QUEUE: Final = QueueLimits("sign-in", at_once=1, waiting=10, each=3, otherwise=TOO_MANY_SIGN_INS)
"""A hash takes 19 MiB and 20-40 ms of a core: a queue of ten is processed within a second."""


async def _sign_in_slot(request: Request) -> AsyncIterator[None]:
    async with wait_for_turn(request, SIGN_IN_QUEUE, address_key(client_address(request))):
        yield


SIGN_IN_TURN: Final = Depends(_sign_in_slot, scope="function")
"""For `dependencies` of sign-in routes. Raises TooBusy if too many people sign in at once."""


async def _find_person(request: Request) -> FindPerson:
    find_person: FindPerson = request.app.state.find_person
    return find_person


FindPersonDep = Annotated[FindPerson, Depends(_find_person)]


def browser_of(request: Request, database: Database, phone: str, *, at: datetime) -> Browser:
    """Return the browser of a request, as the account of that number knows it."""
    return Browser(
        address=client_address(request),
        known_as=known_browser_id(database.keys, request.cookies.get(KNOWN_BROWSER_COOKIE), phone, at=at),
        code_key=request.cookies.get(CODE_COOKIE),
        user_agent=request.headers.get("user-agent"),
    )


def keep_session(
    request: Request,
    response: Response,
    database: Database,
    key: str,
    *,
    phone: str,
    lasts: timedelta,
    at: datetime,
) -> None:
    """Set the cookies of a new session, and end the session that this browser had before."""
    _replace_session(request, response, database, key, lasts=lasts, at=at)
    known = remember_browser(database.keys, request.cookies.get(KNOWN_BROWSER_COOKIE), phone, at=at)
    set_cookie(response, KNOWN_BROWSER_COOKIE, known, lasts=KNOWN_BROWSER_LIFETIME)


def _replace_session(
    request: Request, response: Response, database: Database, key: str, *, lasts: timedelta, at: datetime
) -> None:
    before = session_key_in_cookie(request)
    if before is not None:
        with transaction(database) as session:  # its cookie is overwritten, so nobody could end it later
            sign_out(session, before, at=at)
    set_sign_in_cookie(response, key, lasts=lasts)


def redirect_to_provider(url: str, *, browser_key: str) -> RedirectResponse:
    """Redirect the browser to the page of a provider or platform that signs people in."""
    answer = RedirectResponse(url, status_code=303, headers={"Cache-Control": "no-store"})
    set_cookie(answer, PROVIDER_COOKIE, browser_key, lasts=PROVIDER_TIMEOUT)
    return answer


def return_from_provider(
    request: Request,
    response: Response,
    database: Database,
    done: NewSession,
    return_to: str | None,
    *,
    lasts: timedelta,
    at: datetime,
) -> SignedInOut | RedirectResponse:
    """Set the cookie of the new session, end the one before, and go on to the page given at the start."""
    going_on = RedirectResponse(return_to, status_code=303) if return_to is not None else None
    answer = going_on if going_on is not None else response
    _replace_session(request, answer, database, done.key, lasts=lasts, at=at)
    answer.delete_cookie(PROVIDER_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return going_on or SignedInOut.of(done)


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
