"""Importing responders: all rows of a person are imported, or none."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.responders.models import Certificate, Responder, ResponderPlace
from tests import make
from tests.cases import each_case
from tests.imports import lists
from tests.imports.lists import RESPONDER, counts, feature, geojson, point, reasons, table
from tests.make import PATIENT, north_of

WORK = RESPONDER | {
    "place": "work",
    "lat": north_of(PATIENT, metres=900).lat,
    "place_hours": "Mo-Fr 09:00-18:00",
}


def test_the_same_list_twice_changes_nothing(session: Session, tmp_path: Path) -> None:
    path = table(tmp_path, RESPONDER, WORK, RESPONDER | {"source_id": "2", "name": "Wu Er"})

    assert counts(lists.responders(session, path)) == (2, 0, 0, 0)
    session.commit()
    assert counts(lists.responders(session, path)) == (0, 0, 2, 0)
    session.commit()
    assert session.query(ResponderPlace).count() == 3
    assert session.query(Certificate).count() == 2
    assert session.query(Person).count() == 2


def test_the_rows_of_a_person_need_not_be_adjacent(session: Session, tmp_path: Path) -> None:
    other = RESPONDER | {"source_id": "2"}
    assert counts(lists.responders(session, table(tmp_path, RESPONDER, other, WORK))) == (2, 0, 0, 0)


def test_rows_of_a_person_that_disagree_are_set_aside_together(session: Session, tmp_path: Path) -> None:
    other = RESPONDER | {"source_id": "2", "name": "Wu Er"}
    path = table(tmp_path, RESPONDER, other, WORK | {"phone": "+86 100"})

    report = lists.responders(session, path)

    assert counts(report) == (1, 0, 0, 2)
    assert reasons(report) == dict.fromkeys(
        ["line 2", "line 4"], "phone: line 2 and line 4 are the same person but differ"
    )


def test_all_rows_of_a_person_with_a_bad_row_are_set_aside(session: Session, tmp_path: Path) -> None:
    other = RESPONDER | {"source_id": "2", "name": "Wu Er"}
    report = lists.responders(session, table(tmp_path, RESPONDER, other, WORK | {"lat": "x"}))

    assert counts(report) == (1, 0, 0, 2)
    assert reasons(report)["line 2"] == "another row of this person, line 4, is bad"
    assert reasons(report)["line 4"].startswith("lat: must be a number")
    assert session.scalars(select(Responder.source_id)).all() == ["2"]


def test_a_place_given_twice_is_stored_once(session: Session, tmp_path: Path) -> None:
    report = lists.responders(session, table(tmp_path, RESPONDER, WORK, RESPONDER))
    assert counts(report) == (1, 0, 0, 1)
    assert reasons(report) == {"line 4": "is a duplicate of line 2"}


def test_an_empty_cell_keeps_the_stored_value_and_places_are_replaced(
    session: Session, tmp_path: Path
) -> None:
    estate = make.estate(session, source="list", source_id="e")
    full = RESPONDER | {
        "phone": "+86 100",
        "language": "en",
        "estate": "e",
        "availability": "Mo-Fr 18:00-23:00",
        "paused_until": "2026-12-31T00:00:00+08:00",
    }
    lists.responders(session, table(tmp_path, full))
    session.commit()

    assert counts(lists.responders(session, table(tmp_path, RESPONDER))) == (0, 0, 1, 0)
    session.expire_all()
    found = session.scalars(select(Responder)).one()
    person = session.get_one(Person, found.person_id)
    assert (person.phone, person.language, found.estate_id) == ("+86 100", "en", estate.id)
    assert found.availability is not None
    assert found.paused_until is not None

    assert counts(lists.responders(session, table(tmp_path, WORK))) == (0, 1, 0, 0)
    assert session.scalars(select(ResponderPlace.kind)).all() == ["work"]


@pytest.mark.parametrize(
    "cells",
    [
        {"availability": "Sa,Su"},
        {"paused_until": "2027-01-01T00:00:00+08:00"},
        {"certificate_valid_until": "2029-01-01"},
        {"certificate_kind": "professional"},
        {"certificate_number": "7"},
        {"language": "en"},
        {"floor": "4"},
        {"lat": PATIENT.lat + 0.001},
        {"place_hours": "20:00-07:00"},
        {"phone": "+86 100"},
    ],
)
def test_a_changed_cell_changes_that_person(
    session: Session, tmp_path: Path, cells: dict[str, object]
) -> None:
    other = RESPONDER | {"source_id": "2", "name": "Wu Er"}
    lists.responders(session, table(tmp_path, RESPONDER, other))
    session.commit()
    assert counts(lists.responders(session, table(tmp_path, RESPONDER | cells, other))) == (0, 1, 1, 0)


@each_case(
    ("cells", "reason"),
    [
        ({"region": "XX"}, "region: There is no region 'XX'"),
        ({"region": ""}, "region: is required"),
        ({"estate": "nowhere"}, "estate: The source 'list' has no estate 'nowhere'"),
        ({"certificate_kind": "doctor"}, "certificate_kind: must be first_aid, cpr_aed or professional"),
        ({"certificate_valid_until": ""}, "certificate_valid_until: is required"),
        ({"certificate_valid_until": "2028"}, "certificate_valid_until: must be a date"),
        ({"paused_until": "2026-12-31"}, "paused_until: must be a date and time"),
        ({"paused_until": "2026-12-31T00:00:00"}, "paused_until must have an offset"),
        ({"paused_until": "0000-00-00T00:00:00Z"}, "paused_until: "),
        ({"availability": "evenings"}, "availability: "),
        ({"place": "boat"}, "place: must be home, work or other"),
        ({"language": "fr"}, "language: must be zh or en"),
        ({"phone": "no"}, "phone: must be digits"),
        ({"lon": "200"}, "lon: Longitude is 200"),
        ({"name": " "}, "name: is required"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_column(
    session: Session, tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    good = RESPONDER | {"source_id": "good"}
    report = lists.responders(session, table(tmp_path, good, RESPONDER | cells))
    assert counts(report) == (1, 0, 0, 1)
    assert report.bad[0].reason.startswith(reason)


def test_own_geojson_is_imported_like_own_csv(session: Session, tmp_path: Path) -> None:
    lists.responders(session, table(tmp_path, RESPONDER))
    person = {name: value for name, value in RESPONDER.items() if name not in ("lat", "lon")}
    assert counts(lists.responders(session, geojson(tmp_path, feature(person, point())))) == (0, 0, 1, 0)
