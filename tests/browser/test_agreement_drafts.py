"""A manager drafts an agreement on a page, and gets the links of its parties."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from aed import clock
from aed.accounts.permissions import Role
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View


def test_a_manager_drafts_and_proposes(open_page: OpenPage, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = make.estate(session, name_en="Lakeside", name_zh="湖畔花园")
        today = clock.now().date()
        for en, zh in (("Lobby of building 2", "2号楼大堂"), ("Club house", "会所一楼")):
            make.device(
                session, of=estate, audience="estate", last_checked_on=today, place_en=en, place_zh=zh
            )
        manager = make.person(session, name="齐守园")
        make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
        signed_in = make.sign_in(session, manager.id)
        number = estate.id

    page = open_page(session_key=signed_in)
    page.goto(f"/estates/{number}/agreements/new")
    check(page, view, "agreement-draft")

    page.locator("#hours").fill("nachts")
    page.locator("button.big").click()
    expect(page.locator("[role=alert] a").first).to_be_visible()
    check(page, view, "agreement-draft-problems")

    page.locator("#party_committee_legal_name").fill("湖畔社区党委")
    page.locator("#hours").fill("22:00-06:00")
    page.locator("details:has(#service_centre_name) > summary").click()
    page.locator("#service_centre_name").fill("齐守园")
    page.locator("#service_centre_phone").fill("+8613800130150")
    page.locator("button.big").click()
    expect(page).to_have_url(re.compile(r"/agreements/\d+$"))
    check(page, view, "agreement-drafted")

    page.locator("form[action$=proposal] button").click()
    expect(page.locator("input[readonly]")).to_have_count(3)
    check(page, view, "agreement-links")
    page.locator("main a.button").click()
    expect(page.locator("[aria-current=step]")).to_be_visible()
    check(page, view, "agreement-proposed")
