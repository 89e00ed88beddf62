"""HTTP POST to servers that users configure: only to public addresses, and only to the checked one."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import httpx2

from aed.errors import InvalidInput
from aed.http.outbound import (
    SILENT_SECONDS,
    AddressRefused,
    OutboundClient,
    Resolve,
    UnknownHost,
    permitted_addresses,
    resolve,
)
from aed.http.outbound_urls import Address, target_of
from aed.notifications.rules import PermanentFailure, TemporaryFailure

_LATER: Final = (408, 409, 421, 423, 425, 429)


def addresses(
    host: str, port: int, *, is_private_allowed: bool, resolve: Resolve = resolve
) -> Sequence[Address]:
    """Return the addresses of a server, at least one.

    Raises TemporaryFailure for an unknown name, PermanentFailure if one of the addresses is not permitted.
    """
    try:
        return permitted_addresses(host, port, is_private_allowed=is_private_allowed, resolve=resolve)
    except (UnknownHost, AddressRefused) as error:
        raise _failure_of(error, host) from None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes


@dataclass(frozen=True)
class Post:
    """Send POST requests to permitted addresses, and turn failures into permanent or temporary ones."""

    is_private_allowed: bool = False
    resolve: Resolve = resolve
    _client: OutboundClient = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_client", OutboundClient(self.is_private_allowed, self.resolve))

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
            answer = self._client.send("POST", target, body=body, headers=headers)
        except (UnknownHost, AddressRefused, httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _failure_of(error, target.host) from None
        return _checked_answer(answer, target.host, gone)


def _checked_answer(answer: httpx2.Response, host: str, gone: Collection[int]) -> HttpAnswer:
    status = answer.status_code
    if 200 <= status < 300:
        return HttpAnswer(status, answer.content)
    message = f"{host} responded with status {status}."
    if status in _LATER:
        raise TemporaryFailure(message, wait=_retry_after(answer))
    if status >= 500:
        raise TemporaryFailure(message, wait=_retry_after(answer), is_channel_down=status in (502, 503, 504))
    if 300 <= status < 400:
        raise PermanentFailure(f"{message} Redirects are not followed. Give the final URL.")
    raise PermanentFailure(message, is_endpoint_gone=status in gone)


def _retry_after(answer: httpx2.Response) -> timedelta | None:
    given = answer.headers.get("Retry-After", "").strip()
    return timedelta(seconds=int(given)) if given.isdecimal() and len(given) < 6 else None


def _failure_of(error: Exception, host: str) -> TemporaryFailure | PermanentFailure:
    match error:
        case UnknownHost():
            return TemporaryFailure(f"There is no server named {host}, or DNS does not respond.")
        case AddressRefused():
            return PermanentFailure(f"{host} is {error}. Messages are not sent there.")
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
