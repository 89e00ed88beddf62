"""Two people update the same object at once: one succeeds, the other gets a conflict, no change is lost."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select
from sqlalchemy.orm import Session
from tests import make
from tests.make import PATIENT
from tests.registry.conftest import Desk

from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device


@contextmanager
def writing_together(engine: Engine, table: str) -> Iterator[None]:
    """On PostgreSQL, make both transactions read before either writes `table`; SQLite has one writer."""
    both = threading.Barrier(2)

    def wait(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith((f"UPDATE {table} ", f"INSERT INTO {table} ")):
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(timeout=60)
                both.abort()  # only the first time

    if engine.dialect.name == "postgresql":
        event.listen(engine, "before_cursor_execute", wait)
    try:
        yield
    finally:
        if engine.dialect.name == "postgresql":
            event.remove(engine, "before_cursor_execute", wait)


def both(office: Desk, table: str, *requests: Callable[[], Any]) -> list[Any]:
    engine: Engine = office.client.app.state.database.engine  # type: ignore[attr-defined] # it is a FastAPI
    with writing_together(engine, table), ThreadPoolExecutor(2) as pool:
        return [running.result() for running in [pool.submit(request) for request in requests]]


def statuses(answers: list[Any]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


@pytest.mark.parametrize("what", ["devices", "gates", "estates", "consumables"])
def test_of_two_amendments_of_one_version_exactly_one_wins(session: Session, office: Desk, what: str) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    gate = make.gate(session, estate, at=PATIENT)
    session.commit()
    pads = office.post(f"/v1/devices/{device.id}/consumables", {"kind": "pads", "expires_on": "2027-01-01"})
    path, field = {
        "devices": (f"/v1/devices/{device.id}", "maker"),
        "gates": (f"/v1/gates/{gate.id}", "name_en"),
        "estates": (f"/v1/estates/{estate.id}", "name_en"),
        "consumables": (f"/v1/consumables/{pads.json()['id']}", "lot"),
    }[what]
    session.rollback()

    answers = both(
        office,
        what,
        lambda: office.patch(path, {field: "Mine"}),
        lambda: office.patch(path, {field: "Yours"}),
    )

    assert statuses(answers) == {200: 1, 412: 1}
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    now = office.get(path).json()
    assert (now[field], now["version"]) == (won[field], 2)
    changes = session.scalars(
        select(RegistryChange).where(
            RegistryChange.subject == what, RegistryChange.subject_id == path.rsplit("/", 1)[1]
        )
    ).all()
    assert len(changes) == 2, "its registration, and the one amendment"
    assert changes[-1].fields[field][1] == won[field]


def test_an_amendment_and_a_withdrawal_do_not_both_succeed(session: Session, office: Desk) -> None:
    path = f"/v1/devices/{make.device(session).id}"
    session.commit()

    answers = both(
        office, "devices", lambda: office.patch(path, {"maker": "Mine"}), lambda: office.delete(path)
    )

    assert statuses(answers) in ({200: 1, 412: 1}, {204: 1, 412: 1})
    assert office.get(path).json()["version"] == 2


def test_of_two_registrations_of_one_source_id_exactly_one_wins(session: Session, office: Desk) -> None:
    new = {"region": "CN-33", "position": {"lat": 30.29, "lon": 120.1}, "source_id": "17"}

    answers = both(
        office,
        "devices",
        lambda: office.post("/v1/devices", {**new, "maker": "Mine"}),
        lambda: office.post("/v1/devices", {**new, "maker": "Yours"}),
    )

    assert statuses(answers) == {201: 1, 409: 1}
    assert session.scalar(select(func.count()).select_from(Device)) == 1
    assert (
        session.scalar(
            select(func.count()).select_from(RegistryChange).where(RegistryChange.subject == "devices")
        )
        == 1
    )


def test_of_two_amendments_of_a_calendar_exactly_one_wins(session: Session, office: Desk) -> None:
    etag = office.get("/v1/holidays/CN/2026").headers["ETag"]
    day = {"day": "2031-01-01", "kind": "holiday"}

    answers = both(
        office,
        "holiday_calendars",
        lambda: office.put("/v1/holidays/CN/2031", {"days": [day]}, etag=etag),
        lambda: office.put("/v1/holidays/CN/2031", {"days": []}, etag=etag),
    )

    assert statuses(answers) == {200: 1, 412: 1}
    (won,) = [answer for answer in answers if answer.status_code == 200]
    assert office.get("/v1/holidays/CN/2031").json() == won.json()


def test_of_two_first_years_of_a_new_calendar_exactly_one_wins(session: Session, office: Desk) -> None:
    answers = both(
        office,
        "holiday_calendars",
        lambda: office.put("/v1/holidays/HK/2031", {"days": []}),
        lambda: office.put("/v1/holidays/HK/2032", {"days": []}),
    )

    assert statuses(answers)[200] == 1
    assert sum(statuses(answers).values()) == 2
    assert {answer.status_code for answer in answers} <= {200, 409, 412, 428}
    assert len([each for each in office.get("/v1/holidays").json() if each["name"] == "HK"]) == 1


def test_concurrent_increments_lose_no_count(session: Session, office: Desk) -> None:
    """Each client reads, updates, and retries on a conflict until it succeeds."""
    path = f"/v1/devices/{make.device(session, floor=0).id}"
    session.commit()

    def count_up() -> None:
        for _ in range(200):
            read = office.get(path)
            amended = office.patch(path, {"floor": read.json()["floor"] + 1}, etag=read.headers["ETag"])
            if amended.status_code == 200:
                return
            assert amended.status_code == 412, amended.text
        raise AssertionError("never got through")

    with ThreadPoolExecutor(4) as pool:
        for running in [pool.submit(count_up) for _ in range(12)]:
            running.result()

    device = office.get(path).json()
    assert (device["floor"], device["version"]) == (12, 13)
    assert len(office.get(f"{path}/history").json()) == 13
