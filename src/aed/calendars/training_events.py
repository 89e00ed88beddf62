"""The sessions of a training calendar, and their file in iCalendar (RFC 5545)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.calendars.models import CalendarAddress, CalendarKind
from aed.database.geometry import position_of
from aed.registry.changes import RegistryChange
from aed.registry.estates.models import Estate
from aed.training.models import Enrolment, TrainingSession
from aed.training.rules import ACTIVE_STATES, EnrolmentState, SessionState

if TYPE_CHECKING:
    from icalendar import Event as CalendarEvent

PRODUCT: Final = "-//AED and first-aid network//training//ZH"
REFRESH_INTERVAL: Final = timedelta(hours=1)
"""Refresh interval suggested to calendar programs; most refresh less often."""
LOOKS_BACK: Final = timedelta(days=365)
"""Sessions that ended longer ago are left out of calendars, to limit their size."""


@dataclass(frozen=True, slots=True)
class Event:
    """A session in a calendar."""

    training: TrainingSession
    is_certain: bool
    """False if the person is on the waiting list or has an offer that is not accepted yet."""
    is_cancelled: bool
    sequence: int
    """Increases with every change to the session or to the person's enrolments in it."""
    changed_at: datetime


def title(session: Session, of: CalendarAddress) -> str:
    """Return the display name of the calendar.

    visibility: the caller holds the key.
    """
    if of.estate_id is not None:
        estate = session.get_one(Estate, of.estate_id)
        return f"{estate.name_zh} 急救培训 {estate.name_en} first-aid training"
    name = session.get_one(Person, of.person_id).name
    if of.kind is CalendarKind.TRAINER:
        return f"{name} 授课 trainer"
    return f"{name} 急救培训 first-aid training"


def events(session: Session, of: CalendarAddress, *, now: datetime) -> list[Event]:
    """Return the sessions of the calendar that ended less than a year ago or are to come, in order of their
    start.

    Runs at most three SQL statements.

    visibility: the caller holds the key. An estate's calendar shows only what its residents may see anyway.
    """
    statement = (
        select(TrainingSession)
        .where(TrainingSession.ends_at >= now - LOOKS_BACK)
        .options(
            joinedload(TrainingSession.course),
            joinedload(TrainingSession.estate),
            joinedload(TrainingSession.region),
            joinedload(TrainingSession.trainer),
        )
        .order_by(TrainingSession.starts_at, TrainingSession.id)
    )
    own: dict[int, list[tuple[EnrolmentState, int, int]]] = {}
    match of.kind:
        case CalendarKind.ESTATE:
            statement = statement.where(TrainingSession.estate_id == of.estate_id)
        case CalendarKind.TRAINER:
            statement = statement.where(TrainingSession.trainer_id == of.person_id)
        case CalendarKind.PERSON:
            enrolled = select(Enrolment).where(Enrolment.person_id == of.person_id).order_by(Enrolment.id)
            for each in session.scalars(enrolled):
                own.setdefault(each.session_id, []).append((each.state, each.version, each.id))
            statement = statement.where(
                TrainingSession.id.in_(
                    select(Enrolment.session_id).where(
                        Enrolment.person_id == of.person_id,
                        Enrolment.state.in_([*ACTIVE_STATES, EnrolmentState.CANCELLED]),
                    )
                )
            )
    found = session.scalars(statement).all()
    changed = _changed_at(session, found, own)
    return [_event(each, own.get(each.id, []), changed) for each in found]


def _event(
    training: TrainingSession, own: Sequence[tuple[EnrolmentState, int, int]], changed: dict[int, datetime]
) -> Event:
    states = {state for state, _, _ in own}
    return Event(
        training=training,
        is_certain=not own or EnrolmentState.ENROLLED in states,
        is_cancelled=training.state is SessionState.CANCELLED,
        sequence=training.version - 1 + sum(version for _, version, _ in own),
        changed_at=changed.get(training.id, training.starts_at),
    )


def _changed_at(
    session: Session,
    found: Sequence[TrainingSession],
    own: dict[int, list[tuple[EnrolmentState, int, int]]],
) -> dict[int, datetime]:
    """Return when each session, or an enrolment of the person in it, last changed.

    visibility: only of sessions in the calendar.
    """
    of_session = {str(each.id): each.id for each in found}
    of_enrolment = {
        str(enrolment_id): each.id for each in found for _, _, enrolment_id in own.get(each.id, [])
    }
    last = func.max(RegistryChange.at)
    both = union_all(
        select(RegistryChange.subject, RegistryChange.subject_id, last.label("at"))
        .where(RegistryChange.subject == "training_sessions", RegistryChange.subject_id.in_(of_session))
        .group_by(RegistryChange.subject, RegistryChange.subject_id),
        select(RegistryChange.subject, RegistryChange.subject_id, last.label("at"))
        .where(RegistryChange.subject == "enrolments", RegistryChange.subject_id.in_(of_enrolment))
        .group_by(RegistryChange.subject, RegistryChange.subject_id),
    )
    changed: dict[int, datetime] = {}
    for subject, subject_id, at in session.execute(both):
        known = (of_session if subject == "training_sessions" else of_enrolment)[subject_id]
        changed[known] = max(at, changed.get(known, at))
    return changed


def training_calendar(
    events: Sequence[Event], *, calendar_id: int, title: str, public_address: str, today: date
) -> bytes:
    """Return the calendar as bytes, with each session in its local time and the time zones it needs.

    A session has the same UID in every calendar of this network. Cancelled sessions stay, marked as
    cancelled, because some calendar programs keep events that disappear.
    """
    from icalendar import Calendar, vDuration  # imported here because it needs 3 MB of memory

    home = urlsplit(public_address).hostname or "localhost"
    calendar = Calendar.new(
        prodid=PRODUCT, uid=f"calendar-{calendar_id}@{home}", name=title, refresh_interval=REFRESH_INTERVAL
    )
    calendar.add("X-WR-CALNAME", title)
    calendar.add("X-PUBLISHED-TTL", vDuration(REFRESH_INTERVAL))
    for each in events:
        calendar.add_component(_calendar_event(each, home))
    days = [each.training.starts_at.date() for each in events] or [today]
    calendar.add_missing_timezones(
        first_date=min(days) - timedelta(days=366), last_date=max(days) + timedelta(days=366)
    )
    return bytes(calendar.to_ical())


def _calendar_event(each: Event, home: str) -> CalendarEvent:
    from icalendar import Event as CalendarEvent
    from icalendar.enums import STATUS

    training = each.training
    zone = ZoneInfo(training.time_zone)
    name = f"{training.course.name_zh} {training.course.name_en}"
    status = STATUS.CONFIRMED if each.is_certain else STATUS.TENTATIVE
    lines = [f"{training.place_zh}\n{training.place_en}"]
    if not each.is_certain:
        name = f"（候补 waiting）{name}"
        lines.append("尚未确认名额。No place is confirmed yet.")
    if each.is_cancelled:
        name = f"（已取消 cancelled）{name}"
        status = STATUS.CANCELLED
        lines.append(f"已取消 Cancelled: {training.cancelled_why}")
    event = CalendarEvent.new(
        uid=f"training-session-{training.id}@{home}",
        summary=name,
        start=training.starts_at.astimezone(zone),
        end=training.ends_at.astimezone(zone),
        location=f"{training.place_zh} {training.place_en}",
        description="\n".join(lines),
        status=status,
        sequence=each.sequence,
        stamp=each.changed_at.astimezone(UTC),
        last_modified=each.changed_at.astimezone(UTC),
    )
    here = position_of(training.position)
    event.add("GEO", (here.lat, here.lon))
    return event


def changed_last(events: Sequence[Event], otherwise: datetime) -> datetime:
    """Return when the calendar last changed, truncated to seconds; `otherwise` if it has no events."""
    return max((each.changed_at for each in events), default=otherwise).replace(microsecond=0)
