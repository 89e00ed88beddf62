"""HTTP POST to servers that users configure: only to public addresses, and only to the checked one."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from typing import Final

import httpx2

from aed import __version__
from aed.errors import InvalidInput
from aed.http.outbound_urls import Address, Target, refusal_reason, target_of
from aed.notifications.rules import PermanentFailure, TemporaryFailure

CONNECT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 15.0
MAX_RESPONSE_BYTES: Final = 100_000
"""The maximum size of a response."""
_LATER: Final = (408, 409, 421, 423, 425, 429)

type Resolve = Callable[[str, int], Sequence[str]]
"""Resolves a host name to addresses. Raises OSError if the name is unknown."""


def resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


def addresses(
    host: str, port: int, *, is_private_allowed: bool, resolve: Resolve = resolve
) -> Sequence[Address]:
    """Return the addresses of a server, at least one.

    Raises TemporaryFailure for an unknown name, PermanentFailure if one of the addresses is not permitted.
    """
    try:
        found = [ip_address(each) for each in resolve(host, port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise TemporaryFailure(f"There is no server named {host}, or DNS does not respond.")
    for address in found:
        reason = refusal_reason(address, is_private_allowed=is_private_allowed)
        if reason is not None:
            raise PermanentFailure(f"{host} is {reason}. Messages are not sent there.")
    return found


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes


def _client() -> httpx2.Client:
    """Return a client that makes a new connection for each request.

    Kept connections are identified by address alone, whatever host name they were made for.
    """
    return httpx2.Client(
        verify=httpx2.create_ssl_context(),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
    )


@dataclass(frozen=True)
class Post:
    """Send POST requests, and turn failures into permanent or temporary ones.

    1. Resolve the name; each of its addresses must be permitted.
    2. Connect to that address, so that a second DNS answer cannot lead elsewhere. The certificate is still
       verified against the name. No proxy is used, no redirect followed.
    """

    is_private_allowed: bool = False
    resolve: Resolve = resolve
    _client: httpx2.Client = field(default_factory=_client, repr=False)

    def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], *, gone: Collection[int] = (410,)
    ) -> HttpAnswer:
        """Send a POST request and return the response (2xx). A status in `gone` ends the endpoint.

        Raises PermanentFailure if the server will never accept the message, TemporaryFailure if it may later.
        Error messages contain neither path nor query, which hold the secrets of bots.
        """
        try:
            target = target_of(url)
        except InvalidInput as error:
            raise PermanentFailure(error.detail) from None
        try:
            answer = self._answered(target, body, headers)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _said(error, target.host) from None
        return _judged(answer, target.host, gone)

    def _answered(self, target: Target, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        *others, last = addresses(
            target.host, target.port, resolve=self.resolve, is_private_allowed=self.is_private_allowed
        )
        for address in others:
            with contextlib.suppress(
                httpx2.ConnectError, httpx2.ConnectTimeout
            ):  # nothing was sent: try the next address
                return self._posted(target, address, body, headers)
        return self._posted(target, last, body, headers)

    def _posted(
        self, target: Target, address: Address, body: bytes, headers: Mapping[str, str]
    ) -> httpx2.Response:
        host = f"[{target.host}]" if ":" in target.host else target.host
        is_usual = target.port == (443 if target.scheme == "https" else 80)
        request = self._client.build_request(
            "POST",
            httpx2.URL(target.url).copy_with(host=str(address), port=target.port),
            content=body,
            headers={
                "Host": host if is_usual else f"{host}:{target.port}",
                "User-Agent": f"aed/{__version__}",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **headers,
            },
            extensions={"sni_hostname": target.host},
        )
        answer = self._client.send(request, stream=True)
        with contextlib.closing(answer):
            content = b""
            for chunk in answer.iter_raw(1 << 14):
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    break
        return httpx2.Response(answer.status_code, headers=_plain(answer.headers), content=content)


def _plain(headers: httpx2.Headers) -> dict[str, str]:
    return {"Retry-After": headers["Retry-After"]} if "Retry-After" in headers else {}


def _judged(answer: httpx2.Response, host: str, gone: Collection[int]) -> HttpAnswer:
    status = answer.status_code
    if 200 <= status < 300:
        return HttpAnswer(status, answer.content)
    said = f"{host} responded with status {status}."
    if status in _LATER:
        raise TemporaryFailure(said, wait=_retry_after(answer))
    if status >= 500:
        raise TemporaryFailure(said, wait=_retry_after(answer), is_channel_down=status in (502, 503, 504))
    if 300 <= status < 400:
        raise PermanentFailure(f"{said} Redirects are not followed. Give the final URL.")
    raise PermanentFailure(said, is_endpoint_gone=status in gone)


def _retry_after(answer: httpx2.Response) -> timedelta | None:
    given = answer.headers.get("Retry-After", "").strip()
    return timedelta(seconds=int(given)) if given.isdecimal() and len(given) < 6 else None


def _said(error: Exception, host: str) -> TemporaryFailure | PermanentFailure:
    match error:
        case httpx2.ConnectError() if isinstance(_root_of(error), ssl.SSLError):
            return TemporaryFailure(f"{host} has no trusted certificate.", is_channel_down=True)
        case httpx2.ConnectError() | httpx2.ConnectTimeout():
            return TemporaryFailure(f"{host} cannot be reached.", is_channel_down=True)
        case httpx2.TimeoutException():
            return TemporaryFailure(f"{host} did not respond for {SILENT_SECONDS:g} s.", is_channel_down=True)
        case httpx2.InvalidURL() | httpx2.LocalProtocolError():
            return PermanentFailure(f"{host}: the request cannot be encoded.")
        case _:
            return TemporaryFailure(
                f"{host} closed the connection before it responded.", is_channel_down=True
            )


def _root_of(error: BaseException) -> BaseException:
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error
