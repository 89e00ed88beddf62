"""Private calendar addresses and the sessions that they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, union_all
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.errors import NotFound
from aed.registry.changes import RegistryChange
from aed.registry.estates.models import Estate
from aed.training.models import CalendarAddress, Enrolment, TrainingSession
from aed.training.queries import on_rosters_of
from aed.training.rules import ACTIVE_STATES, LOOKS_BACK, CalendarKind, EnrolmentState, SessionState


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


def by_key_hash(session: Session, key_hash: str) -> CalendarAddress | None:
    """Return the active address with this key hash, or None.

    visibility: the caller holds the key.
    """
    return session.scalar(
        select(CalendarAddress).where(
            CalendarAddress.key_hash == key_hash, CalendarAddress.revoked_at.is_(None)
        )
    )


def addresses(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0
) -> Sequence[CalendarAddress]:
    """Return a page of addresses, revoked ones included, in order of id: the viewer's and those of their
    estates.
    """
    statement = (
        select(CalendarAddress)
        .outerjoin(Estate, Estate.id == CalendarAddress.estate_id)
        .where(
            on_rosters_of(
                viewer,
                CalendarAddress.estate_id,
                region_id=Estate.region_id,
                person_id=CalendarAddress.person_id,
            ),
            CalendarAddress.id > after_id,
        )
        .order_by(CalendarAddress.id)
        .limit(limit)
    )
    return session.scalars(statement).all()


def address(session: Session, viewer: Viewer, address_id: int) -> CalendarAddress:
    """Return an address. Raise NotFound if none is visible to the viewer."""
    found = addresses(session, viewer, limit=1, after_id=address_id - 1)
    if not found or found[0].id != address_id:
        raise NotFound(
            "There is no calendar {address_id}, or you may not see it.",
            field="calendar_id",
            address_id=address_id,
        )
    return found[0]


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
