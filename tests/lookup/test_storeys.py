"""Test storeys in local numbering, which are shown with the floor and never confused with it."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.incidents import queries
from aed.registry.fields import StoreyOut
from tests import make
from tests.cases import each_case
from tests.make import PATIENT, north_of

HERE = {"lat": PATIENT.lat, "lon": PATIENT.lon}
THIRD = {"en": "storey 3 (floor 2)", "zh": "3楼（floor 2）"}


@pytest.mark.parametrize(
    "given",
    [{"storey": "3"}, {"storey": "3楼"}, {"room": "301室"}, {"floor": 2}, {"floor": 2, "storey": "3"}],
)
def test_the_lookup_takes_a_storey_a_room_or_a_floor(
    session: Session, client: TestClient, given: dict[str, str | int]
) -> None:
    device = make.device(session, of=make.estate(session), at=north_of(PATIENT, metres=90), floor=2)
    session.commit()

    answer = client.get("/v1/nearest", params={**HERE, **given}).json()

    assert (answer["query"]["floor"], answer["query"]["storey"]) == (2, THIRD)
    (found,) = answer["devices"]
    assert (found["id"], found["floor"], found["storey"]) == (device.id, 2, THIRD)
    assert any("storey 3 (floor 2)" in each["en"] for each in answer["devices"][0]["reasons"])


def test_the_region_defines_how_storeys_are_counted(session: Session, client: TestClient) -> None:
    make.region(session, "AT-9", country="AT", time_zone="Europe/Vienna", holiday_calendar=None)
    make.estate(session, in_region="AT-9")
    session.commit()

    answer = client.get("/v1/nearest", params={**HERE, "storey": "3"}).json()

    assert answer["query"]["floor"] == 3
    assert answer["query"]["storey"] == {"en": "storey 3 (floor 3)", "zh": "3楼（floor 3）"}


@pytest.fixture
def member(session: Session) -> dict[str, str]:
    """Return the headers of an estate's key."""
    key = make.key(session, TokenRole.MEMBER, estate=make.estate(session), writes=True)
    session.commit()
    return key


@each_case(
    ("given", "field", "words"),
    [
        (
            {"floor": 3, "storey": "3"},
            "floor",
            "is storey 4 (floor 3); storey 3 is storey 3 (floor 2)",
        ),
        ({"storey": "2", "room": "301"}, "floor", "contradict"),
        ({"storey": "夹层"}, "storey", "not valid"),
        ({"room": "B101"}, "room", "cannot be derived"),
        ({"storey": "0"}, "storey", "no storey 0"),
    ],
)
def test_contradicting_or_ambiguous_storeys_are_refused(
    member: dict[str, str], client: TestClient, given: dict[str, str | int], field: str, words: str
) -> None:
    found = client.get("/v1/nearest", params={**HERE, **given})
    opened = client.post(
        "/v1/incidents",
        json={"key": str(uuid4()), "kind": "exercise", "position": HERE, **given},
        headers=member,
    )

    for answer in (found, opened):
        assert answer.status_code == 422
        assert answer.json()["field"] == field
        assert words in answer.json()["detail"]


def test_an_incident_is_opened_on_the_given_storey(member: dict[str, str], client: TestClient) -> None:
    opened = client.post(
        "/v1/incidents",
        json={"key": str(uuid4()), "kind": "exercise", "position": HERE, "room": "2单元301室"},
        headers=member,
    )

    assert opened.status_code == 200, opened.text
    assert (opened.json()["floor"], opened.json()["storey"]) == (2, THIRD)


def test_a_location_is_corrected_and_a_report_split_by_storey(session: Session, client: TestClient) -> None:
    region = make.region(session)
    office = make.key(session, TokenRole.DISPATCHER, region=region, writes=True)
    first = make.incident(session, floor=9)
    make.incident(session, where=north_of(PATIENT, metres=20), floor=None)
    report_id = queries.reports(session, first.id)[-1].id
    session.commit()
    place, split = (f"/v1/incidents/{first.id}/{each}" for each in ("location", f"reports/{report_id}/split"))

    for send in (partial(client.patch, place), partial(client.post, split)):
        refused = send(json={"floor": 3, "storey": "3楼", "address": "Flat 9"}, headers=office)
        assert (refused.status_code, refused.json()["field"]) == (422, "floor")
        assert "storey 3楼 is storey 3 (floor 2)" in refused.json()["detail"]
    kept = client.get(f"/v1/incidents/{first.id}", headers=office).json()
    assert (kept["floor"], kept["address"]) == (9, None)

    for given in ({"storey": "3楼"}, {"room": "301室"}, {"floor": 2, "storey": "3"}):
        corrected = client.patch(place, json=given, headers=office)
        assert corrected.status_code == 200, corrected.text
        assert (corrected.json()["floor"], corrected.json()["storey"]) == (2, THIRD)
    apart = client.post(split, json={"storey": "B1"}, headers=office).json()
    assert apart["id"] != first.id
    assert (apart["floor"], apart["storey"]["zh"]) == (-1, "地下1层（floor -1）")


def test_a_device_is_registered_and_amended_by_its_storey(session: Session, client: TestClient) -> None:
    make.region(session)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()

    made = client.post(
        "/v1/devices", json={"region": "CN-33", "position": HERE, "storey": "3楼"}, headers=office
    )
    assert made.status_code == 201, made.text
    assert (made.json()["floor"], made.json()["storey"]) == (2, THIRD)

    path = f"/v1/devices/{made.json()['id']}"
    contradiction = client.patch(
        path, json={"floor": 1, "storey": "B1"}, headers={**office, "If-Match": '"1"'}
    )
    assert contradiction.status_code == 422
    amended = client.patch(path, json={"storey": "B1"}, headers={**office, "If-Match": '"1"'})
    assert (amended.json()["floor"], amended.json()["storey"]["zh"]) == (-1, "地下1层（floor -1）")
    kept = client.patch(path, json={"place_zh": "大堂"}, headers={**office, "If-Match": '"2"'})
    assert kept.json()["floor"] == -1


def test_people_on_their_way_read_one_number_in_the_words_of_the_place(session: Session) -> None:
    region = make.region(session)
    there = StoreyOut.spoken(2, region)

    assert (there.zh, there.en) == ("3楼", "storey 3, the ground floor being 1")
    region.counts_ground_as_one = False
    assert StoreyOut.spoken(2, region).zh == "2楼（地面层以上）"
