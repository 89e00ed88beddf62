"""Kill the server and the worker, and restart PostgreSQL, during reports, tests and exercises at one place.

The environment variable KILLS is the number of kills; `make soak` sets it to 200.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.accounts.tokens import hash_key
from aed.database.session import Database, read_session, transaction
from aed.incidents import queries
from aed.incidents.models import Alert, Incident
from aed.incidents.plan.schemas import load_inputs, load_plan
from aed.incidents.record.actions import first_broken_entry
from aed.incidents.rules import LIVE_STATES, AlertReply, IncidentKind, IncidentState
from aed.notifications.models import OutboxMessage
from tests import make
from tests.make import PATIENT, north_of
from tests.notifications.sinks import Posted, Reply, receiving
from tests.throwaway_postgres import Server
from tests.waiting import eventually
from tests.worker.processes import database_of_its_own, end, settings_of, start_server, start_worker

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("KILLS", "3"))
INCIDENTS = 2 + KILLS
PEOPLE = 6
"""The number of people around each patient."""
APART_METRES = 5_000.0
LINK = re.compile(r"/l/(\w{12})")
AT_ONCE = 4
OTHERS = ((), ("test",), ("exercise",), ("test", "exercise"))
"""Other incidents open at the patient's position, cycled through the patients."""
SOMEBODY_COMES_SECONDS = 15.0
"""How long a dispatcher waits for an acceptance before closing the incident."""
UNDER_WAY_SECONDS = 1.0
"""A message being sent can't be recalled; it arrives within this time."""


@dataclass
class Called:
    """A phone gateway that records alerts and answers them."""

    answer: Callable[[str, int, bool], None]
    """Called with the alert key, the patient's number, and whether it is an exercise."""
    came_at: dict[str, float] = field(default_factory=dict)
    """When each alert first arrived, by alert key."""
    ids: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Message ids of each alert, by alert key."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, posted: Posted) -> Reply:
        body = posted.json
        time.sleep(0.02)  # as a gateway does: a kill then finds messages taken but not recorded
        link = LINK.search(body["text"])
        if link is not None:
            with self._lock:
                is_new = link[1] not in self.came_at
                self.came_at.setdefault(link[1], time.monotonic())
                self.ids[link[1]].add(body["id"])
            if is_new:
                is_exercise = body["text"].startswith("【演练")
                self.answer(link[1], int(body["to"][6:10]), is_exercise)
        return 200, b"{}", {}


@dataclass
class Chaos:
    """Clients that retry every request until the server answers."""

    base: str
    headers: dict[str, str]
    rng: random.Random
    pool: ThreadPoolExecutor
    accepted: dict[str, int] = field(default_factory=dict)
    """The patient's number, by the key of each alert whose acceptance the server confirmed."""
    in_exercises: set[str] = field(default_factory=set)
    """Keys of accepted alerts in exercises."""
    kinds: dict[int, str] = field(default_factory=dict)
    closed_at: dict[int, float] = field(default_factory=dict)
    answers: list[Future[None]] = field(default_factory=list)

    def send(
        self, method: str, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Any:
        """Send a request until there is a response; return its body."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                answer = httpx2.request(method, self.base + path, json=body, headers=headers, timeout=10)
            except httpx2.HTTPError:
                time.sleep(0.1)  # the server is restarting
                continue
            if answer.status_code < 500:
                assert answer.status_code == 200, answer.text
                return answer.json()
            time.sleep(0.1)  # its database is restarting
        raise AssertionError(f"{method} {path} was never answered")

    def answer(self, key: str, number: int, is_exercise: bool) -> None:
        """Answer an alert from a person's phone."""
        what = self.rng.random()
        if what < 0.6:
            self.answers.append(self.pool.submit(self._accept, key, number, is_exercise))
        elif what < 0.8:
            self.answers.append(self.pool.submit(self._decline, key))

    def _accept(self, key: str, number: int, is_exercise: bool) -> None:
        for _ in range(3):  # a phone that retries
            page = self.send("POST", f"/v1/alerts/{key}", {"reply": "accept"})
        if page["is_over"] or page["is_stood_down"]:
            return  # too late: the page says that the incident is over, or that enough others come
        if is_exercise:
            self.in_exercises.add(key)
        else:
            self.accepted[key] = number

    def _decline(self, key: str) -> None:
        self.send("POST", f"/v1/alerts/{key}", {"reply": "decline"})

    def live(self, number: int) -> int:
        """Run one incident, reported by two dispatchers independently."""
        where = north_of(PATIENT, metres=APART_METRES * number)
        others = [self._opened(number, kind) for kind in OTHERS[number % len(OTHERS)]]

        def report(desk: str) -> int:
            body = {
                "key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{number} {desk}")),
                "position": {"lat": where.lat, "lon": where.lon},
                "case_number": f"{desk}-{number}",
                "ambulance_seconds": 900,
            }
            return int(self.send("POST", "/v1/incidents", body, self.headers)["id"])

        with ThreadPoolExecutor(2) as desks:
            first, second = desks.map(report, ("a", "b"))
        assert first == second, "one patient"
        somebody_comes = eventually(lambda: number in self.accepted.values(), SOMEBODY_COMES_SECONDS)
        # Close the incident at a random moment.
        time.sleep(self.rng.uniform(0.0, 1.0 if somebody_comes else 0.1))  # answers come at any time
        self.send("POST", f"/v1/incidents/{first}/close", {"outcome": "handed_over"}, self.headers)
        self.closed_at[first] = time.monotonic()
        self.kinds[first] = "real"
        for other in others:
            self.send("POST", f"/v1/incidents/{other}/close", {"outcome": "called_off"}, self.headers)
            self.closed_at[other] = time.monotonic()
        return first

    def _opened(self, number: int, kind: str) -> int:
        """Open another incident at the patient's future position, before the patient is reported."""
        where = north_of(PATIENT, metres=APART_METRES * number + 20)
        body = {
            "key": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{number} {kind}")),
            "kind": kind,
            "position": {"lat": where.lat, "lon": where.lon},
            "ambulance_seconds": 900,
        }
        made = int(self.send("POST", "/v1/incidents", body, self.headers)["id"])
        self.kinds[made] = kind
        if kind == "exercise":  # people are on their way when the patient is reported
            eventually(lambda: bool(self.in_exercises), 2.0)
        return made


@pytest.fixture(params=("spatialite", "postgis"))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Database, Server | None]]:
    with database_of_its_own(request.param, tmp_path, request) as made:
        yield made


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_after_kills_each_person_is_alerted_once_and_nobody_after_the_stop(
    world: tuple[str, Database, Server | None], tmp_path: Path
) -> None:
    url, database, server = world
    seed = int(os.environ.get("SEED", random.randrange(1_000_000)))
    rng = random.Random(seed)
    with transaction(database) as session:
        for number in range(INCIDENTS):
            for each in range(1, PEOPLE + 1):
                make.responder(
                    session,
                    at=north_of(PATIENT, metres=APART_METRES * number + 40.0 * each),
                    phone=f"+86138{number:04}{each:04}",
                )
        headers = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    port, log = free_port(), tmp_path / "processes.log"
    with ThreadPoolExecutor(8) as pool, ThreadPoolExecutor(AT_ONCE) as desks:
        chaos = Chaos(f"http://127.0.0.1:{port}", headers, rng, pool)
        phones = Called(chaos.answer)
        with receiving(phones) as gateway:
            settings = settings_of(
                url,
                gateway.url(),
                public_url=chaos.base,
                run_jobs=False,
                planning={"wave_seconds": 5},
            )
            running = {
                "server": start_server(settings, port, log),
                "worker": start_worker(settings, log, timetable=()),
            }
            kills = restarts = 0
            try:
                lives = [desks.submit(chaos.live, number) for number in range(INCIDENTS)]
                while kills < KILLS or not all(each.done() for each in lives):
                    time.sleep(rng.uniform(0.2, 0.9))  # kill at random moments
                    if kills >= KILLS:
                        continue
                    if server is not None and restarts * 6 < kills:
                        server.stop()
                        server.start()
                        restarts += 1
                    elif rng.random() < 0.5:
                        end(running["server"])
                        running["server"] = start_server(settings, port, log)
                        kills += 1
                    else:
                        end(running["worker"])
                        running["worker"] = start_worker(settings, log, timetable=())
                        kills += 1
                ids = [each.result() for each in lives]
                for answer in list(chaos.answers):
                    answer.result()
                assert eventually(lambda: _waiting(database) == 0, 60)
            finally:
                for process in running.values():
                    end(process)
    context = f"seed {seed}; the end of the log: {log.read_text()[-3000:]}"
    assert len(set(ids)) == INCIDENTS, context
    assert chaos.accepted, f"nobody accepted; {context}"
    _is_consistent(database, chaos, phones, context)
    fewer, beside = _called_fewer(database, chaos, context)
    sys.stderr.write(
        f"{INCIDENTS} incidents by two desks, {len(phones.came_at)} calls, {len(chaos.accepted)} accepted; "
        f"{kills} kills, {restarts} restarts: each called once, none after the stop; {beside} patients "
        f"beside tests and exercises, {fewer} of them with fewer called than without\n"
    )


def _is_consistent(database: Database, chaos: Chaos, phones: Called, context: str) -> None:
    with read_session(database) as session:
        assert session.scalar(select(func.count()).select_from(Incident)) == len(chaos.kinds), context
        calls = {key: queries.alert_by_key(session, hash_key(key)) for key in phones.came_at}
        assert calls, f"nobody was called: {context}"
        asked = _times_asked(session, context)
        links = Counter((each.incident_id, each.person_id) for each in calls.values())
        too_often = {each: count for each, count in links.items() if count > asked[each]}
        assert not too_often, f"called more often than asked: {too_often}; {context}"
        assert all(len(ids) == 1 for ids in phones.ids.values()), f"under two keys; {context}"
        for key, alert in calls.items():
            late = phones.came_at[key] - chaos.closed_at[alert.incident_id]
            assert late < UNDER_WAY_SECONDS, f"called {late:.1f} s after the stop; {context}"
        for key in (*chaos.accepted, *chaos.in_exercises):
            alert = calls[key]
            assert alert.accepted_at is not None, f"an acceptance was lost: {alert.state}; {context}"
        for incident in session.scalars(select(Incident)):
            assert incident.state is IncidentState.CLOSED, context
            assert not any(each.state in LIVE_STATES for each in queries.alerts(session, incident.id)), (
                context
            )
            events = queries.events(session, incident.id)
            assert first_broken_entry(events) is None, context
            accepts = [
                each.payload for each in events if each.kind == "said" and AlertReply.ACCEPT in each.payload
            ]
            assert len(accepts) == len(set(accepts)), f"one acceptance twice in the record; {context}"


def _times_asked(session: Session, context: str) -> Counter[tuple[int, int]]:
    """Count how often each record asks each person, by (incident, person).

    Nobody is asked again before the record has stood them down or stopped their alert.
    """
    person_of = {each.id: each.person_id for each in session.scalars(select(Alert))}
    counts: Counter[tuple[int, int]] = Counter()
    for incident_id in session.scalars(select(Incident.id)):
        asked: set[int] = set()
        for event in queries.events(session, incident_id):
            payload = json.loads(event.payload)
            match event.kind:
                case "planned":
                    now = {each["person"] for each in payload["asked"]}
                    assert not now & asked, f"asked again without a stop: {now & asked}; {context}"
                    asked |= now
                    counts.update((incident_id, each) for each in now)
                case "stood_down":
                    asked -= {person_of[each] for each in payload["alerts"]}
                case "stopped" | "left":
                    asked.discard(person_of[payload["alert"]])
    return counts


def _called_fewer(database: Database, chaos: Chaos, context: str) -> tuple[int, int]:
    """Return how many patients' first plan alerted fewer people than without other incidents, and the total.

    All patients have the same people around, at the same distances.
    """
    called: dict[int, int] = {}
    with read_session(database) as session:
        for incident_id, kind in chaos.kinds.items():
            if kind == "real":
                first = queries.plans(session, incident_id)[0]
                assert {each.person_id for each in load_inputs(first.inputs).case.offers}, context
                called[incident_id] = len(load_plan(first.outcome).steps)
        places = {each.id: (each.lat, each.kind) for each in session.scalars(select(Incident))}
    others = [lat for lat, kind in places.values() if kind is not IncidentKind.REAL]
    beside = {each for each in called if any(abs(lat - places[each][0]) < 0.001 for lat in others)}
    without = [count for each, count in called.items() if each not in beside]
    assert without, context
    fewer = [each for each in beside if called[each] < max(without)]
    assert not fewer, f"fewer than {max(without)} called to {fewer}: {called}; {context}"
    return len(fewer), len(beside)


def _waiting(database: Database) -> int:
    with read_session(database) as session:
        waiting = select(func.count()).where(
            OutboxMessage.sent_at.is_(None), OutboxMessage.given_up_at.is_(None)
        )
        return session.scalar(waiting) or 0
