"""The map in a browser: devices with their state, a place picked, on the first page, without a base map."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.checks import check, evaluate
from tests.browser.conftest import VIEWS, OpenPage, Site, View

IN_THE_DISTRICT = "#16/30.29/120.1"
HERE = "/?lat=30.290005&lon=120.10156"


def wait_for_map(page: Page) -> None:
    expect(page.locator("#map-place")).to_have_attribute("data-ready", "true")


@pytest.fixture
def no_basemap(site: Site) -> Iterator[None]:
    """Take the base map away for one test."""
    file: Path = site.settings.basemap
    file.rename(file.with_suffix(".away"))
    yield
    file.with_suffix(".away").rename(file)


def test_the_map_shows_devices_and_lists_them(page: Page, view: View) -> None:
    page.goto(f"/map{IN_THE_DISTRICT}")
    wait_for_map(page)
    first = page.locator("#map-list li").first
    expect(first.locator("svg")).to_be_visible()
    assert (first.locator("a").get_attribute("href") or "").startswith("/d/")
    check(page, view, "map")


def test_a_place_on_the_map_is_looked_up(page: Page, view: View) -> None:
    page.goto(f"/map{IN_THE_DISTRICT}")
    wait_for_map(page)
    pick = page.locator("#map-pick")
    before = pick.inner_text()
    page.locator("#map canvas").click(position={"x": 40, "y": 200})
    expect(pick).not_to_have_text(before)
    pick.click()
    expect(page.locator(".device").first).to_be_visible()


def test_a_link_to_a_view_opens_that_view(page: Page, view: View) -> None:
    if view not in VIEWS[:2]:
        pytest.skip("twice is enough: once at each width")
    page.goto("/map#12.5/30.29/120.1")
    wait_for_map(page)
    expect(page.locator("#map-list a")).to_have_count(0)
    expect(page.locator("#map-status")).not_to_be_empty()
    ring = page.locator("#map-list li", has=page.locator("button")).first
    expect(ring.locator("canvas")).to_be_visible()
    shares = [int(each) for each in re.findall(r"\d+", ring.locator("small").inner_text())]
    number = re.search(r"\d+", ring.locator("button").inner_text())
    assert number is not None
    assert sum(shares) == int(number[0])
    check(page, view, "map-rings")
    page.locator(".maplibregl-ctrl-zoom-in").click()
    expect(page).to_have_url(re.compile(r"#13\.5/"))


def test_a_ring_in_the_list_zooms_in_to_its_devices(page: Page, view: View) -> None:
    if view != VIEWS[0]:
        pytest.skip("once is enough: the data do not depend on width or language")
    page.goto("/map#12.5/30.29/120.1")
    wait_for_map(page)
    page.locator("#map-list button").first.press("Enter")
    expect(page).to_have_url(re.compile(r"#14\.5/"))
    expect(page.locator("#map-list a").first).to_be_visible()


def test_the_first_page_opens_its_map_after_a_tap(page: Page, view: View) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(HERE)
    assert not [url for url in asked if "maplibre" in url or "map.js" in url.replace("open_map.js", "")]
    page.locator("#open-map").click()
    wait_for_map(page)
    expect(page.locator("#map-list li").first).to_be_visible()
    check(page, view, "find-help-map")


def test_without_a_base_map_there_are_outlines_and_streets(page: Page, view: View, no_basemap: None) -> None:
    if view != VIEWS[1]:
        pytest.skip("once is enough: the data do not depend on width or language")
    with page.expect_response(lambda answer: "/map/outlines" in answer.url) as found:
        page.goto(f"/map{IN_THE_DISTRICT}")
    kinds = {each["properties"]["kind"] for each in found.value.json()["features"]}
    assert kinds == {"estate", "street"}
    wait_for_map(page)
    check(page, view, "map-outlines")


def test_without_javascript_the_page_says_where_to_search(open_page: OpenPage, view: View) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/map")
    expect(page.locator("noscript .notice")).to_be_visible()
    expect(page.locator("#map")).to_be_hidden()
    page.locator("main > p > a.button").click()
    expect(page.locator("#q")).to_be_visible()


def test_the_map_fits_a_frame(page: Page, view: View) -> None:
    page.goto(f"/embed{IN_THE_DISTRICT}")
    wait_for_map(page)
    assert evaluate(page, "document.querySelectorAll('h1').length") == 1
    check(page, view, "embed")
    with page.context.expect_page() as opened:
        page.locator("#map-list a").first.click()
    expect(opened.value).to_have_url(re.compile("/d/"))
