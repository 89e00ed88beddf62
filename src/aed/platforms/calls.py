"""What the platforms have in common: JSON over HTTPS, a result code, an access token for two hours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import httpx2
import orjson

from aed.errors import AedError, InvalidInput
from aed.http.outbound import AddressRefused, OutboundClient, UnknownHost
from aed.http.outbound_urls import target_of

RENEWED_BEFORE_SECONDS: Final = 300
"""A new token is fetched so long before the old one ends: within these minutes both are valid."""
LONGEST_TOKEN_SECONDS: Final = 7200
TOKEN_REFUSED: Final = (40001, 40014, 42001)
"""The access token is wrong, or has expired."""


class PlatformFailed(AedError):
    """A platform did not respond in time, or its response is not usable."""

    status: ClassVar[int] = 503
    code: ClassVar[str] = "platform-failed"
    title: ClassVar[str] = "The other service does not respond as expected"


def refused_server(platform: str, code: object, settings: str) -> PlatformFailed:
    """Return the failure of a platform that refuses this server: its settings or its rights are wrong."""
    return PlatformFailed(
        "{platform} refuses this server (code {code}). An administrator must compare {settings}… with its "
        "console. Sign in by password or code.",
        platform=platform,
        code=code,
        settings=settings,
    )


@dataclass(frozen=True, slots=True)
class PlatformUser:
    """A member of an organisation, as a platform knows them."""

    user_id: str
    """Their id within the organisation, to which messages go."""
    phone: str | None = None
    """As the platform writes it, with or without a country code."""


@dataclass(frozen=True)
class PlatformApi:
    """The interface of one platform."""

    name: str
    """As people know it, such as WeChat."""
    client: OutboundClient

    def call(
        self,
        method: str,
        url: str,
        *,
        until: float,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON object of a response.

        `until`: the moment (`time.monotonic()`) after which nobody waits any longer. Raises PlatformFailed.
        Its sentences contain no URL, which holds the secret or the token.
        """
        asked = f"{url}?{urlencode(query)}" if query else url
        content = orjson.dumps(body) if body is not None else None
        kind = {"Content-Type": "application/json"} if body is not None else {}
        try:
            answer = self.client.send(
                method, target_of(asked), body=content, headers={**kind, **(headers or {})}, until=until
            )
        except httpx2.TimeoutException:
            raise PlatformFailed(
                "{platform} did not respond in time. Try again.", platform=self.name
            ) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, InvalidInput, UnknownHost, AddressRefused):
            raise PlatformFailed("{platform} cannot be reached. Try again.", platform=self.name) from None
        try:
            reply = orjson.loads(answer.content)
        except orjson.JSONDecodeError:
            reply = None
        if not isinstance(reply, dict):
            raise PlatformFailed("{platform} sent a response of an unknown form.", platform=self.name)
        return answer.status_code, reply


@dataclass
class AccessToken:
    """An app's access token: fetched when needed, kept until shortly before it ends, shared by threads."""

    platform: str
    fetch: Callable[[bool, float], tuple[str, float]]
    """Fetches a token and its lifetime in seconds. True: a new one, although the last is not over yet. The
    number is the moment until which the caller waits. Raises PlatformFailed."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _token: str | None = field(default=None, repr=False)
    _fresh_until: float = 0.0

    def get(self, *, until: float, refused: str | None = None) -> str:
        """Return a valid token.

        `refused`: the token that the platform has just refused. It is fetched again, by force only if the
        platform would hand out the same one.
        """
        if not self._lock.acquire(timeout=max(0.0, until - time.monotonic())):
            raise PlatformFailed("{platform} did not respond in time. Try again.", platform=self.platform)
        try:
            if self._token is not None and self._token != refused and time.monotonic() < self._fresh_until:
                return self._token
            token, seconds = self.fetch(False, until)
            if token == refused:
                token, seconds = self.fetch(True, until)
            usable = max(0.0, min(seconds, LONGEST_TOKEN_SECONDS) - RENEWED_BEFORE_SECONDS)
            self._token, self._fresh_until = token, time.monotonic() + usable
            return token
        finally:
            self._lock.release()


def code_of(reply: Mapping[str, Any]) -> int:
    """Return the result code `errcode` of a response; 0 is success, and so is a response without one."""
    code = reply.get("errcode", 0)
    return code if isinstance(code, int) else -1


def call_with_token(
    api: PlatformApi,
    token: AccessToken,
    method: str,
    url: str,
    *,
    until: float,
    query: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    result_of: Callable[[Mapping[str, Any]], int] = code_of,
) -> dict[str, Any]:
    """Return the response of an interface that takes the access token; ask again if that is refused.

    Raises PlatformFailed.
    """
    refused = None
    for _ in range(2):
        given = token.get(until=until, refused=refused)
        asked = {"access_token": given, **(query or {})}
        _, reply = api.call(method, url, query=asked, body=body, until=until)
        if result_of(reply) not in TOKEN_REFUSED:
            break
        refused = given
    return reply


def require_success(code: int, *, busy: Collection[int], platform: str, settings: str) -> None:
    """Raise PlatformFailed unless the result code is 0: to try again, or to correct the settings."""
    if code in busy:
        raise PlatformFailed("{platform} is busy. Try again in a minute.", platform=platform)
    if code:
        raise refused_server(platform, code, settings)


def token_in(reply: Mapping[str, Any], *, platform: str) -> tuple[str, float]:
    """Return the access token of a response, and its lifetime in seconds. Raises PlatformFailed."""
    seconds = reply.get("expires_in")
    return text_at(reply, "access_token", platform=platform), seconds if isinstance(seconds, int) else 0


def text_at(reply: Mapping[str, Any], name: str, *, platform: str) -> str:
    """Return a text of a response. Raises PlatformFailed if it is missing."""
    found = reply.get(name)
    if not isinstance(found, str) or not found:
        raise PlatformFailed("{platform} sent a response of an unknown form.", platform=platform)
    return found
