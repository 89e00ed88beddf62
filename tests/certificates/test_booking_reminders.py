"""Suggestions to book a session: certificates that expire in 90, 60 or 30 days, and practice that fades."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.free_text import SMS_CHARACTERS
from aed.certificates.reminders import remind_of_certificates, remind_to_practise
from aed.database.session import Database, transaction
from aed.notifications.models import OutboxMessage
from aed.notifications.short_links import find_link
from aed.settings import Settings
from aed.training.models import Enrolment, TrainingSession
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, MarkedBy
from tests import make
from tests.make import ADMINISTRATOR

HELD_AT = datetime(2026, 10, 2, 6, 30, tzinfo=UTC)
DAY = timedelta(days=1)
LAST_DAY = datetime(2028, 10, 1, 2, tzinfo=UTC)  # two years, less a day


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": "https://aed.example.cn"})


def passed(session: Session, of: TrainingSession) -> Enrolment:
    enrolment = make.enrolment(session, of)
    for result in (
        roster_actions.Result(enrolment.id, attendance=AttendanceState.ATTENDED),
        roster_actions.Result(enrolment.id, passed=True),
    ):
        open_ = roster_actions.open_for_results(session, ADMINISTRATOR, of.id, at=of.ends_at)
        roster_actions.save_results(session, ADMINISTRATOR, open_, [result], how=MarkedBy.HAND, at=of.ends_at)
    return enrolment


def certificates(database: Database, at: datetime) -> int:
    with transaction(database) as session:
        return remind_of_certificates(session, at)


def practice(database: Database, at: datetime) -> int:
    with transaction(database) as session:
        return remind_to_practise(session, at)


def last_message(session: Session, person_id: int) -> tuple[str, str]:
    """Return the last message, and the path that its link leads to."""
    text = session.scalars(
        select(OutboxMessage.text_zh)
        .where(OutboxMessage.person_id == person_id)
        .order_by(OutboxMessage.id.desc())
    ).first()
    assert text is not None
    assert len(text) <= SMS_CHARACTERS, text
    key = re.search(r"/l/(\w+)", text)
    assert key is not None, text
    found = find_link(session, key[1], at=HELD_AT)
    session.commit()
    assert found is not None
    return text, found.path


def test_a_reminder_with_a_session_is_sent_at_each_threshold_before_a_certificate_expires(
    database: Database, session: Session
) -> None:
    course = make.course(session)
    held = make.training(session, course, starts_at=HELD_AT)
    person_id = passed(session, held).person_id
    full = make.training(session, course, starts_at=LAST_DAY - 3 * DAY, capacity=1)
    make.enrolment(session, full)
    free = make.training(session, course, starts_at=LAST_DAY - 2 * DAY)
    session.commit()

    days = (91, 90, 89, 60, 30, 29, 0, -1)
    assert [certificates(database, LAST_DAY - left * DAY) for left in days] == [0, 1, 0, 1, 1, 0, 0, 0]
    text, path = last_message(session, person_id)
    assert text.startswith("急救证书2028年10月1日到期。9月29日可复训：https://aed.example.cn/l/")
    assert path == f"/learn/sessions/{free.id}"


def test_a_person_already_enrolled_gets_no_booking_reminder(database: Database, session: Session) -> None:
    course = make.course(session)
    mine = passed(session, make.training(session, course, starts_at=HELD_AT))
    again = make.training(session, course, starts_at=LAST_DAY + DAY)
    session.add(
        Enrolment(session_id=again.id, person_id=mine.person_id, state="enrolled", enrolled_at=HELD_AT)
    )
    session.commit()

    assert certificates(database, LAST_DAY - 30 * DAY) == 0


def test_a_practice_reminder_is_sent_once_with_the_list_of_sessions(
    database: Database, session: Session
) -> None:
    course = make.course(session, "CPR-1")
    mine = passed(session, make.training(session, course, starts_at=HELD_AT))
    session.commit()

    assert [practice(database, HELD_AT + days * DAY) for days in (100, 181, 190, 191)] == [0, 0, 1, 0]
    text, path = last_message(session, mine.person_id)
    assert text.startswith("上次急救练习是2026年10月2日。预约培训：https://aed.example.cn/l/")
    assert path == "/learn?course=CPR-1"
