"""Record, confirm, void and correct service. Every step is an event of the record.

The points of a record are the time bank's: they are credited on confirmation, held while a flag or a dispute
is open, and reversed when the record is voided.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.database.idempotency import require_same_content
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.timebank.families.queries import were_relatives
from aed.timebank.ledger import actions as ledger
from aed.timebank.models import WebhookEventType
from aed.timebank.webhooks.actions import WebhookEvent, enqueue_events
from aed.training.models import TrainingSession
from aed.volunteering import rules
from aed.volunteering.models import ServiceProof, ServiceRecord, Volunteer
from aed.volunteering.permissions import manages, own_person_id, require_manager
from aed.volunteering.records import queries
from aed.volunteering.records.flags import PROGRAM, add_event, flags_found, managed_record, raise_flag
from aed.volunteering.records.schemas import ServiceCorrectionIn, ServiceIn
from aed.volunteering.rules import (
    OF_CALLS,
    RULES,
    Period,
    ServiceEventKind,
    ServiceState,
)
from aed.volunteering.volunteers.queries import building_ids_of_lead, unknown_buildings


def lock_service_of(session: Session, person_id: int) -> None:
    """Let no other transaction record service of the person until this one ends."""
    exclusive_lock(session, f"service of person {person_id}")


# --- Recording by hand ----------------------------------------------------------------------------------


def record_service(session: Session, who: Viewer, new: ServiceIn, *, at: datetime) -> ServiceRecord:
    """Record service by hand; another person confirms it. Sent again under its key, it is the same record.

    For the volunteer, and for the leads and managers of the estate.
    Raises NotSignedIn, NotAllowed, NotFound, InvalidInput; Conflict for time that is recorded already.
    visibility: of a volunteer of an estate that the viewer belongs to or manages.
    """
    recorder_id = own_person_id(who)
    volunteer = session.get(Volunteer, new.person_id)
    is_lead = who.has_role({Role.LEAD}, estate_id=new.estate_id, region_id=None)
    is_own = new.person_id == recorder_id and volunteer is not None
    if not is_own and not is_lead:
        region_id = volunteer.region_id if volunteer is not None else 0
        require_manager(who, estate_id=new.estate_id, region_id=region_id)
    if volunteer is None or volunteer.ended_at is not None:
        raise NotFound("Person {person_id} is not a volunteer.", field="person_id", person_id=new.person_id)
    if new.estate_id != volunteer.estate_id and not who.belongs_to(new.estate_id):
        require_manager(who, estate_id=new.estate_id, region_id=volunteer.region_id)
    region_id = volunteer.region_id
    lock_service_of(session, new.person_id)
    source_id = str(new.session_id) if new.session_id is not None else str(new.key)
    known = queries.record_by_source(session, new.source, source_id, new.person_id)
    if known is not None:
        require_same_content(
            [known.started_at, known.ended_at, known.activity, known.estate_id],
            [new.started_at, new.ended_at, new.activity, new.estate_id],
            "record",
        )
        return queries.record(session, who, known.id)
    period = Period(new.started_at, new.ended_at)
    _require_plausible(period, at)
    _require_free(session, new.person_id, period)
    proof: dict[str, Any] = {"countersignature": True}
    if new.session_id is not None:
        _require_in_session(session, new.session_id, period)
        proof["session"] = new.session_id
    building_id = new.building_id if new.building_id is not None else volunteer.building_id
    if building_id is not None and unknown_buildings(session, [building_id], estate_id=new.estate_id):
        if new.building_id is not None:
            raise InvalidInput(
                "Building {building_id} is not a building of this estate.",
                field="building_id",
                building_id=building_id,
            )
        building_id = None
    made = add_record(
        session,
        ServiceRecord(
            source=new.source,
            source_id=source_id,
            person_id=new.person_id,
            estate_id=new.estate_id,
            region_id=region_id,
            building_id=building_id,
            activity=new.activity,
            place=new.place,
            started_at=new.started_at,
            ended_at=new.ended_at,
            minutes=rules.whole_minutes(new.started_at, new.ended_at),
            proof=proof,
            recorded_by=who.name,
            recorded_by_id=recorder_id,
        ),
        at=at,
    )
    if new.proof.model_dump(exclude_none=True):
        session.add(ServiceProof(record_id=made.id, **new.proof.model_dump()))
        session.flush()
    return queries.record(session, who, made.id)


def add_record(session: Session, record: ServiceRecord, *, at: datetime) -> ServiceRecord:
    """Add a pending record and its first event. The caller has locked the person's service."""
    record.state, record.recorded_at, record.is_held = ServiceState.PENDING, at, False
    session.add(record)
    session.flush()
    add_event(session, record, ServiceEventKind.RECORDED, at=at, by=record.recorded_by)
    return record


def _require_plausible(period: Period, at: datetime) -> None:
    if period.end > at + timedelta(minutes=5):
        raise InvalidInput("Service is recorded once it is over.", field="ended_at")
    if period.start < at - timedelta(days=RULES.max_hand_days):
        raise InvalidInput(
            "Service is recorded within {days} days.", field="started_at", days=RULES.max_hand_days
        )
    minutes = rules.whole_minutes(period.start, period.end)
    if not 1 <= minutes <= RULES.max_hand_minutes:
        raise InvalidInput(
            "Service takes 1 to {max_minutes} minutes.",
            field="ended_at",
            max_minutes=RULES.max_hand_minutes,
        )


def _require_free(session: Session, person_id: int, period: Period) -> None:
    for each in queries.counted_around(session, person_id, period):
        if each.minutes > 0 and Period(each.started_at, each.ended_at).overlaps(period):
            raise Conflict(
                "Service {number} of the same person is recorded for part of this time. Leave that time out.",
                field="started_at",
                number=each.number,
            )


def _require_in_session(session: Session, session_id: int, period: Period) -> None:
    """Raise InvalidInput unless the session exists and the period lies around it.

    visibility: only whether the session took place at that time.
    """
    found = session.execute(
        select(TrainingSession.starts_at, TrainingSession.ends_at).where(TrainingSession.id == session_id)
    ).first()
    margin = timedelta(hours=2)
    if found is None or not (
        found.starts_at - margin <= period.start and period.end <= found.ends_at + margin
    ):
        raise InvalidInput("There was no such training session at that time.", field="session_id")


# --- Confirming -----------------------------------------------------------------------------------------


def confirm_record(
    session: Session, who: Viewer, record_id: int, *, rating: int | None, at: datetime
) -> ServiceRecord:
    """Confirm a pending record, for the estate's manager or the lead of its building.

    1. The confirmer is neither the volunteer, nor who recorded it, nor a declared relative, and has not
       reached the number of confirmations of a day.
    2. Flags are raised. They hold the points, and punish nobody.
    3. The record is posted within the team from today.

    Raises NotSignedIn, NotAllowed, NotFound, Conflict.
    """
    confirmer_id = own_person_id(who)
    exclusive_lock(session, f"confirmations of person {confirmer_id}")
    found = queries.record(session, who, record_id, for_update=True)
    _require_confirmer(session, who, found)
    if found.state is not ServiceState.PENDING:
        raise Conflict("Service {number} is {state}, not pending.", number=found.number, state=found.state)
    if confirmer_id == found.person_id:
        raise NotAllowed("Another person must confirm your service.")
    if confirmer_id == found.recorded_by_id:
        raise NotAllowed("Service that you recorded must be confirmed by another person.")
    if were_relatives(session, confirmer_id, found.person_id, since=at - timedelta(days=RULES.relative_days)):
        raise NotAllowed("A relative of the volunteer cannot confirm their service.")
    today = queries.confirmations_since(session, confirmer_id, at - timedelta(days=1))
    if today >= RULES.max_confirmations_a_day:
        raise Conflict(
            "You have confirmed {count} records within a day, which is the most. Go on tomorrow, or let "
            "another person confirm.",
            count=today,
        )
    lock_service_of(session, found.person_id)
    _put_confirmed(session, found, at=at, by=who.name, by_id=confirmer_id, rating=rating)
    return queries.record(session, who, found.id)


def confirm_by_program(session: Session, found: ServiceRecord, *, at: datetime, by: str = PROGRAM) -> None:
    """Confirm a record that something else proves: a call that was closed, or the decision of a panel."""
    _put_confirmed(session, found, at=at, by=by, by_id=None, rating=None)


def _put_confirmed(
    session: Session, found: ServiceRecord, *, at: datetime, by: str, by_id: int | None, rating: int | None
) -> None:
    zone = ZoneInfo(queries.time_zone_of(session, found.estate_id))
    found.state, found.confirmed_at, found.confirmed_by = ServiceState.CONFIRMED, at, by
    found.confirmed_by_id, found.rating = by_id, rating
    found.notice_from = at.astimezone(zone).date()
    found.notice_until = found.notice_from + timedelta(days=RULES.notice_days - 1)
    session.flush()
    add_event(session, found, ServiceEventKind.CONFIRMED, at=at, by=by)
    if found.minutes > 0:
        device = found.proof.get("device")
        ledger.credit_service(
            session,
            record_id=found.id,
            person_id=found.person_id,
            estate_id=found.estate_id,
            minutes=found.minutes,
            kind=rules.LEDGER_KIND[found.source],
            at=at,
            by=by,
            subject=f"device:{device}" if device is not None else None,
            served_on=found.started_at.astimezone(zone).date(),
        )
    confirmed = WebhookEvent(
        WebhookEventType.SERVICE_CONFIRMED,
        f"service:{found.id}",
        1,
        found.region_id,
        found.estate_id,
        {
            "service": found.id,
            "number": found.number,
            "person": found.person_id,
            "estate": found.estate_id,
            "source": found.source,
            "minutes": found.minutes,
        },
    )
    enqueue_events(session, [confirmed], at=at)
    if by_id is not None:
        for kind, details in flags_found(session, found, zone, at=at).items():
            raise_flag(session, found, kind, details, at=at, by=PROGRAM)


def _require_confirmer(session: Session, who: Viewer, found: ServiceRecord) -> None:
    if manages(who, estate_id=found.estate_id, region_id=found.region_id):
        return
    is_lead = who.has_role({Role.LEAD}, estate_id=found.estate_id, region_id=None)
    if (
        is_lead
        and who.person_id is not None
        and found.building_id in building_ids_of_lead(session, who.person_id)
    ):
        return
    raise NotAllowed("Only the lead of the building or the estate's manager may confirm this.")


# --- Corrections ----------------------------------------------------------------------------------------


def void_record(session: Session, who: Viewer, record_id: int, *, reason: str, at: datetime) -> ServiceRecord:
    """Refuse a pending record, or cancel a confirmed one and reverse its points. For managers.

    The volunteer may appeal, and a corrected record may follow.
    """
    found = managed_record(session, who, record_id)
    if who.person_id == found.person_id:
        raise NotAllowed("Another person must decide about your service.")
    if found.source in OF_CALLS:
        raise Conflict("The record of a call follows from the call, and cannot be voided.")
    if found.state is ServiceState.VOID:
        raise Conflict("Service {number} is void already.", number=found.number)
    found.state, found.is_held, found.decided_at = ServiceState.VOID, False, at
    session.flush()
    add_event(session, found, ServiceEventKind.VOIDED, at=at, by=who.name, reason=reason)
    # The ledger never forgets, and so has no free text.
    ledger.reverse_service(session, record_id=found.id, at=at, by=who.name, reason="voided")
    return queries.record(session, who, found.id)


def correct_record(
    session: Session, who: Viewer, record_id: int, new: ServiceCorrectionIn, *, at: datetime
) -> ServiceRecord:
    """Record anew what a void record got wrong. Another person confirms it. For managers."""
    own_person_id(who)
    found = managed_record(session, who, record_id)
    if found.state is not ServiceState.VOID:
        raise Conflict("Void service {number} before you correct it.", number=found.number)
    lock_service_of(session, found.person_id)
    period = Period(new.started_at, new.ended_at)
    _require_plausible(period, at)
    _require_free(session, found.person_id, period)
    made = add_correction(
        session, found, period, activity=new.activity, at=at, by=who.name, by_id=who.person_id
    )
    return queries.record(session, who, made.id)


def add_correction(
    session: Session,
    found: ServiceRecord,
    period: Period,
    *,
    activity: str | None,
    at: datetime,
    by: str,
    by_id: int | None,
) -> ServiceRecord:
    """Add a record in place of a void one, which the caller has locked. Raises Conflict for a second one."""
    if queries.is_corrected(session, found.id):
        raise Conflict("Service {number} was corrected already.", number=found.number)
    return add_record(
        session,
        ServiceRecord(
            source=found.source,
            source_id=found.source_id,
            person_id=found.person_id,
            estate_id=found.estate_id,
            region_id=found.region_id,
            building_id=found.building_id,
            activity=activity or found.activity,
            place=found.place,
            started_at=period.start,
            ended_at=period.end,
            minutes=rules.whole_minutes(period.start, period.end),
            proof={**found.proof, "corrects": found.number},
            recorded_by=by,
            recorded_by_id=by_id,
            corrects_id=found.id,
        ),
        at=at,
    )
