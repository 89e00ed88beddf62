"""Finding what is due, sending each person at most one reminder message a day, and storing answers."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.tokens import hash_key
from aed.database.bulk import insert_many
from aed.errors import NotFound, NotSignedIn
from aed.hours.holiday_calendar import CalendarEnd, ending_words, notice_threshold
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.notifications.rules import MessageTopic
from aed.notifications.short_links import KEY_IN_PATH, PREFIX, short_link
from aed.registry.holidays.models import HolidayCalendarNotice
from aed.registry.holidays.queries import calendar_ends
from aed.settings.upkeep import Reminding
from aed.upkeep.due.rules import Due, counted
from aed.upkeep.reminders import message_lines, queries
from aed.upkeep.reminders.message_lines import OpenCount, ReminderLine, WaitingPerson
from aed.upkeep.reminders.models import Reminder, ReminderMessage, ReminderPreference, ReminderRecipient
from aed.upkeep.reminders.recipients import RecipientFinder
from aed.upkeep.reminders.rules import (
    Hours,
    MessageLine,
    hours_of,
    is_by_day,
    is_written_out,
    message_text,
    subject,
    threshold,
    thresholds_before,
)
from aed.upkeep.rules import DueKind, ReminderAnswer, short_number


def find_expiring(session: Session, *, at: datetime, by: Reminding) -> int:
    """Create a reminder for each threshold passed by an expiring consumable; return how many are new.

    1. For each time zone and its local date, select everything that has no reminder yet. This SELECT is a
       statement of its own, because PostgreSQL does not parallelise a SELECT inside an INSERT.
    2. Insert all the rows found at once.

    visibility: for the scheduler.
    """
    zones = queries.time_zones(session)
    new = 0
    for zone in zones:
        today = at.astimezone(ZoneInfo(zone)).date()
        found = session.execute(
            queries.expiring(today=today, zone=zone if len(zones) > 1 else None, by=by)
        ).all()
        columns = ("device_id", "due_kind", "due_on", "threshold_days")
        insert_many(
            session, Reminder, [dict(zip(columns, row, strict=True)) | {"found_at": at} for row in found]
        )
        new += len(found)
    return new


def close_finished(session: Session, *, at: datetime) -> None:
    """Close reminders whose task has been done, and those superseded by a newer reminder.

    visibility: for the scheduler.
    """
    for is_over in (queries.is_superseded(Reminder), queries.is_done(Reminder)):
        session.execute(
            update(Reminder)
            .where(Reminder.closed_at.is_(None), is_over)
            .values(closed_at=at)
            .execution_options(synchronize_session=False)
        )


def find_due(
    session: Session,
    dues: Collection[Due],
    *,
    device_ids: Sequence[int],
    today: date,
    at: datetime,
    by: Reminding,
) -> int:
    """Create reminders for checks, services and returns; return how many are new.

    Also closes those that are no longer due or superseded. `dues` holds everything now due for the devices
    `device_ids`, whose local date is `today`.
    """
    known = queries.reminders_of(session, device_ids)
    there = {(each.device_id, each.due_kind, each.due_on, each.threshold_days) for each in known}
    still_due = {(due.device_id, due.due_kind, due.due_on) for due in dues}
    new = []
    for due in dues:
        days = threshold(
            (due.due_on - today).days, thresholds_before(due.due_kind, by), repeat_days=by.repeat_days
        )
        if days is not None and (due.device_id, due.due_kind, due.due_on, days) not in there:
            new.append((due.device_id, due.due_kind, due.due_on, days))
    again = {(device_id, due_kind) for device_id, due_kind, *_ in new}
    over = [
        each
        for each in known
        if each.closed_at is None
        and (
            (each.device_id, each.due_kind, each.due_on) not in still_due
            or (each.device_id, each.due_kind) in again
        )
    ]
    for each in over:
        each.closed_at = at
    session.add_all(
        Reminder(device_id=device_id, due_kind=due_kind, due_on=due_on, threshold_days=days, found_at=at)
        for device_id, due_kind, due_on, days in new
    )
    session.flush()
    return len(new)


log = structlog.get_logger("aed")
_WANTED_FOR: Final = timedelta(days=3)
"""A reminder that is not delivered within this time is dropped; the next threshold creates a new one."""
_ANSWERED_FOR: Final = timedelta(days=120)
"""How long the link in a message accepts answers."""
MESSAGE_PATH: Final = "/reminders/"


@dataclass(frozen=True, slots=True)
class SentMessages:
    """The result of sending reminder messages to one batch of people."""

    put: int
    """Messages enqueued."""
    not_now: int
    """People to be notified later: it is night there, or they have already had a message today."""
    unreachable: int
    """People who no longer have a working address."""
    last_id: int
    """The last person id of the batch; 0 if nobody was waiting."""


def send_messages(
    session: Session, *, after_id: int, at: datetime, by: Reminding, public_url: str | None, most: int
) -> SentMessages:
    """Enqueue one message with all waiting reminders for each of the next `most` people after `after_id`.

    Sends at most one message per person and day, and not at night. The day and the hours are local to their
    devices; a person may have set hours of their own.

    visibility: for messages to the recipients themselves.
    """
    waiting = message_lines.people_waiting(session, after_id=after_id, limit=most)
    if not waiting:
        return SentMessages(0, 0, 0, 0)
    days = {each.id: at.astimezone(ZoneInfo(each.time_zone)).date() for each in waiting}
    heard = message_lines.notified_on(session, list(days.items()))
    now = {
        each.id: each
        for each in waiting
        if is_by_day(at, each.time_zone, _hours(each, by)) and (each.id, days[each.id]) not in heard
    }
    lines, still_open = (
        message_lines.lines_waiting_for(session, list(now)),
        message_lines.count_open_for(session, list(now)),
    )
    people = session.scalars(select(Person).where(Person.id.in_(list(now))).order_by(Person.id)).all()
    put = 0
    for person in people:
        put += _send_message(
            session,
            person,
            lines[person.id],
            still_open[person.id],
            country=now[person.id].country,
            day=days[person.id],
            at=at,
            public_url=public_url,
        )
    return SentMessages(put, len(waiting) - len(now), len(people) - put, waiting[-1].id)


def _hours(each: WaitingPerson, by: Reminding) -> Hours:
    """Return the hours in which this person may be notified."""
    return hours_of(by, own=each.hours)


def _send_message(
    session: Session,
    person: Person,
    lines: Sequence[ReminderLine],
    still_open: Sequence[OpenCount],
    *,
    country: str,
    day: date,
    at: datetime,
    public_url: str | None,
) -> bool:
    """Enqueue one message for a person and link its reminders to it; return False if that is impossible."""
    link = None
    if public_url is not None:
        path = short_link(session, MESSAGE_PATH + KEY_IN_PATH, at + _ANSWERED_FOR)
        key, link = path.removeprefix(PREFIX), public_url + path
    else:
        key = secrets.token_urlsafe(16)
    text_en, text_zh = message_text(
        [
            MessageLine(
                short_number(each.device_id),
                each.where_en,
                each.where_zh,
                each.due_kind,
                each.due_on,
                (each.due_on - day).days,
            )
            for each in lines
        ],
        in_all=_open_counts(lines, still_open, day),
        link=link,
    )
    subject_en, subject_zh = subject(len(lines))
    notice = Notice(
        text_en, text_zh, subject_en, subject_zh, expires_at=at + _WANTED_FOR, topic=MessageTopic.DEVICE
    )
    if not outbox.notify_person(session, person.id, notice, at, country=country):
        log.warning("person cannot be reminded", person=person.id)
        return False
    message = ReminderMessage(person_id=person.id, day=day, put_at=at, key_hash=hash_key(key))
    session.add(message)
    session.flush()
    session.execute(
        update(ReminderRecipient)
        .where(
            ReminderRecipient.person_id == person.id,
            ReminderRecipient.reminder_id.in_([each.reminder_id for each in lines]),
        )
        .values(message_id=message.id)
        .execution_options(synchronize_session=False)
    )
    return True


def _open_counts(
    lines: Sequence[ReminderLine], still_open: Sequence[OpenCount], day: date
) -> tuple[str, str] | None:
    """Return the person's open reminders, counted by kind; None if the message lists all of them."""
    if is_written_out(sum(each.devices for each in still_open), listed=len(lines)):
        return None
    late: Counter[DueKind] = Counter()
    soon: Counter[DueKind] = Counter()
    for each in still_open:
        (late if each.due_on < day else soon)[each.due_kind] += each.devices
    return counted(late, soon)


# --- answers --------------------------------------------------------------------------------------------


def lines_behind_link(session: Session, key: str, *, at: datetime) -> list[ReminderLine]:
    """Return the reminders listed in the message with that key, the longest overdue first.

    Raises NotFound for an unknown or expired key.
    """
    return message_lines.lines_of_message(session, _message(session, key, at=at))


def answer(
    session: Session, key: str, *, reminder_id: int, given: ReminderAnswer, at: datetime
) -> ReminderLine:
    """Store a person's answer to a reminder, replacing an earlier one.

    NOT_ME passes the reminder to the next level on the next run. Raises NotFound for an unknown key and for
    a reminder that is not in its message.

    visibility: for the holder of the key, to whom the message was sent.
    """
    message = _message(session, key, at=at)
    recipient = session.get(ReminderRecipient, (reminder_id, message.person_id), with_for_update=True)
    if recipient is None or recipient.message_id != message.id:
        raise NotFound(
            "Reminder {reminder_id} is not in your message.", field="reminder_id", reminder_id=reminder_id
        )
    recipient.answer, recipient.answered_at = given, at
    if given is ReminderAnswer.NOT_ME:
        reminder = session.get_one(Reminder, reminder_id)
        if reminder.closed_at is None:
            reminder.addressed_at = None
    session.flush()
    return next(
        each for each in message_lines.lines_of_message(session, message) if each.reminder_id == reminder_id
    )


def _message(session: Session, key: str, *, at: datetime) -> ReminderMessage:
    """Return the message with that key. Raises NotFound for an unknown or expired key."""
    return message_lines.message_by_key(session, hash_key(key), since=at - _ANSWERED_FOR)


# --- preferences ----------------------------------------------------------------------------------------


def set_preference(
    session: Session, person_id: int, *, hours: Hours | None, days_before: int | None
) -> ReminderPreference:
    """Set the hours and the earliest threshold (days before the due date) at which a person is reminded.

    None means the network's default. The reminder on the last day is always sent.

    visibility: for the person themselves, or the operator.
    """
    found = session.get(ReminderPreference, person_id, with_for_update=True)
    if found is None:
        found = ReminderPreference(person_id=person_id)
        session.add(found)
    found.from_hour = hours.since if hours is not None else None
    found.until_hour = hours.until if hours is not None else None
    found.days_before = days_before
    session.flush()
    return found


def require_person_id(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn for anonymous viewers and tokens."""
    if viewer.person_id is None:
        raise NotSignedIn("Only people have reminder preferences: sign in as a person.")
    return viewer.person_id


_NOTICE_WANTED_FOR: Final = timedelta(days=14)


def notify_of_ending_calendars(session: Session, *, at: datetime, by: Reminding) -> int:
    """Enqueue a notice to the administrators concerned for each threshold passed; return how many people.

    1. Take the calendars that regions use. Days are counted in the time zone of the first such region.
    2. Skip thresholds already notified. If several have passed, use only the latest.
    3. Do nothing at night; the next run finds the same thresholds.
    4. Notify once each administrator of the network and of the regions that use the calendar. If nobody can
       be reached, log it and retry on the next run.
    """
    who: RecipientFinder | None = None
    notified = 0
    for end in _ends(session, at):
        threshold = notice_threshold(end.days_left)
        key = (end.name, end.ends_on, threshold)
        if threshold is None or session.get(HolidayCalendarNotice, key) is not None:
            continue
        regions = _regions(session, end.name)
        if not is_by_day(at, regions[0].time_zone, hours_of(by, own=None)):
            continue
        who = who or RecipientFinder(session)
        people = {
            person_id: region.country
            for region in reversed(regions)
            for person_id in who.administrators(region.id)
        }
        text_en, text_zh = ending_words(end)
        notice = Notice(
            text_en,
            text_zh,
            f"Holiday calendar {end.name} ends on {end.ends_on}",
            f"节假日日历{end.name}将于{end.ends_on}到期",
            expires_at=at + _NOTICE_WANTED_FOR,
            topic=MessageTopic.DEVICE,
        )
        reached = sum(
            bool(outbox.notify_person(session, person_id, notice, at, country=country))
            for person_id, country in sorted(people.items())
        )
        if reached == 0:
            log.warning(
                "nobody to notify of the end of a holiday calendar", calendar=end.name, ends=end.ends_on
            )
            continue
        session.add(
            HolidayCalendarNotice(
                calendar_name=end.name, ends_on=end.ends_on, threshold_days=threshold, notified_at=at
            )
        )
        session.flush()
        notified += reached
    return notified


def _ends(session: Session, at: datetime) -> list[CalendarEnd]:
    """Return when each calendar ends, counting days in the time zone of the first region that uses it."""
    ends = []
    for end in calendar_ends(session, today=at.date()):
        today = at.astimezone(ZoneInfo(_regions(session, end.name)[0].time_zone)).date()
        ends += [each for each in calendar_ends(session, today=today) if each.name == end.name]
    return ends


def _regions(session: Session, calendar_name: str) -> list[Region]:
    """Return the regions that use a calendar, in order of id.

    visibility: for the scheduler.
    """
    statement = select(Region).where(Region.holiday_calendar == calendar_name).order_by(Region.id)
    return list(session.scalars(statement))
