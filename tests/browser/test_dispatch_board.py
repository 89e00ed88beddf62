"""The dispatcher's board in a browser: two incidents at once by the keyboard alone, and a lost connection."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from aed import clock
from aed.accounts.demo_people import DemoRole, demo_people
from aed.accounts.sessions import sign_out
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View
from tests.make import PATIENT, north_of

REMEMBER_TONES = """
const tones = [], Original = OscillatorNode;
window.OscillatorNode = class extends Original {
  constructor(audio, options) {
    super(audio, options);
    tones.push(options.frequency);
    document.documentElement.dataset.tones = tones;
  }
};
"""
SEND = (
    "([to, form]) => fetch(to, {method: 'POST', body: new URLSearchParams(form)}).then(answer => answer.ok)"
)
SIGNED_OUT = {
    "en": r"^You are no longer signed in\. What you see is from \d{1,2}:\d\d:\d\d",
    "zh-CN": r"^您的登录已失效。当前画面是 \d{1,2}:\d\d:\d\d 的。",
}


@pytest.fixture
def dispatcher(site: Site) -> str:
    """Return the session key of the demo's dispatcher."""
    with site.database.write_sessions() as session, session.begin():
        return make.sign_in(session, demo_people(session)[DemoRole.DISPATCHER])


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def open_incident(page: Page, place: str, before: int) -> None:
    """Open an incident by keys, and wait until the board has it."""
    press(page, "n")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type(place)
    press(page, "Enter")
    expect(page.locator("#places input:checked").first).to_be_focused()
    press(page, "Enter")
    expect(page.locator("#board article")).to_have_count(before + 1)
    expect(page.locator("#board article").first).to_be_focused()


def test_two_incidents_at_once_by_the_keyboard_alone(
    open_page: OpenPage, view: View, dispatcher: str
) -> None:
    page = open_page(session_key=dispatcher)
    page.goto("/board")
    expect(page.locator("html")).to_have_attribute("data-ready", "true")
    others = page.locator("#board article").count()
    open_incident(page, "纸鹤", others)
    open_incident(page, "鲸歌", others + 1)
    first, second = page.locator("#board article").nth(0), page.locator("#board article").nth(1)
    check(page, view, "board")

    press(page, "1", "h")
    expect(first.locator("form[data-undo=hold]")).to_have_count(1)
    expect(page.locator("#undo-bar")).to_be_visible()
    press(page, "u")
    expect(first.locator("form[data-undo=resume]")).to_have_count(1)

    press(page, "2", "r")
    expect(second.locator("select[name=alert]")).to_be_focused()
    press(page, "Tab", "Tab", "Enter")
    expect(second.locator(".coming li")).to_have_count(1)

    press(page, "w")
    expect(page.locator("#drawer #why table").first).to_be_visible()
    check(page, view, "board-why")
    expect(page.locator("#legend .open")).to_be_visible()
    press(page, "Escape", "1", "d")
    expect(page.locator("#drawer")).to_be_hidden()
    expect(first.locator("select[name=hazard]")).to_be_focused()
    press(page, "Escape", "n")
    page.keyboard.type("鲸歌")
    press(page, "Enter")
    expect(page.locator("#places input:checked").first).to_be_focused()
    press(page, "Enter")
    expect(page.locator("#joined")).to_be_visible()
    press(page, "1", "d", "Escape", "t")
    expect(first.locator("select[name=report]")).to_be_focused()
    check(page, view, "board-split")
    press(page, "Escape", "?")
    expect(page.locator("#keys")).to_be_visible()

    page.context.set_offline(True)
    press(page, "2", "h")
    expect(page.locator("#stale")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden()

    press(page, "1", "c")
    expect(first.locator("select[name=outcome]")).to_be_focused()
    press(page, "Tab", "Tab", "Enter")
    expect(page.locator("#undo-bar")).to_be_visible()
    press(page, "u")
    expect(page.locator("#undo-bar")).to_be_hidden()
    expect(first.locator("select[name=outcome]")).to_be_visible()  # open again, and not sent
    press(page, "Escape")
    for left in (others + 1, others):
        press(page, "1", "c")
        expect(first.locator("select[name=outcome]")).to_be_focused()
        press(page, "Tab", "Tab", "Enter")
        expect(page.locator("#undo-bar")).to_be_visible()
        expect(page.locator("#board article")).to_have_count(left)


def test_a_new_incident_sounds_and_flashes_and_the_end_of_the_session_is_said(
    open_page: OpenPage, view: View, dispatcher: str, site: Site
) -> None:
    page = open_page(session_key=dispatcher)
    page.add_init_script(REMEMBER_TONES)
    page.goto("/board")
    root = page.locator("html")
    expect(root).to_have_attribute("data-ready", "true")
    title, sound = page.title(), page.locator("#sound")
    silent = sound.inner_text()
    sound.click()
    expect(sound).to_have_attribute("aria-pressed", "true")
    expect(sound).not_to_have_text(silent)
    expect(root).to_have_attribute("data-tones", "660")

    far = north_of(PATIENT, metres=3_000)
    assert page.evaluate(SEND, ["/board", {"place": f"{far.lat}, {far.lon}", "kind": "test"}])
    expect(root).to_have_attribute("data-tones", "660,880,660,880")
    expect(page.locator("#news")).not_to_be_empty()
    news = page.locator("#news").inner_text()
    expect(page).to_have_title(f"● {news}")
    expect(page).not_to_have_title(f"● {news}")  # it flashes
    press(page, "Shift")
    incident = page.locator("#board article").first.get_attribute("id")
    assert incident is not None
    close = {"do": "close", "outcome": "false_alarm"}
    assert page.evaluate(SEND, [f"/board/{incident.removeprefix('incident-')}", close])
    expect(page.locator(f"#{incident}")).to_have_count(0)
    expect(page).to_have_title(title)

    # The live stream is refused from now on; a status of 204 keeps that out of the console.
    page.route("**/v1/incidents/live", lambda route: route.fulfill(status=204))
    with site.database.write_sessions() as session, session.begin():
        sign_out(session, dispatcher, at=clock.now())
    expect(page.locator("#stale")).to_have_text(re.compile(SIGNED_OUT[view.language]))
    check(page, view, "board-signed-out")
    page.locator("#stale a").click()
    expect(page).to_have_url(re.compile(r"/sign-in\?next=/board$"))
