"""Which requests read from standbys."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aed.database.recent_moments import recent_moments
from aed.database.standbys import StandbyReads, measuring_lag
from aed.settings import Settings

READS_FROM: Final = "reads_from"
"""Key in the state of a request of the Database that it uses instead of the application's."""
LAG_HEADER: Final = "AED-Replication-Lag"
"""Response header: the age of a standby's data, in seconds; absent if the primary has answered."""
JUST_WROTE_COOKIE: Final = "aed_just_wrote"


class ReadFromStandbys:
    """Let GET requests of some routes read from standbys, except those of callers who have just written.

    `paths` are the beginnings of paths, or whole ones. A caller who has just written reads from the primary
    until every standby that may answer has the change: a browser keeps a cookie for so long, and the
    processes of one machine remember bearer tokens. A program with a token and several machines keeps the
    cookie, or sends `Cache-Control: no-cache`. If there is no primary, the standby answers them, too.
    """

    def __init__(
        self, app: ASGIApp, *, standbys: StandbyReads, settings: Settings, paths: Sequence[str]
    ) -> None:
        self._app, self._standbys = app, standbys
        self._whole_paths = frozenset(paths)
        self._beginnings = tuple(path for path in paths if path != "/")
        seconds = math.ceil(settings.max_replication_lag_seconds) + 1
        self._cookie = f"{JUST_WROTE_COOKIE}=1; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Lax"
        self._writes = recent_moments(settings, "writes", kept_seconds=seconds)
        """When each token wrote, by its hash."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, self._remembering(scope, send))
        elif self._may_be_old(scope):
            await self._read_from_standbys(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _may_be_old(self, scope: Scope) -> bool:
        path = scope["path"]
        if path not in self._whole_paths and not path.startswith(self._beginnings):
            return False
        return not (self._has_just_written(Headers(scope=scope)) and self._standbys.is_primary_confirmed())

    async def _read_from_standbys(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[READS_FROM] = self._standbys.database
        with measuring_lag() as lag:

            async def with_lag(message: Message) -> None:
                if message["type"] == "http.response.start" and lag.seconds is not None:
                    MutableHeaders(scope=message)[LAG_HEADER] = f"{lag.seconds:.1f}"
                await send(message)

            await self._app(scope, receive, with_lag)

    def _remembering(self, scope: Scope, send: Send) -> Send:
        """Return a `send` that remembers the caller of a change that has succeeded."""

        async def remember(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 400:
                MutableHeaders(scope=message).append("Set-Cookie", self._cookie)
                token = _token_hash(Headers(scope=scope))
                if token is not None:
                    self._writes.add(token, time.time())
            await send(message)

        return remember

    def _has_just_written(self, headers: Headers) -> bool:
        if "no-cache" in headers.get("cache-control", ""):
            return True
        if JUST_WROTE_COOKIE in headers.get("cookie", ""):
            return True
        token = _token_hash(headers)
        return token is not None and self._writes.has(token, time.time())


def _token_hash(headers: Headers) -> bytes | None:
    token = headers.get("authorization")
    return None if token is None else hashlib.blake2b(token.encode(), digest_size=16).digest()
