"""Which open incident a second report is of, at the limits of time and distance."""

from __future__ import annotations

from datetime import timedelta

import pytest

from aed.geo import distance_metres
from aed.incidents.rules import IncidentKind, KnownIncident, find_same_patient
from aed.settings.planning import Planning
from tests.make import NOW, PATIENT, north_of

NUMBERS = Planning()
MINUTES = timedelta(minutes=NUMBERS.same_patient_minutes)
SECOND = timedelta(seconds=1)


def known(id_: int = 1, *, metres: float = 20) -> KnownIncident:
    there = north_of(PATIENT, metres=metres)
    return KnownIncident(id=id_, kind=IncidentKind.REAL, position=there, floor=2, opened_at=NOW)


@pytest.mark.parametrize(("later", "is_same"), [(-MINUTES, True), (MINUTES, True), (MINUTES + SECOND, False)])
def test_a_report_is_of_an_incident_opened_within_some_minutes(later: timedelta, is_same: bool) -> None:
    found = find_same_patient(
        [known()], kind=IncidentKind.REAL, position=PATIENT, floor=None, at=NOW + later, numbers=NUMBERS
    )
    assert (found is not None) is is_same


def test_a_report_is_of_an_incident_within_some_metres_of_it() -> None:
    metres = distance_metres(PATIENT, known().position)
    for limit, is_same in ((metres, True), (metres - 0.01, False)):
        numbers = NUMBERS.model_copy(update={"same_patient_metres": limit})
        found = find_same_patient(
            [known()], kind=IncidentKind.REAL, position=PATIENT, floor=None, at=NOW, numbers=numbers
        )
        assert (found is not None) is is_same


def test_a_report_is_of_the_nearest_incident_on_its_floor() -> None:
    incidents = [known(1, metres=9), known(2, metres=3), known(3, metres=6)]

    def found(kind: IncidentKind, floor: int | None) -> int | None:
        same = find_same_patient(incidents, kind=kind, position=PATIENT, floor=floor, at=NOW, numbers=NUMBERS)
        return same.id if same is not None else None

    assert [found(IncidentKind.REAL, floor) for floor in (None, 2, 3)] == [2, 2, None]
    assert found(IncidentKind.TEST, 2) is None
