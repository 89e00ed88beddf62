"""From a patient's report to alerts: the plan stored and the first wave in the outbox."""

from __future__ import annotations

import json
import random
import statistics
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import psycopg
from sqlalchemy import make_url

from aed.geo import Position
from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.planner import PlanCase, plan
from aed.incidents.plan.rules.survival import Patient
from aed.incidents.rules import Task
from aed.settings.planning import Planning, Survival
from tests.bench.client import Line, post, request
from tests.bench.ratio import Ratio

POSTED = 200
P50_MS, P99_MS, PLAN_MS = 60.0, 200.0, 20.0
MAX_TIMES_THE_MINIMUM = 2.5


def plans_alone() -> Iterator[Ratio]:
    """Plan thirty cases with 40 responders and 20 devices, and the same with a possible guide at a gate."""
    cases = [_case(random.Random(seed)) for seed in range(30)]
    for what, each in (("", cases), (", in an estate", [_in_an_estate(case) for case in cases])):
        taken = []
        for case in each:
            started = time.perf_counter()
            plan(case, planning=Planning(), survival=Survival())
            taken.append((time.perf_counter() - started) * 1e3)
        yield Ratio(
            f"a plan for 40 responders and 20 devices{what} : {PLAN_MS:.0f} ms",
            statistics.median(taken) / PLAN_MS,
            1.0,
            f"p50 {statistics.median(taken):.1f} ms, the slowest of 30 cases {max(taken):.1f} ms",
        )


def _in_an_estate(case: PlanCase) -> PlanCase:
    """Add a guarded gate that delays two of three people, and a neighbour who could open it."""
    offers = tuple(each._replace(saved=30.0 if each.person_id % 3 else 0.0) for each in case.offers)
    return replace(
        case, offers=offers, guides=(TaskOffer(99, Task.GUIDE, 120.0, 0.27),), ambulance_saved=30.0
    )


def _case(rng: random.Random) -> PlanCase:
    def place() -> complex:
        return complex(rng.uniform(-700, 700), rng.uniform(-700, 700))

    devices = [(place(), rng.choice((0.45, 0.83, 0.93))) for _ in range(20)]
    offers = []
    for person in range(40):
        here = place()
        offers.append(TaskOffer(person, Task.DIRECT, 30 + abs(here) * 1.4 / 2.3, 0.27))
        for number, (there, works) in enumerate(devices):
            seconds = 142 + (abs(here - there) + abs(there)) * 1.4 / 2.3
            offers.append(TaskOffer(person, Task.FETCH, seconds, 0.27, number, works))
    return PlanCase(Patient(60.0, rng.choice((420.0, 600.0, 900.0))), tuple(offers))


def from_post_to_calls(
    line: Line, url: str, key: str, places: Sequence[Position], target: Callable[[Position], str], what: str
) -> Iterator[Ratio]:
    """Report incidents at different positions; close each, so that its people can be alerted again."""
    looked, posted, written, called = [], [], [], []
    with psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as bare:
        for number in range(POSTED):
            here = places[number % len(places)]
            started = time.perf_counter()
            line.exchange(request(target(here), key))
            looked.append(time.perf_counter() - started)
            body = {
                "key": str(uuid.uuid4()),
                "position": {"lat": here.lat, "lon": here.lon},
                "region": "CN-001",
            }
            message = post("/v1/incidents", body, key)
            started = time.perf_counter()
            answer = json.loads(line.exchange(message))
            posted.append(time.perf_counter() - started)
            people = _called(bare, answer["id"])
            called.append(len(people))
            started = time.perf_counter()
            _bare(bare, people, here)
            written.append(time.perf_counter() - started)
            line.exchange(post(f"/v1/incidents/{answer['id']}/close", {"outcome": "called_off"}, key))
    p50, p99 = (sorted(posted)[int(share * POSTED)] * 1e3 for share in (0.5, 0.99))
    lookup_ms, bare_ms = (statistics.median(each) * 1e3 for each in (looked, written))
    people_called = f"{statistics.median(called):.0f} people called"
    yield Ratio(
        f"from POST to plan and first wave, {what} : {P50_MS:.0f} ms",
        p50 / P50_MS,
        1.0,
        f"p50 {p50:.1f} ms, {people_called}",
    )
    yield Ratio(f"the same, p99 : {P99_MS:.0f} ms", p99 / P99_MS, 1.0, f"p99 {p99:.1f} ms")
    yield Ratio(
        "the same : lookup with 40 responders + the bare inserts",
        p50 / (lookup_ms + bare_ms),
        MAX_TIMES_THE_MINIMUM,
        f"{p50:.1f} ms : {lookup_ms:.1f} + {bare_ms:.1f} ms",
    )


def _called(bare: psycopg.Connection, incident_id: int) -> list[tuple[int, str, int | None]]:
    asked = "SELECT person_id, task, device_id FROM alerts WHERE incident_id = %s"
    rows = bare.execute(asked, [incident_id]).fetchall()
    bare.rollback()
    return [(person, task, device) for person, task, device in rows]


def _bare(bare: psycopg.Connection, people: Sequence[tuple[int, str, int | None]], here: Position) -> None:
    """Insert the same rows in one transaction, with the bare driver."""
    made = bare.execute(
        "INSERT INTO incidents (kind, state, region_id, lat, lon, floor, has_cpr, collapsed_at, opened_at, "
        "opened_by, ambulance_at, version, closed_at, outcome, debriefed_at, followed_up_at) VALUES ('test', "
        "'closed', 1, %s, %s, 0, false, now(), now(), 'bench', now(), 1, now(), 'called_off', now(), now()) "
        "RETURNING id",
        [here.lat, here.lon],
    ).fetchone()
    assert made is not None
    number = made[0]
    bare.execute(
        "INSERT INTO incident_reports (incident_id, key, digest, reported_by, reported_at, lat, lon) "
        "VALUES (%s, %s, %s, 'bench', now(), %s, %s)",
        [number, str(uuid.uuid4()), "0" * 64, here.lat, here.lon],
    )
    bare.execute(
        "INSERT INTO incident_plans (incident_id, number, made_at, because, inputs, outcome) "
        "VALUES (%s, 1, now(), 'bench', %s, %s)",
        [number, "x" * 20_000, "x" * 3_000],
    )
    with bare.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO alerts "
            "(incident_id, person_id, task, device_id, p_device_works, plan_number, due_at, state, "
            "key_hash, asked_at) VALUES (%s, %s, %s, %s, 1, 1, now(), 'stopped', %s, now())",
            [(number, person, task, device, uuid.uuid4().hex * 2) for person, task, device in people],
        )
        cursor.executemany(
            "INSERT INTO outbox (key, person_id, channel, recipient, ordering_key, language, text_en, "
            "text_zh, is_secret, created_at, due_at, tries, sent_at) "
            "VALUES (%s, %s, 'sms', %s, %s, 'zh', %s, %s, true, now(), now(), 0, now())",
            [
                (uuid.uuid4().hex, person, "x" * 80, f"sms/bench/{person}", "x" * 200, "x" * 200)
                for person, _, _ in people
            ],
        )
        cursor.executemany(
            "INSERT INTO incident_events (incident_id, number, at, kind, who, payload, hash) "
            "VALUES (%s, %s, now(), 'bench', 'bench', %s, %s)",
            [(number, each, "x" * 500, "0" * 64) for each in (1, 2)],
        )
    bare.commit()
