"""A manager imports a company's workbook in a browser; the pages have no script."""

from __future__ import annotations

from pathlib import Path

import xlsxwriter
from playwright.sync_api import expect

from aed.accounts.permissions import Role
from aed.geo import Datum, Position, from_wgs84
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import VIEWS, OpenPage, Site, View
from tests.make import east_of, north_of

HEADINGS = ["序号", "项目名称", "安装位置", "经度", "纬度", "负责人", "电话", "电池有效期", "开放时间"]
FAR_AWAY = Position(30.9, 120.9)
"""Outside the district of the other tests."""


def workbook(folder: Path, here: Position) -> Path:
    """Write a workbook with a title, coordinates of AMap, and three rows of which one is elsewhere."""
    path = folder / "湖畔花园AED台账.xlsx"
    places = [here, north_of(here, metres=20), east_of(here, metres=5_000)]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("AED台账")
        sheet.merge_range(0, 0, 0, 8, "湖畔花园物业服务中心AED台账")
        sheet.write_row(1, 0, HEADINGS)
        for number, place in enumerate(places, start=1):
            lat, lon = from_wgs84(place, Datum.GCJ02)
            cells = [f"{number}号楼大堂", lon, lat, "张伟", "13800000001", "2027年5月", "24小时"]
            sheet.write_row(number + 1, 0, [number, "湖畔花园", *cells])
    return path


def twice(folder: Path, here: Position) -> Path:
    """Write a list with two rows at one point."""
    path = folder / "重复的台账.csv"
    rows = [f"{place},{here.lon},{here.lat},迈瑞" for place in ("1号楼大堂", "物业服务中心")]
    path.write_text("\n".join(["安装位置,经度,纬度,品牌", *rows]), encoding="utf-8")
    return path


def test_a_manager_imports_a_companys_workbook(
    open_page: OpenPage, site: Site, view: View, tmp_path: Path
) -> None:
    here = north_of(FAR_AWAY, metres=20_000 * VIEWS.index(view))  # an estate for each view
    with site.database.write_sessions() as session, session.begin():
        person = make.person(session)
        make.role(session, person, Role.ESTATE_MANAGER, estate=make.estate(session, around=here))
        key = make.sign_in(session, person.id)
    page = open_page(session_key=key)
    page.goto("/lists")
    check(page, view, "lists")
    page.locator("#file").set_input_files(workbook(tmp_path, here))
    page.locator("form button.block").first.click()
    expect(page.locator(".counts dd")).to_have_text(["2", "0", "0", "0", "1"])
    expect(page.locator("#datum")).to_have_value("gcj02")
    expect(page.locator("#columns ~ .hint").first).to_be_visible()
    check(page, view, "list")
    page.goto("/lists")
    page.locator("#file").set_input_files(twice(tmp_path, here))
    page.locator("form button.block").first.click()
    check(page, view, "list-duplicates")
    page.get_by_role("radio").first.check()
    check(page, view, "list-duplicates-answered")
    page.locator("#duplicates ~ button.block").click()
    expect(page.get_by_role("radio").first).to_be_checked()
    expect(page.locator(".counts dd")).to_have_text(["1", "0", "0", "0", "0", "1"])
    page.goto("/lists")
    page.locator(".devices a").last.click()
    page.locator("details:has(#mapping-name) > summary").click()
    page.locator("#mapping-name").fill("湖畔花园台账")
    check(page, view, "list-to-save")
    page.locator("button[formaction$='/save-mapping']").click()
    expect(page.locator("[role=status]")).to_contain_text("湖畔花园台账")
    check(page, view, "list-saved")
    page.locator("#c7").select_option("access_instructions")
    page.locator("button[formaction$='/import']").click()
    expect(page.locator("[role=alert]")).to_be_visible()
    page.locator("button[formaction$='/import']").click()
    expect(page.locator("[role=status]")).to_be_visible()
    expect(page.locator("a.button[href$='/refused.xlsx']")).to_be_visible()
    check(page, view, "list-imported")
    page.goto("/lists")
    check(page, view, "lists-with-a-saved-mapping")
