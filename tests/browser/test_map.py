"""The map in a browser: devices with their marks, a place picked, a frame, and no base map."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.checks import check
from tests.browser.conftest import View

IN_THE_DISTRICT = "#16/30.29/120.1"


def test_the_map_shows_devices_and_lists_them(page: Page, view: View) -> None:
    page.goto(f"/map{IN_THE_DISTRICT}")
    expect(page.locator("#map-place")).to_have_attribute("data-ready", "true")
    expect(page.locator("#map-list li").first).to_be_visible()
    check(page, view, "map")
