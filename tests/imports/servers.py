"""A local HTTP server of lists that behaves as the test says."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONG = 20.0
"""Seconds that a slow server waits; clients under test give up after a fraction of it.

A client that returns sooner has given up by itself, however busy the machine.
"""

type Behave = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Source:
    """A server's behaviour, and the requests it received."""

    port: int
    behave: Behave
    scheme: str = "http"
    asked: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of each request, with its `path` and, for a POST, its `body`."""

    def url(self, path: str = "/list.csv", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(behave: Behave, *, tls: ssl.SSLContext | None = None) -> Iterator[Source]:
    """Run a server on loopback until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            source.asked.append({"path": self.path, **dict(self.headers.items())})
            self.close_connection = True
            with contextlib.suppress(OSError):  # the client has gone
                source.behave(self)

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(length).decode()
            source.asked.append({"path": self.path, "body": body, **dict(self.headers.items())})
            self.close_connection = True
            with contextlib.suppress(OSError):  # the client has gone
                source.behave(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name for it
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Ignore clients that reject the certificate."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    source = Source(server.server_port, behave, "http" if tls is None else "https")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield source
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answers(body: str | bytes, status: int = 200, length: int | None = None, **headers: str) -> Behave:
    """Respond with this body; `length` is the Content-Length to claim."""
    content = body.encode() if isinstance(body, str) else body

    def behave(to: BaseHTTPRequestHandler) -> None:
        to.send_response(status)
        to.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            to.send_header(name.replace("_", "-"), value)
        to.end_headers()
        to.wfile.write(content)

    return behave


def versions(body: str, etag: str) -> Behave:
    """Respond with a body and an ETag, or 304 to clients that have it."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        if to.headers.get("If-None-Match") == etag:
            to.send_response(304)
            to.end_headers()
        else:
            answers(body, ETag=etag)(to)

    return behave


def redirects(location: str, status: int = 302) -> Behave:
    return answers("", status=status, Location=location)


def redirects_again_and_again(times: int) -> Behave:
    """Redirect /0 to /1 and so on; only the last path has a list."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        number = int(to.path.strip("/") or 0)
        (redirects(f"/{number + 1}") if number < times else answers("source,source_id\n"))(to)

    return behave


def silent(seconds: float) -> Behave:
    def behave(to: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)

    return behave


def drips(beginning: bytes, each: bytes, seconds: float) -> Behave:
    """Send a beginning, then a few bytes at intervals, as long as the client is connected."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(beginning)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            to.wfile.write(each)
            to.wfile.flush()
            time.sleep(0.05)

    return behave


def breaks_off(beginning: bytes) -> Behave:
    """Send these bytes and close the connection."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(beginning)

    return behave
