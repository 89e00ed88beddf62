"""OGC API Features: a client reads what the database holds, limited to what the viewer may see."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from tests import make
from tests.cases import each_case
from tests.exports.conftest import Gdal
from tests.make import PATIENT, east_of, north_of
from tests.statements import statements_of

ITEMS = "/ogc/collections/devices/items"
NUMBER = 23


def _devices(session: Session, number: int = NUMBER, **given: Any) -> None:
    for count in range(number):
        make.device(session, at=east_of(PATIENT, metres=30.0 * count), place_en=f"Lobby {count}", **given)


def _follow(client: TestClient, path: str, headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the features of all pages."""
    found: list[dict[str, Any]] = []
    following: str | None = path
    while following is not None:
        answer = client.get(following, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/geo+json"
        page = answer.json()
        assert page["numberReturned"] == len(page["features"])
        found += page["features"]
        following = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    return found


# --- permissions ----------------------------------------------------------------------------------------


def test_a_stranger_reads_public_devices_and_no_estates(session: Session, client: TestClient) -> None:
    estate = make.estate(session, guard_phone="+86 571 0111 2222")
    keeper = {"name": "Keeper Wang", "phone": "+86 571 0333 4444"}
    shown = make.device(session, of=estate, serial="SN-1", keeper=keeper)
    hidden = make.device(session, of=estate, audience="estate", at=north_of(PATIENT, metres=9))
    gate = make.gate(session, estate, at=PATIENT)
    member = make.key(session, TokenRole.MEMBER, estate=estate)
    session.commit()

    (feature,) = _follow(client, ITEMS)
    assert feature["id"] == shown.id
    assert not {"serial", "keeper_name", "keeper_phone", "estate"} & set(feature["properties"])
    assert client.get(f"{ITEMS}/{hidden.id}").status_code == 404
    listed = client.get("/ogc/collections").json()["collections"]
    assert [each["id"] for each in listed] == ["devices"]
    for name, number in (("estates", estate.id), ("gates", gate.id)):
        for path in (f"/ogc/collections/{name}", f"/ogc/collections/{name}/items"):
            assert client.get(path).status_code == 404
            assert client.get(path, headers=member).status_code == 200
        item = f"/ogc/collections/{name}/items/{number}"
        assert client.get(item).status_code == 404
        assert client.get(item, headers=member).json()["id"] == number

    assert {each["id"] for each in _follow(client, ITEMS, member)} == {shown.id, hidden.id}
    own = client.get(f"{ITEMS}/{shown.id}", headers=member).json()["properties"]
    assert (own["serial"], own["keeper_name"]) == ("SN-1", "Keeper Wang")


def test_responses_for_a_token_are_not_cached_for_others(session: Session, client: TestClient) -> None:
    key = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    assert client.get(ITEMS).headers["cache-control"].startswith("public")
    answer = client.get(ITEMS, headers=key)
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["vary"] == "Authorization"


# --- pages ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 7, 23, 24, 99_999])
def test_every_device_is_listed_once_for_any_page_size(
    session: Session, client: TestClient, limit: int
) -> None:
    _devices(session)
    session.commit()

    found = _follow(client, f"{ITEMS}?limit={limit}")

    assert len(found) == NUMBER
    assert len({feature["id"] for feature in found}) == NUMBER


def test_every_page_has_the_total_count(session: Session, client: TestClient) -> None:
    _devices(session)
    session.commit()

    first = client.get(f"{ITEMS}?limit=10").json()
    second = client.get(first["links"][-1]["href"]).json()

    assert (first["numberMatched"], first["numberReturned"]) == (NUMBER, 10)
    assert (second["numberMatched"], second["numberReturned"]) == (NUMBER, 10)
    assert first["links"][0]["href"] == f"http://testserver{ITEMS}?limit=10"


def test_a_page_runs_the_same_number_of_statements_for_any_size(session: Session, client: TestClient) -> None:
    _devices(session)
    session.commit()

    counts = []
    for limit in (1, 20):
        with statements_of(client.app.state.database.engine) as sent:  # type: ignore[attr-defined] # it is a FastAPI
            client.get(f"{ITEMS}?limit={limit}")
        counts.append(len(sent))

    assert counts == [3, 3]  # the page, its consumables, the total


def test_items_are_filtered_by_box_and_date_range(session: Session, client: TestClient) -> None:
    west = make.device(session, last_checked_on=date(2026, 3, 1))
    east = make.device(session, at=east_of(PATIENT, metres=5_000), last_checked_on=date(2026, 6, 1))
    never = make.device(session, at=east_of(PATIENT, metres=9_000), last_checked_on=None)
    session.commit()

    def ids(query: str) -> set[int]:
        return {feature["id"] for feature in _follow(client, f"{ITEMS}?{query}")}

    assert ids("") == {west.id, east.id, never.id}
    assert ids("bbox=120.09,30.28,120.11,30.30") == {west.id}
    assert ids("bbox=120.09,30.28,-100,120.11,30.30,100") == {west.id}
    assert ids("bbox=120.11,30.28,120.09,30.30") == {east.id, never.id}
    assert ids("datetime=2026-03-01") == {west.id}
    assert ids("datetime=2026-03-01T12:00:00Z") == {west.id}
    assert ids("datetime=2026-03-02/..") == {east.id}
    assert ids("datetime=../2026-06-01") == {west.id, east.id}
    assert ids("datetime=2026-01-01/2026-12-31&limit=1") == {west.id, east.id}


@each_case(
    ("path", "status"),
    [
        (f"{ITEMS}?bbox=1,2,3", 400),
        (f"{ITEMS}?bbox=0,0,nan,1", 400),
        (f"{ITEMS}?datetime=yesterday", 400),
        (f"{ITEMS}?datetime=../..", 400),
        (f"{ITEMS}?datetime=2026-06-01/2026-01-01", 400),
        (f"{ITEMS}?limit=0", 400),
        (f"{ITEMS}?limit=many", 400),
        (f"{ITEMS}?colour=red", 400),
        (f"{ITEMS}?cursor=x", 422),
        (f"{ITEMS}/0", 422),
        (f"{ITEMS}/999", 404),
        ("/ogc/collections/responders", 404),
    ],
)
def test_an_invalid_request_is_refused_in_a_sentence(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_the_landing_page_links_to_every_resource(client: TestClient) -> None:
    landing = client.get("/ogc").json()

    links = {link["rel"]: link["href"] for link in landing["links"]}
    assert {"self", "service-desc", "service-doc", "conformance", "data"} <= set(links)
    for href in links.values():
        assert href.startswith("http://testserver/")
        assert client.get(href).status_code == 200
    assert client.get(links["conformance"]).json()["conformsTo"]
    definition = client.get(links["service-desc"]).json()
    assert ITEMS.replace("devices", "{collection_id}") in definition["paths"]
    assert all(path.startswith("/ogc") for path in definition["paths"])


# --- GDAL, and so QGIS ----------------------------------------------------------------------------------


def _count(output: str) -> int:
    found = re.search(r"Feature Count: ([0-9]+)", output)
    assert found is not None, output
    return int(found[1])


def test_gdal_counts_and_copies_every_device(
    session: Session, served: str, gdal: Gdal, tmp_path: Path
) -> None:
    estate = make.estate(session)
    _devices(session)
    _devices(session, 5, of=estate, audience="estate")
    make.gate(session, estate, at=PATIENT)
    key = make.key(session, TokenRole.ADMINISTRATOR)["Authorization"].removeprefix("Bearer ")
    session.commit()
    source = f"OAPIF:{served}/ogc"

    listed = gdal("ogrinfo", "-ro", "-so", source, "devices")
    assert _count(listed) == NUMBER
    assert "Geometry: Point" in listed
    gdal("ogr2ogr", "-oo", "PAGE_SIZE=4", tmp_path / "stranger.geojson", source, "devices")
    gdal("ogr2ogr", "-oo", "PAGE_SIZE=4", tmp_path / "all.geojson", source, "devices", token=key)

    copied = json.loads((tmp_path / "stranger.geojson").read_text())["features"]
    assert {each["properties"]["place_en"] for each in copied} == {f"Lobby {n}" for n in range(NUMBER)}
    assert len(copied) == NUMBER
    assert len(json.loads((tmp_path / "all.geojson").read_text())["features"]) == NUMBER + 5
    assert _count(gdal("ogrinfo", "-ro", "-so", source, "devices", token=key)) == NUMBER + 5
    assert _count(gdal("ogrinfo", "-ro", "-so", source, "estates", token=key)) == 1
    assert _count(gdal("ogrinfo", "-ro", "-so", source, "gates", token=key)) == 1
    box = ["-spat", "120.0995", "30.28", "120.1005", "30.30"]
    assert _count(gdal("ogrinfo", "-ro", "-so", *box, source, "devices")) == 2
