"""The pages of previews in a browser: the form, two maps, the slider, and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from aed.accounts.permissions import Role
from aed.registry.estates.models import Building, Estate
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View


@pytest.fixture
def manager(site: Site) -> tuple[int, str]:
    """Return an estate of the district, and the session key of its manager."""
    with site.database.write_sessions() as session, session.begin():
        estate_id = session.scalars(select(Building.estate_id).order_by(Building.id)).first()
        assert estate_id is not None
        person = make.person(session)
        make.role(session, person, Role.ESTATE_MANAGER, estate=session.get_one(Estate, estate_id))
        return estate_id, make.sign_in(session, person.id)


def test_a_manager_previews_a_step_and_moves_the_slider(
    open_page: OpenPage, view: View, manager: tuple[int, str]
) -> None:
    estate_id, key = manager
    page = open_page(session_key=key)
    page.goto(f"/estates/{estate_id}/coverage")
    check(page, view, "coverage-step")
    page.locator("input[value=public]").check()
    page.locator("form button.block").click()
    expect(page.locator("section.band:visible svg")).to_have_count(2)
    check(page, view, "coverage")
    page.locator("#band").fill("3")
    expect(page.locator(".chips a").nth(3)).to_have_attribute("aria-current", "true")
    expect(page.locator("section.band").nth(3)).to_be_visible()


def test_without_javascript_links_choose_the_part_of_the_week(
    open_page: OpenPage, manager: tuple[int, str]
) -> None:
    estate_id, key = manager
    page = open_page(session_key=key, java_script_enabled=False)
    page.goto(f"/estates/{estate_id}/coverage")
    page.locator("input[value=public]").check()
    page.locator("form button.block").click()
    page.locator(".chips a").nth(2).click()
    expect(page.locator("section.band").nth(2)).to_be_visible()
    expect(page.locator("#band-slider")).to_be_hidden()
