"""A server of lists on this machine, which behaves as the test says."""

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
"""Seconds for which a server keeps somebody waiting who gives up after a part of one: whoever is back before
has given up by himself, however busy the machine."""

type Behave = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Source:
    """What it does when it is asked, and what it has been asked."""

    port: int
    behave: Behave
    scheme: str = "http"
    asked: list[Mapping[str, str]] = field(default_factory=list)
    """The headers of each question, with its `path` and, of a POST, its `body`."""

    def url(self, path: str = "/list.csv", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def serving(behave: Behave, *, tls: ssl.SSLContext | None = None) -> Iterator[Source]:
    """A server on the loopback, until the end of the block."""

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
            """Says nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that trusts no certificate says nothing here."""

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
    """An answer with that body; `length` is what the server says its length is."""
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
    """A body with an ETag; 304 for who has it."""

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
    """/0 redirects to /1 and so on; only the last one has a list."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        number = int(to.path.strip("/") or 0)
        (redirects(f"/{number + 1}") if number < times else answers("source,source_id\n"))(to)

    return behave


def silent(seconds: float) -> Behave:
    def behave(to: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)

    return behave


def drips(beginning: bytes, each: bytes, seconds: float) -> Behave:
    """A beginning, and then a little now and then, for as long as anybody listens."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(beginning)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            to.wfile.write(each)
            to.wfile.flush()
            time.sleep(0.05)

    return behave


def breaks_off(beginning: bytes) -> Behave:
    """So many bytes, and the connection is closed."""

    def behave(to: BaseHTTPRequestHandler) -> None:
        to.wfile.write(beginning)

    return behave
