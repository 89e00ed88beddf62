"""The region's dashboard in a browser."""

from __future__ import annotations

from playwright.sync_api import expect

from aed.accounts.permissions import Role
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View


def test_the_gaps_of_each_part_of_the_week_are_shown_by_keys(
    open_page: OpenPage, view: View, site: Site
) -> None:
    with site.database.write_sessions() as session, session.begin():
        person = make.person(session)
        make.role(session, person, Role.ADMINISTRATOR)
        key = make.sign_in(session, person.id)
    page = open_page(session_key=key)
    page.goto("/region")
    slider = page.locator("#band")
    expect(slider).to_be_visible()
    shown = page.locator(".band:not([hidden]) h3")
    slider.press("Home")
    first = shown.text_content() or ""
    slider.press("ArrowRight")
    expect(shown).not_to_have_text(first)
    check(page, view, "region")
