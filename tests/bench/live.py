"""275,707 phones that each send a location every five minutes, with concurrent lookups.

`python -m tests.bench.live PORT RATE SECONDS` simulates the phones in a process of its own: it reads the
requests from standard input and sends RATE of them a second on 400 connections (0: as fast as responses
arrive). It prints how many got a response, and how soon.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE, SignIn, csrf_token
from aed.accounts.tokens import hash_key
from aed.database.bulk import insert_many
from aed.database.session import Database, open_database, transaction
from aed.geo import Position
from aed.responders.live import close_live_places, live_places
from aed.responders.models import Consent, Responder
from aed.responders.rules import ConsentKind, current_wording, live_location
from aed.settings import Settings
from tests.bench.client import request
from tests.bench.population import METRES_PER_DEGREE, SEED, questions
from tests.bench.ratio import Ratio
from tests.bench.server import Running, serving

A_SECOND = 1_500
"""The required rate; 275,707 phones once in five minutes are 919 a second."""
CONNECTIONS = 400
ROUNDS, SECONDS = 3, 5.0
LOOKUPS_A_SECOND = 50
BATCH = 20_000


def live(
    what: str, environment: Mapping[str, str], centres: Sequence[Position], *, key: str
) -> Iterator[Ratio]:
    """Measure the locations per second of one process, and the cost for lookups beside 1,500 a second.

    All responders are on duty at the start. The lookups are a dispatcher's, with ten responders, 50 a
    second, alternately without and with the phones.
    """
    settings = Settings(
        database_url=environment["AED_DATABASE_URL"], live_places_url=environment["AED_LIVE_PLACES_URL"]
    )
    database = open_database(settings)
    try:
        people = _prepared(database)
        homes = questions(centres, 4_000, seed=8)
        _all_on_duty(database, settings, homes)
    finally:
        database.close()
        close_live_places()
    asked = [
        request(_target(here), key) for here in questions(centres[:1], 400, seed=9, farthest_metres=3_000)
    ]
    phones = _Phones(people, homes)
    with serving(environment) as server:
        _lookups(server, asked, seconds=1.0)
        sent = _send(server, phones.requests(4 * A_SECOND * int(SECONDS)), rate=0, seconds=SECONDS).wait()
        yield Ratio(
            f"1,500 places a second : one process's, {what}",
            A_SECOND / sent.a_second,
            1.0,
            f"{sent.a_second:.0f} a second on {CONNECTIONS} connections, {sent.refused} refused; "
            f"answered in p50 {sent.p50_ms:.0f}, p99 {sent.p99_ms:.0f} ms",
        )
        idle, beside, rates = [], [], []
        for _ in range(ROUNDS):
            idle.append(_lookups(server, asked, seconds=SECONDS))
            sending = _send(
                server, phones.requests(int(A_SECOND * (SECONDS + 2.0))), rate=A_SECOND, seconds=SECONDS + 2.0
            )
            time.sleep(1.0)  # until the phones have reached their rate
            beside.append(_lookups(server, asked, seconds=SECONDS))
            answered = sending.wait()
            assert not answered.refused, answered
            rates.append(answered.a_second)
        one, other = (statistics.median(map(statistics.median, each)) * 1e6 for each in (idle, beside))
        tails = [np.percentile(np.concatenate(each), 99) * 1e6 for each in (idle, beside)]
        yield Ratio(
            f"a lookup beside them : idle, {what}",
            other / one,
            1.5,
            f"{other:.0f} us : {one:.0f} us, p99 {tails[1]:.0f} : {tails[0]:.0f}; "
            f"{statistics.median(rates):.0f} places a second, answered in p99 {answered.p99_ms:.0f} ms",
        )


def _target(here: Position) -> str:
    return f"/v1/nearest?lat={here.lat:.6f}&lon={here.lon:.6f}&limit=10&responders=10"


def _lookups(server: Running, asked: Sequence[bytes], *, seconds: float) -> list[float]:
    """Return the duration of each lookup, at 50 a second."""
    taken: list[float] = []
    with closing(server.line()) as line:
        begin = time.perf_counter()
        for number in range(int(seconds * LOOKUPS_A_SECOND)):
            # At a constant rate, independent of earlier lookups.
            time.sleep(max(0.0, begin + number / LOOKUPS_A_SECOND - time.perf_counter()))
            start = time.perf_counter()
            line.exchange(asked[number % len(asked)])
            taken.append(time.perf_counter() - start)
    return taken


# --- responders on duty ---------------------------------------------------------------------------------


def _key(person_id: int) -> str:
    return f"bench phone {person_id}"


def _prepared(database: Database) -> list[int]:
    """Record every responder's consent and sign them in on a phone; return the person ids."""
    now = datetime.now(UTC)
    with transaction(database) as session:
        pairs = session.execute(select(Responder.id, Responder.person_id).order_by(Responder.id)).all()
        if not session.scalar(select(func.count()).select_from(SignIn)):
            _agree_and_sign_in(session, [person for _, person in pairs], now)
    return [person for _, person in pairs]


def _agree_and_sign_in(session: Session, people: Sequence[int], now: datetime) -> None:
    kind = ConsentKind.LIVE_PLACE
    agreed = {"kind": kind, "wording": current_wording(kind).version, "given_at": now, "given_by": "bench"}
    for first in range(0, len(people), BATCH):
        some = people[first : first + BATCH]
        insert_many(session, Consent, [{"person_id": each, **agreed} for each in some])
        lasts = {"created_at": now, "expires_at": now + timedelta(days=1)}
        rows = [{"person_id": each, "key_hash": hash_key(_key(each)), **lasts} for each in some]
        insert_many(session, SignIn, rows)


def _all_on_duty(database: Database, settings: Settings, homes: Sequence[Position]) -> None:
    now, kept = datetime.now(UTC), live_places(settings)
    with transaction(database) as session:
        ids = session.scalars(select(Responder.id).order_by(Responder.id)).all()
        for first in range(0, len(ids), 500):
            some = ids[first : first + 500]
            places = [
                live_location(each, homes[(first + number) % len(homes)], at=now, resolution=9)
                for number, each in enumerate(some)
            ]
            kept.put(session.connection(), places, at=now)
    if database.engine.dialect.name == "postgresql":  # the benchmark's server has no autovacuum
        with database.autocommit_engine.connect() as connection:
            for table in ("consents", "sign_ins", "live_places"):
                connection.exec_driver_sql(f"VACUUM ANALYZE {table}")


class _Phones:
    """The phones' requests in turn; each is within 300 metres of the phone's last position."""

    def __init__(self, people: Sequence[int], homes: Sequence[Position]) -> None:
        self._people, self._homes = people, homes
        self._random = np.random.default_rng([SEED, 10])
        self._next = 0

    def requests(self, count: int) -> list[bytes]:
        apart = (self._random.uniform(-300, 300, (count, 2)) / METRES_PER_DEGREE).tolist()
        made = []
        for north, east in apart:
            number = self._next % len(self._people)
            self._next += 1
            home, key = self._homes[number % len(self._homes)], _key(self._people[number])
            body = f'{{"lat":{home.lat + north:.6f},"lon":{home.lon + east:.6f},"accuracy_metres":15}}'
            head = (
                f"PUT /v1/location HTTP/1.1\r\nhost: bench\r\ncookie: {SESSION_COOKIE}={key}\r\n"
                f"{CSRF_HEADER}: {csrf_token(key)}\r\ncontent-type: application/json\r\n"
                f"content-length: {len(body)}\r\n\r\n"
            )
            made.append((head + body).encode())
        return made


# --- the phones -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sent:
    a_second: float
    refused: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class _Sending:
    process: subprocess.Popen[bytes]

    def wait(self) -> _Sent:
        assert self.process.stdout is not None
        output = self.process.stdout.read()
        if self.process.wait() != 0:
            raise RuntimeError("the phones stopped")
        return _Sent(**json.loads(output))


def _send(server: Running, requests: Sequence[bytes], *, rate: int, seconds: float) -> _Sending:
    command = [sys.executable, "-m", "tests.bench.live", str(server.port), str(rate), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ})
    assert process.stdin is not None
    process.stdin.write(json.dumps([each.decode() for each in requests]).encode())
    process.stdin.close()
    return _Sending(process)


def main(port: int, rate: int, seconds: float) -> None:
    requests = [each.encode() for each in json.load(sys.stdin)]
    selector = selectors.DefaultSelector()
    idle: deque[socket.socket] = deque()  # in rotation: a server closes an idle connection
    started: dict[Any, float] = {}
    for _ in range(CONNECTIONS):
        line = socket.create_connection(("127.0.0.1", port))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(line, selectors.EVENT_READ)
        idle.append(line)
    taken: list[float] = []
    refused = number = 0
    begin = time.perf_counter()
    end = begin + seconds
    while (now := time.perf_counter()) < end or started:
        due = len(requests) if not rate else min(len(requests), int((now - begin) * rate))
        while now < end and idle and number < due:
            line = idle.popleft()
            line.sendall(requests[number])
            started[line] = time.perf_counter()
            number += 1
        for ready, _ in selector.select(0.001):
            line_: Any = ready.fileobj
            answer = line_.recv(65_536)
            taken.append(time.perf_counter() - started.pop(line_))
            refused += not answer.startswith(b"HTTP/1.1 204")
            idle.append(line_)
    over = time.perf_counter() - begin
    taken.sort()
    result = {
        "a_second": (len(taken) - refused) / over,
        "refused": refused,
        "p50_ms": taken[len(taken) // 2] * 1e3,
        "p99_ms": taken[int(len(taken) * 0.99)] * 1e3,
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
