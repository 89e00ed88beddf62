"""Registering, updating and withdrawing estates and their gates over HTTP."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from shapely.geometry import shape
from sqlalchemy.orm import Session
from tests import make
from tests.make import PATIENT, east_of, north_of
from tests.registry.conftest import Desk
from tests.registry.test_devices import refused

NEW: dict[str, Any] = {
    "region": "CN-33",
    "name_en": "Spring Garden",
    "name_zh": "春园",
    "boundary": make.square(PATIENT),
}
FULL: dict[str, Any] = {
    **NEW,
    "source": "survey",
    "source_id": "7",
    "neighbourhood": "west-lake",
    "time_zone": "Asia/Urumqi",
    "guard_phone": "+86 571 0555 0001",
}
GATE: dict[str, Any] = {
    "name_en": "West",
    "name_zh": "西门",
    "position": {"lat": PATIENT.lat, "lon": PATIENT.lon},
    "passage": "guarded",
}


# --- estates --------------------------------------------------------------------------------------------


def test_anonymous_may_not_touch_estates_and_gates(session: Session, nobody: Desk) -> None:
    estate = make.estate(session)
    gate = make.gate(session, estate, at=PATIENT)
    estate_path, gate_path = f"/v1/estates/{estate.id}", f"/v1/gates/{gate.id}"
    session.commit()

    refused(nobody.post("/v1/estates", NEW), 401)
    for path, change in ((estate_path, {"name_en": "X"}), (gate_path, {"name_en": "X"})):
        refused(nobody.patch(path, change), 404)
    refused(nobody.delete(estate_path), 401)
    refused(nobody.delete(gate_path), 404)
    refused(nobody.post(f"{estate_path}/gates", GATE), 404)


def test_a_created_row_is_found_at_its_location_header(office: Desk) -> None:
    created = office.post("/v1/estates", FULL)

    assert created.status_code == 201
    assert created.headers["ETag"] == '"1"'
    read = office.get(created.headers["Location"])
    assert read.headers["ETag"] == '"1"'
    assert read.json() == created.json()
    for name, value in FULL.items():
        if name != "boundary":
            assert read.json()[name] == value, name
    assert shape(read.json()["boundary"]).equals(shape(FULL["boundary"]))


def test_an_estate_uses_the_time_zone_of_its_region_by_default(office: Desk) -> None:
    assert office.post("/v1/estates", NEW).json()["time_zone"] == "Asia/Shanghai"


def test_amending_an_estate_needs_its_version_and_is_kept(office: Desk) -> None:
    path = office.post("/v1/estates", FULL).headers["Location"]

    refused(office.patch(path, {"name_en": "Autumn Garden"}, etag=None), 428)
    refused(office.patch(path, {"name_en": "Autumn Garden"}, etag='"2"'), 412)
    refused(office.patch(path, {"name_en": "Autumn Garden"}, etag="2x"), 422, "If-Match")
    amended = office.patch(path, {"name_en": "Autumn Garden", "boundary": make.square(PATIENT, metres=300)})

    assert amended.headers["ETag"] == '"2"'
    last, first = office.get(f"{path}/history").json()
    assert last["fields"]["name_en"] == ["Spring Garden", "Autumn Garden"]
    assert last["fields"]["boundary"][0].startswith("MULTIPOLYGON")
    assert set(last["fields"]) == {"name_en", "boundary"}
    assert first["fields"]["guard_phone"] == [None, FULL["guard_phone"]]


def test_an_amendment_that_changes_nothing_leaves_no_trace(office: Desk) -> None:
    path = office.post("/v1/estates", FULL).headers["Location"]
    same = {name: FULL[name] for name in FULL if name not in ("region", "source", "source_id")}

    for change in ({}, {"name_en": FULL["name_en"]}, {"boundary": FULL["boundary"]}, same):
        assert office.patch(path, change).headers["ETag"] == '"1"', change
    assert len(office.get(f"{path}/history").json()) == 1


def test_a_member_can_change_their_estate_but_not_its_sharing(
    session: Session, desk_of: Callable[..., Desk]
) -> None:
    ours = make.estate(session, neighbourhood="lane")
    next_door = make.estate(session, neighbourhood="lane")
    other = make.estate(session)
    paths = [f"/v1/estates/{each.id}" for each in (ours, next_door, other)]
    member = desk_of(ours)

    assert member.patch(paths[0], {"guard_phone": "110"}).status_code == 200
    refused(member.patch(paths[0], {"neighbourhood": "palace"}, etag='"2"'), 403)
    refused(member.patch(paths[0], {"neighbourhood": None}, etag='"2"'), 403)
    assert member.patch(paths[0], {"neighbourhood": "lane"}, etag='"2"').status_code == 200, "as it is"
    refused(member.patch(paths[1], {"guard_phone": "110"}), 403)
    refused(member.patch(paths[2], {"guard_phone": "110"}), 404)
    refused(member.delete(paths[0], etag='"2"'), 403)
    refused(member.post("/v1/estates", NEW), 403)


def test_an_estate_with_devices_cannot_be_withdrawn(session: Session, office: Desk) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    gate = make.gate(session, estate, at=PATIENT)
    path, device_path, gate_path = (
        f"/v1/estates/{estate.id}",
        f"/v1/devices/{device.id}",
        f"/v1/gates/{gate.id}",
    )
    session.commit()

    assert "withdraw them first" in refused(office.delete(path), 409, "estate_id")
    assert office.delete(device_path).status_code == 204
    refused(office.delete(path, etag=None), 428)
    refused(office.delete(path, etag='"5"'), 412)
    assert office.delete(path).status_code == 204

    assert office.get(path).json()["state"] == "withdrawn"
    assert office.get(gate_path).json()["state"] == "withdrawn"
    assert office.get(f"{path}/history").json()[0]["fields"] == {"state": ["active", "withdrawn"]}


def test_nothing_can_be_registered_in_a_withdrawn_estate(
    session: Session, office: Desk, desk_of: Callable[..., Desk]
) -> None:
    estate = make.estate(session)
    member = desk_of(estate)
    path, device = f"/v1/estates/{estate.id}", {"estate_id": estate.id, "position": GATE["position"]}
    session.commit()
    office.delete(path)

    refused(office.post("/v1/devices", device), 409, "estate_id")
    refused(office.post(f"{path}/gates", GATE), 409, "estate_id")
    refused(member.post("/v1/devices", device), 404)
    refused(member.get(path), 404)


def test_a_source_has_each_of_its_estates_once(office: Desk) -> None:
    office.post("/v1/estates", FULL)

    refused(office.post("/v1/estates", FULL), 409, "source_id")
    assert len(office.get("/v1/estates").json()) == 1


# --- boundaries -----------------------------------------------------------------------------------------

E, N = PATIENT.lon, PATIENT.lat


def ring(*corners: tuple[float, float]) -> list[list[float]]:
    return [[E + east, N + north] for east, north in corners]


SQUARE = ring((0, 0), (0.001, 0), (0.001, 0.001), (0, 0.001), (0, 0))
BOW_TIE = ring((0, 0), (0.001, 0.001), (0.001, 0), (0, 0.001), (0, 0))
BOUNDARIES: dict[str, Any] = {
    "nothing": {},
    "no kind": {"coordinates": [SQUARE]},
    "a point": {"type": "Point", "coordinates": [E, N]},
    "a line": {"type": "LineString", "coordinates": SQUARE},
    "a feature": {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [SQUARE]}},
    "a collection": {"type": "GeometryCollection", "geometries": []},
    "no coordinates": {"type": "Polygon"},
    "empty": {"type": "Polygon", "coordinates": []},
    "an empty ring": {"type": "Polygon", "coordinates": [[]]},
    "two corners": {"type": "Polygon", "coordinates": [SQUARE[:2]]},
    "no area": {"type": "Polygon", "coordinates": [ring((0, 0), (0.001, 0), (0, 0), (0, 0))]},
    "crossing itself": {"type": "Polygon", "coordinates": [BOW_TIE]},
    "overlapping parts": {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]},
    "a hole outside": {"type": "Polygon", "coordinates": [SQUARE, ring((1, 1), (1.1, 1), (1, 1.1), (1, 1))]},
    "too large": {"type": "Polygon", "coordinates": [ring((0, 0), (1.1, 0), (1.1, 0.1), (0, 0))]},
    "latitude first": {"type": "Polygon", "coordinates": [[[y, x] for x, y in SQUARE]]},
    "text": {"type": "Polygon", "coordinates": [[["a", "b"], ["c", "d"], ["e", "f"], ["a", "b"]]]},
    "text for coordinates": {"type": "Polygon", "coordinates": "120 30"},
    "null in it": {"type": "Polygon", "coordinates": [[None, *SQUARE]]},
    "null for a number": {"type": "Polygon", "coordinates": [[[None, 1], *SQUARE]]},
    "an object in it": {"type": "Polygon", "coordinates": {"a": 1}},
    "a corner of one number": {"type": "Polygon", "coordinates": [[[E], *SQUARE]]},
    "corners of different kinds": {"type": "Polygon", "coordinates": [[[E, N, 3], *SQUARE]]},
    "flat": {"type": "Polygon", "coordinates": [E, N]},
    "too deep": {"type": "Polygon", "coordinates": [[[SQUARE]]]},
    "a number beyond every float": {"type": "Polygon", "coordinates": [[[10**400, N], *SQUARE]]},
    "a kind that is no text": {"type": ["Polygon"], "coordinates": [SQUARE]},
    "too many corners": {
        "type": "Polygon",
        "coordinates": [
            ring(
                *(
                    (0.001 * math.cos(2 * math.pi * i / 10_001), 0.001 * math.sin(2 * math.pi * i / 10_001))
                    for i in range(10_002)
                )
            )
        ],
    },
}


def test_an_invalid_boundary_is_refused(office: Desk) -> None:
    path = office.post("/v1/estates", NEW).headers["Location"]

    for what, boundary in BOUNDARIES.items():
        for answer in (
            office.post("/v1/estates", {**NEW, "boundary": boundary}),
            office.patch(path, {"boundary": boundary}),
        ):
            assert answer.status_code == 422, (what, answer.text)
            assert answer.json()["field"] == "boundary", what
    assert len(office.get("/v1/estates").json()) == 1
    assert office.get(path).json()["version"] == 1


def test_a_boundary_with_coordinates_that_are_not_numbers_is_refused(office: Desk) -> None:
    body = json.dumps({**NEW, "boundary": {"type": "Polygon", "coordinates": [[[0, 0], *SQUARE]]}})

    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        answer = office.client.post(
            "/v1/estates",
            content=body.replace("[0, 0]", f"[{number}, {N}]").encode(),
            headers={**office.headers, "Content-Type": "application/json"},
        )
        refused(answer, 422, "boundary")


def test_a_deeply_nested_boundary_is_refused(office: Desk) -> None:
    deep = "[" * 600 + "]" * 600
    body = json.dumps({**NEW, "boundary": {"type": "Polygon", "coordinates": "DEEP"}})

    answer = office.client.post(
        "/v1/estates",
        content=body.replace('"DEEP"', deep).encode(),
        headers={**office.headers, "Content-Type": "application/json"},
    )

    refused(answer, 422)


@pytest.mark.parametrize(
    "boundary",
    [
        {"type": "Polygon", "coordinates": [SQUARE[:4]]},
        {"type": "Polygon", "coordinates": [SQUARE[::-1]]},
        {"type": "Polygon", "coordinates": [[[x, y, 12.5] for x, y in SQUARE]]},
        {
            "type": "MultiPolygon",
            "coordinates": [[SQUARE], [ring((0.01, 0), (0.011, 0), (0.01, 0.001), (0.01, 0))]],
        },
        {
            "type": "Polygon",
            "coordinates": [
                ring((0, 0), (0.01, 0), (0.01, 0.01), (0, 0.01), (0, 0)),
                ring((0.002, 0.002), (0.003, 0.002), (0.002, 0.003), (0.002, 0.002)),
            ],
        },
        {"type": "Polygon", "coordinates": [SQUARE], "bbox": [0, 0, 1, 1], "name": "kept by some programs"},
    ],
    ids=["not closed", "clockwise", "with heights", "two parts", "with a hole", "with more members"],
)
def test_a_boundary_as_other_programs_write_it_is_taken(office: Desk, boundary: dict[str, Any]) -> None:
    created = office.post("/v1/estates", {**NEW, "boundary": boundary})

    assert created.status_code == 201
    shown = shape(office.get(created.headers["Location"]).json()["boundary"])
    assert shown.is_valid
    assert shown.geom_type == "MultiPolygon"
    assert not shown.has_z


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name_en": ""}, "name_en"),
    ({"name_zh": "名" * 201}, "name_zh"),
    ({"name_zh": "a\x00"}, "name_zh"),
    ({"name_en": None}, "name_en"),
    ({"neighbourhood": "two words"}, "neighbourhood"),
    ({"neighbourhood": ""}, "neighbourhood"),
    ({"time_zone": "Beijing"}, "time_zone"),
    ({"time_zone": "../../etc/passwd"}, "time_zone"),
    ({"time_zone": "Asia"}, "time_zone"),
    ({"time_zone": ""}, "time_zone"),
    ({"time_zone": "a\x00"}, "time_zone"),
    ({"guard_phone": "ring me"}, "guard_phone"),
    ({"guard_phone": "1"}, "guard_phone"),
    ({"boundary": None}, "boundary"),
    ({"boundary": []}, "boundary"),
    ({"state": "withdrawn"}, "state"),
    ({"id": 1}, "id"),
]


def test_an_invalid_value_is_refused_with_the_field(office: Desk) -> None:
    path = office.post("/v1/estates", NEW).headers["Location"]

    for wrong, field in WRONG:
        refused(office.post("/v1/estates", {**NEW, **wrong}), 422, field)
        refused(office.patch(path, wrong), 422, field)
    assert office.get(path).json()["version"] == 1


def test_an_estate_needs_a_known_region(office: Desk) -> None:
    refused(office.post("/v1/estates", {**NEW, "region": "CN-99"}), 404, "region")
    refused(office.post("/v1/estates", {**NEW, "region": "a b"}), 422, "region")


# --- gates ----------------------------------------------------------------------------------------------


@pytest.fixture
def estate_path(office: Desk) -> str:
    return str(office.post("/v1/estates", NEW).headers["Location"])


def test_a_gate_is_created_changed_and_withdrawn(office: Desk, estate_path: str) -> None:
    created = office.post(f"{estate_path}/gates", GATE)
    assert created.status_code == 201
    assert created.headers["ETag"] == '"1"'
    path = created.headers["Location"]
    assert office.get(path).json() == created.json()
    assert office.get(f"{estate_path}/gates").json() == [created.json()]

    refused(office.patch(path, {"passage": "open"}, etag=None), 428)
    refused(office.patch(path, {"passage": "open"}, etag='"9"'), 412)
    moved = north_of(PATIENT, metres=40)
    amended = office.patch(
        path,
        {
            "passage": "residents",
            "opening_hours": "06:00-22:00",
            "position": {"lat": moved.lat, "lon": moved.lon},
        },
    )
    assert amended.headers["ETag"] == '"2"'
    assert amended.json()["passage"] == "residents"
    assert amended.json()["position"] == {"lat": moved.lat, "lon": moved.lon}
    same = {"passage": "residents", "position": {"lat": moved.lat, "lon": moved.lon}}
    assert office.patch(path, same, etag='"2"').headers["ETag"] == '"2"', "nothing changed"

    refused(office.delete(path, etag=None), 428)
    refused(office.delete(path, etag='"1"'), 412)
    assert office.delete(path, etag='"2"').status_code == 204
    assert office.get(path).json()["state"] == "withdrawn"


def test_changes_of_a_gate_are_recorded(session: Session, office: Desk, estate_path: str) -> None:
    path = office.post(f"{estate_path}/gates", GATE).headers["Location"]
    moved = north_of(PATIENT, metres=40)

    office.patch(path, {"name_en": "North", "position": {"lat": moved.lat, "lon": moved.lon}})

    assert office.get(f"{path}/history").status_code == 404, "shown by no route yet"
    fields = [dict(change.fields) for change in make.changes(session, "gates")]
    assert fields[1] == {
        "name_en": ["West", "North"],
        "position": [[PATIENT.lat, PATIENT.lon], [moved.lat, moved.lon]],
    }


def test_members_create_gates_only_in_their_estate(session: Session, desk_of: Callable[..., Desk]) -> None:
    ours = make.estate(session, neighbourhood="lane")
    next_door = make.estate(session, neighbourhood="lane")
    theirs = make.gate(session, next_door, at=PATIENT)
    mine, other = f"/v1/estates/{ours.id}/gates", f"/v1/estates/{next_door.id}/gates"
    their_path = f"/v1/gates/{theirs.id}"
    member = desk_of(ours)

    assert member.post(mine, GATE).status_code == 201
    refused(member.post(other, GATE), 403)
    refused(member.patch(their_path, {"passage": "open"}), 403)
    refused(member.delete(their_path), 403)


def test_an_invalid_gate_is_refused_with_the_field(office: Desk, estate_path: str) -> None:
    path = office.post(f"{estate_path}/gates", GATE).headers["Location"]

    for wrong, field in (
        ({"passage": "by boat"}, "passage"),
        ({"passage": None}, "passage"),
        ({"opening_hours": "whenever"}, "opening_hours"),
        ({"position": {"lat": 120.1, "lon": 30.29}}, "position"),
        ({"position": None}, "position"),
        ({"name_zh": ""}, "name_zh"),
        ({"name_en": "\x01"}, "name_en"),
        ({"estate_id": 5}, "estate_id"),
    ):
        refused(office.post(f"{estate_path}/gates", {**GATE, **wrong}), 422, field)
        refused(office.patch(path, wrong), 422, field)


def test_a_gate_must_be_at_its_estate(office: Desk, estate_path: str) -> None:
    far = east_of(PATIENT, metres=3_000)
    position = {"lat": far.lat, "lon": far.lon}
    path = office.post(f"{estate_path}/gates", GATE).headers["Location"]

    refused(office.post(f"{estate_path}/gates", {**GATE, "position": position}), 422, "position")
    refused(office.patch(path, {"position": position}), 422, "position")
    refused(office.post("/v1/estates/999999/gates", GATE), 404, "estate_id")
    refused(office.post(f"{estate_path}/gates", {**GATE, "source_id": " \t "}), 422, "source_id")
