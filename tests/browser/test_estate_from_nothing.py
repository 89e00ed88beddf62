"""A property manager sets up an estate from an empty database, on both databases.

First run, the company's workbook, a round that an inspector walks without a network, a device that fails and
is ready again. The clock of the server is moved; messages are read from the outbox.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import xlsxwriter
from playwright.sync_api import Page, expect
from sqlalchemy import select

from aed.geo import Position
from aed.notifications.models import OutboxMessage
from tests.browser.checks import check
from tests.browser.conftest import VIEWS, OpenPage, View
from tests.browser.site import Site, site_at
from tests.fixtures import ENGINES
from tests.make import PATIENT, east_of, north_of

MORNING = datetime(2026, 10, 13, 8, 5, tzinfo=ZoneInfo("Asia/Shanghai"))
MANAGER = "138 0013 4001"
INSPECTOR = "138 0013 4002"
PASSWORD = "lantern orchard river stone"
PLACES = ("1号楼大堂", "会所一楼", "北门岗亭")


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a server on an empty database of each kind in turn."""
    folder = tmp_path_factory.mktemp("nothing")
    with site_at(request, folder, request.param, MORNING, is_demo=False) as (site, _moved):
        yield site


@pytest.fixture
def view() -> View:
    return VIEWS[0]


def workbook(folder: Path) -> Path:
    """Write a company's workbook: three AEDs, one with exchanged coordinates, and one in another city."""
    path = folder / "湖畔花园AED台账.xlsx"
    here = [PATIENT, north_of(PATIENT, metres=90), east_of(PATIENT, metres=110), Position(39.9, 116.4)]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AED台账")
        sheet.merge_range(0, 0, 0, 5, "湖畔花园物业服务中心AED台账")
        sheet.write_row(1, 0, ["序号", "安装位置", "经度", "纬度", "电极片有效期", "开放时间"])
        for number, (place, at) in enumerate(zip((*PLACES, "总部大堂"), here, strict=True), start=1):
            lon, lat = (at.lat, at.lon) if place == PLACES[2] else (at.lon, at.lat)
            sheet.write_row(number + 1, 0, [number, place, lon, lat, "2028年5月", "24小时"])
        sheet.write_row(len(here) + 2, 0, ["合计", len(here)])
    return path


def code_for(site: Site, phone: str) -> str:
    """Return the sign-in code in the newest message to a phone."""
    number = "+86" + phone.replace(" ", "")
    with site.database.read_sessions() as session:
        newest_first = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id.desc()))
        sent = next(each for each in newest_first if each.recipient == number)
    (code,) = re.findall(r"\b\d{6}\b", sent.text_zh or "")
    return str(code)


def become_administrator(page: Page, site: Site) -> None:
    """Enter the one-time code that the server printed, and draw the estate."""
    page.goto("/first-run")
    code = re.findall(r"once: (\S+)", site.log.read_text(encoding="utf-8"))[0]
    page.locator("#code").fill(code)
    page.locator("#name").fill("周经理")
    page.locator("#phone").fill(MANAGER)
    page.locator("#password").fill(PASSWORD)
    page.locator("main form button").click()
    page.locator("a[href='/first-run/place']").click()
    page.locator("#estate").fill("湖畔花园")
    corners = [north_of(east_of(PATIENT, metres=each), metres=each) for each in (-200, 300)]
    page.locator("#corners").fill("\n".join(f"{each.lat:.6f}, {each.lon:.6f}" for each in corners))
    page.locator("main form button.big").click()


def import_workbook(page: Page, view: View, path: Path) -> None:
    """Import the workbook, with the mend that is offered for one row."""
    page.locator("main a[href='/lists']").click()
    page.locator("#file").set_input_files(path)
    page.locator("form button.block").first.click()
    expect(page.locator(".counts dd")).to_have_text(["2", "0", "0", "0", "2"])
    page.locator("input[name=fix][value=coordinates_swapped]").check()
    page.locator("form > button.second.block").click()
    expect(page.locator(".counts dd")).to_have_text(["3", "0", "0", "0", "1"])
    check(page, view, "nothing-list")
    page.locator("button[formaction$='/import']").click()
    expect(page.locator("[role=status]")).to_be_visible()
    expect(page.locator("a.button[href$='/refused.xlsx']")).to_be_visible()
    page.locator("a[href='/first-run']").click()


def sign_in(page: Page, site: Site, phone: str) -> None:
    page.locator("#phone").fill(phone)
    page.locator("main form button").first.click()
    page.locator("#code").fill(code_for(site, phone))
    page.locator("main form button").first.click()


def mark_as_broken(phone: Page) -> None:
    """Say on an open check form that the status light is off."""
    phone.locator("summary").click()
    phone.locator('[name="a_status_light"][value="no"]').check()
    phone.locator("[name=rest]").click()


def test_a_manager_sets_up_an_estate_and_an_inspector_walks_it(
    open_page: OpenPage, site: Site, view: View, tmp_path: Path
) -> None:
    manager = open_page()
    manager.clock.install(time=MORNING)
    become_administrator(manager, site)
    import_workbook(manager, view, workbook(tmp_path))
    manager.locator("a.button.big[href^='/?lat']").click()
    expect(manager.locator(".device")).to_have_count(3)
    check(manager, view, "nothing-looked-up")

    manager.goto("/desk/1/people")
    manager.locator("#name").fill("王芳")
    manager.locator("#phone").fill(INSPECTOR)
    manager.locator("#role").select_option("keeper")
    manager.locator("main form button.big").click()
    expect(manager.locator("section[aria-labelledby=held]")).to_contain_text("王芳")

    manager.goto("/rounds/new?place=estate-1")
    manager.locator("input[name=inspector]").check()
    manager.locator("#day").fill("2026-10-13")
    manager.locator("#starts").fill("08:30")
    manager.locator("#ends_by").fill("17:30")
    manager.locator("button[name=preview]").click()
    expect(manager.locator("#plan li")).to_have_count(3)
    manager.locator("button[name=assign]").click()
    expect(manager.locator("main")).to_contain_text("王芳")

    phone = open_page()
    phone.clock.install(time=MORNING)
    phone.goto("/rounds/1")
    sign_in(phone, site, INSPECTOR)
    expect(phone.locator("#round[data-kept]")).to_be_attached()
    phone.reload()  # now under the service worker
    expect(phone.locator("#round[data-ready]")).to_be_attached()
    phone.context.set_offline(True)
    broken = phone.locator(".stops li").nth(1).get_attribute("data-code") or ""
    for number in range(3):
        phone.locator("#next a.button").click()
        expect(phone.locator("#check-page")).to_have_attribute("data-ready", "yes")
        if number == 1:
            mark_as_broken(phone)
        else:
            phone.locator("[name=all]").click()
        expect(phone.locator("#queue-count")).to_have_text(str(number + 1))
        phone.goto("/rounds/1")
        expect(phone.locator(".stops li.waiting")).to_have_count(number + 1)
    check(phone, view, "nothing-walked")
    phone.context.set_offline(False)
    phone.goto(f"/d/{broken}/check")
    expect(phone.locator("#check-page")).to_have_attribute("data-ready", "yes")
    expect(phone.locator("#queue")).to_be_hidden()

    manager.goto("/desk/1")
    expect(manager.locator("#summary")).to_contain_text("共 3 台，1 台不可用")
    check(manager, view, "nothing-one-not-ready")
    manager.goto(f"/?lat={PATIENT.lat}&lon={PATIENT.lon}")
    expect(manager.locator(f".device a[href='/d/{broken}']")).to_have_count(0)

    phone.goto(f"/d/{broken}/check")
    expect(phone.locator("#check-page")).to_have_attribute("data-ready", "yes")
    phone.locator("[name=again]").check()
    phone.locator("[name=all]").click()
    expect(phone.locator("#status")).to_contain_text("巡检合格")
    manager.goto("/desk/1")
    expect(manager.locator("#summary")).to_contain_text("共 3 台，0 台不可用")
    manager.goto(f"/?lat={PATIENT.lat}&lon={PATIENT.lon}")
    expect(manager.locator(f".device a[href='/d/{broken}']")).to_have_count(1)
