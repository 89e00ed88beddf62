"""Limits on connections: stalled ones are closed, so that lookups are always answered.

uvicorn waits for a request as long as its sender likes. Here each phase has a deadline, and where there are
too many connections those that wait for their sender longest are closed, never one that is being answered.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from typing import ClassVar, Final
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from aed.http.problems import MAX_INSTANCE_CHARACTERS, PROBLEM_TYPE
from aed.settings import Settings

log = structlog.get_logger("aed")

RESERVED_FILES: Final = 150
"""Files a process opens beside connections: the database, the walking network, jobs."""
LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
FORWARDED: Final = "FORWARDED_ALLOW_IPS"


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a deadline for each phase of a request.

    1. The complete header must arrive within `header_seconds` of the first byte of the connection or request.
    2. The complete body must arrive within `body_seconds` (routes have shorter ones: `aed.http.bodies`).
    3. A client that reads nothing of a response for `reading_seconds` is disconnected.
    4. A new connection beyond `limit_concurrency` closes the connection that has waited longest for data.
    """

    header_seconds: ClassVar[float]
    body_seconds: ClassVar[float]
    reading_seconds: ClassVar[float]

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    waiting_since: float | None = None
    """Since when the connection has waited for a complete request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._wait(self.header_seconds)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._close_the_stalest()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait(self.header_seconds)

    def on_headers_complete(self) -> None:
        self._wait(self.body_seconds)
        limit = self.limit_concurrency
        if limit is None or (len(self.connections) < limit and len(self.tasks) < limit):
            super().on_headers_complete()
            return
        app, self.app, self.limit_concurrency = self.app, answer_too_many_connections, None
        try:  # uvicorn's own answer is plain text without Retry-After
            super().on_headers_complete()
        finally:
            self.app, self.limit_concurrency = app, limit

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.waiting_since is not None:  # answered, and the body is still coming
            self._wait(self.header_seconds)
        elif not self.pipeline:  # idle: uvicorn's keep-alive has a deadline of its own
            self.waiting_since = time.monotonic()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_unread()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_unread()
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
        self.waiting_since = time.monotonic()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.waiting_since = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _close_the_stalest(self) -> None:
        stalled = [
            each
            for each in self.connections
            if isinstance(each, BoundedProtocol) and each is not self and each.waiting_since is not None
        ]
        if stalled:
            stalest = min(stalled, key=lambda each: each.waiting_since or 0.0)
            self.connections.discard(stalest)
            stalest.transport.abort()


async def answer_too_many_connections(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer 503 without the application, when as many requests are being answered as there may be."""
    body = {
        "type": "urn:aed:problem:too-many-connections",
        "title": "Too many requests at once",
        "status": 503,
        "detail": "As many requests are being answered as this server can. Try again in a few seconds.",
        "instance": scope["path"][:MAX_INSTANCE_CHARACTERS],
    }
    headers = {"Retry-After": "5", "Connection": "close"}
    await Response(orjson.dumps(body), 503, headers, media_type=PROBLEM_TYPE)(scope, _receive, send)


def protocol_for(settings: Settings) -> type[BoundedProtocol]:
    """Return the protocol class with the deadlines of the settings."""
    deadlines = {
        "header_seconds": settings.header_seconds,
        "body_seconds": settings.file_seconds,
        "reading_seconds": settings.reading_seconds,
    }
    return type("Protocol", (BoundedProtocol,), deadlines)


def check_open_files(settings: Settings) -> None:
    """Warn if the limit of open files is below the limit of connections."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    needed = settings.connections + RESERVED_FILES
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        log.warning(
            "limit of open files is too low", allowed=allowed, needed=needed, setting="AED_CONNECTIONS"
        )


_PROXY_HEADERS: Final = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
)


def is_from_this_machine(request: Request, public_url: str | None) -> bool:
    """True if a browser on this machine asks the program itself, and the service has no other address.

    A web server in front of the program shows itself by its headers, by the host it asks for, by the origin
    of forms, or by HTTP/1.0.
    """
    hosts = [request.url.hostname]
    hosts += [urlsplit(url).hostname for url in (public_url, request.headers.get("origin")) if url]
    return (
        request.client is not None
        and request.client.host in LOOPBACK
        and all(host in LOOPBACK for host in hosts)
        and not any(name in request.headers for name in _PROXY_HEADERS)
        and request.scope["http_version"] != "1.0"
    )


def check_forwarding(host: str) -> None:
    """Warn if client addresses would all be the proxy's, or could be forged.

    Limits per address, such as that of signing in, then count everybody together, or nobody.
    """
    trusted = os.environ.get(FORWARDED)
    if trusted is not None and "*" in trusted:
        log.warning(
            "any client can forge its address",
            reason=f"{FORWARDED} is {trusted}: set it to the web server's address instead of *",
        )
    elif trusted is None and host not in LOOPBACK:
        log.warning(
            "behind a web server all clients would share its address",
            reason=f"{FORWARDED} is not set, and the API listens on {host}: set it to the web server's "
            "address",
        )
