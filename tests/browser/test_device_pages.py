"""The page of a device in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from aed import clock
from aed.accounts.permissions import Role
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.upkeep.models import FaultReport
from aed.upkeep.rules import short_number
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View


@pytest.fixture(autouse=True)
def no_report_before(site: Site) -> None:
    """Forget the reports of other tests, which came from the same address."""
    with site.database.write_sessions() as session, session.begin():
        session.execute(update(FaultReport).values(from_key=None))


def a_code(site: Site, *where: object) -> str:
    with site.database.read_sessions() as session:
        found = session.scalars(select(Device.id).where(*where).order_by(Device.id)).first()  # type: ignore[arg-type]  # conditions
    assert found is not None
    return short_number(found)


def test_a_public_device(page: Page, site: Site, view: View) -> None:
    code = a_code(site, Device.audience == "public", Device.opening_hours != "24/7")
    page.goto(f"/d/{code}")
    check(page, view, "device")
    page.locator(".act a").first.click()
    expect(page.locator("#use")).to_be_in_viewport()
    expect(page).to_have_url(f"{site.address}/d/{code}#use")


def test_a_device_that_is_not_public(page: Page, site: Site, view: View) -> None:
    code = a_code(site, Device.audience == "estate")
    page.goto(f"/d/{code}")
    check(page, view, "device-hidden")
    page.goto("/d/1234-5")
    check(page, view, "device-mistyped")


def test_without_javascript_everything_can_be_read(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"/d/{a_code(site, Device.audience == 'public')}")
    expect(page.locator(".week")).to_be_visible()
    expect(page.locator("#link")).to_be_visible()
    expect(page.locator("#share")).to_be_hidden()


def test_the_check_page_has_its_own_address(page: Page, site: Site) -> None:
    code = a_code(site, Device.audience == "public")
    page.goto(f"/d/{code}")
    page.locator(".act a").nth(1).click()
    expect(page.locator("h1")).to_contain_text(code)


def test_a_problem_is_reported_and_followed(page: Page, site: Site, view: View) -> None:
    code = a_code(site, Device.audience == "public")
    page.goto(f"/d/{code}")
    page.locator(".act a").nth(2).click()
    check(page, view, "report")
    page.locator("input[value=beeping]").check()
    page.locator("#note").fill("红灯 <b>")
    page.locator("form button").click()
    expect(page.locator("[role=status]")).to_be_visible()
    check(page, view, "report-status")
    page.go_back()
    expect(page.locator("#note")).to_have_value("红灯 <b>")


def test_a_problem_can_be_reported_without_javascript(open_page: OpenPage, site: Site) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"/d/{a_code(site, Device.audience == 'estate')}/report")
    page.locator("input[value=missing]").check()
    page.locator("form button").click()
    expect(page.locator("[role=status]")).to_be_visible()


def test_a_keeper_chooses_the_photo_that_everyone_sees(open_page: OpenPage, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        device = session.scalars(
            select(Device)
            .where(Device.audience == "public", Device.estate_id.is_not(None))
            .order_by(Device.id)
        ).first()
        assert device is not None
        person, estate = make.person(session), session.get_one(Estate, device.estate_id)
        make.role(session, person, Role.KEEPER, estate=estate)
        make.photo(session, of=make.check(session, device, at=clock.now()).check)
        key, code = make.sign_in(session, person.id), short_number(device.id)
    page = open_page(session_key=key)
    page.goto(f"/d/{code}")
    page.locator(".photos button").first.click()
    expect(page.locator(".photos button[aria-pressed]")).to_have_count(1)
    check(page, view, "device-photos")
    stranger = open_page()
    stranger.goto(f"/d/{code}")
    expect(stranger.locator("img.photo")).to_have_count(1)
