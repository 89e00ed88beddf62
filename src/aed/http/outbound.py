"""Requests to servers outside: only to permitted addresses, and only to the address that was checked."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from threading import Timer
from typing import Any, Final

import httpx2

from aed import __version__
from aed.http.outbound_urls import Address, Target, refusal_reason

CONNECT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 15.0
MAX_RESPONSE_BYTES: Final = 100_000

type Resolve = Callable[[str, int], Sequence[str]]
"""Resolves a host name to addresses. Raises OSError if the name is unknown."""


class UnknownHost(Exception):
    """There is no server of that name, or DNS does not respond."""


class AddressRefused(Exception):
    """One of the server's addresses is not permitted; the argument says what it is."""


def resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


def permitted_addresses(
    host: str, port: int, *, is_private_allowed: bool, resolve: Resolve = resolve
) -> Sequence[Address]:
    """Return the addresses of a server, at least one. Raises UnknownHost, AddressRefused."""
    try:
        found = [ip_address(each) for each in resolve(host, port)]
    except (OSError, UnicodeError, ValueError):
        found = []
    if not found:
        raise UnknownHost(host)
    for address in found:
        reason = refusal_reason(address, is_private_allowed=is_private_allowed)
        if reason is not None:
            raise AddressRefused(reason)
    return found


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
class OutboundClient:
    """Send requests to servers that users or settings name.

    1. Resolve the name; each of its addresses must be permitted.
    2. Connect to that address, so that a second DNS answer cannot lead elsewhere. The certificate is still
       verified against the name. No proxy is used, no redirect followed.
    """

    is_private_allowed: bool = False
    resolve: Resolve = resolve
    _client: httpx2.Client = field(default_factory=_client, repr=False)

    def send(
        self,
        method: str,
        target: Target,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        until: float | None = None,
    ) -> httpx2.Response:
        """Send a request and return the whole response; a long one is cut off.

        `until`: the moment (`time.monotonic()`) at which the connection is closed, whatever the server does.
        Raises UnknownHost, AddressRefused, httpx2.HTTPError, httpx2.InvalidURL.
        """
        *others, last = permitted_addresses(
            target.host, target.port, resolve=self.resolve, is_private_allowed=self.is_private_allowed
        )
        for address in others:
            with contextlib.suppress(
                httpx2.ConnectError, httpx2.ConnectTimeout
            ):  # nothing was sent: try the next address
                return self._send_request(method, target, address, body, headers or {}, until)
        return self._send_request(method, target, last, body, headers or {}, until)

    def _send_request(
        self,
        method: str,
        target: Target,
        address: Address,
        body: bytes | None,
        headers: Mapping[str, str],
        until: float | None,
    ) -> httpx2.Response:
        host = f"[{target.host}]" if ":" in target.host else target.host
        is_usual = target.port == (443 if target.scheme == "https" else 80)
        request = self._client.build_request(
            method,
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
        if until is None:
            return self._read(request)
        with _Deadline(until) as deadline:
            request.extensions["timeout"] = httpx2.Timeout(deadline.seconds_left).as_dict()
            request.extensions["trace"] = deadline.trace
            try:
                return self._read(request)
            except httpx2.TransportError as error:
                if deadline.is_over:
                    raise httpx2.ReadTimeout("it takes too long", request=request) from error
                raise

    def _read(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._client.send(request, stream=True)
        with contextlib.closing(answer):
            content = b""
            for chunk in answer.iter_raw(1 << 14):
                content += chunk
                if len(content) > MAX_RESPONSE_BYTES:
                    break
        retry_after = {name: answer.headers[name] for name in ("Retry-After",) if name in answer.headers}
        return httpx2.Response(answer.status_code, headers=retry_after, content=content)


class _Deadline:
    """Closes the connection when the time is over: a server that drips would never hit a read timeout."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._stream: Any = None  # httpx2 gives the connection to `trace` as an object without a public type
        self._timer = Timer(self.seconds_left, self._cut)
        self._timer.daemon = True

    @property
    def seconds_left(self) -> float:
        return max(self._until - time.monotonic(), 0.001)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._until

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]

    def _cut(self) -> None:
        if self._stream is not None:
            with contextlib.suppress(OSError):  # already closed
                self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()
