"""Stored hours that can't be evaluated count as unknown; one such row breaks no list."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from opening_hours import OpeningHours
from sqlalchemy import update
from sqlalchemy.orm import Session
from tests import make
from tests.make import NOW, PATIENT, north_of

from aed.accounts.permissions import TokenRole
from aed.hours import timetable as timetable
from aed.registry.devices.models import Device
from aed.registry.estates.models import Gate
from aed.responders.models import Responder, ResponderPlace

REFUSED_TODAY = "easter-Mar Su[-1] 08:00-18:00"
FAILS_IN_THE_LIBRARY = "Feb 11-Dec 30 08:00-18:00"


class PanicException(BaseException):
    """The exception as raised by the library's Rust code."""


PanicException.__module__ = "pyo3_runtime"


@pytest.fixture
def a_library_that_panics(monkeypatch: pytest.MonkeyPatch) -> None:
    class Panicking:
        """The library, except that one expression raises."""

        def __init__(self, text: str) -> None:
            self._text, self._hours = text, OpeningHours(text)

        def is_open(self, at: Any) -> bool:
            if self._text.startswith("Feb 11-Dec 30"):
                raise PanicException("called `Option::unwrap()` on a `None` value")
            return self._hours.is_open(at)

        def intervals(self, start: Any, end: Any) -> Any:
            return self._hours.intervals(start, end)

    timetable.timetable_of.cache_clear()
    monkeypatch.setattr(timetable, "OpeningHours", Panicking)


@pytest.mark.parametrize("text", [REFUSED_TODAY, FAILS_IN_THE_LIBRARY])
@pytest.mark.usefixtures("a_library_that_panics")
def test_no_list_fails_because_of_one_row(session: Session, client: TestClient, text: str) -> None:
    estate = make.estate(session)
    broken = make.device(session, of=estate, at=north_of(PATIENT, metres=50))
    sound = make.device(session, of=estate, at=north_of(PATIENT, metres=90))
    gate = make.gate(session, estate, at=north_of(PATIENT, metres=70))
    responder = make.responder(session, at=north_of(PATIENT, metres=60), estate_id=estate.id)
    session.execute(update(Device).where(Device.id == broken.id).values(opening_hours=text))
    session.execute(update(Gate).where(Gate.id == gate.id).values(opening_hours=text, passage="open"))
    session.execute(update(Responder).where(Responder.id == responder).values(availability=text))
    session.execute(update(ResponderPlace).where(ResponderPlace.responder_id == responder).values(hours=text))
    administrator = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    here = {"lat": PATIENT.lat, "lon": PATIENT.lon}

    found = client.get(
        "/v1/nearest", params={**here, "at": NOW.isoformat(), "responders": 5}, headers=dispatcher
    )
    assert found.status_code == 200, found.text
    hours = {each["id"]: each["access"]["state"] for each in found.json()["devices"]}
    assert hours == {broken.id: "unknown", sound.id: "open"}

    for path in (
        *("/v1/devices", f"/v1/devices/{broken.id}", f"/v1/estates/{estate.id}/gates", "/v1/due", "/v1/gaps"),
        *("/v1/export/csv", "/v1/export/geojson", "/v1/quarantines", "/v1/due.xlsx"),
        *("/ogc/collections/devices/items", "/tiles/15/27318/13556.mvt", "/v1/reminders"),
    ):
        answer = client.get(path, headers=administrator)
        assert answer.status_code in (200, 204), (path, answer.text[:300])
    opened = client.post(
        "/v1/incidents",
        json={"kind": "exercise", "position": here, "key": str(uuid4())},
        headers=dispatcher,
    )
    assert opened.status_code in (200, 201), opened.text


def test_hours_that_cannot_be_evaluated_are_refused(session: Session, client: TestClient) -> None:
    device = make.device(session)
    administrator = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    answer = client.patch(
        f"/v1/devices/{device.id}",
        json={"opening_hours": REFUSED_TODAY},
        headers={**administrator, "If-Match": '"1"'},
    )

    assert answer.status_code == 422
    assert "before its start in some years" in answer.text
