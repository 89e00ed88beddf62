"""The page of a call in a browser: taps with and without signal, in two tabs, and without JavaScript."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from aed import clock
from aed.accounts.tokens import hash_key
from aed.incidents.models import Alert, StoredReply
from aed.incidents.rules import AlertState, StopReason, Task
from aed.registry.devices.cabinet_codes import set_cabinet_code
from tests import make
from tests.browser.checks import MANY_BEATS, check
from tests.browser.conftest import OpenPage, Site, View
from tests.make import ADMINISTRATOR, PATIENT

NO_SIGNAL = """
const connected = window.fetch;
window.fetch = (url, options) => !window.hasSignal && url.startsWith("/v1/")
  ? Promise.reject(new TypeError("no signal")) : connected(url, options);
"""
"""What is sent to the API fails, without an error in the console as a broken connection would write."""

type Change = Callable[[Alert], None]


@pytest.fixture
def call(site: Site) -> str:
    """Call a person to a new patient of the demo district, to fetch a device; return the path of the page."""
    key = f"call_{secrets.token_urlsafe(16)}"
    with site.database.write_sessions() as session, session.begin():
        incident = make.incident(
            session, at=clock.now(), kind="exercise", address="3幢2单元501", door_code="47#"
        )
        device = make.device(
            session, audience="dispatch", place_en="Club house, front desk", place_zh="会所前台"
        )
        set_cabinet_code(session, ADMINISTRATOR, device.id, "2580", at=clock.now())
        alert = make.alert(session, incident, make.person(session), key=key)
        alert.task, alert.device_id = Task.FETCH, device.id
        alert.due_at = clock.now() + timedelta(minutes=4)
    return f"/a/{key}"


def change(site: Site, call: str, by: Change) -> None:
    with site.database.write_sessions() as session, session.begin():
        by(session.scalars(select(Alert).where(Alert.key_hash == hash_key(call[3:]))).one())


def replies(site: Site, call: str) -> list[str]:
    """Return the replies that were taken, in order."""
    with site.database.read_sessions() as session:
        found = session.scalars(
            select(StoredReply.reply)
            .join(Alert, Alert.id == StoredReply.alert_id)
            .where(Alert.key_hash == hash_key(call[3:]))
            .order_by(StoredReply.at)
        )
        return [each.value for each in found]


def tap(page: Page, reply: str) -> None:
    page.locator(f'button[value="{reply}"]').click()


def test_a_person_accepts_fetches_and_arrives(page: Page, view: View, call: str) -> None:
    page.goto(call)
    check(page, view, "call-asked")
    tap(page, "accept")
    expect(page.locator(".code").first).to_contain_text("2580")
    expect(page.locator("#tap-status")).to_contain_text("✓")
    check(page, view, "call-accepted")
    page.locator("#device-maps summary").click()
    check(page, view, "call-maps")
    tap(page, "device_taken")
    expect(page.locator('button[value="device_taken"]')).to_have_count(0)
    check(page, view, "call-with-device")
    tap(page, "there")
    expect(page.locator("#cpr")).to_have_attribute("open", "")
    page.locator("#metronome").click()
    expect(page.locator("#beat")).to_have_text(MANY_BEATS)
    page.locator("#metronome").click()
    check(page, view, "call-there")


def test_taps_without_signal_are_kept_and_sent_once(
    open_page: OpenPage, view: View, site: Site, call: str
) -> None:
    page = open_page()
    second = page.context.new_page()
    for each in (page, second):
        each.add_init_script(NO_SIGNAL)
        each.goto(call)
    tap(page, "accept")
    tap(page, "accept")
    expect(page.locator("#tap-status.waiting")).to_be_visible()
    check(page, view, "call-not-sent")
    second.reload()
    expect(second.locator("#tap-status.waiting")).to_be_visible()  # another tab sends it too
    for each in (page, second):
        each.evaluate("window.hasSignal = true")
        expect(each.locator("#call")).to_have_attribute("data-state", "accepted")
    assert replies(site, call).count("accept") == 1


def test_without_javascript_forms_do_it(open_page: OpenPage, view: View, call: str) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(call)
    tap(page, "accept")
    expect(page.locator("#tap-status")).to_contain_text("✓")
    tap(page, "device_not_there")
    expect(page.locator(".notice.warn").last).to_be_visible()
    page.go_back()
    tap(page, "decline")
    expect(page.locator("#call")).to_have_attribute("data-state", "declined")


def test_a_change_is_shown_without_a_tap(page: Page, view: View, site: Site, call: str) -> None:
    page.goto(call)
    tap(page, "accept")
    expect(page.locator("#call")).to_have_attribute("data-state", "accepted")

    def stop(alert: Alert) -> None:
        alert.state, alert.stop_reason = AlertState.STOPPED, StopReason.OVER

    change(site, call, stop)
    expect(page.locator("#call")).to_have_attribute("data-live", "no")
    expect(page.locator("#cpr")).to_be_hidden()
    check(page, view, "call-over")


def test_pages_of_stood_down_and_invalid_links(page: Page, view: View, site: Site, call: str) -> None:
    def stand_down(alert: Alert) -> None:
        alert.state = AlertState.STOOD_DOWN

    change(site, call, stand_down)
    page.goto(call)
    check(page, view, "call-stood-down")
    page.goto("/a/call_nobodys")
    check(page, view, "call-invalid")


def test_the_location_is_shared_after_accepting(open_page: OpenPage, view: View, call: str) -> None:
    here = {"latitude": PATIENT.lat, "longitude": PATIENT.lon}
    page = open_page(geolocation=here, permissions=["geolocation"])
    page.goto(call)
    words = page.locator("#call-page").get_attribute("data-shared") or ""
    tap(page, "accept")
    expect(page.locator("#location-status")).to_have_text(words)
