"""The time until a new entry of an incident's record reaches all its watchers."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import statistics
import time
import uuid
from collections.abc import Iterator

from aed.geo import Position
from tests.bench.client import Line, post
from tests.bench.ratio import Ratio

WATCHERS = 1_000
ENTRIES = 15
WITHIN_SECONDS = 1.0


def watched(port: int, key: str, here: Position) -> Iterator[Ratio]:
    """Measure with one connection per watcher to the only process of the API."""
    body = {"key": str(uuid.uuid4()), "position": {"lat": here.lat, "lon": here.lon}, "region": "CN-001"}
    incident = json.loads(_exchange(port, post("/v1/incidents", body, key)))["id"]
    asked = (
        f"GET /v1/incidents/{incident}/live HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n\r\n"
    ).encode()
    watchers = selectors.DefaultSelector()
    sockets = []
    for _ in range(WATCHERS):
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        connection.sendall(asked)
        connection.setblocking(False)
        watchers.register(connection, selectors.EVENT_READ)
        sockets.append(connection)
    _until_all_have(watchers, b"event: planned")
    taken = []
    for number in range(ENTRIES):
        seconds = {"seconds": 900 + number}
        started = time.perf_counter()
        _exchange(port, post(f"/v1/incidents/{incident}/ambulance", seconds, key, method="PUT"))
        _until_all_have(watchers, b"event: ambulance")
        taken.append(time.perf_counter() - started)
    _exchange(port, post(f"/v1/incidents/{incident}/close", {"outcome": "called_off"}, key))
    for connection in sockets:
        watchers.unregister(connection)
        connection.close()
    yield Ratio(
        f"an entry is with the last of {WATCHERS:,} watchers : {WITHIN_SECONDS:.0f} s",
        max(taken) / WITHIN_SECONDS,
        1.0,
        f"from the request on, its plan included: p50 {statistics.median(taken) * 1e3:.0f} ms, "
        f"the slowest of {ENTRIES} {max(taken) * 1e3:.0f} ms",
    )


def _exchange(port: int, message: bytes) -> bytes:
    """Send the request on a new connection: a kept one would be closed while the watchers connect."""
    with contextlib.closing(Line(port)) as line:
        return line.exchange(message)


def _until_all_have(watchers: selectors.BaseSelector, line: bytes) -> None:
    waiting = {key.fd for key in watchers.get_map().values()}
    got: dict[int, bytes] = {}
    while waiting:
        ready = watchers.select(timeout=30)
        if not ready:
            raise RuntimeError(f"{len(waiting)} of {WATCHERS} watchers heard nothing for 30 s")
        for key, _ in ready:
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            got[key.fd] = got.get(key.fd, b"") + connection.recv(1 << 16)
            if line in got[key.fd]:
                waiting.discard(key.fd)
