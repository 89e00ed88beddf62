"""Who is calling: from the Authorization header, or the cookie of a page, to a Viewer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts import queries
from aed.accounts.actions.tokens import key_hash
from aed.accounts.models import Token
from aed.accounts.rules import ANYONE, Role, Scope, Viewer
from aed.accounts.rules.roles import HeldRole
from aed.accounts.rules.sign_in import COOKIE, CSRF_HEADER, is_csrf_token
from aed.db import database_of, once_more
from aed.errors import NotAllowed, NotSignedIn, TokenExpired
from aed.http.headers import EXPIRED_TOKEN


def viewer_of(session: Session, token: Token) -> Viewer:
    """The viewer that a valid token stands for."""
    estate_ids: tuple[int, ...] = ()
    region_ids: tuple[int, ...] = ()
    if token.role is Role.MEMBER and token.estate_id is not None:
        estate_ids = queries.estates_sharing(session, token.estate_id)
    if token.role is Role.DISPATCHER and token.region_id is not None:
        region_ids = queries.regions_below(session, token.region_id)
    return Viewer(
        role=token.role,
        name=f"token:{token.name}",
        scopes=frozenset(Scope(scope) for scope in token.scopes),
        estate_id=token.estate_id,
        estate_ids=estate_ids,
        region_ids=region_ids,
    )


def viewer_by_key(session: Session, key: str, *, at: datetime) -> Viewer:
    """Raises TokenExpired for a token that has expired, NotSignedIn for one that is unknown or revoked."""
    token = queries.valid_token(session, key_hash(key), at=at)
    if token is None and queries.has_expired(session, key_hash(key), at=at):
        raise TokenExpired("The token has expired. A network administrator makes new ones.")
    if token is None:
        raise NotSignedIn("The token is wrong, revoked or expired. A network administrator makes new ones.")
    return viewer_of(session, token)


def viewer_of_person(session: Session, person_id: int) -> Viewer:
    """The person as the register sees them, by the roles that are held at this moment.

    1. An administrator of the network is one; of a region, a dispatcher there who may also amend.
    2. Everyone else is a member: of the estates on which any role is held, and their neighbourhoods.
    3. Whoever holds nothing is signed in, and sees what everyone sees.
    """
    holdings = queries.holdings_of(session, person_id)
    dispatching = (HeldRole.DISPATCHER, HeldRole.ADMINISTRATOR)
    region_ids = {id_ for each in holdings if each.role in dispatching for id_ in each.region_ids}
    managed = {id_ for each in holdings if each.role is HeldRole.ESTATE_MANAGER for id_ in each.region_ids}
    estates = tuple(dict.fromkeys(each.estate_id for each in holdings if each.estate_id is not None))
    role = Role.DISPATCHER if region_ids else Role.MEMBER
    if any(each.role is HeldRole.ADMINISTRATOR and each.is_everywhere for each in holdings):
        role = Role.ADMINISTRATOR
    return Viewer(
        role=role,
        name=f"person:{person_id}",
        scopes=frozenset(Scope),
        estate_id=estates[0] if estates else None,
        estate_ids=queries.estates_sharing(session, *estates) if estates else (),
        region_ids=tuple(sorted(region_ids)),
        person_id=person_id,
        other_estate_ids=estates[1:],
        managed_region_ids=tuple(sorted(managed)),
        holdings=holdings,
    )


def viewer_by_cookie(session: Session, key: str, *, at: datetime) -> Viewer:
    """ANYONE for a cookie that is over: a browser sends it by itself, and a lookup must still be answered."""
    found = queries.signed_in(session, key_hash(key), at=at)
    return ANYONE if found is None else viewer_of_person(session, found.person_id)


def key_in_cookie(request: Request) -> str | None:
    """The key of the sign-in that the browser sends along, unless a token is sent too."""
    if "cookie" not in request.headers or "authorization" in request.headers:
        return None
    return request.cookies.get(COOKIE)


async def viewer_asking(request: Request) -> Viewer:
    """Who calls, by token or cookie. Raises NotSignedIn for a token that is not valid.

    One that has expired reads as anybody does: a lookup must not fail because a date has passed.

    Async, so that a caller without a token costs no change of threads.

    A browser sends its cookie whoever makes it ask, so a change needs the page's own word too.
    """
    header = request.headers.get("authorization")
    if header is None:
        cookie = key_in_cookie(request)
        if cookie is None:
            return ANYONE
        viewer = await _ask(request, partial(viewer_by_cookie, key=cookie, at=clock.now()))
        is_change = request.method not in ("GET", "HEAD", "OPTIONS")
        if viewer.is_signed_in and is_change:
            _has_the_pages_word(request, cookie)
        return viewer
    kind, _, key = header.partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise NotSignedIn("The Authorization header must read: Bearer TOKEN.")
    try:
        return await _ask(request, partial(viewer_by_key, key=key.strip(), at=clock.now()))
    except TokenExpired:
        if request.method not in ("GET", "HEAD"):
            raise
        # What everybody may know is answered all the same, and the answer says that the token is over.
        setattr(request.state, EXPIRED_TOKEN, True)
        return ANYONE


async def key_of_own_change(request: Request, sentence: str) -> str:
    """The key of the sign-in with which a person's own browser or phone changes something of the person's.

    Whether it is still good, whoever takes the change asks: here nothing is read. Raises NotSignedIn with the
    sentence, and NotAllowed for a token, which is nobody's own, and for a change without the page's word.
    """
    cookie = key_in_cookie(request)
    if cookie is None:
        viewer = await viewer_asking(request)
        if viewer.is_signed_in:
            raise NotAllowed(sentence)
        raise NotSignedIn(sentence)
    _has_the_pages_word(request, cookie)
    return cookie


def _has_the_pages_word(request: Request, cookie: str) -> None:
    if not is_csrf_token(request.headers.get(CSRF_HEADER), cookie):
        raise NotAllowed(f"Send the csrf_token of your sign-in in {CSRF_HEADER}: GET /v1/me tells it.")


async def _ask(request: Request, question: Callable[[Session], Viewer]) -> Viewer:
    return await run_in_threadpool(once_more, question, database_of(request))


ViewerDep = Annotated[Viewer, Depends(viewer_asking)]


def address_of(request: Request) -> str:
    """Where the question comes from; behind a proxy that is trusted, as it says."""
    return request.client.host if request.client is not None else "unknown"
