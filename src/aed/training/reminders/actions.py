"""Remind people of their sessions, once the day before and once two hours before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from aed.training.messages import notify
from aed.training.models import TrainingReminder
from aed.training.reminders import queries
from aed.training.rules import (
    REMIND_AGAIN_FROM,
    REMIND_FROM,
    EnrolmentNotice,
    ReminderTime,
    reminder_time,
)


def remind_of_sessions(session: Session, now: datetime) -> int:
    """Remind those who have a place in a session that begins soon; return how many were reminded.

    Run by the scheduler. Each reminder is sent once, also if two workers run at the same time. Who enrolled
    within the last day before the session has just had a message, and is reminded two hours before alone.
    """
    reminded = 0
    for training in queries.sessions_soon(session, at=now):
        when = reminder_time(now, training.starts_at, training.time_zone)
        if when is None:
            continue
        lead = REMIND_FROM if when is ReminderTime.DAY_BEFORE else REMIND_AGAIN_FROM
        enrolled = queries.enrolled_before(session, training.id, training.starts_at - lead)
        by_key = {f"enrolment:{each.id}:{when}": each for each in enrolled}
        claimed = claim(session, {key: each.person_id for key, each in by_key.items()}, at=now)
        due = [each for key, each in by_key.items() if key in claimed]
        notify(session, due, training, EnrolmentNotice.REMINDER, at=now)
        reminded += len(due)
    return reminded


def claim(session: Session, people: Mapping[str, int], *, at: datetime) -> set[str]:
    """Record reminders by key, for the person of each; return the keys that were not recorded before."""
    sent = queries.keys_sent(session, people.keys())
    rows = [
        {"key": key, "person_id": person_id, "sent_at": at}
        for key, person_id in people.items()
        if key not in sent
    ]
    if not rows:
        return set()
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(TrainingReminder).on_conflict_do_nothing().returning(TrainingReminder.key)
    return set(session.scalars(statement, rows))
