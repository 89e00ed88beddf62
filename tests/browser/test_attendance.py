"""The trainer's screen with the code, and the page that a scanned code opens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from aed import clock
from aed.accounts.permissions import Role
from aed.accounts.viewers import viewer_of_person
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments.schemas import EnrolmentIn
from tests import make
from tests.browser.checks import check
from tests.browser.conftest import OpenPage, Site, View

DAY = timedelta(days=1)


@pytest.fixture
def keys(site: Site) -> tuple[int, str, str]:
    """Return the id of a session about to begin, and the sign-in keys of its trainer and of a learner."""
    at = clock.now()
    with site.database.write_sessions() as session, session.begin():
        training = make.training(session, starts_at=at + timedelta(minutes=10), planned_at=at - 3 * DAY)
        trainer = make.person_with_role(session, Role.TRAINING_OFFICER, region=training.region)
        person = make.person(session)
        given = EnrolmentIn(name=person.name, phone=person.phone or "")
        enrolment_actions.enrol(
            session, viewer_of_person(session, person.id), training.id, given, at=at - 2 * DAY
        )
        assert trainer.person_id is not None
        return training.id, make.sign_in(session, trainer.person_id), make.sign_in(session, person.id)


def test_a_scanned_code_marks_the_person_and_the_screen_counts_them(
    open_page: OpenPage, view: View, keys: tuple[int, str, str]
) -> None:
    training_id, trainer, person = keys
    screen = open_page(session_key=trainer)
    screen.goto(f"/v1/sessions/{training_id}/attendance-code")
    expect(screen.locator("#code svg")).to_be_visible()
    expect(screen.locator("#here")).to_have_text("0")
    check(screen, view, "attendance-screen")
    shown = screen.request.get(
        f"/v1/sessions/{training_id}/attendance-code", headers={"Accept": "application/json"}
    ).json()

    stranger = open_page()
    stranger.goto(shown["address"])
    expect(stranger.locator("#sign-in")).to_be_visible()
    check(stranger, view, "attendance-sign-in")

    phone = open_page(session_key=person)
    phone.goto(shown["address"])
    check(phone, view, "attendance-check-in")
    phone.locator("main button").click()
    expect(phone.locator(".notice.good")).to_be_visible()
    check(phone, view, "attendance-checked-in")
    screen.reload()
    expect(screen.locator("#here")).to_have_text("1")
