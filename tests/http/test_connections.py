"""Stalled connections are closed and don't block other clients."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

import httpx2
import pytest
import structlog
from tests.http.conftest import Served
from tests.make import PATIENT
from tests.waiting import eventually

from aed.http.connections import check_forwarding, check_open_files
from aed.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.one_engine("connections are the server's, whatever is behind it")]

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"
SLOW = {
    "AED_HEADER_SECONDS": "2",
    "AED_BODY_SECONDS": "2",
    "AED_FILE_SECONDS": "4",
    "AED_PHOTO_SECONDS": "3",
    "AED_READING_SECONDS": "2",
}


def connect(served: Served, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=300)
    connection.sendall(sent)
    return connection


def post_of(length: int) -> bytes:
    """Return the header of a report whose body has `length` bytes."""
    return (
        b"POST /v1/reports HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def read_all(connection: socket.socket) -> bytes:
    """Return all bytes until the server closes the connection; empty if it resets it."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            found += piece
    return found


def test_stalled_connections_are_closed_in_each_phase(serve: Callable[..., Served]) -> None:
    served = serve(**SLOW)
    header = post_of(50)
    photo = header.replace(b"/v1/reports", b"/v1/lint")
    stalled = {
        "nothing": connect(served, b""),
        "half a header": connect(served, b"GET /healthz HTTP/1.1\r\nHos"),
        "half a body": connect(served, header + b'{"kind"'),
        "half a file": connect(served, photo + b"source"),
        "a body nobody waits for": connect(served, header.replace(b"POST", b"GET") + b'{"kind"'),
    }
    answers = {name: read_all(each) for name, each in stalled.items()}

    assert answers["nothing"] == answers["half a header"] == b""
    assert answers["half a body"].startswith(b"HTTP/1.1 408")
    assert b"urn:aed:problem:too-slow" in answers["half a body"]
    assert b"connection: close" in answers["half a body"].lower()
    assert answers["half a file"].startswith(b"HTTP/1.1 401"), "a client that may not send is refused at once"
    assert answers["a body nobody waits for"].startswith(b"HTTP/1.1 200"), "and closed"
    for each in stalled.values():
        each.close()


def test_a_body_that_trickles_is_refused_as_a_whole(serve: Callable[..., Served]) -> None:
    """Each chunk arrives in time, but the whole body does not."""
    served = serve(**SLOW)
    connection = connect(
        served,
        post_of(5_000),
    )
    connection.settimeout(0.2)
    answer = b""
    while not answer:
        connection.sendall(b" ")
        with contextlib.suppress(TimeoutError):
            answer = connection.recv(4096)
    connection.close()

    assert answer.startswith(b"HTTP/1.1 408")


def test_stalled_connections_are_closed_for_new_ones_and_lookups_are_answered(
    serve: Callable[..., Served],
) -> None:
    served = serve(AED_CONNECTIONS="20", AED_HEADER_SECONDS="600")
    stalled = [connect(served, b"GET / HTTP/1.1\r\n") for _ in range(100)]

    for _ in range(30):
        assert httpx2.get(served.address + NEAREST, timeout=60).status_code == 200
    closed = 0
    for each in stalled:
        each.settimeout(0.01)
        with contextlib.suppress(TimeoutError):
            closed += read_all(each) == b""
        each.close()
    assert closed >= 80, "the longest stalled first"


def test_a_client_that_does_not_read_its_answer_is_disconnected(serve: Callable[..., Served]) -> None:
    served = serve(**SLOW)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", served.port))
    connection.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
    client_port = connection.getsockname()[1]
    assert eventually(lambda: not served.is_connected(client_port))
    connection.settimeout(300)
    got = read_all(connection)
    connection.close()

    assert len(got) < 5 * 1_700_000
    assert httpx2.get(f"{served.address}/healthz", timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("host", "trusted", "warns"),
    [
        ("127.0.0.1", None, False),
        ("0.0.0.0", "10.0.0.1", False),
        ("0.0.0.0", None, True),
        ("127.0.0.1", "*", True),
    ],
)
def test_start_up_warns_if_client_addresses_can_be_forged(
    monkeypatch: pytest.MonkeyPatch, host: str, trusted: str | None, *, warns: bool
) -> None:
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if trusted is not None:
        monkeypatch.setitem(os.environ, "FORWARDED_ALLOW_IPS", trusted)
    with structlog.testing.capture_logs() as written:
        check_forwarding(host)

    assert [each["log_level"] for each in written] == ["warning"] * warns
    assert all("FORWARDED_ALLOW_IPS" in each["reason"] for each in written)


def test_start_up_warns_if_too_few_open_files_are_allowed() -> None:
    with structlog.testing.capture_logs() as written:
        check_open_files(Settings(connections=10_000_000))

    assert [each["log_level"] for each in written] == ["warning"]
