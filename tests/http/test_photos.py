"""Photos that would exhaust memory or CPU, sent while lookups run."""

from __future__ import annotations

import io
import socket
import statistics
import threading
import time
import uuid
from collections.abc import Callable

import httpx2
import pytest
from PIL import Image
from sqlalchemy.orm import Session
from tests import make
from tests.http.conftest import Served
from tests.make import PATIENT

from aed.accounts.permissions import TokenRole
from aed.upkeep.checks.photo import MAX_PIXELS

pytestmark = pytest.mark.slow

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"
AT_ONCE = 9


def png(pixels: int) -> bytes:
    """Return a PNG of at most 0.1 MB that decodes to `pixels` pixels of 4 bytes."""
    into = io.BytesIO()
    side = int(pixels**0.5)
    Image.new("RGBA", (side, side), (1, 2, 3, 100)).save(into, "PNG")
    return into.getvalue()


@pytest.mark.one_engine("the memory is that of decoding")
def test_many_large_photos_at_once_keep_memory_and_lookups_within_bounds(
    session: Session, serve: Callable[..., Served]
) -> None:
    """Without limits, eight such photos took 6.3 GB, and nine delayed a lookup by 49 s."""
    check = make.check(session, make.device(session)).check
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    served = serve()
    with httpx2.Client(base_url=served.address, timeout=240) as client:
        idle = lookups(client, 40)
        photo, answers = png(MAX_PIXELS), []
        served.forget_peak()
        before = served.peak_bytes()

        def send(number: int) -> None:
            answer = httpx2.post(
                f"{served.address}/v1/photos?check={check.key}",
                content=photo + bytes(number),  # a different file each time
                headers=key,
                timeout=240,
            )
            answers.append(answer.status_code)

        threads = [threading.Thread(target=send, args=(number,)) for number in range(AT_ONCE)]
        for each in threads:
            each.start()
        beside: list[float] = []
        while any(each.is_alive() for each in threads):
            beside += lookups(client, 1)
        for each in threads:
            each.join()

    assert set(answers) <= {200, 409, 429}, "a check has five photos at most"
    assert 1 <= answers.count(200) <= 5
    assert served.peak_bytes() - before < 450_000_000, "one photo at a time, of 100 MB twice over"
    assert statistics.median(beside) < 10 * statistics.median(idle) + 0.05
    assert max(beside) < 5 + 50 * statistics.median(idle)


def lookups(client: httpx2.Client, count: int) -> list[float]:
    took = []
    for _ in range(count):
        started = time.perf_counter()
        assert client.get(NEAREST).status_code == 200
        took.append(time.perf_counter() - started)
    return took


def test_people_who_may_not_send_a_photo_are_refused_before_it_is_read(
    session: Session, serve: Callable[..., Served]
) -> None:
    """The client sends no body, and gets the refusal nevertheless."""
    check = make.check(session, make.device(session)).check
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    served = serve()

    assert answered_without_body(served, str(check.key), "") == 401
    assert answered_without_body(served, str(uuid.uuid4()), key["Authorization"]) == 404


def answered_without_body(served: Served, check_key: str, authorization: str) -> int:
    """Return the status received while a body of 5 MB is still unsent."""
    header = (
        f"POST /v1/photos?check={check_key} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Content-Length: 5000000\r\n"
    )
    if authorization:
        header += f"Authorization: {authorization}\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall(header.encode() + b"\r\n")
        return int(connection.recv(4096).split()[1])
