"""The pages of training in a browser: the list, a session, an enrolment behind its link."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from aed import clock
from aed.notifications.short_links import KEY_IN_PATH, short_link
from aed.training.enrolments import actions as enrolment_actions
from aed.training.messages import enrolment_path
from aed.training.models import Enrolment
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View

DAYS = timedelta(days=1)


def in_the_afternoon(days: int) -> datetime:
    """Return 14:30 in China, in that many days."""
    return (clock.now() + days * DAYS).replace(hour=6, minute=30, second=0, microsecond=0)


@pytest.fixture
def offered(site: Site) -> tuple[int, str]:
    """Return the id of a session, and the path of a link to an enrolment in it that has an offer."""
    with site.database.write_sessions() as session, session.begin():
        course = make.course(session, name_en="CPR and AED", name_zh="心肺复苏与AED")
        training = make.training(session, course, starts_at=in_the_afternoon(9), capacity=1)
        make.training(session, course, starts_at=in_the_afternoon(30), place_en="Library", place_zh="图书馆")
        has, waits = make.enrolment(session, training), make.enrolment(session, training, "Li Wei 李伟")
        version = session.get_one(Enrolment, has.id, populate_existing=True).version
        enrolment_actions.withdraw(session, make.ADMINISTRATOR, has.id, version=version, at=clock.now())
        link = short_link(session, enrolment_path(waits.id, KEY_IN_PATH), clock.now() + 30 * DAYS)
        return training.id, link


def test_a_stranger_looks_for_a_session(page: Page, view: View, offered: tuple[int, str]) -> None:
    page.goto("/learn")
    expect(page.locator("li.card").first).to_be_visible()
    check(page, view, "learn")
    page.goto(f"/learn/sessions/{offered[0]}")
    check(page, view, "learn-session")


def test_the_link_of_an_offer_works_without_javascript(
    open_page: OpenPage, view: View, offered: tuple[int, str]
) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(offered[1])
    expect(page.locator("button[value=accept]")).to_be_visible()
    page.locator("button[value=accept]").click()
    expect(page.locator("[role=status]")).to_be_visible()
    page.go_back()  # not the page of before: it says how it stands
    expect(page.locator("summary").first).to_be_visible()
    expect(page.locator("button[value=accept]")).to_have_count(0)


def test_the_link_of_an_offer(page: Page, view: View, offered: tuple[int, str]) -> None:
    page.goto(offered[1])
    check(page, view, "learn-offer")
    page.locator("button[value=accept]").click()
    expect(page.locator("[role=status]")).to_be_visible()
    check(page, view, "learn-accepted")
    for summary in page.locator("summary").all():
        summary.click()
    check(page, view, "learn-accepted-open")
    page.locator("input[type=radio]").first.check()
    page.locator("fieldset ~ button").click()
    expect(page.locator("[role=status]")).to_be_visible()
    check(page, view, "learn-moved")
    page.goto("/l/nothing")
    check(page, view, "link-unknown")


def test_a_person_enrols_with_one_tap(
    open_page: OpenPage, site: Site, view: View, offered: tuple[int, str]
) -> None:
    with site.database.write_sessions() as session, session.begin():
        person = make.person(session, phone=f"+86138001{view.width:04d}{len(view.language)}")
        key = make.sign_in(session, person.id)
    page = open_page(session_key=key)
    page.goto(f"/learn/sessions/{offered[0]}")
    check(page, view, "learn-enrol")
    page.locator("form[method=post] button").first.click()
    page.wait_for_url("**/learn/enrolments/*")
    check(page, view, "learn-waiting")
