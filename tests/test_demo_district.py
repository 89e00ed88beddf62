"""The demo district matches its README, and its script reproduces it byte for byte."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import opening_hours
import pytest
from geodata import make_demo_district as demo
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience
from aed.geo import Datum, Position, distance_metres, to_wgs84
from aed.imports.devices.actions import import_devices
from aed.imports.estates import import_buildings, import_estates
from aed.planning.coverage.actions import make_preview
from aed.planning.coverage.schemas import PreviewResult, StepIn
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.walking.build import build_network
from tests.make import ADMINISTRATOR, NOW

BASEMAP = "basemap.pmtiles"
"""Made by `aed map build` from the streets; tests/web/test_map.py reads it."""
FILES = {"streets.osm.pbf", "estates.geojson", "devices.csv", "responders.csv", "questions.json", "map.svg"}
CHINESE = re.compile(r"[\u4e00-\u9fff]")
GUARD_PHONE = re.compile(r"\+86 571 0\d{3} \d{4}")  # subscriber numbers never begin with 0
PERSON_PHONE = re.compile(r"\+86 100 0000 \d{4}")  # mobile numbers never begin with 10


def listed(kind: str) -> list[dict[str, str]]:
    """Return the properties of all regions, estates or gates."""
    collection = json.loads((demo.HERE / "estates.geojson").read_text(encoding="utf-8"))
    return [f["properties"] for f in collection["features"] if f["properties"]["kind"] == kind]


def gate_positions() -> list[Position]:
    collection = json.loads((demo.HERE / "estates.geojson").read_text(encoding="utf-8"))
    points = [
        f["geometry"]["coordinates"] for f in collection["features"] if f["properties"]["kind"] == "gate"
    ]
    return [Position(lat=lat, lon=lon) for lon, lat in points]


def rows(name: str) -> list[dict[str, str]]:
    with (demo.HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def questions() -> list[dict[str, str]]:
    return list(json.loads((demo.HERE / "questions.json").read_text(encoding="utf-8")))


def here(row: dict[str, str]) -> Position:
    return to_wgs84(float(row["lat"]), float(row["lon"]), Datum(row["datum"]))


def test_the_demo_district_is_generated_byte_for_byte(tmp_path: Path) -> None:
    demo.make(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert {path.name for path in demo.HERE.iterdir()} == FILES | {BASEMAP}
    for name in sorted(FILES):
        assert (tmp_path / name).read_bytes() == (demo.HERE / name).read_bytes(), (
            f"{name} is not as committed"
        )


def test_the_demo_district_passes_its_checks() -> None:
    assert demo.faults(demo.HERE) == []


@pytest.mark.parametrize(
    ("file", "right", "wrong", "complaint"),
    [
        ("devices.csv", "120.097790", "120.197790", "outside paper-crane"),
        ("estates.geojson", '"type": "Point",\n    "coordinates": [\n     120.', None, "no gate node"),
    ],
)
def test_the_checks_notice_planted_mistakes(
    tmp_path: Path, file: str, right: str, wrong: str | None, complaint: str
) -> None:
    shutil.copytree(demo.HERE, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / file).write_text(
        text.replace(right, wrong or right.replace("120.", "121.")), encoding="utf-8"
    )

    assert any(complaint in sentence for sentence in demo.faults(tmp_path))


def test_a_dozen_estates_share_three_neighbourhoods() -> None:
    estates = listed("estate")

    assert len(estates) == len({e["source_id"] for e in estates}) == 12
    assert {e["neighbourhood"] for e in estates} == set(demo.NEIGHBOURHOODS)
    regions = {region["code"]: region["parent"] for region in listed("region")}
    assert {e["region"] for e in estates} <= set(regions)
    assert all(parent is None or parent in regions for parent in regions.values())


def test_every_estate_has_two_to_four_gates_and_every_kind_of_gate_occurs() -> None:
    gates = listed("gate")

    per_estate = Counter(gate["estate"] for gate in gates)
    assert len(per_estate) == 12
    assert set(per_estate.values()) <= {2, 3, 4}
    assert {gate["passage"] for gate in gates} == {"open", "guarded", "residents"}
    assert {gate["opening_hours"] for gate in gates} == {None, "24/7", "06:00-23:00", "06:30-22:00"}
    inkstone = {gate["passage"] for gate in gates if gate["estate"] == "inkstone"}
    assert inkstone == {"residents"}, "one estate admits only residents"


def test_every_name_is_in_english_and_chinese() -> None:
    named = [properties for kind in ("region", "estate", "gate") for properties in listed(kind)]
    pairs = [(p["name_en"], p["name_zh"]) for p in [*named, *questions()]]
    pairs += [(row["place_en"], row["place_zh"]) for row in rows("devices.csv")]
    pairs += [(row["access_instructions_en"], row["access_instructions_zh"]) for row in rows("devices.csv")]
    for tags, _ in demo.read_streets(demo.HERE / "streets.osm.pbf").ways:
        if "name" in tags:
            assert tags["name"] == tags["name:zh"]
            pairs.append((tags["name:en"], tags["name:zh"]))

    for english, chinese in pairs:
        assert english
        assert not CHINESE.search(english)
        assert CHINESE.search(chinese)


def test_the_streets_have_detours_that_a_straight_line_ignores() -> None:
    streets = demo.read_streets(demo.HERE / "streets.osm.pbf")
    tags = [tags for tags, _ in streets.ways]

    carriageways = [t for t in tags if t.get("bridge") and t["highway"] in ("primary", "secondary")]
    assert len(carriageways) == 2, "the canal has two bridges"
    assert any(t.get("tunnel") and t["highway"] == "footway" for t in tags), "an underpass"
    assert any(t.get("highway") == "motorway" for t in tags)
    assert any(t.get("highway") == "service" and t.get("access") == "private" for t in tags)
    assert any(t.get("oneway") and t["highway"] == "residential" for t in tags)
    assert any(t.get("footway") == "crossing" for t in tags)
    assert sum(t.get("building") == "apartments" for t in tags) > 200
    assert sum("barrier" in t for t in streets.node_tags.values()) == len(listed("gate"))


def test_the_devices_differ_in_audience_datum_floor_and_access() -> None:
    devices = rows("devices.csv")

    assert 38 <= len(devices) <= 45
    assert len({d["source_id"] for d in devices}) == len({d["serial"] for d in devices}) == len(devices)
    audiences = Counter(d["audience"] for d in devices)
    assert set(audiences) == {"estate", "neighbours", "dispatch", "public"}
    assert 0.4 <= audiences["public"] / len(devices) <= 0.6
    assert Counter(d["datum"] for d in devices)["bd09"] == 1
    assert Counter(d["datum"] for d in devices)["gcj02"] >= 4
    assert {d["floor"] for d in devices} == {"-1", "0", "1", "3"}
    assert {d["entry"] for d in devices} == {"free", "assisted"}
    assert {d["cabinet"] for d in devices} == {"none", "unlocked", "alarmed", "locked"}
    assert {"", "24/7", "Mo-Fr 08:30-17:30; PH off", "Mo-Su 07:00-22:00", "Mo-Su 17:00-02:00"} <= {
        d["opening_hours"] for d in devices
    }
    expired = [d for d in devices if date.fromisoformat(d["pads_expire_on"]) < date(2027, 1, 1)]
    assert [d["pads_expire_on"][:7] for d in expired] == ["2026-06", "2026-06"]
    assert [bool(d["out_of_service_reason"]) for d in devices if d["state"] == "out_of_service"] == [True]
    assert all(d["estate"] or d["region"] for d in devices)
    assert 0 < sum(not d["last_checked_on"] for d in devices) < 6


def test_the_rows_of_a_responder_agree() -> None:
    people: dict[str, set[tuple[str, ...]]] = {}
    places = set(demo.RESPONDER_COLUMNS[demo.RESPONDER_COLUMNS.index("place") :])
    for row in rows("responders.csv"):
        person = tuple(value for column, value in row.items() if column not in places)
        people.setdefault(row["source_id"], set()).add(person)

    assert len(people) == 60
    assert all(len(facts) == 1 for facts in people.values())
    assert len({row["name"] for row in rows("responders.csv")}) == 60
    lapsed = {
        row["source_id"] for row in rows("responders.csv") if row["certificate_valid_until"] < "2026-09-22"
    }
    paused = {row["source_id"] for row in rows("responders.csv") if row["paused_until"]}
    assert len(lapsed) == 3
    assert len(paused) == 3


def test_all_opening_hours_can_be_parsed() -> None:
    given = {row["opening_hours"] for row in rows("devices.csv")}
    given |= {row[column] for row in rows("responders.csv") for column in ("availability", "place_hours")}
    given |= {gate["opening_hours"] or "" for gate in listed("gate")}

    for expression in sorted(given - {""}):
        assert opening_hours.validate(expression), expression


def test_no_telephone_number_is_a_real_one() -> None:
    assert all(GUARD_PHONE.fullmatch(estate["guard_phone"]) for estate in listed("estate"))
    phones = {row["phone"] for row in rows("responders.csv")}
    phones |= {row["keeper_phone"] for row in rows("devices.csv")}
    assert all(PERSON_PHONE.fullmatch(phone) for phone in phones)


def test_each_example_lookup_has_a_place_a_time_and_a_viewer() -> None:
    estates = {f"estate:{estate['source_id']}" for estate in listed("estate")}

    assert 5 <= len(questions()) <= 8
    assert {"anonymous", "dispatcher"} <= {q["as"] for q in questions()}
    for question in questions():
        assert question["as"] in {"anonymous", "dispatcher"} | estates
        assert datetime.fromisoformat(question["at"]).utcoffset() is not None
        assert question["note"]


def test_closed_gates_block_every_way_into_the_estates() -> None:
    network = build_network(demo.HERE / "streets.osm.pbf")
    devices = rows("devices.csv")
    snapped_points = network.snap([here(d).lat for d in devices], [here(d).lon for d in devices])
    crossings = [network.crossing_at(position) for position in gate_positions()]
    assert None not in crossings
    canal = demo.position_of(demo.CANAL_SIDE)

    open_to_all = network.reachable(canal, within_metres=5_000)
    shut = network.reachable(canal, within_metres=5_000, closed=[c for c in crossings if c is not None])
    assert open_to_all is not None
    assert shut is not None
    assert all(math.isfinite(metres) for metres in open_to_all.costs(snapped_points))
    reached = [d for d, metres in zip(devices, shut.costs(snapped_points), strict=True) if metres < 5_000]
    of_estates = [d["place_en"] for d in reached if d["estate"]]
    assert len(reached) > len(of_estates)
    assert of_estates == [
        "Kite Workshop Village: Street side of the wall, West Gate",
        "Cloud Ladder Towers: Street side of the wall, West Gate",
    ]


def test_at_night_the_straight_line_from_the_canal_leads_to_a_device_across_the_water() -> None:
    network = build_network(demo.HERE / "streets.osm.pbf")
    canal = demo.position_of(demo.CANAL_SIDE)
    devices = [d for d in rows("devices.csv") if d["audience"] == "public" and d["opening_hours"] == "24/7"]
    reachable = network.reachable(canal, within_metres=5_000)
    assert reachable is not None
    metres = reachable.costs(network.snap([here(d).lat for d in devices], [here(d).lon for d in devices]))

    by_line = min(devices, key=lambda d: distance_metres(canal, here(d)))
    on_foot = devices[int(metres.argmin())]
    assert by_line["estate"] == "abacus"
    assert on_foot["estate"] == "lantern"
    assert metres[devices.index(by_line)] > 2 * metres.min()


def test_an_estate_gives_and_gets_by_opening_to_its_neighbours(session: Session) -> None:
    import_estates(session, ADMINISTRATOR, demo.HERE / "estates.geojson", at=NOW)
    import_devices(session, ADMINISTRATOR, demo.HERE / "devices.csv", at=NOW)
    import_buildings(session, ADMINISTRATOR, demo.HERE / "streets.osm.pbf")
    kite = session.scalars(select(Estate).where(Estate.source_id == "kite")).one()

    made = make_preview(
        session,
        ADMINISTRATOR,
        kite.id,
        StepIn(audience=Audience.NEIGHBOURS),
        network=build_network(demo.HERE / "streets.osm.pbf"),
        settings=Settings(),
        at=NOW,
    )

    found = PreviewResult.model_validate(made.result)
    assert all(band.gains[-1].outsiders >= 40 for band in found.bands)
    assert found.reciprocity.if_neighbours_follow >= 10
