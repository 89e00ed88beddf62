"""Importing devices repeatedly neither duplicates nor loses anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import ANYONE, Audience
from aed.errors import InvalidInput, NotSignedIn
from aed.imports import batches
from aed.imports.devices.actions import import_devices
from aed.registry.changes import RegistryChange, changes_of
from aed.registry.devices import actions as device_actions
from aed.registry.devices.models import Consumable, Device
from aed.registry.devices.rules import DeviceState
from aed.registry.devices.schemas import DeviceAmend
from tests import make
from tests.cases import each_case
from tests.imports import lists
from tests.imports.lists import DEVICE, counts, feature, geojson, point, reasons, table
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of


def device(session: Session, source_id: str = "1") -> Device:
    return session.scalars(
        select(Device).where(Device.source_id == source_id).options(joinedload(Device.keeper))
    ).one()


def test_a_stranger_may_not_import(session: Session, tmp_path: Path) -> None:
    with pytest.raises(NotSignedIn):
        import_devices(session, ANYONE, table(tmp_path, DEVICE), at=NOW)


def test_the_same_list_twice_changes_nothing(session: Session, tmp_path: Path) -> None:
    rows = [
        DEVICE
        | {"source_id": str(number), "keeper_name": "Wu", "pads_expire_on": "2028-05-31", "datum": datum}
        for number, datum in enumerate(["wgs84", "gcj02", "bd09"])
    ]
    path = table(tmp_path, *rows)

    assert counts(lists.devices(session, path)) == (3, 0, 0, 0)
    session.commit()
    kept = session.query(RegistryChange).count()
    assert counts(lists.devices(session, path)) == (0, 0, 3, 0)
    session.commit()
    assert session.query(RegistryChange).count() == kept
    assert session.query(Consumable).count() == 3


def test_a_changed_cell_changes_that_device_and_is_in_its_history(session: Session, tmp_path: Path) -> None:
    rows = [DEVICE | {"source_id": str(number), "place_en": "Hall"} for number in range(5)]
    lists.devices(session, table(tmp_path, *rows))
    session.commit()
    rows[3]["place_en"] = "Lobby"

    assert counts(lists.devices(session, table(tmp_path, *rows))) == (0, 1, 4, 0)

    session.commit()
    newest, first = changes_of(session, subject="devices", subject_id=str(device(session, "3").id))
    assert (newest.fields, newest.who, newest.at) == ({"place_en": ["Hall", "Lobby"]}, "test", NOW)
    assert first.fields["place_en"] == [None, "Hall"]
    assert len(changes_of(session, subject="devices", subject_id=str(device(session, "2").id))) == 1


def test_an_empty_cell_keeps_the_stored_value(session: Session, tmp_path: Path) -> None:
    estate = make.estate(session, source="list", source_id="e")
    full = DEVICE | {
        "region": "",
        "estate": "e",
        "place_zh": "大堂",
        "opening_hours": "24/7",
        "cabinet": "locked",
        "audience": "public",
        "keeper_name": "Wu",
        "keeper_phone": "+86 100",
        "state": "out_of_service",
        "out_of_service_reason": "lent",
        "pads_expire_on": "2028-05-31",
    }
    lists.devices(session, table(tmp_path, full))
    session.commit()

    assert counts(lists.devices(session, table(tmp_path, DEVICE | {"region": ""}))) == (0, 0, 1, 0)
    named_again = DEVICE | {"region": "", "keeper_name": "Wu", "state": "out_of_service"}
    assert counts(lists.devices(session, table(tmp_path, named_again))) == (0, 0, 1, 0)

    session.commit()
    found = device(session)
    assert found.keeper is not None
    assert (found.estate_id, found.place_zh, found.opening_hours) == (estate.id, "大堂", "24/7")
    assert (found.audience, found.state, found.keeper.phone) == (Audience.PUBLIC, "out_of_service", "+86 100")


def test_a_row_with_a_region_and_no_estate_is_outside_estates(session: Session, tmp_path: Path) -> None:
    make.estate(session, source="list", source_id="e")
    lists.devices(session, table(tmp_path, DEVICE | {"region": "", "estate": "e"}))
    assert device(session).estate_id is not None

    assert counts(lists.devices(session, table(tmp_path, DEVICE))) == (0, 1, 0, 0)
    assert device(session).estate_id is None


def test_a_device_withdrawn_by_a_list_returns_only_when_the_list_says_so(
    session: Session, tmp_path: Path
) -> None:
    lists.devices(session, table(tmp_path, DEVICE))
    gone = DEVICE | {"state": "withdrawn"}
    assert counts(lists.devices(session, table(tmp_path, gone))) == (0, 1, 0, 0)
    assert counts(lists.devices(session, table(tmp_path, gone))) == (0, 0, 1, 0)
    assert device(session).state is DeviceState.WITHDRAWN

    lists.devices(session, table(tmp_path, DEVICE))
    assert device(session).state is DeviceState.WITHDRAWN
    assert counts(lists.devices(session, table(tmp_path, DEVICE | {"state": "in_service"}))) == (0, 1, 0, 0)
    assert device(session).state is DeviceState.IN_SERVICE


def test_a_new_expiry_date_amends_the_fitted_consumable(session: Session, tmp_path: Path) -> None:
    lists.devices(session, table(tmp_path, DEVICE | {"pads_expire_on": "2027-05-31"}))
    report = lists.devices(
        session,
        table(tmp_path, DEVICE | {"pads_expire_on": "2029-05-31", "battery_expires_on": "2030-01-01"}),
    )

    assert counts(report) == (0, 1, 0, 0)
    fitted = session.scalars(select(Consumable.expires_on).order_by(Consumable.expires_on)).all()
    assert fitted == [date(2029, 5, 31), date(2030, 1, 1)]


def test_hours_that_can_no_longer_be_parsed_become_unknown(session: Session, tmp_path: Path) -> None:
    tags = {"emergency": "defibrillator", "opening_hours": "Mo-Fr 08:00-17:00"}
    lists.devices(session, geojson(tmp_path, feature(tags, point(), id="n1")), region="CN-33")
    assert device(session, "node/1").opening_hours == "Mo-Fr 08:00-17:00"

    tags["opening_hours"] = "ask at the counter"
    report = lists.devices(session, geojson(tmp_path, feature(tags, point(), id="n1")), region="CN-33")

    assert (counts(report), report.hours_not_understood) == ((0, 1, 0, 0), 1)
    found = device(session, "node/1")
    assert (found.opening_hours, found.opening_hours_raw) == (None, "ask at the counter")


def test_a_field_amended_by_hand_is_kept_whatever_the_list_says(session: Session, tmp_path: Path) -> None:
    row = DEVICE | {"place_en": "Hall", "maker": "A"}
    lists.devices(session, table(tmp_path, row))
    session.commit()
    found = device(session)
    device_actions.amend_device(
        session, ADMINISTRATOR, found.id, DeviceAmend(place_en="Attic"), version=found.version, at=NOW
    )
    session.commit()

    assert counts(lists.devices(session, table(tmp_path, row))) == (0, 0, 1, 0)
    newer = row | {"place_en": "Lobby", "maker": "B"}
    assert counts(lists.devices(session, table(tmp_path, newer))) == (0, 1, 0, 0)

    session.commit()
    assert (device(session).place_en, device(session).maker) == ("Attic", "B")
    assert len(changes_of(session, subject="devices", subject_id=str(found.id))) == 3


def test_the_second_of_two_rows_of_one_device_is_set_aside(session: Session, tmp_path: Path) -> None:
    report = lists.devices(
        session, table(tmp_path, DEVICE | {"place_en": "Hall"}, DEVICE | {"place_en": "Lobby"})
    )

    assert counts(report) == (1, 0, 0, 1)
    assert reasons(report) == {"line 3": "list 1 is a duplicate: it is already in line 2"}
    assert device(session).place_en == "Hall"


def test_bad_rows_among_good_ones_are_found_in_any_batch(session: Session, tmp_path: Path) -> None:
    estate = make.estate(session, source="list", source_id="e")
    there = east_of(PATIENT, metres=2_000)
    rows: list[dict[str, Any]] = [
        DEVICE | {"region": "", "estate": "e", "source_id": str(number)} for number in range(40)
    ]
    rows[7] |= {"lat": there.lat, "lon": there.lon}
    rows[8] |= {"estate": "nowhere"}
    rows[30] |= {"estate": "", "region": "XX"}
    rows[39] |= {"state": "out_of_service"}

    report = lists.devices(session, table(tmp_path, *rows))

    assert counts(report) == (36, 0, 0, 4)
    reason = reasons(report)
    assert list(reason) == ["line 9", "line 10", "line 32", "line 41"]
    assert reason["line 9"].startswith("lat, lon: The position is 1")
    assert "has no estate 'nowhere'" in reason["line 10"]
    assert "There is no region 'XX'" in reason["line 32"]
    assert reason["line 41"].startswith("out_of_service_reason: ")
    session.commit()
    assert session.query(Device).where(Device.estate_id == estate.id).count() == 36
    assert session.query(RegistryChange).where(RegistryChange.subject == "devices").count() == 36


@each_case(
    ("cells", "column", "right"),
    [
        ({"lat": "95"}, "lat", "from -90 to 90"),
        ({"lat": "120.1", "lon": "30.29"}, "lat", "swapped"),
        ({"lat": "nan"}, "lat", "must be a number"),
        ({"lat": "inf"}, "lat", "must be a number"),
        ({"lon": "1e999"}, "lon", "must be a number"),
        ({"lat": "30°17'"}, "lat", "must be a number (it is '30°17'')"),
        ({"lon": "181"}, "lon", "from -180 to 180"),
        ({"lat": ""}, "lat", "is required"),
        ({"datum": "tokyo"}, "datum", "wgs84, gcj02 or bd09"),
        ({"opening_hours": "nine to five"}, "opening_hours", "nine to five"),
        ({"floor": "ground"}, "floor", "must be a whole number"),
        ({"floor": "1.5"}, "floor", "must be a whole number"),
        ({"floor": "9" * 400}, "floor", "200"),
        ({"floor": "300"}, "floor", "200"),
        ({"storey": "upstairs"}, "storey", "not valid"),
        ({"storey": "3楼", "floor": "3"}, "floor", "storey 3楼 is storey 3 (floor 2)"),
        ({"storey": "3楼", "region": "XX"}, "region", "no region 'XX'"),
        ({"storey": "3楼", "region": ""}, "storey", "requires an estate or a region"),
        ({"storey": "3楼", "region": "", "estate": "e"}, "estate", "has no estate 'e'"),
        ({"entry": "maybe"}, "entry", "free, assisted"),
        ({"audience": "all"}, "audience", "estate, neighbours, dispatch or public"),
        ({"state": "broken"}, "state", "in_service, out_of_service or withdrawn"),
        ({"state": "out_of_service"}, "out_of_service_reason", "Give out_of_service_reason"),
        ({"out_of_service_reason": "lent"}, "out_of_service_reason", "out_of_service"),
        ({"pads_expire_on": "2027/5/31"}, "pads_expire_on", "such as 2027-05-31"),
        ({"pads_expire_on": "2027-02-30"}, "pads_expire_on", "date"),
        ({"pads_expire_on": "0000-01-01"}, "pads_expire_on", "1990-01-01"),
        ({"pads_expire_on": "46000"}, "pads_expire_on", "such as 2027-05-31"),
        ({"battery_expires_on": "1889-01-01"}, "battery_expires_on", "1990-01-01"),
        ({"last_checked_on": "31.05.2027"}, "last_checked_on", "such as"),
        ({"keeper_phone": "+86 100"}, "keeper_phone", "keeper_name"),
        ({"keeper_name": "Wu", "keeper_phone": "ring me"}, "keeper_phone", "digits"),
        ({"source": "my list"}, "source", "letters, digits"),
        ({"source_id": "x" * 129}, "source_id", "128"),
        ({"place_en": "x" * 2001}, "place_en", "2000"),
        ({"place_zh": "a\x07b"}, "place_zh", "control characters"),
        ({"region": ""}, "region", "Give the estate or the region"),
    ],
)
def test_a_row_with_a_bad_cell_is_set_aside_with_its_column_and_advice(
    session: Session, tmp_path: Path, cells: dict[str, str], column: str, right: str
) -> None:
    good = DEVICE | {"source_id": "good"}
    report = lists.devices(session, table(tmp_path, good, DEVICE | cells))

    assert counts(report) == (1, 0, 0, 1)
    assert report.bad[0].where == "line 3"
    assert report.bad[0].reason.startswith(f"{column}: ")
    assert right in report.bad[0].reason


def test_a_storey_is_read_by_the_convention_of_the_region_and_stored_as_a_floor(
    session: Session, tmp_path: Path
) -> None:
    make.region(session, "AT-9", country="AT", time_zone="Europe/Vienna", holiday_calendar=None)
    estate = make.estate(session, source="list", source_id="e", in_region="AT-9")
    there = {"region": "", "estate": "e"}
    rows = [
        DEVICE | {"source_id": "by region", "storey": "3楼"},
        DEVICE | {"source_id": "by estate", "storey": "3"} | there,
        DEVICE | {"source_id": "said twice", "storey": "B1", "floor": "-1"},
        DEVICE | {"source_id": "by option", "storey": "1楼", "region": ""},
    ]
    floors = {"by region": 2, "by estate": 3, "said twice": -1, "by option": 0}

    assert counts(lists.devices(session, table(tmp_path, *rows), region="CN-33")) == (4, 0, 0, 0)
    assert {each: device(session, each).floor for each in floors} == floors
    assert device(session, "by estate").estate_id == estate.id

    as_floors = [row | {"storey": "", "floor": str(floors[row["source_id"]])} for row in rows]
    assert counts(lists.devices(session, table(tmp_path, *as_floors), region="CN-33")) == (0, 0, 4, 0)
    registered = DEVICE | {"source_id": "by estate", "region": "", "storey": "4F"}
    lists.devices(session, table(tmp_path, registered), region="CN-33", is_partial=True)
    assert device(session, "by estate").floor == 4, "by the convention of the region of the device"


def test_implausible_positions_of_a_french_list_are_set_aside(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(
        "c_gid;c_nom;c_lat_coor1;c_long_coor1\n1;Mairie;48.85;2.35\n2;Mairie;2.35;48.85\n3;Port;-20.9;55.5\n"
        "4;Mairie;0;0.0\n5;Mairie;90;2.35\n"
    )

    report = lists.devices(session, path, region="CN-33")

    assert counts(report) == (2, 0, 0, 3)
    reason = reasons(report)
    assert list(reason) == ["line 3", "line 5", "line 6"]
    assert "inside it if swapped" in reason["line 3"]
    assert "used as a placeholder" in reason["line 5"]
    assert "is a pole" in reason["line 6"]


def test_coordinates_in_the_wrong_datum_are_set_aside_with_the_right_one(
    session: Session, tmp_path: Path
) -> None:
    make.estate(session, source="list", source_id="e")
    amap = {"lat": 30.2876, "lon": 120.1047}  # PATIENT in AMap's coordinates
    row = DEVICE | amap | {"region": "", "estate": "e"}

    report = lists.devices(session, table(tmp_path, row | {"source_id": "a"}, row | {"datum": "gcj02"}))

    assert counts(report) == (1, 0, 0, 1)
    assert report.bad[0].reason.startswith("datum: The position is ")
    assert "as WGS84, but in or near it as GCJ02" in report.bad[0].reason
    assert "give datum=gcj02" in report.bad[0].reason


def test_lines_are_numbered_as_in_a_text_editor(session: Session, tmp_path: Path) -> None:
    rows = [
        DEVICE | {"place_en": "first line\nsecond line\n\nfourth"},
        DEVICE | {"source_id": "2", "floor": "x", "place_en": "one\ntwo"},
        DEVICE | {"source_id": "3", "floor": "y"},
    ]
    path = table(tmp_path, *rows)

    assert list(reasons(lists.devices(session, path))) == ["line 6", "line 8"]
    assert path.read_text(encoding="utf-8").splitlines()[5].startswith("list,2,")


def test_a_row_with_too_few_cells_is_set_aside(session: Session, tmp_path: Path) -> None:
    path = table(tmp_path, DEVICE)
    with path.open("a", encoding="utf-8") as opened:
        opened.write("\n\nlist,2,30.1\n")

    assert reasons(lists.devices(session, path)) == {"line 5": "has 3 cells where the header has 5"}


def test_a_list_with_only_bad_rows_imports_nothing(session: Session, tmp_path: Path) -> None:
    report = lists.devices(session, table(tmp_path, DEVICE | {"lat": "x"}))
    assert (report.taken, counts(report)) == (0, (0, 0, 0, 1))


def test_the_default_region_applies_to_new_devices_without_one(session: Session, tmp_path: Path) -> None:
    make.region(session, "CN-31")
    nowhere = DEVICE | {"region": "", "source_id": "2"}
    lists.devices(session, table(tmp_path, DEVICE, nowhere), region="CN-31")

    assert device(session, "1").region_id == make.region(session).id
    assert device(session, "2").region_id == make.region(session, "CN-31").id
    assert counts(lists.devices(session, table(tmp_path, nowhere), region="CN-33")) == (0, 0, 1, 0)


def test_own_geojson_is_imported_like_own_csv(session: Session, tmp_path: Path) -> None:
    given = {"source": "list", "region": "CN-33", "floor": 2, "maker": None, "place_zh": "大堂"}
    lists.devices(
        session,
        geojson(
            tmp_path,
            feature(given | {"source_id": "1"}, {"type": "Point", "coordinates": [120.1, 30.29, 12.5]}),
            feature(
                given | {"source_id": 2, "floor": "2"}, {"type": "Point", "coordinates": ["120.1", "30.29"]}
            ),
        ),
    )
    rows = [DEVICE | given | {"source_id": number} for number in (1, 2)]
    assert counts(lists.devices(session, table(tmp_path, *rows))) == (0, 0, 2, 0)


@each_case(
    ("broken", "reason"),
    [
        (feature({"source": "list", "source_id": "1", "region": "CN-33"}), "geometry: must be a Point"),
        (feature({"source": "list", "source_id": "1"}, {"type": "Polygon"}), "geometry: must be a Point"),
        (feature({"source": "list", "source_id": "1"}, {"type": "Point"}), "geometry: must be a Point"),
        (feature(None, point()), "source: is required"),
        (feature(dict(DEVICE) | {"floors": 1}, point()), "floors: unknown name: did you mean floor?"),
        (feature(dict(DEVICE), {"type": "Point", "coordinates": [True, False]}), "lat: must be a number"),
        (feature(dict(DEVICE), {"type": "Point", "coordinates": [[1], {}]}), "lat: must be a number"),
        (feature(dict(DEVICE), {"type": "Point", "coordinates": [10**15, 1]}), "lon: Longitude is 1e+15"),
        (feature(dict(DEVICE) | {"place_en": {"a": 1}}, point()), "place_en: must be text"),
        (feature(dict(DEVICE) | {"place_en": "\x00"}, point()), "place_en: must not contain control"),
        ("not a feature", "is not a GeoJSON feature"),
        (None, "is not a GeoJSON feature"),
    ],
)
def test_a_broken_feature_is_set_aside(session: Session, tmp_path: Path, broken: object, reason: str) -> None:
    good = feature(dict(DEVICE) | {"source_id": "good"}, point())
    report = lists.devices(session, geojson(tmp_path, good, broken))

    assert counts(report) == (1, 0, 0, 1)
    assert report.bad[0].where == "feature 2"
    assert report.bad[0].reason.startswith(reason)


def test_an_unpaired_surrogate_does_not_lose_a_device(session: Session, tmp_path: Path) -> None:
    path = geojson(tmp_path, feature(dict(DEVICE) | {"place_en": "a\ud800b"}, point()))
    assert counts(lists.devices(session, path)) == (1, 0, 0, 0)
    assert device(session).place_en == "a b"


def test_a_number_too_large_to_represent_refuses_the_file(session: Session, tmp_path: Path) -> None:
    path = geojson(tmp_path, feature(dict(DEVICE) | {"floor": 10**30}, point()))
    with pytest.raises(InvalidInput, match="number that is too large"):
        lists.devices(session, path)


def test_a_failed_import_leaves_the_register_unchanged(session: Session, tmp_path: Path) -> None:
    lists.devices(session, table(tmp_path, DEVICE))
    session.commit()

    path = table(tmp_path, DEVICE | {"source_id": "new"})
    with path.open("a", encoding="utf-8") as opened:
        opened.write('list,"not closed,30,120,CN-33\n' * 3)
    with pytest.raises(InvalidInput, match="begins in line 3"):
        lists.devices(session, path)
    session.rollback()

    assert session.query(Device).count() == 1


def test_a_file_of_bad_rows_is_refused_before_it_fills_the_memory(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MAX_BAD_ROWS", 1_000)
    bad = [DEVICE | {"source_id": str(number), "lat": "north"} for number in range(1_002)]
    good = [DEVICE | {"source_id": f"g{number}"} for number in range(1_500)]

    assert counts(lists.devices(session, table(tmp_path, *good, *bad))) == (1_500, 0, 0, 1_002)
    with pytest.raises(
        InvalidInput, match=r"More than 1,000 rows .* The first bad row is line 2: lat: must be a number"
    ):
        lists.devices(session, table(tmp_path, *bad))


def test_a_list_without_any_region_stops_at_once(session: Session, tmp_path: Path) -> None:
    rows = [DEVICE | {"source_id": str(number), "region": ""} for number in range(1_200)]
    read: list[int] = []

    with pytest.raises(InvalidInput, match="Give the region of the new devices") as refused:
        lists.devices(session, table(tmp_path, *rows), progress=read.append)

    assert refused.value.field == "region"
    assert max(read) <= 2 * batches.ROWS_AT_ONCE
    assert counts(lists.devices(session, table(tmp_path, *rows), region="CN-33")) == (1_200, 0, 0, 0)


def test_a_list_without_any_region_still_amends_what_is_registered(session: Session, tmp_path: Path) -> None:
    lists.devices(session, table(tmp_path, DEVICE))

    report = lists.devices(session, table(tmp_path, DEVICE | {"region": "", "place_en": "Hall"}))

    assert counts(report) == (0, 1, 0, 0)
