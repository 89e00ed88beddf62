"""Reporting an AED that nobody has registered, in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from aed.upkeep.models import Sighting
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View
from tests.browser.test_find_help import IN_THE_DISTRICT
from tests.upkeep.test_sightings import a_photo


@pytest.fixture(autouse=True)
def no_sighting_before(site: Site) -> None:
    """Forget the reports of other tests, which came from the same address."""
    with site.database.write_sessions() as session, session.begin():
        session.execute(update(Sighting).values(from_key=None))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(a_photo(IN_THE_DISTRICT["latitude"], IN_THE_DISTRICT["longitude"]))
    return path


def test_an_aed_is_reported_with_a_photo_and_the_phones_location(
    open_page: OpenPage, view: View, photo: Path
) -> None:
    page = open_page(geolocation=IN_THE_DISTRICT, permissions=["geolocation"])
    page.goto("/report")
    check(page, view, "sighting")
    page.locator("#photo").set_input_files(photo)
    page.locator("#locate").click()
    expect(page.locator("#lat")).not_to_have_value("")
    page.locator("#words").fill("2号楼大堂")
    page.locator("form button.block").last.click()
    expect(page.locator("img.photo")).to_be_visible()
    check(page, view, "sighting-draft")
    address = page.url
    page.locator("button[value=send]").click()
    expect(page.locator("p[role=status]")).to_be_visible()
    check(page, view, "sighting-status")
    page.go_back()
    expect(page.locator("h1")).to_be_visible()
    page.goto(address)
    expect(page.locator("p[role=status]")).to_be_visible()


def test_the_place_is_pointed_out_on_the_map(open_page: OpenPage, view: View) -> None:
    page = open_page()
    page.goto("/report")
    page.locator("#open-map").click()
    expect(page.locator("#map-place")).to_have_attribute("data-ready", "true")
    page.locator("#map canvas").click(position={"x": 40, "y": 60})
    expect(page.locator("#where")).to_have_value(re.compile(r"30\.\d{6}, 120\.\d{6}"))
    expect(page.locator("#locate-status")).not_to_be_empty()
    check(page, view, "sighting-map")
    page.locator("form button.block").last.click()
    expect(page.locator("button[value=send]")).to_be_visible()


def test_without_javascript_the_place_in_the_photo_is_enough(
    open_page: OpenPage, view: View, photo: Path
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/report")
    page.locator("#photo").set_input_files(photo)
    page.locator("form button.block").last.click()
    expect(page.locator("#where")).to_be_visible()
    page.goto("/report")
    page.locator("#photo").set_input_files(photo)
    page.locator("input[name=origin]").check()
    page.locator("form button.block").last.click()
    expect(page.locator("button[value=send]")).to_be_visible()


def test_a_photo_that_is_too_large_is_refused_before_it_is_sent(
    open_page: OpenPage, view: View, tmp_path: Path
) -> None:
    page = open_page()
    page.goto("/report")
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff" * 16_000_000)
    page.locator("#photo").set_input_files(large)
    expect(page.locator("#photo-size")).to_be_visible()
    expect(page.locator("#photo")).to_have_value("")
