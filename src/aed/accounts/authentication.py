"""Authenticate requests: turn the Authorization header or the session cookie into a Viewer."""

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
from aed.accounts.permissions import ANYONE, TokenRole, TokenScope, Viewer
from aed.accounts.regions.queries import estates_sharing, is_second_factor_demanded, regions_below
from aed.accounts.security_log import log_expired_token
from aed.accounts.sessions import (
    CSRF_HEADER,
    LAST_SEEN_PRECISION,
    SESSION_COOKIE,
    SESSION_KEY_PREFIX,
    SignIn,
    active_session,
    is_csrf_token,
)
from aed.accounts.tokens import Token, expired_token, hash_key, valid_token
from aed.accounts.viewers import viewer_of_person
from aed.database.dependencies import database_of
from aed.database.session import Database, read_session, retry_on_stale_connection, transaction
from aed.errors import AedError, NotAllowed, NotSignedIn, TokenExpired
from aed.http.headers import EXPIRED_TOKEN

log = structlog.get_logger("aed")
RECHECK_SECONDS: Final = 2.0
"""How often the permissions of a stream's reader are checked again."""


def viewer_of_token(session: Session, token: Token) -> Viewer:
    """Return the viewer of a valid token."""
    estate_ids: tuple[int, ...] = ()
    region_ids: tuple[int, ...] = ()
    if token.role is TokenRole.MEMBER and token.estate_id is not None:
        estate_ids = estates_sharing(session, token.estate_id)
    if token.role is TokenRole.DISPATCHER and token.region_id is not None:
        region_ids = regions_below(session, token.region_id)
    return Viewer(
        role=token.role,
        name=f"token:{token.name}",
        scopes=frozenset(TokenScope(scope) for scope in token.scopes),
        estate_id=token.estate_id,
        estate_ids=estate_ids,
        region_ids=region_ids,
    )


def viewer_by_key(session: Session, key: str, *, at: datetime) -> Viewer:
    """Return the viewer of the token with this key.

    Raises TokenExpired for a token that has expired, NotSignedIn for one that is unknown or revoked.
    """
    token = valid_token(session, hash_key(key), at=at)
    if token is None and expired_token(session, hash_key(key), at=at) is not None:
        raise TokenExpired("The token has expired. A network administrator can create a new one.")
    if token is None:
        raise NotSignedIn(
            "The token is wrong, revoked or expired. A network administrator can create a new one."
        )
    return viewer_of_token(session, token)


def _note_expired(database: Database, key: str, address: str) -> None:
    """Log the use of an expired token as a security event; a failure to do so is only logged."""
    at = clock.now()
    try:
        with transaction(database) as session:
            token = expired_token(session, hash_key(key), at=at)
            if token is not None:
                log_expired_token(session, token.name, address=address, at=at)
    except AedError as error:
        log.warning("expired token not recorded", reason=error.detail)


def viewer_by_cookie(session: Session, key: str, *, at: datetime) -> Viewer:
    """Return the viewer of a session cookie.

    ANYONE for a session that has ended, or that still waits for its second factor: browsers send cookies by
    themselves, and a lookup must be answered all the same.
    """
    found = active_session(session, hash_key(key), at=at)
    if found is None or (found.is_limited and found.second_factor_at is None):
        return ANYONE
    viewer = viewer_of_person(session, found.person_id)
    if found.second_factor_at is None and is_second_factor_demanded(session, viewer.role_assignments):
        return ANYONE  # the person got a role, or the region a requirement, after the sign-in
    return viewer


def _viewer_and_last_seen(session: Session, key: str, *, at: datetime) -> tuple[Viewer, bool]:
    """Return the viewer of a session cookie, and whether its `last_seen_at` needs an update."""
    viewer = viewer_by_cookie(session, key, at=at)
    if not viewer.is_signed_in:
        return viewer, False
    found = active_session(session, hash_key(key), at=at)
    return viewer, found is not None and (found.last_seen_at or found.created_at) <= at - LAST_SEEN_PRECISION


def _note_seen(database: Database, key: str, at: datetime) -> None:
    """Update `last_seen_at` of the session. No response waits for this."""
    try:
        with transaction(database) as session:
            session.execute(update(SignIn).where(SignIn.key_hash == hash_key(key)).values(last_seen_at=at))
    except AedError as error:
        log.warning("session use not recorded", reason=error.detail)


def viewer_now(session: Session, request: Request, *, at: datetime) -> Viewer:
    """Return the viewer of a long request as of now. Raises NotSignedIn if its token is no longer valid."""
    own_key = session_key_of(request)
    if own_key is not None:
        return viewer_by_cookie(session, own_key, at=at)
    _, _, key = request.headers.get("authorization", "").partition(" ")
    return viewer_by_key(session, key.strip(), at=at) if key else ANYONE


_closing: Final[set[asyncio.Future[None]]] = set()
"""Tasks that close streams; asyncio keeps only weak references to tasks."""


async def stop_when_viewer_changes(
    stream: AsyncGenerator[bytes], request: Request, viewer: Viewer
) -> AsyncIterator[bytes]:
    """Yield from `stream` until the viewer of the request changes.

    The stream ends within seconds after its session ended, its token was revoked or a role was revoked.
    """
    database = database_of(request)

    def is_unchanged() -> bool:
        try:
            with read_session(database) as session:
                return viewer_now(session, request, at=clock.now()) == viewer
        except NotSignedIn:
            return False
        except AedError as error:
            log.warning("permissions of a stream not checked", reason=error.detail)
            return True  # a restart of the database must not end streams

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
            chunk = pending.result()
            if chunk is None:
                return
            yield chunk
            pending = asyncio.ensure_future(item())
    finally:
        if pending.done():  # the stream is suspended at a `yield`, and is closed in the background
            closing = asyncio.ensure_future(stream.aclose())
            _closing.add(closing)
            closing.add_done_callback(_closing.discard)
        else:
            pending.cancel()


def session_key_in_cookie(request: Request) -> str | None:
    """Return the key in the session cookie; None if a token is sent too, which takes precedence."""
    if "cookie" not in request.headers or "authorization" in request.headers:
        return None
    return request.cookies.get(SESSION_COOKIE)


def session_key_in_header(request: Request) -> str | None:
    """Return the key of a session that an app sends as a bearer token; None for a program's token."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    is_session = kind.lower() == "bearer" and key.strip().startswith(SESSION_KEY_PREFIX)
    return key.strip() if is_session else None


def session_key_of(request: Request) -> str | None:
    """Return the key of a person's session, from the header or from the cookie."""
    return session_key_in_header(request) or session_key_in_cookie(request)


async def current_viewer(request: Request) -> Viewer:
    """Return the viewer of a request, by token or session cookie.

    Raises NotSignedIn for an invalid token. A read with an expired token is answered as an anonymous request:
    a lookup must not fail because a date has passed. A change by cookie needs the CSRF token too.
    """
    header = request.headers.get("authorization")
    if header is None:
        cookie = session_key_in_cookie(request)
        if cookie is None:
            return ANYONE
        viewer = await _viewer_of_cookie(request, cookie)
        is_change = request.method not in ("GET", "HEAD", "OPTIONS")
        if viewer.is_signed_in and is_change:
            _require_csrf_token(request, cookie)
        return viewer
    kind, _, key = header.partition(" ")
    if kind.lower() != "bearer" or not key.strip():
        raise NotSignedIn("The Authorization header must have the form: Bearer TOKEN.")
    own_key = session_key_in_header(request)
    if own_key is not None:
        return await _viewer_of_bearer(request, own_key)
    try:
        return await _run_query(request, partial(viewer_by_key, key=key.strip(), at=clock.now()))
    except TokenExpired:
        await run_in_threadpool(_note_expired, database_of(request), key.strip(), client_address(request))
        if request.method not in ("GET", "HEAD"):
            raise
        # Answered as an anonymous request; a response header says that the token has expired.
        setattr(request.state, EXPIRED_TOKEN, True)
        return ANYONE


async def _viewer_of_bearer(request: Request, key: str) -> Viewer:
    """Return the viewer of a session without a cookie, which needs no CSRF token: browsers never send it.

    Once it has ended, reads are answered as anonymous requests, as with an expired token.
    """
    viewer = await _viewer_of_cookie(request, key)
    if not viewer.is_signed_in:
        if request.method not in ("GET", "HEAD"):
            raise TokenExpired(
                "The session has ended, or it needs a second factor first: sign in again, or POST "
                "/v1/sign-in/second-factor."
            )
        setattr(request.state, EXPIRED_TOKEN, True)
    return viewer


async def _viewer_of_cookie(request: Request, cookie: str) -> Viewer:
    now = clock.now()
    viewer, is_to_be_noted = await _run_query(request, partial(_viewer_and_last_seen, key=cookie, at=now))
    if is_to_be_noted:
        loop = asyncio.get_running_loop()
        loop.run_in_executor(None, _note_seen, database_of(request), cookie, now)
    return viewer


async def form_viewer(request: Request) -> Viewer:
    """Return the viewer of a form that a page of this site sent, by the session cookie.

    A form cannot send the CSRF token in a header. The browser itself says instead which site the form came
    from. Raises NotAllowed for a form of another site.
    """
    require_same_origin(request)
    cookie = request.cookies.get(SESSION_COOKIE)
    return await _viewer_of_cookie(request, cookie) if cookie is not None else ANYONE


def require_same_origin(request: Request) -> None:
    """Raise NotAllowed unless a browser says that a page of this site sent the request.

    Scripts cannot set either header. Browsers before 2023 do not send Sec-Fetch-Site; they send Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is None:
        _, _, host = request.headers.get("origin", "").partition("://")
        site = "same-origin" if host and host == request.headers.get("host") else "cross-site"
    if site != "same-origin":
        raise NotAllowed("Send this form from the page of this site that shows it.")


async def require_own_session(request: Request, sentence: str) -> str:
    """Return the session key of a request that changes the person's own data.

    The caller checks that the session is still valid: the database is not read here. Raises NotSignedIn with
    `sentence`; NotAllowed for a token, which belongs to no person, and without the CSRF token.
    """
    bearer = session_key_in_header(request)
    if bearer is not None:
        return bearer
    cookie = session_key_in_cookie(request)
    if cookie is None:
        viewer = await current_viewer(request)
        if viewer.is_signed_in:
            raise NotAllowed(sentence)
        raise NotSignedIn(sentence)
    _require_csrf_token(request, cookie)
    return cookie


async def own_session_key(request: Request) -> str:
    """Return the key of the person's session, which may still wait for its second factor.

    Raises NotSignedIn; NotAllowed for a change without the CSRF token.
    """
    bearer = session_key_in_header(request)
    if bearer is not None:
        return bearer
    cookie = session_key_in_cookie(request)
    if cookie is None:
        raise NotSignedIn("Sign in first.")
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        _require_csrf_token(request, cookie)
    return cookie


def _require_csrf_token(request: Request, cookie: str) -> None:
    if not is_csrf_token(request.headers.get(CSRF_HEADER), cookie):
        raise NotAllowed(
            "Send the session's csrf_token in the header {csrf_header}; GET /v1/me returns it.",
            csrf_header=CSRF_HEADER,
        )


async def _run_query[Answer](request: Request, question: Callable[[Session], Answer]) -> Answer:
    return await run_in_threadpool(retry_on_stale_connection, question, database_of(request).read_sessions)


ViewerDep = Annotated[Viewer, Depends(current_viewer)]
FormViewerDep = Annotated[Viewer, Depends(form_viewer)]
"""The viewer of a page's form; refuses forms of other sites."""
OwnSessionDep = Annotated[str, Depends(own_session_key)]
"""The key of the person's session, which may still wait for its second factor."""


def client_address(request: Request) -> str:
    """Return the IP address of the client; behind a trusted proxy, the one that the proxy forwards."""
    return request.client.host if request.client is not None else "unknown"
