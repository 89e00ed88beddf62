"""Plan, amend and cancel sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.database.geometry import point, position_of
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput
from aed.registry.changes import (
    amended_fields,
    flush_or_conflict,
    record_amendment,
    record_creation,
    require_not_null,
)
from aed.registry.estates.models import Estate
from aed.training import queries
from aed.training import queries as session_queries
from aed.training.courses import queries as course_queries
from aed.training.enrolments.actions import end_all, notify_of_change, offer_free_places, settle
from aed.training.models import TrainingSession
from aed.training.permissions import require_trainer
from aed.training.rules import CourseState, SessionAudience, SessionState
from aed.training.sessions.queries import SessionPlace, place_of_estate, starts_of_course
from aed.training.sessions.schemas import SessionAmend, SessionIn
from aed.training.trainers.actions import find_trainer, require_valid_grade

NOTIFIED_FIELDS: Final = frozenset({"starts_at", "ends_at", "position", "place_en", "place_zh"})
"""Fields whose changes are announced to everyone enrolled."""
MAX_WEEKS: Final = 26
"""At most so many weekly copies of a session are made at once."""


def create_session(session: Session, who: Viewer, new: SessionIn, *, at: datetime) -> TrainingSession:
    """Plan a session, which is then open for enrolment.

    Raises NotFound, NotSignedIn, NotAllowed, Conflict for a withdrawn course or a trainer without the grade
    that the issuer demands, or InvalidInput for times out
    of order or in the past.
    """
    estate = session_queries.estate(session, who, new.estate_id) if new.estate_id is not None else None
    region_id = estate.region_id if estate is not None else region_by_code(session, new.region or "").id
    require_trainer(who, new.estate_id, region_id)
    course = course_queries.course_by_code(session, new.course)
    if course.state is CourseState.WITHDRAWN:
        raise Conflict("The course {code} is no longer offered.", field="course", code=course.code)
    if new.starts_at <= at:
        raise InvalidInput("starts_at must be in the future.", field="starts_at")
    place = _place(session, new, estate)
    training = TrainingSession(
        course_id=course.id,
        trainer_id=find_trainer(session, new.trainer, estate_id=new.estate_id, region_id=region_id),
        region_id=region_id,
        estate_id=new.estate_id,
        audience=new.audience,
        position=point(place.position),
        place_en=place.place_en,
        place_zh=place.place_zh,
        language=new.language,
        starts_at=new.starts_at,
        ends_at=new.ends_at,
        enrolment_closes_at=new.enrolment_closes_at or new.starts_at,
        capacity=new.capacity,
        minimum=new.minimum,
        trainers=new.trainers,
        manikins=new.manikins,
        state=SessionState.PLANNED,
    )
    _require_consistent(training)
    session.add(training)
    flush_or_conflict(session, "The session cannot be planned with these values.", None)
    record_creation(session, who, training, at=at)
    training = queries.training_session(session, who, training.id)
    if training.trainer_id is not None:
        require_valid_grade(session, training)
    return training


def amend_session(
    session: Session, who: Viewer, session_id: int, change: SessionAmend, *, version: int, at: datetime
) -> TrainingSession:
    """Amend the given fields. Offer added places to the waiting list, and announce a new time or place.

    Raises Conflict for fewer places than are held and for sessions that are held or cancelled; InvalidInput
    if the new start is in the past.
    """
    training = queries.locked(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    require_version(training, version)
    _planned(training)
    given = change.model_fields_set
    require_not_null(training, change, given)
    settle(session, who, training, at=at)
    if change.audience is SessionAudience.ESTATE and training.audience is SessionAudience.PUBLIC:
        raise Conflict(
            "A public session cannot be restricted, because others may have enrolled.", field="audience"
        )
    if change.capacity is not None and change.capacity < queries.places_of(session, training.id).held:
        raise Conflict("More places than that have already been taken or offered.", field="capacity")
    trainer_id = training.trainer_id
    if "trainer" in given:
        trainer_id = find_trainer(
            session, change.trainer, estate_id=training.estate_id, region_id=training.region_id
        )
    for name in given - {"position", "trainer"}:
        setattr(training, name, getattr(change, name))
    training.trainer_id = trainer_id
    if change.starts_at is not None and change.starts_at <= at and "starts_at" in amended_fields(training):
        raise InvalidInput(
            "starts_at must be in the future. To call off the session, cancel it.",
            field="starts_at",
        )
    if change.starts_at is not None and "enrolment_closes_at" not in given:
        training.enrolment_closes_at = min(training.enrolment_closes_at, training.starts_at)
    if change.position is not None:
        here = change.position.position()
        if position_of(training.position) != here:
            training.position = point(here)
    _require_consistent(training)
    is_notified = not NOTIFIED_FIELDS.isdisjoint(amended_fields(training))
    record_amendment(session, who, training, at=at)
    flush_or_conflict(session, "This change would make the session invalid.", None)
    if training.trainer_id is not None and given & {"trainer", "starts_at", "ends_at"}:
        require_valid_grade(session, training)
    if is_notified:
        notify_of_change(session, who, training, at=at)
    offer_free_places(session, who, training, at=at)
    session.expire(training, ["trainer"])
    return queries.training_session(session, who, training.id)


def cancel_session(
    session: Session, who: Viewer, session_id: int, *, reason: str, version: int, at: datetime
) -> TrainingSession:
    """Cancel a session and all of its enrolments, and notify the people.

    Raises Conflict unless the session is still planned.
    """
    training = queries.locked(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    require_version(training, version)
    _planned(training)
    end_all(session, who, training, reason=reason, at=at)
    training.state, training.cancelled_why = SessionState.CANCELLED, reason
    record_amendment(session, who, training, at=at)
    flush_or_conflict(session, "The session cannot be cancelled.", None)
    return training


def repeat_weekly(
    session: Session, who: Viewer, session_id: int, *, weeks: int, at: datetime
) -> list[TrainingSession]:
    """Plan the same session for each of the following `weeks` weeks, at the same local time.

    Weeks in the past are left out, and those that have this session already. Raises InvalidInput for more
    than MAX_WEEKS, and Conflict for a cancelled session or a withdrawn course.
    """
    training = queries.training_session(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    if not 1 <= weeks <= MAX_WEEKS:
        raise InvalidInput("weeks must be between 1 and {most}.", field="weeks", most=MAX_WEEKS)
    if training.state is SessionState.CANCELLED:
        raise Conflict("The session is already {state}.", field="session_id", state=training.state)
    if training.course.state is CourseState.WITHDRAWN:
        raise Conflict("The course {code} is no longer offered.", field="course", code=training.course.code)
    made = []
    taken = starts_of_course(session, training)
    for week in range(1, weeks + 1):
        starts_at = _weeks_later(training.starts_at, week, training.time_zone)
        if starts_at <= at or starts_at in taken:
            continue
        copy = TrainingSession(
            course_id=training.course_id,
            trainer_id=training.trainer_id,
            region_id=training.region_id,
            estate_id=training.estate_id,
            audience=training.audience,
            position=point(position_of(training.position)),
            place_en=training.place_en,
            place_zh=training.place_zh,
            language=training.language,
            starts_at=starts_at,
            ends_at=_weeks_later(training.ends_at, week, training.time_zone),
            enrolment_closes_at=_weeks_later(training.enrolment_closes_at, week, training.time_zone),
            capacity=training.capacity,
            minimum=training.minimum,
            trainers=training.trainers,
            manikins=training.manikins,
            state=SessionState.PLANNED,
        )
        session.add(copy)
        flush_or_conflict(session, "The session cannot be planned with these values.", None)
        record_creation(session, who, copy, at=at)
        if copy.trainer_id is not None:
            require_valid_grade(session, queries.training_session(session, who, copy.id))
        made.append(copy)
    return made


def _weeks_later(moment: datetime, weeks: int, time_zone: str) -> datetime:
    """Return the same local time so many weeks later, whatever daylight saving does in between."""
    local = moment.astimezone(ZoneInfo(time_zone))
    return (local + timedelta(weeks=weeks)).astimezone(UTC)


def _place(session: Session, new: SessionIn, estate: Estate | None) -> SessionPlace:
    """Return where a new session is held; what is not given is the estate's."""
    usual = place_of_estate(session, estate) if estate is not None else None
    if new.position is not None:
        here = new.position.position()
    elif usual is not None:
        here = usual.position
    else:
        raise InvalidInput("Give the position of a session without an estate.", field="position")
    place_en = new.place_en or new.place_zh or (usual.place_en if usual is not None else None)
    place_zh = new.place_zh or new.place_en or (usual.place_zh if usual is not None else None)
    if place_en is None or place_zh is None:
        raise InvalidInput("Give the place of a session without an estate.", field="place_zh")
    return SessionPlace(here, place_en, place_zh)


def _planned(training: TrainingSession) -> None:
    """Raise Conflict unless the session is still planned."""
    if training.state is not SessionState.PLANNED:
        raise Conflict("The session is already {state}.", field="session_id", state=training.state)


def _require_consistent(training: TrainingSession) -> None:
    """Raise InvalidInput unless times, enrolment close and capacities are consistent."""
    if training.ends_at <= training.starts_at:
        raise InvalidInput("ends_at must be after starts_at.", field="ends_at")
    if training.enrolment_closes_at > training.starts_at:
        raise InvalidInput("enrolment_closes_at must not be after starts_at.", field="enrolment_closes_at")
    if training.minimum > training.capacity:
        raise InvalidInput("minimum must not exceed capacity.", field="minimum")
