"""The page *Find help* in a browser: a stranger with and without location, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Route, expect

from aed.web.static import address
from tests import make
from tests.browser.checks import MANY_BEATS, check, evaluate
from tests.browser.conftest import VIEWS, OpenPage, Site, View

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
    expect(page.locator("#beat")).to_have_text(MANY_BEATS)
    button.click()
    expect(page.locator("#beat")).to_have_text("")


def test_the_page_does_not_move_when_its_script_arrives(page: Page) -> None:
    held: list[Route] = []
    page.route("**/find_help.js", lambda route: held.append(route))
    page.goto("/", wait_until="commit")
    expect(page.locator("footer")).to_be_visible()
    expect(page.locator("#locate")).to_be_hidden()
    expect(page.locator(".emergency").first).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")  # styled
    before = page.locator("#elsewhere").bounding_box()
    held.pop().continue_()
    expect(page.locator("#locate")).to_be_visible()
    expect(page.locator("#metronome")).to_be_visible()
    expect(page.locator("#open-map")).to_be_visible()
    assert page.locator("#elsewhere").bounding_box() == before


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


def test_the_map_libraries_load_under_the_policy_of_a_page(page: Page, view: View) -> None:
    if view != VIEWS[1]:
        pytest.skip("once is enough: the policy does not depend on width or language")
    page.goto("/")
    map_library, worker, pmtiles = (
        address(f"vendor/{name}")
        for name in (
            "maplibre-gl/maplibre-gl.mjs",
            "maplibre-gl/maplibre-gl-worker.mjs",
            "pmtiles/pmtiles.js",
        )
    )
    assert evaluate(page, f"import({map_library!r}).then(m => typeof m.Map)") == "function"
    started = (
        f"new Promise(done => {{ new Worker({worker!r}, {{type: 'module'}}).onerror = () => done('refused');"
        " setTimeout(() => done('started'), 1000) })"
    )
    assert evaluate(page, started) == "started"
    page.add_script_tag(url=pmtiles)
    assert evaluate(page, "typeof pmtiles.PMTiles") == "function"


def test_without_signal_the_phone_shows_what_it_kept(open_page: OpenPage, view: View) -> None:
    page = open_page(geolocation=IN_THE_DISTRICT, permissions=["geolocation"])
    page.goto("/")
    page.locator("#locate").click()
    expect(page.locator("#kept")).to_have_attribute("data-maps", "kept")
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#age")).to_have_class("notice warn")
    expect(page.locator(".device").first).to_be_visible()  # tests/lookup/test_offline.py compares the times
    near = page.locator("#list").inner_text()
    expect(page.locator(".emergency .call")).to_have_attribute("href", "tel:120")
    check(page, view, "find-help-offline-list")
    page.goto("/")
    expect(page.locator("#known")).to_be_visible()
    check(page, view, "find-help-offline")
    page.locator("#place").select_option(index=2)
    expect(page.locator(".device").first).to_be_visible()
    page.locator("#locate").click()
    expect(page.locator("#list")).to_have_text(near)
    page.locator("header nav a").first.click()
    expect(page.locator("html")).not_to_have_attribute("lang", view.language)
    page.context.set_offline(False)
    page.locator("#again").click()
    expect(page.locator("#kept")).to_be_visible()


@pytest.mark.parametrize("connection", ["{saveData: true}", '{effectiveType: "2g"}'])
def test_a_phone_that_saves_data_gets_no_base_map_and_others_get_it_once(
    open_page: OpenPage, view: View, connection: str
) -> None:
    if view != VIEWS[0]:
        pytest.skip("once is enough: it does not depend on width or language")
    page = open_page(geolocation=IN_THE_DISTRICT, permissions=["geolocation"])
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.add_init_script(
        f"if (!location.hash) Object.defineProperty(navigator, 'connection', {{value: {connection}}})"
    )
    page.goto("/")
    page.locator("#locate").click()
    expect(page.locator("#kept")).to_have_attribute("data-maps", "not-fetched")
    expect(page.locator("#kept")).to_be_visible()
    assert maps_in(fetched) == []
    assert not any("maplibre" in url for url in fetched)
    url = page.url
    for _ in range(2):
        page.goto("about:blank")
        page.goto(f"{url}#on-another-network")
        expect(page.locator("#kept")).to_have_attribute("data-maps", "kept")
    assert len(maps_in(fetched)) == len(set(maps_in(fetched))) > 0


def maps_in(urls: list[str]) -> list[str]:
    return [url for url in urls if "map.pmtiles" in url]


def test_without_signal_the_kept_base_map_is_drawn(open_page: OpenPage, view: View) -> None:
    page = open_page(geolocation=IN_THE_DISTRICT, permissions=["geolocation"])
    page.goto("/")
    page.locator("#locate").click()
    expect(page.locator("#kept")).to_have_attribute("data-maps", "kept")
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#map")).to_have_attribute("data-base", "shown")
    expect(page.locator("#map .maplibregl-ctrl-attrib")).to_contain_text("OpenStreetMap")
    expect(page.locator("#map .place").first).to_be_visible()
    check(page, view, "find-help-offline-map")
    assert evaluate(page, "caches.delete('aed-maps')")
    page.reload()
    expect(page.locator("#map .outline").first).to_be_visible()
    assert page.locator("#map canvas").count() == 0


def test_offline_without_a_saved_estate_the_page_shows_the_emergency_number(page: Page, view: View) -> None:
    page.goto("/")
    assert evaluate(page, "navigator.serviceWorker.ready.then(r => r.active.state !== '')")
    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#age")).to_have_text(page.locator("#age").get_attribute("data-none") or "")
    expect(page.locator(".emergency .call")).to_have_attribute("href", "tel:120")
    check(page, view, "find-help-offline-none")
