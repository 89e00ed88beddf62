"""The time bank in an app's web view."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from sqlalchemy import select

from aed.registry.estates.models import Estate
from tests import make
from tests.browser.checks import SCREENS, check
from tests.browser.conftest import Site, View


def test_an_app_shows_balance_statement_and_catalogue(page: Page, site: Site, view: View) -> None:
    with site.database.write_sessions() as session, session.begin():
        estate = session.scalars(select(Estate).order_by(Estate.id).limit(1)).one()
        person = make.person(session)
        make.goods_order(session, make.goods(session, estate), person)
        key = make.app_link(session, person, estate)

    page.goto(f"/embed/time-bank/open/{key}")
    expect(page.locator("#statement")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(2)
    check(page, view, "embed-time-bank")
    page.locator("header nav a").click()
    expect(page.locator("html")).not_to_have_attribute("lang", view.language)
    page.screenshot(path=SCREENS / f"embed-time-bank-{view}-other-language.png", full_page=True)

    page.goto(f"/embed/time-bank/open/{key}")
    expect(page.locator("[role=alert]")).to_be_visible()
    check(page, view, "embed-expired")
