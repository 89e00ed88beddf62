"""A minimal HTTP client for benchmarks: one persistent connection, requests prepared beforehand."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping


class Line:
    """A persistent (keep-alive) connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def get(self, target: str, token: str | None = None) -> bytes:
        return self.exchange(request(target, token))

    def put(self, target: str, body: bytes) -> None:
        head = f"PUT {target} HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(body)}\r\n\r\n"
        self.exchange(head.encode() + body)

    def exchange(self, message: bytes) -> bytes:
        """Send a request and return the response's body. Raises RuntimeError for any status but 2xx."""
        self._socket.sendall(message)
        answer = self._socket.recv(1 << 20)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        if not head.startswith(b"http/1.1 2"):
            raise RuntimeError(answer.decode(errors="replace"))
        length = 0
        if (at := head.find(b"\r\ncontent-length:")) >= 0:
            length = int(head[at + 17 :].split(b"\r\n", 1)[0])
        while len(answer) < end + 4 + length:
            answer += self._more()
        return answer[end + 4 :]

    def _more(self) -> bytes:
        more = self._socket.recv(1 << 20)
        if not more:
            raise RuntimeError("the server closed the connection")
        return more


def request(target: str, token: str | None = None) -> bytes:
    """Return the bytes of a GET request."""
    sign = f"authorization: Bearer {token}\r\n" if token else ""
    return f"GET {target} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\n{sign}\r\n".encode()


def post(target: str, body: Mapping[str, object], token: str, *, method: str = "POST") -> bytes:
    """Return the bytes of a POST request with a JSON body."""
    content = json.dumps(body).encode()
    head = (
        f"{method} {target} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content
