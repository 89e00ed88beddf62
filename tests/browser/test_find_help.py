"""The page *Find help* in a browser: a stranger with and without location, and without JavaScript."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View

IN_THE_DISTRICT = {"latitude": 30.290005, "longitude": 120.10156}


def test_a_stranger_finds_the_nearest_aed_with_one_tap(open_page: OpenPage, view: View) -> None:
    page = open_page(geolocation=IN_THE_DISTRICT, permissions=["geolocation"])
    page.goto("/")
    check(page, view, "find-help")
    page.locator("#locate").click()
    first = page.locator(".device").first
    expect(first).to_be_visible()
    expect(page.locator(".emergency .call")).to_have_attribute("href", "tel:120")
    check(page, view, "find-help-list")
    page.locator(".chips a").last.click()
    expect(page.locator(".chips a").last).to_have_attribute("aria-current", "true")
    check(page, view, "find-help-all")


def test_without_permission_the_page_says_so_and_the_form_works(page: Page, view: View) -> None:
    page.goto("/")
    page.locator("#locate").click()
    expect(page.locator("#locate-status")).to_have_text(
        page.locator("#locate").get_attribute("data-denied") or ""
    )
    expect(page.locator("#q")).to_be_focused()
    page.locator("#q").fill("Sundial" if view.language == "en" else "日晷")
    page.keyboard.press("Enter")
    expect(page.locator("h2").first).to_be_visible()
    check(page, view, "find-help-search")


def test_without_javascript_an_estate_can_be_chosen(open_page: OpenPage, view: View) -> None:
    page = open_page(java_script_enabled=False)
    page.goto("/")
    expect(page.locator("#locate")).to_be_hidden()
    expect(page.locator("#metronome")).to_be_hidden()
    page.locator("#estate").select_option(index=1)
    page.locator("form").last.locator("button").click()
    expect(page.locator(".device").first).to_be_visible()


def test_the_metronome_counts(page: Page) -> None:
    page.goto("/")
    button = page.locator("#metronome")
    button.click()
    expect(button).to_have_attribute("data-running", "true")
    expect(page.locator("#beat")).to_have_text("3")
    button.click()
    expect(page.locator("#beat")).to_have_text("")


def test_an_error_is_a_page(page: Page, view: View) -> None:
    page.goto("/nothing")
    check(page, view, "error")


def test_a_person_is_signed_in_by_a_cookie(open_page: OpenPage, site: Site) -> None:
    with site.database.write_sessions() as session, session.begin():
        person = make.person(session)
        key, person_id = make.sign_in(session, person.id), person.id
    page = open_page(session_key=key)
    page.goto("/v1/me")
    expect(page.locator("body")).to_contain_text(f"person:{person_id}")
