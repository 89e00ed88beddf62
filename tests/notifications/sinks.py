"""Local servers that receive messages: each records requests and replies as the test says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass(frozen=True)
class Posted:
    path: str
    headers: Mapping[str, str]
    """The request headers, with names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


type Reply = tuple[int, bytes, Mapping[str, str]]
type Answer = Callable[[Posted], Reply]


def ok(_posted: Posted) -> Reply:
    return 200, b"{}", {}


def says(status: int, body: object = None, **headers: str) -> Answer:
    content = b"" if body is None else orjson.dumps(body)
    return lambda _posted: (
        status,
        content,
        {name.replace("_", "-"): value for name, value in headers.items()},
    )


@dataclass
class Sink:
    port: int
    answer: Answer = ok
    scheme: str = "http"
    posted: list[Posted] = field(default_factory=list)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"


@contextmanager
def receiving(answer: Answer = ok, *, tls: ssl.SSLContext | None = None) -> Iterator[Sink]:
    """Run a server that accepts POST requests until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            posted = Posted(self.path, headers, body)
            sink.posted.append(posted)
            status, content, more = sink.answer(posted)
            with contextlib.suppress(OSError):  # the client has gone
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name for it
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignore clients that disconnect."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    sink = Sink(server.server_port, answer, "http" if tls is None else "https")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- e-mail ---------------------------------------------------------------------------------------------


@dataclass
class Mailbox:
    port: int = 0
    mails: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    was_encrypted: list[bool] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    """The server's reply to each recipient that it rejects."""

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(envelope.content)
        self.recipients += envelope.rcpt_tos
        self.was_encrypted.append(session.ssl is not None)
        return "250 OK"


@contextmanager
def smtp_server(
    mailbox: Mailbox,
    *,
    tls: ssl.SSLContext | None = None,
    user: str | None = None,
    password: str | None = None,
) -> Iterator[Mailbox]:
    """Run a real SMTP server; `tls` makes it require STARTTLS, `user` makes it require a login."""

    def who(_server: SMTP, _session: Session, _envelope: Envelope, _how: str, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        is_right = user is not None and (given.login, given.password) == (
            user.encode(),
            (password or "").encode(),
        )
        return AuthResult(success=is_right, handled=False)  # the server itself sends the reply

    options: dict[str, Any] = {}
    if tls is not None:
        options |= {"tls_context": tls, "require_starttls": True}
    if user is not None:
        options |= {"authenticator": who, "auth_required": True, "auth_require_tls": tls is not None}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        mailbox.port = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, ready_timeout=300, **options)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
