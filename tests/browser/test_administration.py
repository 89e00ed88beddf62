"""The administrator's pages in a browser, and the map on which an estate is drawn."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from aed.accounts.permissions import Role
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View


def test_an_administrator_sees_what_is_wrong_and_draws_an_estate(
    open_page: OpenPage, view: View, site: Site
) -> None:
    with site.database.write_sessions() as session, session.begin():
        person = make.person(session)
        make.role(session, person, Role.ADMINISTRATOR)
        key = make.sign_in(session, person.id)
    page = open_page(session_key=key)
    page.goto("/administration")
    expect(page.locator("#summary")).to_be_visible()
    check(page, view, "administration")
    page.locator("a[href='/administration/outbox']").click()
    expect(page.locator("h1")).to_be_visible()
    check(page, view, "administration-outbox")

    page.goto("/first-run/place")
    expect(page.locator("#corner-map")).to_have_attribute("data-ready", "true")
    for x, y in ((80, 80), (220, 90), (150, 200)):
        page.locator("#map canvas").click(position={"x": x, "y": y})
    expect(page.locator("#corners")).to_have_value(re.compile(r"^(\d+\.\d{6}, \d+\.\d{6}\n?){3}$"))
    page.locator("#undo-corner").click()
    expect(page.locator("#corners")).to_have_value(re.compile(r"^(\d+\.\d{6}, \d+\.\d{6}\n?){2}$"))
    check(page, view, "first-run-place")
