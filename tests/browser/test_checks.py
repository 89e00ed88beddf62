"""The check page in a browser: one tap, what has changed, and without a network."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.upkeep.models import Check, Photo
from aed.upkeep.rules import short_number
from tests import make
from tests.browser.checks import check, evaluate
from tests.browser.conftest import OpenPage, Site, View

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def keeper(site: Site) -> tuple[str, str]:
    """Return the number of a hidden device without recent checks, and the session key of its keeper."""
    with site.database.write_sessions() as session, session.begin():
        device = session.scalars(
            select(Device).where(Device.audience == "estate").order_by(Device.id).limit(1)
        ).one()
        person = make.person(session)
        device.keeper_id = person.id
        for each in session.scalars(select(Check).where(Check.device_id == device.id)):
            each.answered_at = clock.now() - timedelta(days=30)
        return short_number(device.id), make.sign_in(session, person.id)


def checks_of(site: Site, code: str) -> list[Check]:
    with site.database.read_sessions() as session:
        since = clock.now() - timedelta(days=20)
        device_id = int(code.partition("-")[0])
        return list(
            session.scalars(select(Check).where(Check.device_id == device_id, Check.answered_at > since))
        )


def open_form(page: Page, code: str) -> None:
    page.goto(f"/d/{code}/check")
    expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")


def test_all_is_well_in_one_tap(
    open_page: OpenPage, site: Site, view: View, keeper: tuple[str, str], tmp_path: Path
) -> None:
    code, key = keeper
    page = open_page(session_key=key)
    open_form(page, code)
    check(page, view, "check")
    page.locator("summary").click()
    page.locator('[name="a_pads_in_date"][value="new"]').check()
    check(page, view, "check-details")
    page.locator('[name="a_pads_in_date"][value="yes"]').check()
    large = tmp_path / "front.jpg"
    with large.open("wb") as file:
        file.truncate(50_000_000)
    page.locator("#photo").set_input_files(large)
    expect(page.locator("#photo-status")).to_have_text(
        page.locator("#check-page").get_attribute("data-too-large") or ""
    )
    page.locator('[name="all"]').click()
    expect(page.locator("#status")).to_have_class("notice good")
    check(page, view, "check-sent")
    assert [each.is_passed for each in checks_of(site, code)] == [True]
    page.goto(f"/d/{code}/check")
    expect(page.locator("#again-notice")).to_be_visible()
    check(page, view, "check-again")


def test_what_was_not_sent_is_offered_again_and_can_be_dropped(
    open_page: OpenPage, site: Site, view: View, keeper: tuple[str, str]
) -> None:
    code, key = keeper
    page = open_page(session_key=key)
    open_form(page, code)
    page.locator("summary").click()
    page.locator('[name="used"]').check()
    page.locator("#note").fill("half of it")
    page.locator("#action_taken").click()
    expect(page.locator("#check-page")).to_have_attribute("data-draft", "saved")
    open_form(page, code)
    expect(page.locator("#draft")).to_be_visible()
    expect(page.locator('[name="used"]')).to_be_checked()

    page.locator("#start-over").click()
    expect(page.locator("#draft")).to_be_hidden()
    expect(page.locator("#note")).to_have_value("")
    open_form(page, code)
    expect(page.locator('[name="used"]')).not_to_be_checked()
    expect(page.locator("#draft")).to_be_hidden()
    assert checks_of(site, code) == []


def test_without_javascript_it_is_a_plain_form(
    open_page: OpenPage, site: Site, view: View, keeper: tuple[str, str]
) -> None:
    code, key = keeper
    page = open_page(session_key=key, java_script_enabled=False)
    page.goto(f"/d/{code}/check")
    expect(page.locator("#photos")).to_be_hidden()
    page.locator('[name="all"]').click()
    expect(page.locator("#result")).to_have_class("notice good")
    waiting = page.locator("#queue")
    expect(waiting).to_be_hidden()
    assert len(checks_of(site, code)) == 1


def test_a_check_without_a_network_waits_and_is_sent_once(
    open_page: OpenPage, site: Site, view: View, keeper: tuple[str, str]
) -> None:
    code, key = keeper
    page = open_page(session_key=key)
    open_form(page, code)
    evaluate(page, "navigator.serviceWorker.ready.then(() => true)")
    page.reload()  # now the service worker keeps the form
    expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")

    page.context.set_offline(True)
    page.reload()
    expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")
    page.locator("summary").click()
    page.locator("#photo").set_input_files({"name": "front.png", "mimeType": "image/png", "buffer": PIXEL})
    expect(page.locator("#photo-list img")).to_have_count(1)
    page.locator("#note").fill("torn seal")
    expect(page.locator("#check-page")).to_have_attribute("data-draft", "saved")
    page.reload()  # as after a dead battery
    expect(page.locator("#note")).to_have_value("torn seal")
    expect(page.locator("#photo-list img")).to_have_count(1)
    expect(page.locator("#draft")).to_be_visible()
    check(page, view, "check-draft")
    page.locator('[name="all"]').click()
    expect(page.locator("#queue-count")).to_have_text("1")
    check(page, view, "check-offline")
    assert checks_of(site, code) == []

    page.context.set_offline(False)
    open_form(page, code)
    expect(page.locator("#queue")).to_be_hidden()
    (found,) = checks_of(site, code)
    assert found.note == "torn seal"
    expect(page.locator("#draft")).to_be_hidden()
    with site.database.read_sessions() as session:
        assert len(session.scalars(select(Photo.id).where(Photo.check_id == found.id)).all()) == 1


def test_a_form_that_was_never_opened_opens_without_a_network(
    open_page: OpenPage, view: View, keeper: tuple[str, str], site: Site
) -> None:
    code, key = keeper
    with site.database.write_sessions() as session, session.begin():
        first = session.get_one(Device, int(code.partition("-")[0]))
        second = session.scalars(
            select(Device).where(Device.audience == "public").order_by(Device.id).limit(1)
        ).one()
        second.keeper_id, other = first.keeper_id, short_number(second.id)
        for each in session.scalars(select(Check).where(Check.device_id == second.id)):
            each.answered_at = clock.now() - timedelta(days=30)
    page = open_page(session_key=key)
    page.goto("/d/open")
    expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")
    evaluate(page, "navigator.serviceWorker.ready.then(() => true)")
    page.context.set_offline(True)
    page.goto(f"/d/{code}")
    expect(page.locator("#number")).to_have_text(code)
    check(page, view, "check-shell")
    page.locator('[name="all"]').click()
    expect(page.locator("#queue-count")).to_have_text("1")
    page.goto(f"/d/{other}/check")  # the same kept page
    expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")
    page.locator('[name="all"]').click()
    expect(page.locator("#queue-count")).to_have_text("2")
    page.context.set_offline(False)
    page.goto("/d/open")
    expect(page.locator("#check-page")).to_have_attribute("data-ready", "yes")
    expect(page.locator("#queue")).to_be_hidden()
    assert [len(checks_of(site, each)) for each in (code, other)] == [1, 1]


def test_a_keeper_from_a_list_signs_in_with_one_code(open_page: OpenPage, site: Site, view: View) -> None:
    phone = f"1380015{view.width:04}"[:11] if view.language == "en" else f"1380016{view.width:04}"[:11]
    with site.database.write_sessions() as session, session.begin():
        device = session.scalars(
            select(Device).where(Device.audience == "estate").order_by(Device.id.desc()).limit(1)
        ).one()
        person = Person(name="Chen", phone=phone, language="zh")
        session.add(person)
        session.flush()
        device.keeper_id = person.id
        code, person_id = short_number(device.id), person.id
    page = open_page()
    page.goto(f"/d/{code}/check")
    check(page, view, "check-sign-in")
    page.locator("#phone").fill(phone)
    page.locator("main form button").first.click()
    expect(page.locator("#code")).to_be_visible()
    check(page, view, "check-code")
    page.locator("#code").fill("000000")
    page.locator("main form button").first.click()
    expect(page.locator("#code-error")).to_be_visible()
    page.locator("#code").fill(last_code(site, person_id))
    page.locator("main form button").first.click()
    expect(page.locator("#check")).to_be_visible()


def test_a_keeper_gives_their_second_factor_on_the_page_and_the_answers_stay(
    open_page: OpenPage, site: Site, view: View, keeper: tuple[str, str]
) -> None:
    code, key = keeper
    with site.database.write_sessions() as session, session.begin():
        device = session.get_one(Device, int(code.partition("-")[0]))
        assert device.keeper_id is not None
        phone = session.get_one(Person, device.keeper_id).phone
        app, person_id = make.authenticator_app(session, device.keeper_id), device.keeper_id
    page = open_page(session_key=key, java_script_enabled=False)
    page.goto(f"/d/{code}/check")
    page.locator("summary").click()
    page.locator("#note").fill("torn seal")
    page.context.clear_cookies()  # the session has ended meanwhile
    page.locator('[name="all"]').click()
    give_code(page, site, phone or "", person_id)
    expect(page.locator('[name="kept"]').first).to_have_value(re.compile("torn"))
    page.locator("#code").fill("000000")
    page.locator("main form button").first.click()
    expect(page.locator("#code-error")).to_be_visible()
    page.locator("#code").fill(app.now())
    page.locator("main form button").first.click()
    expect(page.locator("#note")).to_have_value("torn seal")
    page.locator('[name="all"]').click()
    expect(page.locator("#result")).to_be_visible()
    assert [each.note for each in checks_of(site, code)] == ["torn seal"]

    page = open_page()
    page.goto(f"/d/{code}/check")
    give_code(page, site, phone or "", person_id)
    expect(page.locator("#code")).to_have_attribute("maxlength", "40")
    check(page, view, "check-second-factor")
    page.context.clear_cookies(name=SESSION_COOKIE)
    page.goto(f"/d/{code}/check")
    expect(page.locator('form:has([name="known"]) button')).to_be_visible()
    check(page, view, "check-one-tap-code")


def give_code(page: Page, site: Site, phone: str, person_id: int) -> None:
    """Have a code sent to the number, and enter it."""
    page.locator("#phone").fill(phone)
    page.locator("form:has(#phone) button").click()
    page.locator("#code").fill(last_code(site, person_id))
    page.locator("form:has(#code) button").click()


def last_code(site: Site, person_id: int) -> str:
    """Return the sign-in code of the last message to the person."""
    with site.database.read_sessions() as session:
        text = session.scalars(
            select(OutboxMessage.text_en)
            .where(OutboxMessage.person_id == person_id)
            .order_by(OutboxMessage.id.desc())
        ).first()
    assert text is not None
    return "".join(each for each in text[:40] if each.isdigit())[:6]


def test_the_pages_of_a_refused_check(open_page: OpenPage, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        key = make.sign_in(session, make.person(session).id)
        code = short_number(
            session.scalars(select(Device.id).where(Device.audience == "public").limit(1)).one()
        )
    page = open_page(session_key=key)
    page.goto(f"/d/{code}/check")
    check(page, view, "check-refused")
    page.goto("/d/1234-5/check")
    check(page, view, "check-mistyped")
    page.goto("/d/ask_nothing/check")
    check(page, view, "check-question-unknown")


def test_a_second_person_looks_at_a_check_and_approves_it(
    open_page: OpenPage, view: View, site: Site
) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = make.estate(session)
        make.policy(session, of=estate, approval_days=3)
        device = make.device(
            session,
            of=estate,
            place_zh=f"大堂北侧{view}",
            place_en=f"Lobby, north {view}",
            last_checked_on=None,
        )
        inspector = make.person_with_role(session, Role.KEEPER, estate=estate)
        manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
        now = clock.now()
        answers = {"status_light": False}
        make.check(
            session, device, who=inspector, at=now - timedelta(days=5), answers=answers, note="指示灯红色"
        )
        replaced = [{"kind": "battery", "lot": "B7", "expires_on": "2031-05-31"}]
        make.check(session, device, who=inspector, at=now, replaced=replaced, note="已更换电池")
        assert manager.person_id is not None
        key, estate_id, code = make.sign_in(session, manager.person_id), estate.id, short_number(device.id)

    page = open_page(session_key=key)
    page.goto(f"/desk/{estate_id}")
    check(page, view, "estate-desk-approval")
    page.locator(f"#queue ~ ul a[href='/d/{code}/checks'].button").click()
    expect(page.locator("#checks tbody tr")).to_have_count(2)
    page.locator("#approval summary").click()
    check(page, view, "check-approval")
    page.locator("button[value=refused]").click()
    expect(page.locator("#problem")).to_be_visible()
    page.locator("button[value=approved]").click()
    expect(page.locator("#approval")).to_have_count(0)
    expect(page.locator("#checks tbody tr")).to_have_count(2)
    check(page, view, "check-approved")
