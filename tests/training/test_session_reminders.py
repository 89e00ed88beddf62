"""Reminders of sessions: the day before and two hours before, each once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.database.session import Database, transaction
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from aed.training.enrolments import actions as enrolment_actions
from aed.training.reminders.actions import remind_of_sessions
from aed.training.rules import ReminderTime, reminder_time
from tests import make
from tests.make import ADMINISTRATOR

STARTS_AT = datetime(2026, 10, 2, 6, 30, tzinfo=UTC)  # 14:30 in China
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("hours_before", "expected"),
    [
        (25, None),
        (24, ReminderTime.DAY_BEFORE),
        (18, ReminderTime.DAY_BEFORE),  # 20:30
        (17, None),  # 21:30: at night
        (7, None),  # 07:30
        (6, ReminderTime.DAY_BEFORE),
        (2, ReminderTime.HOURS_BEFORE),
        (0.1, ReminderTime.HOURS_BEFORE),
        (0, None),
        (-1, None),
    ],
)
def test_a_reminder_is_due_a_day_and_two_hours_before_but_not_at_night(
    hours_before: float, expected: ReminderTime | None
) -> None:
    assert reminder_time(STARTS_AT - hours_before * HOUR, STARTS_AT, "Asia/Shanghai") is expected


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"public_url": "https://aed.example.cn"})


def reminders(session: Session, person_id: int) -> list[str]:
    rows = session.scalars(
        select(OutboxMessage).where(OutboxMessage.person_id == person_id).order_by(OutboxMessage.id)
    )
    return [row.text_zh or "" for row in rows if "急救培训" in (row.text_zh or "")]


def remind(database: Database, at: datetime) -> int:
    with transaction(database) as session:
        return remind_of_sessions(session, at)


def test_a_person_with_a_place_gets_two_reminders_once_each(database: Database, session: Session) -> None:
    training = make.training(session, starts_at=STARTS_AT, capacity=2)
    has, gave_up, waits = (make.enrolment(session, training) for _ in range(3))
    enrolment_actions.withdraw(session, ADMINISTRATOR, gave_up.id, version=1, at=make.NOW)
    cancelled = make.training(session, starts_at=STARTS_AT)
    of_cancelled = make.enrolment(session, cancelled)
    enrolment_actions.end_all(session, ADMINISTRATOR, cancelled, reason="rain", at=make.NOW)
    session.commit()

    assert [remind(database, STARTS_AT - hours * HOUR) for hours in (26, 24, 23, 20)] == [0, 1, 0, 0]
    assert [remind(database, STARTS_AT - hours * HOUR) for hours in (2, 1, 0)] == [1, 0, 0]
    first, second = reminders(session, has.person_id)
    assert first.startswith("明天14:30急救培训，社区活动室。不能来请取消：https://aed.example.cn/l/")
    assert second.startswith("今天14:30急救培训")
    for other in (gave_up, waits, of_cancelled):
        assert reminders(session, other.person_id) == []


def test_a_person_enrolled_on_the_last_day_is_reminded_only_two_hours_before(
    database: Database, session: Session
) -> None:
    training = make.training(session, starts_at=STARTS_AT, enrolment_closes_at=STARTS_AT)
    late = make.enrolment(session, training, at=STARTS_AT - 6 * HOUR)
    session.commit()

    assert remind(database, STARTS_AT - 5 * HOUR) == 0
    assert remind(database, STARTS_AT - 2 * HOUR) == 1
    assert len(reminders(session, late.person_id)) == 1
