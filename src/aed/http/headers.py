"""Headers of every response: caching, Content-Security-Policy, and CORS."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NO_STORE: Final = "private, no-store"
DEFAULT_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Policy of responses that set none: nothing is loaded, run, sent or framed."""
DEFAULT_HEADERS: Final[dict[str, str]] = {
    "Cache-Control": NO_STORE,
    "Content-Security-Policy": DEFAULT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
EXPIRED_TOKEN: Final = "expired_token"
"""Key in the state of a request whose token has expired, and which is answered as an anonymous one."""
CHALLENGE: Final = 'Bearer realm="aed"'
EXPIRED_CHALLENGE: Final = (
    f'{CHALLENGE}, error="invalid_token", error_description="The token has expired; the response '
    'contains public data only"'
)
"""RFC 9110 11.6.1 permits it in a response that is no refusal; RFC 6750 3.1 defines the terms."""


class DefaultHeaders:
    """Add DEFAULT_HEADERS to each response, unless its route set them.

    An answer to a token that has expired says so, and is kept by nobody.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._defaults = [(name.lower().encode(), value.encode()) for name, value in DEFAULT_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_defaults(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                headers = list(message["headers"])
                if scope.get("state", {}).get(EXPIRED_TOKEN):
                    own = (b"cache-control", b"www-authenticate")
                    headers = [each for each in headers if each[0].lower() not in own]
                    headers.append((b"www-authenticate", EXPIRED_CHALLENGE.encode()))
                    given -= set(own)
                missing = [each for each in self._defaults if each[0] not in given]
                message["headers"] = [*headers, *missing]
            await send(message)

        await self._app(scope, receive, with_defaults)


class AppOrigins(CORSMiddleware):
    """CORS: apps on these origins may call every route, with a bearer token and without cookies."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "If-Match", "If-None-Match"),
            allow_credentials=False,
            expose_headers=("ETag", "Link", "Location", "Retry-After", "WWW-Authenticate"),
            max_age=3600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is not None and self.is_allowed_origin(origin):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class PublicReads(CORSMiddleware):
    """CORS: pages of other sites may read public data by GET, without cookie or token."""

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=("GET", "HEAD"),
            allow_credentials=False,
            expose_headers=("ETag", "Link", "Retry-After"),
            max_age=3600,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
