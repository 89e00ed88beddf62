"""One log line per request."""

from __future__ import annotations

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed.http.routes import template_of

log = structlog.get_logger("aed")


class AccessLog:
    """Log method, route template, status and milliseconds of each request.

    Neither the path, which may hold the key of a message, nor the query, which may hold a patient's place.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            log.info(
                "request",
                method=scope["method"],
                path=template_of(scope["app"], scope["path"]),
                status=status or 500,  # nothing sent yet: what was raised is answered farther out
                ms=round((time.perf_counter() - started) * 1000, 2),
            )
