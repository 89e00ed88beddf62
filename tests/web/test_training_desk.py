"""The training desk: who gets it, its calendar, the form of a session, and the roster."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from aed.training.enrolments.actions import withdraw
from aed.training.models import AssessmentAttempt, Attendance, Enrolment, TrainingSession
from aed.training.rules import AttendanceState, SessionState
from tests import make
from tests.apps import app_on
from tests.training.reading import words_on

HEADERS = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}
DAY = timedelta(days=1)
FORM = {
    "day": "2031-05-03",
    "starts": "09:00",
    "ends": "12:30",
    "capacity": "12",
    "minimum": "4",
    "language": "zh",
    "audience": "estate",
    "trainer": "Pu Zhixing",
}

type SignIn = Callable[[Person | None], TestClient]


@pytest.fixture
def browser_of(settings: Settings, session: Session) -> Iterator[SignIn]:
    """Yield a function that opens the browser of a person, or of a stranger."""
    with TestClient(app_on(settings)) as opened:

        def new(who: Person | None) -> TestClient:
            client = TestClient(
                opened.app, base_url="https://testserver", headers=HEADERS, follow_redirects=False
            )
            if who is not None:
                client.cookies.set(SESSION_COOKIE, make.sign_in(session, who.id))
            session.commit()
            return client

        yield new


@pytest.fixture
def officer(session: Session) -> Person:
    region = make.region(session)
    person = make.person(session, name="Pu Zhixing")
    make.role(session, person, Role.TRAINING_OFFICER, region=region)
    return person


def test_strangers_sign_in_and_residents_are_refused(
    browser_of: SignIn, session: Session, officer: Person
) -> None:
    training = make.training(session)
    stranger = browser_of(None)
    assert stranger.get(f"/training/{training.id}").headers["location"].startswith("/sign-in")
    assert stranger.post("/training/new", data=FORM).status_code == 401

    resident = browser_of(make.person(session))
    assert resident.get("/training").status_code == 403
    assert resident.get(f"/training/{training.id}").status_code == 403
    assert resident.get(f"/training/{training.id}/certificates").status_code == 403


def test_an_officer_plans_a_session_at_the_usual_place_with_a_trainer_by_name(
    browser_of: SignIn, session: Session, officer: Person
) -> None:
    estate = make.estate(session, name_en="Lakeside")
    course = make.course(session)
    make.training(session, course, estate=estate, place_en="Club room", place_zh="会所二楼")
    desk = browser_of(officer)

    form = desk.get(f"/training/new?place=estate-{estate.id}").text
    assert '<option value="Pu Zhixing">' in form

    typed = FORM | {"place": f"estate-{estate.id}", "course": course.code}
    wrong = desk.post("/training/new", data=typed | {"ends": "08:00", "place_en": "Attic"})
    assert wrong.status_code == 422
    assert "ends_at must be after starts_at" in wrong.text
    assert 'value="Attic"' in wrong.text

    made = desk.post("/training/new", data=typed)
    assert made.status_code == 303, made.text
    found = session.get_one(TrainingSession, int(made.headers["location"].rpartition("/")[2]))
    assert (found.trainer_id, found.place_zh, found.capacity) == (officer.id, "会所二楼", 12)
    session.commit()

    month = desk.get("/training?month=2031-05").text
    calendar, _, listed = month.partition("</table>")
    for part in (calendar, listed):
        assert f'href="/training/{found.id}"' in part
    (day,) = (each for each in calendar.split("<td") if f'/training/{found.id}"' in each)
    assert '<span class="number">3</span>' in day
    assert "4 more are needed" in month
    assert desk.get("/training?month=99").status_code == 200

    change = desk.get(f"/training/{found.id}/change")
    assert 'value="会所二楼"' in change.text
    sent = {**typed, "place_zh": "会所三楼", "place_en": "Club room", "version": "1", "do": "save"}
    assert desk.post(f"/training/{found.id}/change", data=sent).status_code == 303
    assert desk.post(f"/training/{found.id}/change", data=sent | {"place_zh": "x"}).status_code == 412
    session.refresh(found)
    assert (found.place_zh, found.trainer_id) == ("会所三楼", officer.id)
    session.commit()

    weekly = desk.post(f"/training/{found.id}", data={"do": "weekly", "weeks": "3"})
    assert weekly.headers["location"].endswith("done=copied&count=3")
    starts = session.scalars(select(TrainingSession.starts_at).order_by(TrainingSession.starts_at)).all()
    assert [each - starts[-4] for each in starts[-4:]] == [0 * DAY, 7 * DAY, 14 * DAY, 21 * DAY]
    session.commit()
    again = desk.post(f"/training/{found.id}", data={"do": "weekly", "weeks": "3"})
    assert again.headers["location"].endswith("count=0")


def test_the_roster_records_marks_and_a_retake_by_another_assessor(
    browser_of: SignIn, session: Session, officer: Person
) -> None:
    at = clock.now()
    stations = [{"code": "cpr", "name_en": "Resuscitation", "name_zh": "心肺复苏"}]
    plan = {"theory_pass_mark": 80, "stations": stations, "retakes": 1, "retake_within_days": 9}
    course = make.course(session, assessment=plan, parts=4, min_presence_percent=75)
    training = make.training(
        session,
        course,
        starts_at=at + timedelta(hours=1),
        planned_at=at - 9 * DAY,
        trainer={"name": "Lin Hua"},
    )
    person = make.enrolment(session, training, "Wang Fang", at=at - 5 * DAY)
    desk, where = browser_of(officer), f"/training/{training.id}"
    assert "Too few trainers" in desk.get(where).text

    sent = {"do": "results", f"attendance-{person.id}": "attended", f"parts-{person.id}": "4"}
    theory, station = f"mark-{person.id}-theory", f"mark-{person.id}-cpr"
    wrong = desk.post(where, data=sent | {theory: "eighty", station: "passed"})
    assert wrong.status_code == 422
    assert 'value="eighty"' in wrong.text
    assert desk.post(where, data=sent | {theory: "70", station: "passed"}).status_code == 303
    page = desk.get(where).text
    assert "These marks are of a retake" in page
    retake = {theory: "90", station: "passed", f"retake-{person.id}": "yes", "assessor": "Lin Hua"}
    assert desk.post(where, data=sent | retake).status_code == 303

    trainer_id = session.get_one(TrainingSession, training.id).trainer_id
    attempts = session.scalars(select(AssessmentAttempt).order_by(AssessmentAttempt.number)).all()
    assert [each.marks for each in attempts] == [{"theory": 70, "cpr": True}, {"theory": 90}]
    assert [each.assessed_by for each in attempts] == [f"person:{officer.id}", f"person:{trainer_id}"]
    assert "Certificate " in desk.get(where).text


def test_an_identity_number_is_shown_masked_to_those_who_run_the_session_alone(
    browser_of: SignIn, session: Session, officer: Person
) -> None:
    issuer = make.issuer(session, batch_format=make.BATCH_FORMAT)
    training = make.training(session, make.course(session, issuer=issuer.name_en))
    other = make.training(session)
    where = f"/training/{training.id}/identity/{make.enrolment(session, training).id}"
    elsewhere = f"/training/{other.id}/identity/{make.enrolment(session, other).id}"
    stranger, resident = browser_of(None), browser_of(make.person(session))
    desk = browser_of(officer)
    assert stranger.get(where).headers["location"].startswith("/sign-in")
    assert stranger.post(where, data={"holder_id": "x"}).status_code == 401
    assert resident.get(where).status_code == 404
    assert resident.post(where, data={"holder_id": "x"}).status_code == 404

    assert f'href="{where}"' in desk.get(f"/training/{training.id}").text
    wrong = desk.post(where, data={"holder_id": "110105194912310021"})
    assert wrong.status_code == 422
    assert "check digit" in wrong.text
    assert desk.post(where, data={"holder_id": "1\x00"}).status_code == 422
    assert desk.post(where, data={"holder_id": "11010519491231002x"}).status_code == 303
    page = desk.get(where).text
    assert "110105********002X" in page
    assert "1949" not in page
    assert desk.get(elsewhere).status_code == 409


def test_the_waiting_list_says_until_when_a_place_is_kept(
    browser_of: SignIn, session: Session, officer: Person
) -> None:
    at = clock.now()
    training = make.training(session, starts_at=at + 9 * DAY, planned_at=at - 9 * DAY, capacity=1)
    first, waits = (make.enrolment(session, training, name, at=at - DAY) for name in ("Wang Fang", "Han Mei"))
    desk = browser_of(officer)
    assert "none yet" in desk.get(f"/training/{training.id}").text.partition("Waiting list")[2]
    session.rollback()

    withdraw(session, make.ADMINISTRATOR, first.id, version=first.version, at=at)
    session.commit()

    until = session.get_one(Enrolment, waits.id, populate_existing=True).offer_expires_at
    assert until is not None
    shown = desk.get(f"/training/{training.id}").text.partition("Waiting list")[2]
    kept = re.search(r"a place is kept until ([^<]+)<", shown)
    assert kept is not None
    assert f"{until.astimezone(ZoneInfo('Asia/Shanghai')):%H:%M}" in kept[1]


def test_the_roster_records_results_and_notifies_absent_people(
    browser_of: SignIn, session: Session, officer: Person
) -> None:
    at = clock.now()
    training = make.training(session, starts_at=at + timedelta(hours=1), planned_at=at - 9 * DAY, capacity=3)
    came, other, absent, waits = (
        make.enrolment(session, training, name, at=at - 5 * DAY)
        for name in ("Wang Fang", "Zhao Min", "Li Lei", "Han Mei")
    )
    desk = browser_of(officer)
    page = desk.get(f"/training/{training.id}")
    assert page.headers["x-keep-offline"]
    assert "Han Mei" in page.text.partition("Waiting list")[2]
    none_yet = desk.get(f"/training/{training.id}/certificates", follow_redirects=False)
    assert none_yet.headers["Location"] == f"/training/{training.id}"

    sent = {
        "do": "results",
        f"attendance-{came.id}": "attended",
        f"result-{came.id}": "passed",
        f"attendance-{other.id}": "attended",
        f"result-{other.id}": "passed",
        f"attendance-{absent.id}": "no_show",
        f"attendance-{waits.id}": "attended",
    }
    saved = desk.post(f"/training/{training.id}", data=sent)
    assert saved.status_code == 303, saved.text
    assert saved.headers["location"].endswith("done=saved&count=3")
    assert desk.post(f"/training/{training.id}", data=sent).headers["location"].endswith("done=saved&count=0")
    marked = {each.enrolment_id: each.state for each in session.scalars(select(Attendance))}
    assert marked == {
        came.id: AttendanceState.ATTENDED,
        other.id: AttendanceState.ATTENDED,
        absent.id: AttendanceState.NO_SHOW,
    }
    session.commit()

    papers = desk.get(f"/training/{training.id}/certificates")
    pages = sorted(words_on(papers.content))
    assert len(pages) == 2, "a page for each"
    assert all(any(name in page for page in pages) for name in ("Wang Fang", "Zhao Min"))

    empty = desk.post(f"/training/{training.id}", data={"do": "message", "group": "absent", "text": " "})
    assert empty.status_code == 422
    before = len(session.scalars(select(OutboxMessage.id)).all())
    session.commit()
    text = "We missed you. Come next week: https://evil.example"
    done = desk.post(f"/training/{training.id}", data={"do": "message", "group": "absent", "text": text})
    assert done.headers["location"].endswith("done=sent&count=1")
    messages = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
    assert len(messages) == before + 1
    assert messages[-1].person_id == absent.person_id


def test_a_session_is_cancelled_with_a_reason(browser_of: SignIn, session: Session, officer: Person) -> None:
    training = make.training(session, starts_at=clock.now() + 10 * DAY, planned_at=clock.now() - DAY)
    make.enrolment(session, training, at=clock.now())
    desk = browser_of(officer)
    form = {"do": "cancel", "version": "1"}
    assert desk.post(f"/training/{training.id}/change", data=form).status_code == 422
    assert desk.post(f"/training/{training.id}/change", data=form | {"reason": "Flood"}).status_code == 303
    session.refresh(training)
    assert training.state is SessionState.CANCELLED
    session.commit()
    assert "Flood" in desk.get(f"/training/{training.id}").text
    assert "session cancelled" in desk.get(f"/training/{training.id}").text
