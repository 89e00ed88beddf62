"""The estate's desk in a browser: keys, the form with its week, a conflict, and the people."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from aed import clock
from aed.accounts.permissions import Role
from aed.database.geometry import position_of
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.rules import short_number
from aed.upkeep.signals.actions import NewSignal, receive_signal
from aed.upkeep.signals.rules import ReadingKind, Readings
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import VIEWS, OpenPage, Site, View

READINGS: Readings = {
    ReadingKind.SELF_TEST: "passed",
    ReadingKind.BATTERY: 12.0,
    ReadingKind.DOOR: "closed",
    ReadingKind.TEMPERATURE: 21.5,
}
_signals = count(1)


@pytest.fixture
def manager(site: Site) -> tuple[int, str]:
    """Return an estate with devices, and the session key of a new manager of it."""
    with site.database.write_sessions() as session, session.begin():
        estate_id = session.scalars(
            select(Device.estate_id).where(Device.estate_id.is_not(None)).order_by(Device.estate_id).limit(1)
        ).one()
        assert estate_id is not None
        person = make.person(session)
        make.role(session, person, Role.ESTATE_MANAGER, estate=session.get_one(Estate, estate_id))
        for device in session.scalars(select(Device).where(Device.estate_id == estate_id)):
            signal = NewSignal(f"browser-{next(_signals)}", clock.now(), READINGS)
            receive_signal(session, make.ADMINISTRATOR, device.id, signal, at=clock.now())
        return estate_id, make.sign_in(session, person.id)


def test_a_manager_works_by_keys_changes_a_device_and_gives_a_role(
    open_page: OpenPage, view: View, manager: tuple[int, str]
) -> None:
    estate_id, key = manager
    desk = open_page(session_key=key)
    desk.goto("/desk")
    expect(desk.locator("html")).to_have_attribute("data-ready", "true")
    check(desk, view, "estate-desk")
    desk.locator("#show-map").click()
    expect(desk.locator("#desk-map")).to_have_attribute("data-ready", "true")
    first = desk.locator("#devices-table tbody tr").first
    mark = desk.locator(f"#desk-map a[href='#{first.get_attribute('id')}']")
    expect(mark.locator(".mark")).to_be_visible()
    check(desk, view, "estate-desk-map")
    mark.click()
    expect(first.locator("th a")).to_be_focused()
    desk.keyboard.press("Escape")
    desk.reload()
    expect(desk.locator("html")).to_have_attribute("data-ready", "true")
    desk.keyboard.press("/")
    expect(desk.locator("#q")).to_be_focused()
    desk.keyboard.press("Escape")
    desk.keyboard.press("j")
    expect(desk.locator("#devices-table tbody tr").first.locator("th a")).to_be_focused()
    desk.keyboard.press("x")
    expect(desk.locator("#devices-table tbody tr").first.locator("input[name=device]")).to_be_checked()
    desk.keyboard.press("j")
    expect(desk.locator("#devices-table tbody tr").nth(1).locator("th a")).to_be_focused()
    desk.keyboard.press("k")
    desk.locator("#reason").fill("送修")
    desk.keyboard.press("Enter")
    expect(desk.locator("#results li")).to_have_count(1)
    check(desk, view, "estate-desk-results")
    desk.locator("#results + p a").click()
    expect(desk.locator("#devices-table tbody tr").first).to_contain_text("送修")
    desk.locator("[aria-labelledby=undo] button").first.click()
    expect(desk.locator("#devices-table")).not_to_contain_text("送修")
    expect(desk.locator("html")).to_have_attribute("data-ready", "true")
    desk.keyboard.press("j")
    expect(desk.locator("#devices-table tbody tr").first.locator("th a")).to_be_focused()
    desk.keyboard.press("Enter")
    expect(desk.locator("#week li")).to_have_count(7)
    check(desk, view, "estate-desk-device")

    other = open_page(session_key=key, java_script_enabled=False)
    other.goto(desk.url)
    other.locator("#access_instructions_en").fill(f"Ring at the gate, {view}")
    other.locator("button[value=save]").click()
    expect(other.locator("#devices-table")).to_be_visible()

    desk.locator("#access_instructions_en").fill(f"Ask the guard, {view}")
    desk.locator("input[value=office]").check()
    desk.locator("button[value=preview]").click()
    expect(desk.locator("#week .times").first).to_be_visible()
    expect(desk.locator("#access_instructions_en")).to_have_value(f"Ask the guard, {view}")
    desk.locator("button[value=save]").click()
    expect(desk.locator("#clash tbody tr", has_text="Ring at the gate")).to_contain_text("Ask the guard")
    check(desk, view, "estate-desk-conflict")
    desk.locator("button[value=save]").click()
    expect(desk.locator("#devices-table")).to_be_visible()

    desk.goto(f"/desk/{estate_id}/gates")
    expect(desk.locator("#gate-map")).to_have_attribute("data-ready", "true")
    check(desk, view, "estate-desk-gates")
    new = desk.locator("#gate-new")
    new.locator("[name=name_zh]").fill(f"新门 {view}")
    desk.locator("#map canvas").click()  # its middle, within the estate
    expect(new.locator("[name=place]")).to_have_value(re.compile(r"^\d+\.\d{6}, \d+\.\d{6}$"))
    expect(desk.locator("#gate-status")).not_to_be_empty()
    check(desk, view, "estate-desk-gates-placed")
    new.locator("button:not([type])").click()
    added = desk.locator("form.gate", has_text=f"新门 {view}")
    expect(added).to_be_visible()
    added.locator("summary").click()
    added.locator("button[value=remove]").click()
    expect(desk.locator("form.gate", has_text=f"新门 {view}")).to_have_count(0)

    desk.goto(f"/desk/{estate_id}/people")
    desk.locator("#name").fill("陈伟")
    desk.locator("#phone").fill(f"138 0013 77{VIEWS.index(view):02d}")
    desk.locator("form button.big").click()
    expect(desk.locator(".person", has_text="陈伟").first).to_be_visible()
    check(desk, view, "estate-desk-people")


def test_spares_come_in_go_out_and_are_to_be_ordered(
    open_page: OpenPage, view: View, manager: tuple[int, str]
) -> None:
    estate_id, key = manager
    page = open_page(session_key=key)
    page.goto(f"/desk/{estate_id}")
    page.locator(f'a[href="/desk/{estate_id}/spares"]').click()
    page.locator("#maker").fill("Heartline")
    page.locator("#model").fill(f"H1 {view}")
    page.locator("button[value=add]").click()
    stock = page.locator("section.card", has_text=f"H1 {view}")
    expect(stock.locator(".notice.warn")).to_be_visible()
    stock.locator("summary").first.click()
    stock.locator("[name=quantity]").fill("3")
    stock.locator("[name=lot]").fill("L7")
    stock.locator("button[value=move]").click()
    expect(page.locator("#problem")).to_be_visible()  # without an expiry date
    check(page, view, "estate-desk-spares-refused")
    stock.locator("[name=quantity]").fill("3")
    stock.locator("[name=lot]").fill("L7")
    stock.locator("[name=expires_on]").fill("2029-06-30")
    stock.locator("button[value=move]").click()
    expect(stock.locator(".notice.good")).to_contain_text("3")
    check(page, view, "estate-desk-spares")
    stock.locator("summary").nth(2).click()
    stock.locator("button[value=withdraw]").click()
    expect(stock).to_have_count(0)


def test_a_spare_aed_stands_in_for_one_at_repair_and_is_returned(
    open_page: OpenPage, view: View, site: Site, manager: tuple[int, str]
) -> None:
    estate_id, key = manager
    with site.database.write_sessions() as session, session.begin():
        estate = session.get_one(Estate, estate_id)
        there = session.scalars(select(Device.position).where(Device.estate_id == estate_id).limit(1)).one()
        given: dict[str, Any] = {"of": estate, "at": position_of(there)}
        lobby = make.device(session, **given, place_zh=f"北门 {view}", place_en=f"North gate {view}")
        reason = f"备用 {view}"
        spare = make.device(session, **given, state="out_of_service", out_of_service_reason=reason)
        code, spare_code = short_number(lobby.id), short_number(spare.id)
        address = f"/desk/{estate_id}/devices/{lobby.id}"
    page = open_page(session_key=key)
    page.goto(f"{address}#loan")
    page.locator("#loaner_id").select_option(str(spare.id))
    page.locator("#due_back_on").fill("2099-12-31")
    page.locator("#loan_reason").fill("送修")
    check(page, view, "estate-desk-loan")
    page.locator("button[value=lend]").click()
    expect(page.locator("#loan")).to_contain_text(spare_code)
    check(page, view, "estate-desk-lent")
    page.goto(f"/d/{code}")
    check(page, view, "device-away")
    page.locator("p#loan a").click()
    expect(page.locator("p#loan")).to_contain_text(code)
    check(page, view, "device-stands-in")
    page.goto(f"{address}#loan")
    page.locator("button[value=return]").click()
    expect(page.locator("#loaner_id")).to_be_visible()
