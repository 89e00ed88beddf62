"""Registering, updating and withdrawing devices over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from tests import make
from tests.make import PATIENT, east_of, north_of
from tests.registry.conftest import Desk

from aed.accounts.permissions import TokenRole
from aed.geo import Datum, Position, distance_metres, from_wgs84
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Device

HERE = {"lat": PATIENT.lat, "lon": PATIENT.lon}
NEW: dict[str, Any] = {"region": "CN-33", "position": HERE}
FULL: dict[str, Any] = {
    "region": "CN-33",
    "source": "survey-2026",
    "source_id": "东-17",
    "position": HERE,
    "place_en": "Lobby",
    "place_zh": "大堂",
    "floor": -1,
    "opening_hours": "Mo-Fr 08:00-18:00",
    "opening_hours_raw": "工作日八点到六点",
    "entry": "assisted",
    "access_instructions_en": "Ask the guard",
    "access_instructions_zh": "找保安",
    "cabinet": "alarmed",
    "maker": "Mindray",
    "model": "C1A",
    "serial": "SN-1",
    "registration_number": "国械注准20213080123",
    "udi_di": "06901234567892",
    "manufactured_on": "2021-05-31",
    "end_of_life_on": "2031-05-31",
    "keeper": {"name": "Wang", "phone": "+86 571 0000 0001"},
    "audience": "public",
    "state": "in_service",
    "out_of_service_reason": None,
    "last_checked_on": "2026-09-01",
}


def registered(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Device)) or 0


def refused(answer: Any, status: int, field: str | None = None) -> str:
    """Assert that the response is a problem document; return its message about the field."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    if field is not None:
        assert body.get("field") == field, body
    return str(body["detail"])


# --- permissions ----------------------------------------------------------------------------------------


def test_anonymous_may_neither_register_nor_amend_nor_withdraw(session: Session, nobody: Desk) -> None:
    path = f"/v1/devices/{make.device(session).id}"
    session.commit()

    refused(nobody.post("/v1/devices", NEW), 401)
    refused(nobody.patch(path, {"maker": "X"}), 401)
    refused(nobody.delete(path), 401)
    refused(nobody.post(f"{path}/consumables", {"kind": "pads", "expires_on": "2027-01-01"}), 401)
    assert nobody.get(path).json()["version"] == 1
    assert registered(session) == 1


def test_members_change_devices_only_in_their_estate(
    session: Session, desk_of: Callable[..., Desk], office: Desk
) -> None:
    ours = make.estate(session, neighbourhood="lane")
    next_door = make.estate(session, neighbourhood="lane")
    mine = make.device(session, of=ours, audience="estate").id
    theirs = make.device(session, of=next_door, audience="neighbours").id
    hidden = make.device(session, of=next_door, audience="estate").id
    ours_id, theirs_id = ours.id, next_door.id
    member = desk_of(ours)

    assert member.patch(f"/v1/devices/{mine}", {"maker": "Mine"}).status_code == 200
    created = member.post("/v1/devices", {"position": HERE, "estate_id": ours_id})
    assert created.status_code == 201
    assert created.json()["region"] == "CN-33", "an estate's device is of the estate's region"
    refused(member.patch(f"/v1/devices/{theirs}", {"maker": "X"}), 403)
    refused(member.delete(f"/v1/devices/{theirs}"), 403)
    refused(member.patch(f"/v1/devices/{hidden}", {"maker": "X"}), 404)
    refused(member.delete(f"/v1/devices/{hidden}"), 404)
    refused(member.post("/v1/devices", {"position": HERE, "estate_id": theirs_id}), 403)
    refused(member.post("/v1/devices", {"position": HERE, "estate_id": 10**9}), 403)
    refused(member.post("/v1/devices", NEW), 403)
    assert member.delete(f"/v1/devices/{mine}", etag='"2"').status_code == 204
    for untouched in (theirs, hidden):
        assert office.get(f"/v1/devices/{untouched}").json()["version"] == 1


@pytest.mark.parametrize("role", ["a member who reads", "a dispatcher", "an administrator who reads"])
def test_people_who_may_not_write_are_refused_and_nothing_changes(
    session: Session, nobody: Desk, desk_of: Callable[..., Desk], role: str
) -> None:
    estate = make.estate(session)
    path = f"/v1/devices/{make.device(session, of=estate).id}"
    estate_path = f"/v1/estates/{estate.id}"
    if role == "a member who reads":
        asking = desk_of(estate, writes=False)
    else:
        given: dict[str, Any] = {"role": TokenRole.ADMINISTRATOR}
        if role == "a dispatcher":
            given = {"role": TokenRole.DISPATCHER, "region": make.region(session), "writes": True}
        asking = Desk(nobody.client, make.key(session, **given))
        session.commit()

    refused(asking.patch(path, {"maker": "X"}), 403)
    refused(asking.delete(path), 403)
    refused(asking.post("/v1/devices", NEW), 403)
    refused(asking.post(f"{path}/consumables", {"kind": "pads", "expires_on": "2027-01-01"}), 403)
    refused(asking.patch(estate_path, {"name_en": "X"}), 403)
    refused(asking.delete(estate_path), 403)
    refused(asking.put("/v1/holidays/CN/2030", {"days": []}), 403)
    assert nobody.get(path).json()["version"] == 1


# --- a device's life ------------------------------------------------------------------------------------


def test_a_created_row_is_found_at_its_location_header(office: Desk) -> None:
    created = office.post("/v1/devices", FULL)

    assert created.status_code == 201
    assert created.headers["ETag"] == '"1"'
    read = office.get(created.headers["Location"])
    assert read.status_code == 200
    assert read.headers["ETag"] == '"1"'
    assert read.json() == created.json()
    for name, value in FULL.items():
        if name != "position":
            assert read.json()[name] == value, name
    assert read.json()["position"] == HERE


def test_omitted_fields_have_cautious_defaults(office: Desk) -> None:
    device = office.post("/v1/devices", NEW).json()

    assert device["audience"] == "estate", "shared with nobody until somebody says so"
    assert device["opening_hours"] is None, "not known, not always open"
    assert device["state"] == "in_service"
    assert len(device["source_id"]) == 36, "made up"
    assert (device["cabinet"], device["entry"], device["floor"]) == ("unknown", "free", 0)


def test_an_amendment_changes_only_the_given_fields(office: Desk) -> None:
    created = office.post("/v1/devices", FULL)
    path, before = created.headers["Location"], created.json()

    amended = office.patch(path, {"floor": 2, "keeper": None, "opening_hours_raw": None})

    assert amended.status_code == 200
    assert amended.headers["ETag"] == '"2"'
    third = {"en": "storey 3 (floor 2)", "zh": "3楼（floor 2）"}
    changed = {"floor": 2, "storey": third, "keeper": None, "opening_hours_raw": None, "version": 2}
    origins = amended.json()["origins"]
    assert amended.json() == before | changed | {"origins": origins}
    assert {name for name, origin in origins.items() if origin["source"] == "registry"} == {
        *("floor", "keeper", "opening_hours")
    }
    assert origins["*"] == before["origins"]["*"]
    assert office.get(path).json() == amended.json()


def test_an_amendment_needs_the_version(office: Desk) -> None:
    path = office.post("/v1/devices", NEW).headers["Location"]

    amendments: tuple[Callable[[Any], Any], ...] = (
        lambda etag: office.patch(path, {"maker": "X"}, etag=etag),
        lambda etag: office.delete(path, etag=etag),
    )
    for amend in amendments:
        assert "If-Match" in refused(amend(None), 428)
        for wrong in (
            "x",
            '"x"',
            "*",
            '"1", "2"',
            "-1",
            "1.0",
            '"' + "9" * 99 + '"',
            '"',
            "",
            '"٣"'.encode(),
        ):
            refused(amend(wrong), 422, "If-Match")
        assert "version is now 1" in refused(amend('"7"'), 412)
        refused(amend('"0"'), 412)
    assert office.get(path).json()["version"] == 1
    assert office.patch(path, {"maker": "X"}, etag='W/"1"').status_code == 200
    refused(office.patch(path, {"maker": "Y"}, etag='"1"'), 412)
    assert office.patch(path, {"maker": "Y"}, etag='"2"').json()["maker"] == "Y"


def test_a_withdrawn_device_is_gone_for_all_but_the_office_and_keeps_its_history(
    office: Desk, nobody: Desk
) -> None:
    path = office.post("/v1/devices", FULL).headers["Location"]
    assert nobody.get(path).status_code == 200

    assert office.delete(path).status_code == 204

    refused(nobody.get(path), 404)
    kept = office.get(path).json()
    assert (kept["state"], kept["version"]) == ("withdrawn", 2)
    assert office.get(f"{path}/history").json()[0]["fields"] == {"state": ["in_service", "withdrawn"]}
    assert office.delete(path, etag='"2"').status_code == 204, "twice is no harm"
    assert len(office.get(f"{path}/history").json()) == 2
    refused(office.patch(path, {"state": "withdrawn"}, etag='"2"'), 422, "state")


def test_out_of_service_needs_a_reason_and_a_reason_needs_it(office: Desk) -> None:
    path = office.post("/v1/devices", NEW).headers["Location"]

    refused(office.patch(path, {"state": "out_of_service"}), 422, "out_of_service_reason")
    refused(office.patch(path, {"out_of_service_reason": "Pads used"}), 422, "out_of_service_reason")
    refused(
        office.patch(path, {"state": "out_of_service", "out_of_service_reason": ""}),
        422,
        "out_of_service_reason",
    )
    out = office.patch(path, {"state": "out_of_service", "out_of_service_reason": "Pads used"})
    assert out.status_code == 200
    refused(office.patch(path, {"out_of_service_reason": None}, etag='"2"'), 422, "out_of_service_reason")
    again = office.patch(path, {"out_of_service_reason": "Battery flat"}, etag='"2"')
    assert again.json()["out_of_service_reason"] == "Battery flat"
    back = office.patch(path, {"state": "in_service"}, etag='"3"').json()
    assert (back["state"], back["out_of_service_reason"]) == ("in_service", None)
    refused(office.post("/v1/devices", {**NEW, "state": "out_of_service"}), 422, "out_of_service_reason")


def test_a_source_has_each_of_its_devices_once(office: Desk, session: Session) -> None:
    office.post("/v1/devices", FULL)

    refused(office.post("/v1/devices", {**FULL, "maker": "Other"}), 409, "source_id")

    assert registered(session) == 1
    assert session.scalar(select(Device.maker)) == "Mindray"
    session.rollback()
    assert office.post("/v1/devices", {**FULL, "source": "another"}).status_code == 201


def test_a_device_needs_an_estate_or_a_region(office: Desk) -> None:
    refused(office.post("/v1/devices", {"position": HERE}), 422, "region")
    assert "CN-33" in refused(office.post("/v1/devices", {**NEW, "region": "CN-99"}), 404, "region")
    refused(office.post("/v1/devices", {**NEW, "estate_id": 10**12}), 404, "estate_id")


# --- history --------------------------------------------------------------------------------------------


def test_history_records_who_when_and_the_previous_values(
    session: Session, office: Desk, desk_of: Callable[..., Desk]
) -> None:
    estate = make.estate(session)
    member = desk_of(estate)
    started = datetime.now(UTC) - timedelta(seconds=1)
    path = office.post("/v1/devices", {**FULL, "estate_id": estate.id}).headers["Location"]
    elsewhere = north_of(PATIENT, metres=50)

    changes = {
        "position": {"lat": elsewhere.lat, "lon": elsewhere.lon},
        "floor": 3,
        "keeper": {"name": "Li", "phone": "+86 571 0000 0002"},
        "last_checked_on": "2026-09-20",
    }
    assert member.patch(path, changes).status_code == 200

    last, first = member.get(f"{path}/history").json()
    names = {"office": office.get("/v1/me").json()["name"], "member": member.get("/v1/me").json()["name"]}
    assert (first["who"], last["who"]) == (names["office"], names["member"])
    for change in (first, last):
        assert started <= datetime.fromisoformat(change["at"]) <= datetime.now(UTC)
        assert (change["subject"], change["subject_id"]) == ("devices", path.rsplit("/", 1)[1])
    assert first["fields"]["serial"] == [None, "SN-1"]
    assert first["fields"]["position"] == [None, [PATIENT.lat, PATIENT.lon]]
    assert last["fields"]["floor"] == [-1, 3]
    assert last["fields"]["last_checked_on"] == ["2026-09-01", "2026-09-20"]
    assert last["fields"]["position"] == [[PATIENT.lat, PATIENT.lon], [elsewhere.lat, elsewhere.lon]]
    assert last["fields"]["origin_lat"] == [PATIENT.lat, elsewhere.lat]
    before, now = last["fields"]["keeper_id"]
    assert before != now
    assert set(last["fields"]) == {"floor", "last_checked_on", "position", "origin_lat", "keeper_id"}


def test_an_amendment_that_changes_nothing_leaves_no_trace(office: Desk, session: Session) -> None:
    created = office.post("/v1/devices", FULL)
    path = created.headers["Location"]

    for same in ({}, {"floor": -1}, {"position": HERE}, {"keeper": FULL["keeper"]}, FULL_AMENDED):
        answer = office.patch(path, same)
        assert answer.status_code == 200, same
        assert answer.headers["ETag"] == '"1"'
    assert len(office.get(f"{path}/history").json()) == 1
    assert (
        session.scalar(
            select(func.count()).select_from(RegistryChange).where(RegistryChange.subject == "devices")
        )
        == 1
    )


FULL_AMENDED = {name: FULL[name] for name in FULL if name not in ("region", "source", "source_id")}


def test_a_refused_amendment_leaves_no_trace(office: Desk) -> None:
    path = office.post("/v1/devices", FULL).headers["Location"]
    before = office.get(path).json()

    refused(office.patch(path, {"keeper": {"name": "Li"}, "floor": 5, "state": "out_of_service"}), 422)
    refused(office.patch(path, {"maker": "Good", "opening_hours": "whenever"}), 422)

    assert office.get(path).json() == before
    assert len(office.get(f"{path}/history").json()) == 1


# --- positions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("datum", list(Datum))
def test_positions_are_shown_in_the_datum_that_is_asked_for(
    office: Desk, session: Session, datum: Datum
) -> None:
    device = make.device(session, at=PATIENT)
    session.commit()
    lat, lon = from_wgs84(PATIENT, datum)

    one = office.get(f"/v1/devices/{device.id}?datum={datum}").json()
    (listed,) = office.get(f"/v1/devices?datum={datum}").json()["features"]

    assert (one["position"]["lat"], one["position"]["lon"]) == (lat, lon)
    assert listed["geometry"]["coordinates"] == [lon, lat]
    assert one["links"] == office.get(f"/v1/devices/{device.id}").json()["links"]


@pytest.mark.parametrize("datum", list(Datum))
def test_a_position_is_kept_as_it_was_given_and_shown_in_wgs84(
    office: Desk, session: Session, datum: Datum
) -> None:
    lat, lon = from_wgs84(PATIENT, datum)

    created = office.post("/v1/devices", {**NEW, "position": {"lat": lat, "lon": lon, "datum": datum}})

    shown = created.json()
    assert shown["origin_datum"] == datum
    here = Position(shown["position"]["lat"], shown["position"]["lon"])
    assert distance_metres(here, PATIENT) < 1e-3
    stored = session.scalars(select(Device)).one()
    assert (stored.origin_datum, stored.origin_lat, stored.origin_lon) == (datum, lat, lon)
    session.rollback()
    # The other datums give other coordinates for the same place.
    again = office.patch(created.headers["Location"], {"position": {"lat": lat, "lon": lon, "datum": datum}})
    assert again.headers["ETag"] == '"1"'


@pytest.mark.parametrize(("datum", "metres"), [(Datum.GCJ02, 517), (Datum.BD09, 1_152)])
def test_a_position_in_the_wrong_datum_is_refused_and_the_right_one_named(
    office: Desk, session: Session, datum: Datum, metres: int
) -> None:
    estate = make.estate(session, boundary=make.square(PATIENT, metres=60))
    device = make.device(session, of=estate)
    gate = make.gate(session, estate, at=PATIENT)
    session.commit()
    lat, lon = from_wgs84(PATIENT, datum)
    slipped, with_datum = {"lat": lat, "lon": lon}, {"lat": lat, "lon": lon, "datum": datum}
    gate_fields = {"name_en": "West", "name_zh": "西门", "passage": "open"}
    creating: dict[str, dict[str, Any]] = {
        "/v1/devices": {"estate_id": estate.id},
        f"/v1/estates/{estate.id}/gates": gate_fields,
    }

    for path, fields in creating.items():
        message = refused(office.post(path, {**fields, "position": slipped}), 422, "position.datum")
        assert f"datum={datum}" in message
        away = int(message.split(" m outside")[0].rsplit(" ", 1)[1])
        assert abs(away - metres) < 120, "the slip, less the way to the boundary"
    for path in (f"/v1/devices/{device.id}", f"/v1/gates/{gate.id}"):
        assert f"datum={datum}" in refused(office.patch(path, {"position": slipped}), 422, "position.datum")
        assert office.patch(path, {"position": with_datum}).status_code == 200
    for path, fields in creating.items():
        assert office.post(path, {**fields, "position": with_datum}).status_code == 201


def test_a_position_that_no_datum_brings_near_the_estate_is_refused(office: Desk, session: Session) -> None:
    estate = make.estate(session)
    session.commit()
    far = east_of(PATIENT, metres=5_000)

    message = refused(
        office.post("/v1/devices", {"estate_id": estate.id, "position": {"lat": far.lat, "lon": far.lon}}),
        422,
        "position",
    )
    assert "outside the boundary" in message
    assert "datum=" not in message


def test_a_position_just_outside_the_boundary_is_taken(office: Desk, session: Session) -> None:
    estate = make.estate(session)
    session.commit()
    near = north_of(PATIENT, metres=200 + 190)

    answer = office.post(
        "/v1/devices", {"estate_id": estate.id, "position": {"lat": near.lat, "lon": near.lon}}
    )

    assert answer.status_code == 201


# --- invalid input --------------------------------------------------------------------------------------

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"position": None}, "position"),
    ({"position": [30, 120]}, "position"),
    ({"position": {"lat": 30.29}}, "position.lon"),
    ({"position": {"lat": 120.1, "lon": 30.29}}, "position"),
    ({"position": {"lat": 30, "lon": 181}}, "position"),
    ({"position": {"lat": "north", "lon": 120}}, "position.lat"),
    ({"position": {**HERE, "datum": "nad27"}}, "position.datum"),
    ({"position": {**HERE, "height": 3}}, "position.height"),
    ({"floor": 201}, "floor"),
    ({"floor": -21}, "floor"),
    ({"floor": 1.5}, "floor"),
    ({"floor": "third"}, "floor"),
    ({"opening_hours": "whenever"}, "opening_hours"),
    ({"opening_hours": "Mo-Fr 25:00-26:00"}, "opening_hours"),
    ({"opening_hours": "x" * 1_001}, "opening_hours"),
    ({"opening_hours": ""}, "opening_hours"),
    ({"entry": "by magic"}, "entry"),
    ({"cabinet": "glass"}, "cabinet"),
    ({"audience": "friends"}, "audience"),
    ({"state": "withdrawn"}, "state"),
    ({"state": "lost"}, "state"),
    ({"last_checked_on": "yesterday"}, "last_checked_on"),
    ({"last_checked_on": "1899-01-01"}, "last_checked_on"),
    ({"last_checked_on": "2026-02-30"}, "last_checked_on"),
    ({"keeper": {"name": ""}}, "keeper.name"),
    ({"keeper": {"name": "W", "phone": "ring me"}}, "keeper.phone"),
    ({"keeper": {"name": "W", "email": "w@x"}}, "keeper.email"),
    ({"maker": "x" * 101}, "maker"),
    ({"place_zh": "长" * 2_001}, "place_zh"),
    ({"id": 7}, "id"),
    ({"version": 9}, "version"),
    ({"colour": "red"}, "colour"),
]


def test_an_invalid_value_is_refused_with_the_field(office: Desk, session: Session) -> None:
    path = office.post("/v1/devices", NEW).headers["Location"]

    for wrong, field in WRONG:
        refused(office.post("/v1/devices", {**NEW, **wrong}), 422, field)
        refused(office.patch(path, wrong), 422, field)
    assert office.get(path).json()["version"] == 1
    assert registered(session) == 1


def test_text_holds_no_control_characters(office: Desk) -> None:
    for field in (
        "place_en",
        "place_zh",
        "opening_hours_raw",
        "access_instructions_en",
        "maker",
        "model",
        "serial",
        "registration_number",
        "udi_di",
        "keeper.name",
    ):
        for bad in ("a\x00b", "\x07", "\x1b[31m", "a\x0bb"):
            value: Any = {"name": bad} if field == "keeper.name" else bad
            refused(office.post("/v1/devices", {**NEW, field.split(".")[0]: value}), 422, field)


def test_text_in_any_script_is_returned_unchanged(office: Desk) -> None:
    for text in (
        "电梯旁 🫀",
        "e\u0301 – «ß» – עברית",
        "two\nlines\tand a tab",
        "'; DROP TABLE devices; --",
        "%s {0}",
    ):
        created = office.post("/v1/devices", {**NEW, "place_zh": text})
        assert created.status_code == 201
        assert office.get(created.headers["Location"]).json()["place_zh"] == text


def test_null_is_refused_for_required_fields(office: Desk) -> None:
    path = office.post("/v1/devices", NEW).headers["Location"]

    for name in ("position", "floor", "entry", "cabinet", "audience", "state"):
        refused(office.patch(path, {name: None}), 422, name)


def test_the_identity_of_a_device_cannot_be_changed(office: Desk) -> None:
    path = office.post("/v1/devices", NEW).headers["Location"]

    for name, value in {"source": "x", "source_id": "x", "region": "CN-33", "estate_id": 1}.items():
        refused(office.patch(path, {name: value}), 422, name)
