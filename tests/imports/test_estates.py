"""Importing regions, estates and gates."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.database.geometry import shape_of
from aed.geo import Position
from aed.registry.changes import changes_of
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate, Gate
from tests import make
from tests.cases import each_case
from tests.imports import lists
from tests.imports.lists import (
    DEVICE,
    ESTATE,
    GATE,
    REGION,
    counts,
    feature,
    geojson,
    point,
    reasons,
    table,
)
from tests.make import PATIENT, east_of, square

SQUARE = square(PATIENT)
WKT = "POLYGON ((120.098 30.288, 120.102 30.288, 120.102 30.292, 120.098 30.292, 120.098 30.288))"


def test_a_file_may_list_gates_before_their_estate_and_the_estate_before_its_region(
    session: Session, tmp_path: Path
) -> None:
    city = REGION | {"code": "CN-3301", "parent": "CN-33"}
    quarter = REGION | {"code": "CN-330106", "parent": "CN-3301"}
    path = geojson(
        tmp_path,
        feature(GATE, point()),
        feature(ESTATE | {"region": "CN-330106"}, SQUARE),
        feature(quarter),
        feature(city),
        feature(REGION),
    )

    assert counts(lists.estates(session, path)) == (5, 0, 0, 0)
    session.commit()
    assert counts(lists.estates(session, path)) == (0, 0, 5, 0)
    assert session.scalars(select(Gate.estate_id)).one() == session.scalars(select(Estate.id)).one()


def test_regions_in_a_circle_and_without_a_parent_are_set_aside(session: Session, tmp_path: Path) -> None:
    report = lists.estates(
        session,
        geojson(
            tmp_path,
            feature(REGION),
            feature(REGION | {"code": "A", "parent": "B"}),
            feature(REGION | {"code": "B", "parent": "A"}),
            feature(REGION | {"code": "C", "parent": "nowhere"}),
            feature(REGION | {"code": "D", "parent": "D"}),
        ),
    )

    assert counts(report) == (1, 0, 0, 4)
    assert [bad.where for bad in report.bad] == [f"feature {number}" for number in (2, 3, 4, 5)]
    assert all("There is no region" in bad.reason for bad in report.bad)


def test_a_gate_of_an_unknown_estate_is_set_aside(session: Session, tmp_path: Path) -> None:
    report = lists.estates(
        session,
        geojson(
            tmp_path,
            feature(REGION),
            feature(ESTATE, SQUARE),
            feature(GATE | {"estate": "other"}, point()),
            feature(GATE | {"source_id": "h", "source": "elsewhere"}, point()),
        ),
    )

    assert counts(report) == (2, 0, 0, 2)
    assert reasons(report) == {
        "feature 3": "estate: The source 'list' has no estate 'other'. Import its estates first.",
        "feature 4": "estate: The source 'elsewhere' has no estate 'e'. Import its estates first.",
    }


def test_the_gates_of_a_rejected_estate_are_set_aside_too(session: Session, tmp_path: Path) -> None:
    report = lists.estates(
        session,
        geojson(
            tmp_path, feature(REGION), feature(ESTATE | {"region": "XX"}, SQUARE), feature(GATE, point())
        ),
    )
    assert counts(report) == (1, 0, 0, 2)


def test_csv_is_imported_like_geojson(session: Session, tmp_path: Path) -> None:
    gate = GATE | {"lat": PATIENT.lat, "lon": PATIENT.lon}
    rows = table(tmp_path, gate, ESTATE | {"boundary": WKT}, REGION)
    assert counts(lists.estates(session, rows)) == (3, 0, 0, 0)
    session.commit()

    polygon = {
        "type": "Polygon",
        "coordinates": [
            [[120.098, 30.288], [120.102, 30.288], [120.102, 30.292], [120.098, 30.292], [120.098, 30.288]]
        ],
    }
    features = [feature(GATE, point()), feature(ESTATE, polygon), feature(REGION)]
    assert counts(lists.estates(session, geojson(tmp_path, *features))) == (0, 0, 3, 0)


def test_an_empty_cell_keeps_the_stored_value(session: Session, tmp_path: Path) -> None:
    full = ESTATE | {"neighbourhood": "n", "time_zone": "Asia/Urumqi", "guard_phone": "+86 571"}
    child = REGION | {"code": "CN-3301", "parent": "CN-33"}
    gate = GATE | {"opening_hours": "06:00-22:00"}
    lists.estates(
        session,
        geojson(tmp_path, feature(REGION), feature(child), feature(full, SQUARE), feature(gate, point())),
    )
    session.commit()

    bare = {name: value for name, value in child.items() if name not in ("parent", "holiday_calendar")}
    report = lists.estates(
        session, geojson(tmp_path, feature(bare), feature(ESTATE, SQUARE), feature(GATE, point()))
    )

    assert counts(report) == (0, 0, 3, 0)
    session.expire_all()
    estate = session.scalars(select(Estate)).one()
    assert (estate.neighbourhood, estate.time_zone, estate.guard_phone) == ("n", "Asia/Urumqi", "+86 571")
    region = session.scalars(select(Region).where(Region.code == "CN-3301")).one()
    assert region.parent_id is not None
    assert region.holiday_calendar == "CN"
    assert session.scalars(select(Gate.opening_hours)).one() == "06:00-22:00"


def test_a_changed_estate_and_gate_are_in_their_history(session: Session, tmp_path: Path) -> None:
    lists.estates(
        session, geojson(tmp_path, feature(REGION), feature(ESTATE, SQUARE), feature(GATE, point()))
    )
    session.commit()
    wider = square(PATIENT, metres=300)
    report = lists.estates(
        session,
        geojson(
            tmp_path, feature(REGION), feature(ESTATE, wider), feature(GATE | {"passage": "guarded"}, point())
        ),
    )

    assert counts(report) == (0, 2, 1, 0)
    session.commit()
    estate = session.scalars(select(Estate)).one()
    gate = session.scalars(select(Gate)).one()
    assert list(changes_of(session, subject="estates", subject_id=str(estate.id))[0].fields) == ["boundary"]
    change = changes_of(session, subject="gates", subject_id=str(gate.id))[0]
    assert (change.who, change.fields) == ("test", {"passage": ["open", "guarded"]})


def test_a_gate_far_from_its_estate_is_set_aside_and_one_in_another_datum_is_reported(
    session: Session, tmp_path: Path
) -> None:
    lists.estates(session, geojson(tmp_path, feature(REGION), feature(ESTATE, SQUARE)))
    there = east_of(PATIENT, metres=3_000)
    rows = [
        GATE | {"lat": 30.2876, "lon": 120.1047},
        GATE | {"source_id": "far", "lat": there.lat, "lon": there.lon},
        GATE | {"source_id": "amap", "lat": 30.2876, "lon": 120.1047, "datum": "gcj02"},
    ]

    report = lists.estates(session, table(tmp_path, *rows))

    assert counts(report) == (1, 0, 0, 2)
    first, second = report.bad
    assert first.reason.startswith("datum: ")
    assert "give datum=gcj02" in first.reason
    assert second.reason.startswith("lat, lon: The position is 2")


def test_swapped_coordinates_are_reported(session: Session, tmp_path: Path) -> None:
    """In Europe, swapped coordinates are still in range."""
    vaduz = Position(47.141, 9.521)
    make.region(session, "LI", country="LI", time_zone="Europe/Vaduz", holiday_calendar=None)
    make.estate(session, around=vaduz, in_region="LI", source="list", source_id="e")
    row = DEVICE | {"region": "", "estate": "e", "lat": vaduz.lon, "lon": vaduz.lat}

    report = lists.devices(session, table(tmp_path, row))

    assert "look swapped" in report.bad[0].reason
    assert session.query(Device).count() == 0


@each_case(
    ("cells", "reason"),
    [
        (REGION | {"kind": ""}, "kind: must be region, estate or gate"),
        (REGION | {"kind": "house"}, "kind: must be region, estate or gate"),
        (REGION | {"country": "China"}, "country: must be two capital letters"),
        (REGION | {"time_zone": "Beijing"}, "time_zone: must be an IANA time zone"),
        (REGION | {"time_zone": "../../etc/passwd"}, "time_zone: must be an IANA time zone"),
        (REGION | {"emergency_number": "call us"}, "emergency_number: must be 2 to 8 digits"),
        (REGION | {"holiday_calendar": "XX"}, "holiday_calendar: There is no holiday calendar"),
        (REGION | {"code": "浙江"}, "code: must be letters"),
        (REGION | {"name_zh": ""}, "name_zh: is required"),
        (ESTATE, "boundary: is required"),
        (ESTATE | {"boundary": "POINT (1 2)"}, "boundary: The boundary must be a GeoJSON Polygon"),
        (ESTATE | {"boundary": "here"}, "boundary: must be WKT"),
        (ESTATE | {"boundary": '{"type": "Polygon"'}, "boundary: must be WKT"),
        (ESTATE | {"boundary": "POLYGON EMPTY"}, "boundary: "),
        (ESTATE | {"boundary": "POLYGON ((0 0, 1 1, 0 1, 1 0, 0 0))"}, "boundary: The boundary is not"),
        (ESTATE | {"boundary": "POLYGON ((0 0, 0 40, 40 40, 0 0))"}, "boundary: The boundary is too large"),
        (
            ESTATE | {"boundary": "POLYGON ((30 120, 31 120, 31 121, 30 120))"},
            "boundary: The boundary's coordinates are out of range",
        ),
        (GATE, "lat: is required"),
        (GATE | {"lat": "1", "lon": "1", "passage": "shut"}, "passage: must be open, guarded or residents"),
        (GATE | {"lat": "1", "lon": "1", "opening_hours": "always"}, "opening_hours: "),
    ],
)
def test_a_bad_row_is_set_aside_with_its_column(
    session: Session, tmp_path: Path, cells: dict[str, str], reason: str
) -> None:
    make.region(session)
    good = REGION | {"code": "good"}
    report = lists.estates(session, table(tmp_path, good, cells))

    assert counts(report) == (1, 0, 0, 1)
    assert report.bad[0].where == "line 3"
    assert report.bad[0].reason.startswith(reason)


def test_an_estate_without_an_area_is_set_aside_with_advice(session: Session, tmp_path: Path) -> None:
    report = lists.estates(session, geojson(tmp_path, feature(REGION), feature(ESTATE, point())))
    assert report.bad[0].reason.startswith("geometry: must be a Polygon or MultiPolygon")


def test_duplicates_inside_a_file_are_set_aside(session: Session, tmp_path: Path) -> None:
    twice = [feature(REGION), feature(ESTATE, SQUARE), feature(GATE, point())]
    report = lists.estates(session, geojson(tmp_path, *twice, *twice))

    assert counts(report) == (3, 0, 0, 3)
    assert [bad.reason for bad in report.bad] == [
        "region CN-33 is a duplicate: it is already in feature 1",
        "estate list e is a duplicate: it is already in feature 2",
        "gate list g is a duplicate: it is already in feature 3",
    ]


def test_a_boundary_with_a_third_dimension_is_accepted(session: Session, tmp_path: Path) -> None:
    ring = [[120.098, 30.288, 5], [120.102, 30.288, 5], [120.102, 30.292, 5], [120.098, 30.288, 5]]
    flat = {"type": "Polygon", "coordinates": [ring]}
    assert counts(lists.estates(session, geojson(tmp_path, feature(REGION), feature(ESTATE, flat)))) == (
        2,
        0,
        0,
        0,
    )
    session.commit()
    session.expire_all()
    assert not shape_of(session.scalars(select(Estate)).one().boundary).has_z
