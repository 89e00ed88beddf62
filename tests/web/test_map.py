"""The map: what a stranger sees of it, the base map's file in ranges, and the frames of partners."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE
from aed.errors import InvalidInput
from aed.geo import Datum, from_wgs84
from aed.lookup.in_view import extent_of_devices
from aed.settings import Settings
from aed.settings.services import OtherBasemap
from aed.web.basemap import RINGS_FROM_ZOOM, map_config
from aed.web.map.rules import MAX_SIDE_DEGREES, box_on_earth
from tests import make
from tests.cases import each_case
from tests.make import PATIENT, north_of

BOX = f"{PATIENT.lon - 0.01},{PATIENT.lat - 0.01},{PATIENT.lon + 0.01},{PATIENT.lat + 0.01}"
CONTENT = bytes(range(256)) * 8


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en"}


def config_of(page: str) -> dict[str, object]:
    found = re.search(r'data-config="([^"]*)"', page)
    assert found is not None
    config: dict[str, object] = json.loads(unescape(found[1]))
    return config


def test_a_stranger_sees_public_devices_with_their_state(client: TestClient, session: Session) -> None:
    estate = make.estate(session)
    always = make.device(session, at=PATIENT, place_en="Lobby", opening_hours="24/7")
    never = make.device(session, at=north_of(PATIENT, metres=50), opening_hours="2020 Mo 08:00-08:01")
    broken = make.device(
        session, at=north_of(PATIENT, metres=90), state="out_of_service", out_of_service_reason="x"
    )
    make.device(session, of=estate, audience="estate", place_en="Secret lobby")
    make.device(session, at=north_of(PATIENT, metres=3_000))
    session.commit()

    answer = client.get(f"/map/devices?bbox={BOX}")

    found = {int(each["properties"]["code"].partition("-")[0]): each for each in answer.json()["features"]}
    assert {number: each["properties"]["mark"] for number, each in found.items()} == {
        always.id: "open",
        never.id: "closed",
        broken.id: "out",
    }
    assert answer.json()["complete"] is True
    assert "Secret" not in answer.text
    assert found[always.id]["properties"]["place_en"] == "Lobby"
    assert found[always.id]["geometry"]["coordinates"] == pytest.approx([PATIENT.lon, PATIENT.lat])


def test_without_a_base_map_estates_with_public_devices_have_outlines(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    shown, hidden = make.estate(session), make.estate(session, name_en="Quiet Court")
    make.device(session, of=shown)
    make.device(session, of=hidden, audience="estate")
    session.commit()

    features = client.get(f"/map/outlines?bbox={BOX}").json()["features"]

    assert [each["properties"]["name_en"] for each in features] == [shown.name_en]
    assert features[0]["geometry"]["type"] in ("Polygon", "MultiPolygon")
    assert "basemap" not in config_of(client.get("/map", headers=browser).text)


def test_without_a_base_map_it_opens_on_the_devices(
    client: TestClient, session: Session, settings: Settings, browser: dict[str, str]
) -> None:
    for path in ("/map", "/embed", "/report"):
        assert "bounds" not in config_of(client.get(path, headers=browser).text), "without devices"
    for metres in (0, 500):
        make.device(session, at=north_of(PATIENT, metres=metres))
    far = north_of(PATIENT, metres=9_000)
    make.device(session, at=far, of=make.estate(session, around=far), audience="estate")
    session.commit()
    for path in ("/map", "/embed", "/report"):
        corners = config_of(client.get(path, headers=browser).text)["bounds"]
        assert isinstance(corners, list)
        west, south, east, north = corners
        assert (west, east) == pytest.approx((PATIENT.lon, PATIENT.lon), abs=1e-6)
        assert (south, north) == pytest.approx((PATIENT.lat, north_of(PATIENT, metres=500).lat), abs=1e-6)
    assert config_of(client.get("/map", headers=browser).text)["rings_from_zoom"] == 0
    settings.basemap.write_bytes(CONTENT)
    assert "bounds" not in config_of(client.get("/map", headers=browser).text), "its own extent"


@pytest.mark.one_engine("no statement")
@each_case("box", ["1,2,3", "a,b,c,d", "120,30,121,31", "121,30,120,31", "nan,0,0,0", "0,91,0,92"])
def test_a_box_that_is_none_or_too_large_gets_a_sentence(client: TestClient, box: str) -> None:
    for path in ("/map/devices", "/map/outlines"):
        answer = client.get(f"{path}?bbox={box}")
        assert (answer.status_code, answer.json()["field"]) == (422, "bbox")


@pytest.mark.one_engine("a file")
def test_the_base_map_is_served_in_ranges(client: TestClient, settings: Settings) -> None:
    url = "/map/basemap.pmtiles"
    assert client.get(url).status_code == 404
    settings.basemap.write_bytes(CONTENT)

    whole, part, tail = (
        client.get(url, headers={"Range": each} if each else {})
        for each in (None, "bytes=256-511", "bytes=-16")
    )

    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["content-type"] == "application/vnd.pmtiles"
    assert whole.headers["accept-ranges"] == "bytes"
    assert (part.status_code, part.content) == (206, CONTENT[256:512])
    assert part.headers["content-range"] == f"bytes 256-511/{len(CONTENT)}"
    assert part.headers["etag"] == whole.headers["etag"]
    assert (tail.status_code, tail.content) == (206, CONTENT[-16:])
    beyond = client.get(url, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")
    tag = whole.headers["etag"]
    same = client.get(url, headers={"Range": "bytes=0-9", "If-Range": tag})
    other = client.get(url, headers={"Range": "bytes=0-9", "If-Range": '"older"'})
    assert (same.status_code, other.status_code, len(other.content)) == (206, 200, len(CONTENT))
    kept = client.get(url, headers={"If-None-Match": tag})
    assert (kept.status_code, kept.content, kept.headers["etag"]) == (304, b"", tag)


@pytest.mark.one_engine("a setting")
def test_only_the_embedded_map_may_be_framed_and_only_by_partners(
    client_on: Callable[[Settings], TestClient], settings: Settings, browser: dict[str, str]
) -> None:
    client = client_on(settings)
    for path in ("/", "/map", "/embed"):
        policy = client.get(path, headers=browser).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    partner = client_on(settings.model_copy(update={"embed_origins": ("https://partner.example",)}))
    policies = [
        partner.get(path, headers=browser).headers["content-security-policy"]
        for path in ("/", "/map", "/embed")
    ]
    assert ["frame-ancestors https://partner.example" in each for each in policies] == [False, False, True]


@pytest.mark.one_engine("a setting")
def test_another_base_map_brings_its_host_its_credit_and_its_datum(
    client_on: Callable[[Settings], TestClient], settings: Settings, browser: dict[str, str]
) -> None:
    other = OtherBasemap(
        url="https://tiles.example/{z}/{x}/{y}.png", credit="审图号：GS(2026)1号", datum="gcj02"
    )
    page = client_on(settings.model_copy(update={"other_basemap": other})).get("/map", headers=browser)

    config = config_of(page.text)
    assert config["datum"] == "gcj02"
    assert config["credit"] == {"text": other.credit}
    policy = page.headers["content-security-policy"]
    assert "connect-src 'self' https://tiles.example;" in policy
    assert "img-src 'self' https://tiles.example data: blob:" in policy
    with pytest.raises(ValueError, match="credit"):
        OtherBasemap(url="https://tiles.example/{z}/{x}/{y}.png")
    for url in ("https://a.example/{z}/{x}/{y} 'unsafe-inline'", "http://a.example/{z}/{x}/{y}"):
        with pytest.raises(ValueError, match="url"):
            OtherBasemap(url=url, credit="x")


def test_many_devices_are_shown_from_a_zoom_at_which_their_tiles_are_fast(
    client: TestClient, session: Session, settings: Settings
) -> None:
    for metres in (0, 100, 200):
        make.device(session, at=north_of(PATIENT, metres=metres))
    few, many = (extent_of_devices(session, ANYONE, most=most) for most in (4, 3))
    assert (few.is_large, many.is_large) == (False, True)
    assert many.corners == few.corners
    zooms = [json.loads(map_config(settings, devices=each))["rings_from_zoom"] for each in (few, many)]
    assert zooms == [0, RINGS_FROM_ZOOM]


def test_a_box_of_a_chinese_map_covers_what_is_moved_into_it() -> None:
    lat, lon = from_wgs84(PATIENT, Datum.GCJ02)
    box = box_on_earth(lon - 0.001, lat - 0.001, lon + 0.001, lat + 0.001, Datum.GCJ02, at_most=0.1)
    assert box.west < PATIENT.lon < box.east
    assert box.south < PATIENT.lat < box.north
    with pytest.raises(InvalidInput):
        box_on_earth(0, 0, MAX_SIDE_DEGREES * 2, 0, Datum.WGS84, at_most=MAX_SIDE_DEGREES)


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_a_box_of_another_datum_has_a_margin_of_20_metres_at_each_side(datum: Datum) -> None:
    lat, lon = from_wgs84(PATIENT, datum)
    box = box_on_earth(lon, lat, lon, lat, datum, at_most=0.1)
    margins = (
        PATIENT.lon - box.west,
        PATIENT.lat - box.south,
        box.east - PATIENT.lon,
        box.north - PATIENT.lat,
    )
    assert margins == pytest.approx([0.0002] * 4, abs=1e-6)


@pytest.mark.parametrize("box", [(-180, -90, -179, -89), (179, 89, 180, 90), (5, 5, 5, 5)])
def test_a_box_may_reach_the_edge_of_the_world_and_be_a_point(box: tuple[float, float, float, float]) -> None:
    found = box_on_earth(*box, Datum.WGS84, at_most=1)
    assert (found.west, found.south, found.east, found.north) == box


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_a_box_of_another_datum_stays_within_the_world(datum: Datum) -> None:
    south_west = box_on_earth(-180, -90, -179, -89, datum, at_most=1)
    north_east = box_on_earth(179, 89, 180, 90, datum, at_most=1)
    assert (south_west.west, south_west.south) == (-180, -90)
    assert (north_east.east, north_east.north) == (180, 90)


@pytest.mark.parametrize(
    "box",
    [
        (-180.1, 0, -180, 0),
        (180, 0, 180.1, 0),
        (0, -90.1, 0, -90),
        (0, 90, 0, 90.1),
        (1, 0, 0, 0),
        (0, 1, 0, 0),
    ],
)
def test_a_box_beyond_the_world_or_turned_round_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InvalidInput, match="bbox must be"):
        box_on_earth(*box, Datum.WGS84, at_most=1)


def test_the_page_says_what_to_do_without_javascript(client: TestClient, browser: dict[str, str]) -> None:
    page = client.get("/map", headers=browser).text
    assert page.index('href="tel:120"') < page.index("<noscript>")
    assert "needs JavaScript" in page


def test_the_demo_district_has_its_base_map() -> None:
    file = Path(__file__).parents[2] / "src/aed/cli/demo_district/basemap.pmtiles"
    assert file.read_bytes()[:8] == b"PMTiles\x03"
    assert file.stat().st_size < 100_000
