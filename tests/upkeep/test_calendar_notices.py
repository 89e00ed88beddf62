"""Administrators, and monitoring, are notified 90, 60 and 30 days before a holiday calendar ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, TokenRole
from aed.database.session import database_now
from aed.hours.holiday_calendar import CalendarEnd, ending_words, notice_threshold
from aed.notifications.models import OutboxMessage
from aed.registry.holidays.actions import delete_holiday_year, seed_china
from aed.registry.holidays.models import HolidayCalendar, HolidayYear
from aed.settings import Settings
from aed.upkeep.reminders.actions import notify_of_ending_calendars
from tests import make


def sent_messages(session: Session, settings: Settings, at: datetime) -> list[tuple[int | None, str | None]]:
    before = set(session.scalars(select(OutboxMessage.id)))
    notify_of_ending_calendars(session, at=at, by=settings.reminding)
    rows = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
    return [(row.person_id, row.text_zh) for row in rows if row.id not in before]


@pytest.fixture
def administrator(session: Session) -> int:
    """Return an administrator of the region, which uses the calendar CN until 2026."""
    seed_china(session, make.ADMINISTRATOR, at=make.NOW)
    return administrator_of_the_region(session)


def administrator_of_the_region(session: Session) -> int:
    person = make.person_with_role(session, Role.ADMINISTRATOR, region=make.region(session)).person_id
    assert person is not None
    return person


def test_each_threshold_is_notified_once_by_day(
    session: Session, settings: Settings, administrator: int
) -> None:
    morning = datetime(2026, 10, 2, 1, tzinfo=UTC)  # nine o'clock in Hangzhou, 90 days before

    assert sent_messages(session, settings, morning - timedelta(days=1)) == []
    assert sent_messages(session, settings, morning - timedelta(hours=6)) == []  # three at night
    first = sent_messages(session, settings, morning)
    assert [person for person, _ in first] == [administrator]
    assert first[0][1] is not None
    assert "节假日日历CN将于2026-12-31到期，还有90天" in first[0][1]
    assert sent_messages(session, settings, morning + timedelta(hours=1)) == []
    assert sent_messages(session, settings, morning + timedelta(days=29)) == []
    assert len(sent_messages(session, settings, morning + timedelta(days=30))) == 1
    assert len(sent_messages(session, settings, morning + timedelta(days=61))) == 1  # a run was missed
    assert sent_messages(session, settings, morning + timedelta(days=200)) == []


def test_a_first_run_shortly_before_the_end_notifies_once(
    session: Session, settings: Settings, administrator: int
) -> None:
    today = datetime(2026, 11, 30, 2, tzinfo=UTC)

    assert [person for person, _ in sent_messages(session, settings, today)] == [administrator]
    assert sent_messages(session, settings, today) == []


def test_a_calendar_that_continues_or_is_unused_is_not_notified(
    session: Session, settings: Settings, administrator: int
) -> None:
    session.add(HolidayYear(calendar_name="CN", year=2027))
    session.add(HolidayCalendar(name="XX"))
    session.flush()

    assert administrator
    assert sent_messages(session, settings, datetime(2026, 11, 30, 2, tzinfo=UTC)) == []


def test_a_notice_without_recipients_stays_open(session: Session, settings: Settings) -> None:
    seed_china(session, make.ADMINISTRATOR, at=make.NOW)
    make.region(session)
    today = datetime(2026, 11, 30, 2, tzinfo=UTC)

    assert sent_messages(session, settings, today) == []
    person = administrator_of_the_region(session)
    assert [each for each, _ in sent_messages(session, settings, today)] == [person]


@pytest.mark.usefixtures("administrator")
def test_readyz_and_metrics_say_how_long_the_calendar_lasts(session: Session, client: TestClient) -> None:
    now = database_now(session)
    calendar = session.get_one(HolidayCalendar, "CN")
    for year in (2024, 2025, 2026):
        if year != now.year:
            delete_holiday_year(session, make.ADMINISTRATOR, "CN", year, version=calendar.version, at=now)
            session.refresh(calendar)
    if session.get(HolidayYear, ("CN", now.year)) is None:
        session.add(HolidayYear(calendar_name="CN", year=now.year))
    monitor = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()
    days = (date(now.year, 12, 31) - now.date()).days

    ready = client.get("/readyz").json()
    figures = client.get("/metrics", headers=monitor).text

    assert ready["status"] == "ok"
    assert [f"Holiday calendar CN ends on {now.year}-12-31" in each for each in ready["warnings"]] == (
        [True] if days <= 90 else []
    )
    assert f'aed_holiday_calendar_days_left{{calendar="CN"}} {days}.0' in figures


def test_the_notice_explains_the_consequence_and_what_to_do() -> None:
    en, zh = ending_words(CalendarEnd("CN", date(2026, 12, 31), 31))

    assert en.startswith("Holiday calendar CN ends on 2026-12-31, in 31 days.")
    assert "PUT /v1/holidays/CN/2027" in en
    assert "2027年安排公布后请立即录入" in zh
    assert "ended on" in ending_words(CalendarEnd("CN", date(2026, 12, 31), -1))[0]
    assert [notice_threshold(days) for days in (91, 90, 61, 60, 31, 30, 0, -5)] == [
        *(None, 90, 90, 60, 60, 30, 30, 30)
    ]
