"""Pads and batteries over HTTP: installed, corrected, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session
from tests import make
from tests.registry.conftest import Desk
from tests.registry.test_devices import NEW, refused

PADS: dict[str, Any] = {"kind": "pads", "lot": "L-1", "expires_on": "2027-01-01"}


@pytest.fixture
def device_path(office: Desk) -> str:
    return str(office.post("/v1/devices", NEW).headers["Location"])


def test_a_fitted_consumable_is_shown_in_its_device(office: Desk, device_path: str) -> None:
    battery = office.post(f"{device_path}/consumables", {"kind": "battery", "expires_on": "2030-06-01"})
    pads = office.post(f"{device_path}/consumables", PADS)

    assert pads.status_code == battery.status_code == 201
    assert pads.headers["ETag"] == '"1"'
    assert office.get(pads.headers["Location"]).json() == pads.json()
    assert pads.json() | PADS == pads.json()
    device = office.get(device_path).json()
    assert device["first_expiry"] == "2027-01-01"
    assert [item["kind"] for item in device["consumables"]] == ["pads", "battery"], "soonest first"
    (feature,) = office.get("/v1/devices").json()["features"]
    assert feature["properties"]["first_expiry"] == "2027-01-01"


def test_a_correction_needs_the_version_and_is_kept(session: Session, office: Desk, device_path: str) -> None:
    path = office.post(f"{device_path}/consumables", PADS).headers["Location"]

    refused(office.patch(path, {"lot": "L-2"}, etag=None), 428)
    refused(office.patch(path, {"lot": "L-2"}, etag='"2"'), 412)
    assert office.patch(path, {"lot": "L-1"}).headers["ETag"] == '"1"', "nothing changed"
    amended = office.patch(path, {"lot": None, "expires_on": "2028-01-01"})
    assert amended.headers["ETag"] == '"2"'
    assert (amended.json()["lot"], amended.json()["expires_on"]) == (None, "2028-01-01")

    changes = [dict(change.fields) for change in make.changes(session, "consumables")]
    assert changes[1] == {"lot": ["L-1", None], "expires_on": ["2027-01-01", "2028-01-01"]}
    assert len(changes) == 2


def test_a_removed_consumable_no_longer_counts(office: Desk, device_path: str) -> None:
    path = office.post(f"{device_path}/consumables", PADS).headers["Location"]

    refused(office.delete(path, etag=None), 428)
    refused(office.delete(path, etag='"3"'), 412)
    assert office.delete(path).status_code == 204

    assert office.get(path).json()["state"] == "withdrawn"
    device = office.get(device_path).json()
    assert (device["first_expiry"], device["consumables"]) == (None, [])


def test_members_fit_consumables_only_in_their_estate(
    session: Session, office: Desk, desk_of: Callable[..., Desk]
) -> None:
    ours = make.estate(session, neighbourhood="lane")
    next_door = make.estate(session, neighbourhood="lane")
    mine = f"/v1/devices/{make.device(session, of=ours, audience='estate').id}"
    shared = f"/v1/devices/{make.device(session, of=next_door, audience='neighbours').id}"
    hidden = f"/v1/devices/{make.device(session, of=next_door, audience='estate').id}"
    member = desk_of(ours)
    in_shared = office.post(f"{shared}/consumables", PADS).headers["Location"]
    in_hidden = office.post(f"{hidden}/consumables", PADS).headers["Location"]

    assert member.post(f"{mine}/consumables", PADS).status_code == 201
    refused(member.post(f"{shared}/consumables", PADS), 403)
    refused(member.post(f"{hidden}/consumables", PADS), 404, "device_id")
    for path, status in ((in_shared, 403), (in_hidden, 404)):
        refused(member.patch(path, {"lot": "X"}), status)
        refused(member.delete(path), status)


def test_an_invalid_value_is_refused_with_the_field(office: Desk, device_path: str) -> None:
    path = office.post(f"{device_path}/consumables", PADS).headers["Location"]

    for wrong, field in (
        ({"kind": "towel"}, "kind"),
        ({"kind": None}, "kind"),
        ({"expires_on": "soon"}, "expires_on"),
        ({"expires_on": "1989-12-31"}, "expires_on"),
        ({"expires_on": "2101-01-01"}, "expires_on"),
        ({"expires_on": None}, "expires_on"),
        ({"lot": "x" * 101}, "lot"),
        ({"lot": "\x00"}, "lot"),
        ({"state": "withdrawn"}, "state"),
        ({"device_id": 1}, "device_id"),
    ):
        refused(office.post(f"{device_path}/consumables", {**PADS, **wrong}), 422, field)
        refused(office.patch(path, wrong), 422, field)
