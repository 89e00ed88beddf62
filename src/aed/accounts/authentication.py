"""Who is calling: from the Authorization header, or the cookie of a page, to a Viewer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import update
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import ANYONE, Role, Scope, TokenRole, Viewer
from aed.accounts.regions import estates_sharing, regions_below
from aed.accounts.roles import queries as role_queries
from aed.accounts.security_log import log_expired_token
from aed.accounts.sessions import LAST_SEEN_PRECISION, SignIn, active_session
from aed.accounts.sign_in import queries as sign_in_queries
from aed.accounts.sign_in.rules import CSRF_HEADER, SESSION_COOKIE, is_csrf_token
from aed.accounts.tokens import Token, expired_token, hash_key, valid_token
from aed.database.dependencies import database_of
from aed.database.session import Database, read_session, retry_on_stale_connection, transaction
from aed.errors import AedError, NotAllowed, NotSignedIn, TokenExpired
from aed.http.headers import EXPIRED_TOKEN

log = structlog.get_logger("aed")
RECHECK_SECONDS: Final = 2.0
"""How often it is asked whether whoever watches a stream still may."""


def viewer_of_token(session: Session, token: Token) -> Viewer:
    """The viewer that a valid token stands for."""
    estate_ids: tuple[int, ...] = ()
    region_ids: tuple[int, ...] = ()
    if token.role is TokenRole.MEMBER and token.estate_id is not None:
        estate_ids = estates_sharing(session, token.estate_id)
    if token.role is TokenRole.DISPATCHER and token.region_id is not None:
        region_ids = regions_below(session, token.region_id)
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
    token = valid_token(session, hash_key(key), at=at)
    if token is None and expired_token(session, hash_key(key), at=at) is not None:
        raise TokenExpired("The token has expired. A network administrator makes new ones.")
    if token is None:
        raise NotSignedIn("The token is wrong, revoked or expired. A network administrator makes new ones.")
    return viewer_of_token(session, token)


def _note_expired(database: Database, key: str, address: str) -> None:
    """In the log of security events. The answer is the same whether that succeeds or not."""
    at = clock.now()
    try:
        with transaction(database) as session:
            token = expired_token(session, hash_key(key), at=at)
            if token is not None:
                log_expired_token(session, token.name, address=address, at=at)
    except AedError as error:
        log.warning("expired token not noted", why=error.detail)


def viewer_of_person(session: Session, person_id: int) -> Viewer:
    """The person as the register sees them, by the roles that are held at this moment.

    1. An administrator of the network is one; of a region, a dispatcher there who may also amend.
    2. Everyone else is a member: of the estates on which any role is held, and their neighbourhoods.
    3. Whoever holds nothing is signed in, and sees what everyone sees.
    """
    role_assignments = role_queries.role_assignments_of(session, person_id)
    dispatching = (Role.DISPATCHER, Role.ADMINISTRATOR)
    region_ids = {id_ for each in role_assignments if each.role in dispatching for id_ in each.region_ids}
    managed = {
        id_ for each in role_assignments if each.role is Role.ESTATE_MANAGER for id_ in each.region_ids
    }
    estates = tuple(dict.fromkeys(each.estate_id for each in role_assignments if each.estate_id is not None))
    role = TokenRole.DISPATCHER if region_ids else TokenRole.MEMBER
    if any(each.role is Role.ADMINISTRATOR and each.is_everywhere for each in role_assignments):
        role = TokenRole.ADMINISTRATOR
    return Viewer(
        role=role,
        name=f"person:{person_id}",
        scopes=frozenset(Scope),
        estate_id=estates[0] if estates else None,
        estate_ids=estates_sharing(session, *estates) if estates else (),
        region_ids=tuple(sorted(region_ids)),
        person_id=person_id,
        other_estate_ids=estates[1:],
        managed_region_ids=tuple(sorted(managed)),
        role_assignments=role_assignments,
    )


def viewer_by_cookie(session: Session, key: str, *, at: datetime) -> Viewer:
    """ANYONE for a cookie that is over: a browser sends it by itself, and a lookup must still be answered.

    So it is for one whose owner has to give a second factor first.
    """
    found = active_session(session, hash_key(key), at=at)
    if found is None or (found.is_limited and found.second_factor_at is None):
        return ANYONE
    viewer = viewer_of_person(session, found.person_id)
    if found.second_factor_at is None and sign_in_queries.is_second_factor_demanded(
        session, viewer.role_assignments
    ):
        return ANYONE  # a role, or a region's demand, that came after the sign-in
    return viewer


def _viewer_and_last_seen(session: Session, key: str, *, at: datetime) -> tuple[Viewer, bool]:
    """The same, and whether it is time to note that the session is used."""
    viewer = viewer_by_cookie(session, key, at=at)
    if not viewer.is_signed_in:
        return viewer, False
    found = active_session(session, hash_key(key), at=at)
    return viewer, found is not None and (found.last_seen_at or found.created_at) <= at - LAST_SEEN_PRECISION


def _note_seen(database: Database, key: str, at: datetime) -> None:
    """For a session that is used. No answer waits for it."""
    try:
        with transaction(database) as session:
            session.execute(update(SignIn).where(SignIn.key_hash == hash_key(key)).values(last_seen_at=at))
    except AedError as error:
        log.warning("session not noted as used", why=error.detail)


def viewer_now(session: Session, request: Request, *, at: datetime) -> Viewer:
    """Who the caller of a request that goes on is by now. Raises NotSignedIn for a token that is over."""
    cookie = session_key_in_cookie(request)
    if cookie is not None:
        return viewer_by_cookie(session, cookie, at=at)
    _, _, key = request.headers.get("authorization", "").partition(" ")
    return viewer_by_key(session, key.strip(), at=at) if key else ANYONE


_closing: Final[set[asyncio.Future[None]]] = set()
"""Streams that are being closed: a task that nobody holds may vanish."""


async def stop_when_viewer_changes(
    stream: AsyncGenerator[bytes], request: Request, viewer: Viewer
) -> AsyncIterator[bytes]:
    """Pass a stream on for as long as its caller is who they were when it began.

    A session that was ended, a token that was revoked, a role that was taken back: it ends within seconds.
    """
    database = database_of(request)

    def is_unchanged() -> bool:
        try:
            with read_session(database) as session:
                return viewer_now(session, request, at=clock.now()) == viewer
        except NotSignedIn:
            return False
        except AedError as error:
            log.warning("watcher not looked at", why=error.detail)
            return True  # a database that restarts cuts nobody off

    async def item() -> bytes | None:
        return await anext(stream, None)

    look_at = time.monotonic() + RECHECK_SECONDS
    pending = asyncio.ensure_future(item())
    try:
        while True:
            await asyncio.wait({pending}, timeout=max(0.0, look_at - time.monotonic()))
            if time.monotonic() >= look_at:
                if not await run_in_threadpool(is_unchanged):
                    return
                look_at = time.monotonic() + RECHECK_SECONDS
            if not pending.done():
                continue
            told = pending.result()
            if told is None:
                return
            yield told
            pending = asyncio.ensure_future(item())
    finally:
        if pending.done():  # the stream stands at a `yield`, and is closed beside what goes on here
            closing = asyncio.ensure_future(stream.aclose())
            _closing.add(closing)
            closing.add_done_callback(_closing.discard)
        else:
            pending.cancel()


def session_key_in_cookie(request: Request) -> str | None:
    """The key of the sign-in that the browser sends along, unless a token is sent too."""
    if "cookie" not in request.headers or "authorization" in request.headers:
        return None
    return request.cookies.get(SESSION_COOKIE)


async def current_viewer(request: Request) -> Viewer:
    """Who calls, by token or cookie. Raises NotSignedIn for a token that is not valid.

    One that has expired reads as anybody does: a lookup must not fail because a date has passed.

    Async, so that a caller without a token costs no change of threads.

    A browser sends its cookie whoever makes it ask, so a change needs the page's own word too.
    """
    header = request.headers.get("authorization")
    if header is None:
        cookie = session_key_in_cookie(request)
        if cookie is None:
            return ANYONE
        now = clock.now()
        viewer, is_to_be_noted = await _ask(request, partial(_viewer_and_last_seen, key=cookie, at=now))
        if is_to_be_noted:
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, _note_seen, database_of(request), cookie, now)
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
        await run_in_threadpool(_note_expired, database_of(request), key.strip(), client_address(request))
        if request.method not in ("GET", "HEAD"):
            raise
        # What everybody may know is answered all the same, and the answer says that the token is over.
        setattr(request.state, EXPIRED_TOKEN, True)
        return ANYONE


async def require_own_session(request: Request, sentence: str) -> str:
    """The key of the sign-in with which a person's own browser or phone changes something of the person's.

    Whether it is still good, whoever takes the change asks: here nothing is read. Raises NotSignedIn with the
    sentence, and NotAllowed for a token, which is nobody's own, and for a change without the page's word.
    """
    cookie = session_key_in_cookie(request)
    if cookie is None:
        viewer = await current_viewer(request)
        if viewer.is_signed_in:
            raise NotAllowed(sentence)
        raise NotSignedIn(sentence)
    _has_the_pages_word(request, cookie)
    return cookie


async def own_session_key(request: Request) -> str:
    """The key of the browser's own session, which may be limited. Raises NotSignedIn, and NotAllowed for a
    change without the page's own word."""
    cookie = session_key_in_cookie(request)
    if cookie is None:
        raise NotSignedIn("Sign in first.")
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _has_the_pages_word(request, cookie)
    return cookie


def _has_the_pages_word(request: Request, cookie: str) -> None:
    if not is_csrf_token(request.headers.get(CSRF_HEADER), cookie):
        raise NotAllowed(f"Send the csrf_token of your sign-in in {CSRF_HEADER}: GET /v1/me tells it.")


async def _ask[Answer](request: Request, question: Callable[[Session], Answer]) -> Answer:
    return await run_in_threadpool(retry_on_stale_connection, question, database_of(request).read_sessions)


ViewerDep = Annotated[Viewer, Depends(current_viewer)]
OwnSessionDep = Annotated[str, Depends(own_session_key)]
"""The key of the browser's own session, limited or not."""


def client_address(request: Request) -> str:
    """Where the question comes from; behind a proxy that is trusted, as it says."""
    return request.client.host if request.client is not None else "unknown"
