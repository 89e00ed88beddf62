"""Requests of the test client in one call of the application's thread, where Starlette makes a dozen.

Starlette's own transport can also read an answer while it is being sent, and open a web socket. For that it
goes to and fro between two threads, which took a quarter of the time of tests that send many requests.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

import anyio
import pytest
from httpx2 import ByteStream, Request, Response
from starlette.testclient import _TestClientTransport
from starlette.types import Message, Scope

PORTS: Final = {"http": 80, "https": 443}


def read_whole_answers(patch: pytest.MonkeyPatch) -> None:
    """Make every test client wait for the end of an answer, and of what runs after it in the background."""
    # Not a mock: the application is called as before. TestClient has no parameter for its transport.
    patch.setattr(_TestClientTransport, "handle_request", _handle_request)


def _handle_request(transport: _TestClientTransport, request: Request) -> Response:
    with transport.portal_factory() as portal:
        return portal.call(_whole_answer, transport, request)


async def _whole_answer(transport: _TestClientTransport, request: Request) -> Response:
    """Call the application in this event loop, and return its answer.

    1. Send the body in one message; report the client as gone only after the end of the answer.
    2. If the application raises an exception, raise it or answer with 500, as the client is set.
    """
    body = request.read()
    is_read = False
    is_complete = anyio.Event()
    start: Message | None = None
    parts: list[bytes] = []

    async def receive() -> Message:
        nonlocal is_read
        if is_read:
            await is_complete.wait()
            return {"type": "http.disconnect"}
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal start
        assert not is_complete.is_set(), "nothing follows the end of an answer"
        if message["type"] == "http.response.start":
            assert start is None, "an answer starts once"
            start = message
            return
        assert message["type"] == "http.response.body", message["type"]
        assert start is not None, "the status precedes the body"
        parts.append(bytes(message.get("body", b"")))
        if not message.get("more_body", False):
            is_complete.set()

    try:
        await transport.app(_scope(transport, request), receive, send)
    except Exception:  # whatever the application raises, as Starlette's own transport
        if transport.raise_server_exceptions:
            raise
    if start is None:
        assert not transport.raise_server_exceptions, "the application sent no answer"
        return Response(500, stream=ByteStream(b""), request=request)
    return Response(
        start["status"],
        headers=[(name.decode(), value.decode()) for name, value in start.get("headers", [])],
        stream=ByteStream(b"" if request.method == "HEAD" else b"".join(parts)),
        request=request,
    )


def _scope(transport: _TestClientTransport, request: Request) -> Scope:
    url = request.url
    assert url.scheme in PORTS, f"{url.scheme} is not a scheme of plain requests"
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.raw_path.split(b"?", 1)[0],
        "root_path": transport.root_path,
        "scheme": url.scheme,
        "query_string": url.query,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": transport.client,
        "server": [url.host, url.port or PORTS[url.scheme]],
        "extensions": {},
        "state": transport.app_state.copy(),
    }
