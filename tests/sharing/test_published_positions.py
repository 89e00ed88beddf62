"""Exports, lists, tiles and maps contain the position that an agreement publishes, and no more."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.sharing.rules import CELL_DEGREES, approximate
from tests import make
from tests.make import PATIENT, north_of

HERE = north_of(PATIENT, metres=70)
BOX = f"{HERE.lon - 0.02},{HERE.lat - 0.02},{HERE.lon + 0.02},{HERE.lat + 0.02}"


class Case:
    def __init__(self, session: Session, client: TestClient, position: str, **share: Any) -> None:
        estate = make.estate(session)
        device = make.device(
            session,
            of=estate,
            audience="estate",
            at=HERE,
            place_en="Lobby of building 2",
            last_checked_on="2026-09-22",
        )
        make.agreement(
            session, estate, device, share={"step": "public", "published_position": position, **share}
        )
        self.device_id, self.client = device.id, client
        self.member = make.key(session, TokenRole.MEMBER, estate=estate)
        session.commit()

    def listed(self, headers: dict[str, str] | None = None, bbox: str = BOX) -> dict[int, Any]:
        answer = self.client.get("/v1/devices", params={"bbox": bbox}, headers=headers)
        return {each["id"]: each for each in answer.json()["features"]}

    def exported(self, name: str = "geojson") -> str:
        answer = self.client.get(f"/v1/export/{name}")
        assert answer.status_code == 200, answer.text
        return answer.text


def test_an_approximate_position_is_that_of_a_cell(session: Session, client: TestClient) -> None:
    case = Case(session, client, "approximate")
    lat, lon = approximate(HERE.lat), approximate(HERE.lon)

    listed = case.listed()[case.device_id]["geometry"]["coordinates"]
    assert listed == pytest.approx([lon, lat])
    feature = json.loads(case.exported())["features"][0]
    assert feature["geometry"]["coordinates"] == pytest.approx([lon, lat])
    for name in ("geojson", "csv", "osm-change"):
        text = case.exported(name)
        assert f"{HERE.lat:.5f}" not in text, name
        assert "Lobby" not in text, name
    one = client.get(f"/v1/devices/{case.device_id}").json()["position"]
    assert (one["lat"], one["lon"]) == pytest.approx((lat, lon))
    items = client.get("/ogc/collections/devices/items").json()["features"]
    assert items[0]["geometry"]["coordinates"] == pytest.approx([lon, lat])


def test_a_box_does_not_reveal_where_in_its_cell_a_device_is(session: Session, client: TestClient) -> None:
    case = Case(session, client, "approximate")
    narrow = f"{HERE.lon - 1e-5},{HERE.lat - 1e-5},{HERE.lon + 1e-5},{HERE.lat + 1e-5}"
    lat, lon = approximate(HERE.lat), approximate(HERE.lon)
    middle = f"{lon - 1e-5},{lat - 1e-5},{lon + 1e-5},{lat + 1e-5}"

    assert case.listed(bbox=narrow) == {}
    assert set(case.listed(bbox=middle)) == {case.device_id}
    assert set(case.listed(case.member, bbox=narrow)) == {case.device_id}


def test_the_estate_and_the_lookup_have_the_exact_position(session: Session, client: TestClient) -> None:
    case = Case(session, client, "approximate")

    mine = case.listed(case.member)[case.device_id]["geometry"]["coordinates"]
    assert mine == pytest.approx([HERE.lon, HERE.lat])
    found = client.get(
        "/v1/nearest", params={"lat": PATIENT.lat, "lon": PATIENT.lon, "at": "2026-09-23T12:00:00Z"}
    ).json()
    (device,) = found["devices"]
    assert device["position"]["lat"] == pytest.approx(HERE.lat)


def test_a_position_for_dispatch_only_is_in_no_list(session: Session, client: TestClient) -> None:
    case = Case(session, client, "dispatch_only")

    assert case.listed() == {}
    assert set(case.listed(case.member)) == {case.device_id}
    for name in ("geojson", "csv", "osm-change"):
        assert not re.search(rf"{HERE.lat:.4f}", case.exported(name)), name
    assert client.get("/ogc/collections/devices/items").json()["features"] == []


def test_the_hours_in_lists_are_those_of_the_sharing(session: Session, client: TestClient) -> None:
    case = Case(session, client, "exact", hours="22:00-06:00")

    assert case.listed()[case.device_id]["properties"]["opening_hours"] == "22:00-06:00"
    assert case.listed(case.member)[case.device_id]["properties"]["opening_hours"] == "24/7"


def test_a_cell_is_about_half_a_kilometre() -> None:
    assert abs(approximate(30.1234) - 30.1234) <= CELL_DEGREES / 2 + 1e-9
