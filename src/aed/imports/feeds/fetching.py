"""Fetch a file from a server that may be down, slow or hostile."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from threading import Timer
from typing import Any, ClassVar, Final

import httpx2

from aed import __version__
from aed.errors import AedError, InvalidInput
from aed.http.outbound_urls import Address, Target, redirected, refusal_reason, target_of
from aed.imports.rules import printable
from aed.settings import Settings

MAX_REDIRECTS: Final = 3
CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 30.0
"""Read timeout: seconds without any data from the server."""
MAX_VALIDATOR_LENGTH: Final = 512
"""A longer ETag is not stored; the next response is then compared by content."""
_BYTES_AT_ONCE: Final = 1 << 16
_REDIRECTS: Final = (301, 302, 303, 307, 308)


class FetchFailed(AedError):
    """A file that could not be fetched."""

    status: ClassVar[int] = 502
    code: ClassVar[str] = "fetch-failed"
    title: ClassVar[str] = "The file could not be fetched"

    def __init__(self, detail: str, *, asked_to_wait: timedelta | None = None) -> None:
        super().__init__(detail, field="url")
        self.asked_to_wait = asked_to_wait


type Resolve = Callable[[str, int], Sequence[str]]
"""Resolves a host name to addresses. Raises OSError for an unknown one."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Resolve a host name with the system's resolver, best address first."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """The limits of fetching."""

    most_bytes: int
    """Maximum size of the file, both as transferred and as decompressed."""
    most_seconds: float
    """Maximum duration, from the first connection to the last byte."""
    refusal_reason: Callable[[Address], str | None] = refusal_reason
    """Returns why an address may not be fetched from, or None."""
    resolve: Resolve = resolve


def fetch_limits_in(settings: Settings) -> FetchLimits:
    """Return the limits of downloads from the settings."""
    return FetchLimits(
        most_bytes=settings.feed_limit_bytes,
        most_seconds=settings.feed_seconds,
        refusal_reason=partial(refusal_reason, is_private_allowed=settings.feed_allow_private),
    )


@dataclass(frozen=True, slots=True)
class Validators:
    """ETag and Last-Modified of a version of a file."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        given = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that was fetched completely."""

    validators: Validators
    digest: str
    """SHA-256 of the file."""
    size_bytes: int


def fetch(url: str, to: Path, *, known: Validators, by: FetchLimits) -> FetchedFile | None:
    """Fetch a file to `to`. Return None if the server still has the version `known`.

    1. Resolve the name; refuse it if any of its addresses may not be fetched from.
    2. Connect to that address itself, so that a second DNS answer cannot redirect the request; verify the
       certificate against the name. Use no proxy.
    3. Treat up to three redirects in the same way.
    4. Limit the bytes as sent and as decompressed, and the total time.

    Raise FetchFailed with a sentence if the server is down, slow, or sends anything but the file.
    """
    packed = to.with_name(to.name + ".packed")
    with (
        within(by.most_seconds) as deadline,
        httpx2.Client(verify=httpx2.create_ssl_context(), trust_env=False, follow_redirects=False) as client,
    ):
        target = _target(url)
        for _ in range(MAX_REDIRECTS + 1):
            with _answer(client, target, known, by, deadline) as answer:
                if answer.status_code not in _REDIRECTS:
                    return _taken(answer, target, packed, to, known, by, deadline)
                location = answer.headers.get("Location")
                if location is None:
                    raise FetchFailed(f"{target.host} sent a redirect without a location.")
                target = _redirected(target, location)
    raise FetchFailed(f"{target.host} redirected more than {MAX_REDIRECTS} times.")


# --- Addresses ------------------------------------------------------------------------------------------


def _target(url: str) -> Target:
    try:
        return target_of(url)
    except InvalidInput as error:
        raise FetchFailed(error.detail) from None


def _redirected(target: Target, location: str) -> Target:
    try:
        return redirected(target, location)
    except InvalidInput as error:
        raise FetchFailed(error.detail) from None


def addresses_of(target: Target, by: FetchLimits) -> list[Address]:
    """Return every address of the target, all checked."""
    try:
        found = [ip_address(each) for each in by.resolve(target.host, target.port)]
    except (OSError, UnicodeError, ValueError):  # UnicodeError: a name that is too long for DNS
        found = []
    if not found:
        raise FetchFailed(f"There is no server named {printable(target.host, 100)}, or DNS does not respond.")
    for address in found:
        reason = by.refusal_reason(address)
        if reason is not None:
            raise FetchFailed(
                f"{printable(target.host, 100)} is {address}, {reason}. Nothing is fetched from there."
            )
    return found


# --- Deadline -------------------------------------------------------------------------------------------


class Deadline:
    """Closes the open connection when the time is over.

    A server that sends a byte now and then would never hit a read timeout.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._stream: Any = None  # httpx2 gives the connection to `trace` as an object without a public type

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def seconds_left(self) -> float:
        return max(self._end - time.monotonic(), 0.001)

    def check(self, host: str, what: str = "file") -> None:
        if self.is_over:
            raise self.too_slow(host, what)

    def too_slow(self, host: str, what: str = "file") -> FetchFailed:
        return FetchFailed(f"{host} did not send the {what} within {self._seconds:g} s.")

    def trace(self, name: str, info: Mapping[str, Any]) -> None:
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]

    def cut(self) -> None:
        if self._stream is not None:
            # Already closed, after a redirect or at the end.
            with contextlib.suppress(OSError):
                self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


@contextmanager
def within(seconds: float) -> Iterator[Deadline]:
    deadline = Deadline(seconds)
    timer = Timer(seconds, deadline.cut)
    timer.daemon = True
    timer.start()
    try:
        yield deadline
    finally:
        timer.cancel()


# --- Response -------------------------------------------------------------------------------------------


@contextmanager
def _answer(
    client: httpx2.Client, target: Target, known: Validators, by: FetchLimits, deadline: Deadline
) -> Iterator[httpx2.Response]:
    """Return the response headers, from the first address that can be reached."""
    addresses = addresses_of(target, by)
    try:
        for address in addresses[:-1]:
            with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
                answer = _asked(client, target, address, known, deadline)
                break
        else:
            answer = _asked(client, target, addresses[-1], known, deadline)
        with contextlib.closing(answer):
            yield answer
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise failure_message(error, target.host, deadline) from error


def _asked(
    client: httpx2.Client, target: Target, address: Address, known: Validators, deadline: Deadline
) -> httpx2.Response:
    deadline.check(target.host)
    left = deadline.seconds_left
    host = f"[{target.host}]" if ":" in target.host else target.host
    is_usual = target.port == (443 if target.scheme == "https" else 80)
    request = client.build_request(
        "GET",
        httpx2.URL(target.url).copy_with(host=str(address), port=target.port),
        headers={
            "Host": host if is_usual else f"{host}:{target.port}",
            "User-Agent": f"aed/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "gzip",
            **known.headers,
        },
        timeout=httpx2.Timeout(min(SILENT_SECONDS, left), connect=min(CONNECT_SECONDS, left)),
        extensions={"sni_hostname": target.host, "trace": deadline.trace},
    )
    return client.send(request, stream=True)


def failure_message(error: Exception, host: str, deadline: Deadline, *, what: str = "file") -> FetchFailed:
    """Describe a failure in a sentence. `what` was requested."""
    reason = printable(str(error), 150) or type(error).__name__
    if deadline.is_over:
        return deadline.too_slow(host, what)
    match error:
        case httpx2.ConnectTimeout():
            return FetchFailed(f"{host} cannot be reached: no connection within {CONNECT_SECONDS:g} s.")
        case httpx2.TimeoutException():
            return FetchFailed(f"{host} did not respond for {SILENT_SECONDS:g} s.")
        case httpx2.ConnectError() if isinstance(_root_of(error), ssl.SSLError):
            return FetchFailed(f"{host} has no trusted certificate: {reason}")
        case httpx2.ConnectError():
            return FetchFailed(f"{host} cannot be reached: {reason}")
        case httpx2.InvalidURL():
            return FetchFailed(f"{host}: the URL is invalid: {reason}")
        case httpx2.LocalProtocolError():
            return FetchFailed(f"The request to {host} failed: {reason}")
        case _:
            return FetchFailed(f"{host} closed the connection before the {what} was complete: {reason}")


def _root_of(error: BaseException) -> BaseException:
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


def _taken(
    answer: httpx2.Response,
    target: Target,
    packed: Path,
    to: Path,
    known: Validators,
    by: FetchLimits,
    deadline: Deadline,
) -> FetchedFile | None:
    if answer.status_code == 304 and known.headers:
        return None
    if answer.status_code != 200:
        phrase = f" ({printable(answer.reason_phrase, 60)})" if answer.reason_phrase else ""
        raise FetchFailed(
            f"{target.host} responded with status {answer.status_code}{phrase} instead of the file.",
            asked_to_wait=retry_after_seconds(answer),
        )
    declared = answer.headers.get("Content-Length", "")
    if declared.isdecimal() and len(declared) < 19 and int(declared) > by.most_bytes:
        raise _too_large(target.host, by)
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise FetchFailed(
            f"{target.host} sent the file compressed as {printable(encoding, 30)}, which was not requested."
        )
    is_packed = encoding.endswith("gzip")
    try:
        _save(answer.iter_raw(_BYTES_AT_ONCE), packed if is_packed else to, target.host, by, deadline)
        if is_packed:
            _save(_unpacked(packed, target.host), to, target.host, by, deadline)
            packed.unlink()
        with to.open("rb") as saved:
            digest = hashlib.file_digest(saved, "sha256").hexdigest()
        size_bytes = to.stat().st_size
    except OSError as error:
        raise FetchFailed(f"The file cannot be stored on this machine: {error.strerror or error}.") from error
    validators = Validators(_kept(answer.headers.get("ETag")), _kept(answer.headers.get("Last-Modified")))
    return FetchedFile(validators, digest, size_bytes)


def _save(chunks: Iterator[bytes], path: Path, host: str, by: FetchLimits, deadline: Deadline) -> None:
    taken = 0
    with path.open("wb") as opened:
        for chunk in chunks:
            deadline.check(host)
            taken += len(chunk)
            if taken > by.most_bytes:
                raise _too_large(host, by)
            opened.write(chunk)
    deadline.check(host)  # a cut connection may look like the end of the file


def _unpacked(path: Path, host: str) -> Iterator[bytes]:
    """Decompress in pieces; fail if truncated (gzip ends with a checksum)."""
    try:
        with gzip.open(path) as opened:
            while chunk := opened.read(_BYTES_AT_ONCE):
                yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FetchFailed(f"{host} sent a compressed file that is truncated or damaged.") from error


def _too_large(host: str, by: FetchLimits) -> FetchFailed:
    return FetchFailed(
        f"{host} sends more than {by.most_bytes} bytes. It is not a list of devices, or "
        "AED_FEED_LIMIT_BYTES is too small."
    )


def _kept(value: str | None) -> str | None:
    """Return a validator that can be sent back unchanged, or None."""
    fits = (
        value is not None
        and 0 < len(value) <= MAX_VALIDATOR_LENGTH
        and value.isascii()
        and value.isprintable()
    )
    return value if fits else None


def retry_after_seconds(answer: httpx2.Response) -> timedelta | None:
    given = answer.headers.get("Retry-After", "").strip()
    return timedelta(seconds=int(given)) if given.isdecimal() and len(given) < 8 else None
