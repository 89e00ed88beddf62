"""The page *Find help*: whom to call, and the devices that a stranger may fetch."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pmtiles.reader import MemorySource, Reader
from sqlalchemy.orm import Session

from aed.errors import InvalidInput
from aed.geo import BoundingBox, Datum, coordinates_in
from aed.settings import Settings
from aed.settings.services import OtherBasemap
from aed.web.basemap_extract import MIN_ZOOM, extract
from aed.web.find_help.rules import Show, position_from_form
from tests import make
from tests.make import PATIENT, north_of

DEMO_BASEMAP = Path(__file__).parents[2] / "src/aed/cli/demo_district/basemap.pmtiles"
HERE = f"/?lat={PATIENT.lat}&lon={PATIENT.lon}"


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en"}


def devices_in(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'data-code="(\d+)-\d"', page)]


def test_a_stranger_sees_public_devices_alone(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate, closed_estate = make.estate(session), make.estate(session, name_en="Quiet Court")
    public = make.device(session, at=north_of(PATIENT, metres=60), of=estate, place_en="Open lobby")
    for of in (estate, closed_estate):
        make.device(
            session, at=north_of(PATIENT, metres=40), of=of, audience="estate", place_en="Secret lobby"
        )
    session.commit()

    page = client.get(HERE, headers=browser).text

    assert devices_in(page) == [public.id]
    assert "Secret" not in page
    assert "Quiet Court" not in page
    for asked in ("Secret", "Quiet"):
        answer = client.get(f"/?q={asked}", headers=browser).text
        assert devices_in(answer) == []
        assert "is known here" in answer
    unknown = client.get("/?estate=999999", headers=browser).text
    hidden = client.get(f"/?estate={closed_estate.id}", headers=browser).text
    assert devices_in(hidden) == devices_in(unknown) == []
    assert hidden.replace(f"={closed_estate.id}&", "=999999&") == unknown
    assert page.index('href="tel:120"') < page.index("Open lobby")
    assert re.search(r'href="/d/\d+-\d">Open lobby', page)


def test_a_place_is_found_by_its_name_its_estate_or_coordinates(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session, name_en="Heron Court", name_zh="白鹭苑")
    near = make.device(session, at=PATIENT, of=estate, place_en="Club house", place_zh="会所")
    session.commit()

    for asked in ("q=heron", "q=%E7%99%BD%E9%B9%AD", "q=Club", f"estate={estate.id}"):
        page = client.get(f"/?{asked}", headers=browser).text
        assert devices_in(page) == [near.id], asked
        assert "Near Heron Court" in page or "Near Club house" in page
        assert ("selected" in page.partition('id="estate"')[2]) is asked.startswith("estate")
    for asked in ("q=30.29,120.10", "q=120.10%EF%BC%8C30.29", "q=30.29+120.10"):
        assert devices_in(client.get(f"/?{asked}", headers=browser).text) == [near.id], asked
    make.device(session, at=PATIENT, of=estate, place_en="Club garden", place_zh="花园")
    session.commit()
    several = client.get("/?q=club", headers=browser).text
    assert "Which place do you mean?" in several
    assert "name=Club%20garden" in several
    make.device(session, at=PATIENT, of=estate, place_en="Club house, side door", place_zh="会所侧门")
    session.commit()
    for asked in ("q=Club+house", "q=%E4%BC%9A%E6%89%80"):
        assert "Near Club house" in client.get(f"/?{asked}", headers=browser).text, "the exact name"


def test_chips_choose_what_is_shown(client: TestClient, session: Session, browser: dict[str, str]) -> None:
    always = make.device(session, at=north_of(PATIENT, metres=90))
    never = make.device(session, at=north_of(PATIENT, metres=30), opening_hours="2020 Mo 08:00-08:01")
    far = make.device(session, at=north_of(PATIENT, metres=1_400))
    session.commit()

    now, all_day, everything = (
        client.get(f"{HERE}&show={show}", headers=browser).text for show in ("now", "24h", "all")
    )

    assert devices_in(now) == devices_in(all_day) == [always.id, far.id]
    assert devices_in(everything) == [always.id, far.id, never.id]
    assert now.index("Too far to fetch in time") < now.index(f'data-code="{far.id}-')
    assert "Closed or not ready now" in everything
    assert devices_in(client.get(f"{HERE}&show=x&from=singlemessage", headers=browser).text) == devices_in(
        now
    )


def test_before_a_map_opens_the_page_is_small(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    for number in range(6):
        make.device(session, at=north_of(PATIENT, metres=40 * number))
    session.commit()

    page = client.get(HERE, headers=browser).text

    loaded = set(re.findall(r'<(?:link|script)[^>]* (?:href|src)="(/static/[^"]*)"', page))
    assert any("open_map.js" in each for each in loaded)
    assert not any("vendor" in each for each in loaded)
    size = len(gzip.compress(page.encode()))
    for each in loaded:
        size += int(client.get(each, headers={"Accept-Encoding": "gzip"}).headers["content-length"])
    assert size < 60_000


@pytest.mark.parametrize(
    "query",
    ["lat=x&lon=1", "lat=91&lon=1", "lat=nan&lon=nan", "q=91,200", "lat=1e999&lon=0", "estate=%00", "q=%00"],
)
def test_bad_input_gets_a_sentence_and_the_number_to_call(
    client: TestClient, browser: dict[str, str], query: str
) -> None:
    answer = client.get(f"/?{query}", headers=browser)
    assert answer.status_code == 200
    assert 'href="tel:120"' in answer.text
    assert devices_in(answer.text) == []


def test_script_in_the_search_is_text(client: TestClient, browser: dict[str, str]) -> None:
    page = client.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E%22%20onfocus=x", headers=browser).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34; onfocus=x" in page


def test_without_a_database_the_page_shows_the_emergency_number(
    app: FastAPI, browser: dict[str, str]
) -> None:
    page = TestClient(app).get(HERE, headers=browser)
    assert page.status_code == 200
    assert 'href="tel:120"' in page.text
    assert "not available at the moment" in page.text


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("30.29,120.1", (30.29, 120.1)),
        ("120.1, 30.29", (30.29, 120.1)),
        (" 30.29  120.1 ", (30.29, 120.1)),
        ("-33.9 18.4", (-33.9, 18.4)),
        ("30.29", None),
        ("Building 3, 501", None),
    ],
)
def test_coordinates_are_read_in_either_order(text: str, pair: tuple[float, float] | None) -> None:
    assert coordinates_in(text) == pair


def test_coordinates_of_a_chinese_map_are_moved() -> None:
    typed = position_from_form({"q": "30.29,120.10", "datum": "gcj02"})
    given = position_from_form({"lat": "30.29", "lon": "120.10", "datum": "gcj02", "show": "all"})
    assert typed.here == given.here != position_from_form({"q": "30.29,120.10"}).here
    assert (given.show, given.datum) == (Show.ALL, Datum.GCJ02)
    with pytest.raises(InvalidInput):
        position_from_form({"lat": "x", "lon": "1"})


def test_a_place_needs_both_coordinates() -> None:
    for half in ({"lat": "30.29"}, {"lon": "120.10"}):
        assert position_from_form(half) == position_from_form({})


def test_a_phone_keeps_an_estate_with_public_devices(client: TestClient, session: Session) -> None:
    estate, closed_estate = make.estate(session, name_zh="白鹭苑"), make.estate(session)
    public = make.device(session, at=north_of(PATIENT, metres=60), of=estate, place_zh="大堂")
    make.device(session, at=PATIENT, of=estate, audience="estate", place_zh="监控室")
    make.device(session, at=PATIENT, of=closed_estate, audience="estate")
    session.commit()

    answer = client.get(f"/packs/{estate.id}")
    pack = answer.json()

    assert [each["code"].partition("-")[0] for each in pack["devices"]] == [str(public.id)]
    assert "监控室" not in answer.text
    assert (pack["name"]["zh"], pack["is_public"], pack["emergency_number"]) == ("白鹭苑", True, "120")
    (device,) = pack["devices"]
    assert [each["mark"] for each in device["states"]] == ["open"]
    assert len(device["ways"]) == len(pack["places"]) > 1
    assert answer.headers["cache-control"] == "private, no-cache"
    known = client.get(f"/packs/{estate.id}", headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    hidden, unknown = (client.get(f"/packs/{each}") for each in (closed_estate.id, 999_999))
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.json()["detail"] == unknown.json()["detail"]


def test_a_phone_keeps_the_base_map_around_an_estate(
    client: TestClient, session: Session, settings: Settings, browser: dict[str, str]
) -> None:
    estate, closed_estate = make.estate(session), make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    make.device(session, at=PATIENT, of=closed_estate, audience="estate")
    session.commit()
    url = f"/packs/{estate.id}/map.pmtiles"
    assert client.get(f"/packs/{estate.id}").json()["map"] is None
    assert client.get(url).status_code == 404
    assert "data-map-files" not in client.get(HERE, headers=browser).text
    shutil.copyfile(DEMO_BASEMAP, settings.basemap)

    address = client.get(f"/packs/{estate.id}").json()["map"]
    whole = client.get(address, headers={"Range": "bytes=0-9"})

    assert address.startswith(f"{url}?v=")
    assert whole.status_code == 200, "the Cache API keeps no ranges"
    assert whole.headers["content-type"] == "application/vnd.pmtiles"
    assert whole.headers["cache-control"] == "private, no-cache"
    source, own = Reader(MemorySource(DEMO_BASEMAP.read_bytes())), Reader(MemorySource(whole.content))
    assert own.header()["max_zoom"] == source.header()["max_zoom"] == 14
    assert own.metadata() == source.metadata()
    column, row = 13657, 6744  # the tile of zoom 14 with PATIENT
    assert own.get(14, column, row) == source.get(14, column, row) is not None
    assert own.get(MIN_ZOOM - 1, column >> (15 - MIN_ZOOM), row >> (15 - MIN_ZOOM)) is None
    known = client.get(url, headers={"If-None-Match": whole.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    files = re.search(r'data-map-files="([^"]+)"', client.get(HERE, headers=browser).text)
    assert files is not None
    assert all(client.get(each).status_code == 200 for each in files[1].split())
    hidden, unknown = (client.get(f"/packs/{each}/map.pmtiles") for each in (closed_estate.id, 999_999))
    assert hidden.status_code == unknown.status_code == 404
    assert hidden.json()["detail"] == unknown.json()["detail"]
    os.utime(settings.basemap, (1, 1))
    assert client.get(f"/packs/{estate.id}").json()["map"] != address, "a newer base map"


@pytest.mark.one_engine("a setting")
def test_the_base_map_of_another_provider_is_never_copied(
    client_on: Callable[[Settings], TestClient], session: Session, settings: Settings
) -> None:
    estate = make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    session.commit()
    shutil.copyfile(DEMO_BASEMAP, settings.basemap)
    other = OtherBasemap(url="https://tiles.example/{z}/{x}/{y}.png", credit="Example")
    client = client_on(settings.model_copy(update={"other_basemap": other}))
    assert client.get(f"/packs/{estate.id}").json()["map"] is None
    assert client.get(f"/packs/{estate.id}/map.pmtiles").status_code == 404


def test_a_cut_out_map_is_coarser_rather_than_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    around = BoundingBox(120.095, 30.285, 120.105, 30.295)
    whole = extract(DEMO_BASEMAP, around)
    assert whole is not None
    monkeypatch.setattr("aed.web.basemap_extract.MAX_BYTES", len(whole) - 10_000)
    smaller = extract(DEMO_BASEMAP, around)
    assert smaller is not None
    assert Reader(MemorySource(smaller)).header()["max_zoom"] < 14
    assert extract(DEMO_BASEMAP, BoundingBox(8, 47, 8.01, 47.01)) is None, "elsewhere"
    for content in (b"", b"PMTiles", b"PMTiles\x03" + b"\xff" * 200):
        damaged = tmp_path / "damaged.pmtiles"
        damaged.write_bytes(content)
        assert extract(damaged, around) is None


def test_the_page_names_the_estates_to_keep(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    estate = make.estate(session)
    make.device(session, at=PATIENT, of=estate)
    session.commit()
    assert f'data-packs="{estate.id}"' in client.get(HERE, headers=browser).text
    assert 'data-packs=""' in client.get("/", headers=browser).text


def test_the_service_worker_keeps_the_page_in_each_language_with_its_files(client: TestClient) -> None:
    worker = client.get("/worker.js")
    assert worker.headers["cache-control"] == "no-cache"
    site = json.loads(worker.text.partition("const SITE = ")[2].partition(";\n")[0])
    assert site["pages"] == {"zh-CN": "/offline?lang=zh-CN", "en": "/offline?lang=en"}
    for language, address in site["pages"].items():
        page = client.get(address, headers={"Accept": "text/html"})
        assert f'<html lang="{language}"' in page.text
        assert page.text.index('href="tel:120"') < page.text.index('id="age"')
        used = set(re.findall(r'(?:src|href)="(/static/[^"]+\.(?:js|css|svg))"', page.text))
        assert used <= set(site["files"])
    for file in site["files"]:
        assert client.get(file).status_code == 200
