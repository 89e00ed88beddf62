"""Flag and dispute records of service: their points are held until a manager has decided.

Every step is an event of the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict, NotAllowed
from aed.timebank.ledger import actions as ledger
from aed.volunteering import rules
from aed.volunteering.models import ServiceEvent, ServiceFlag, ServiceRecord
from aed.volunteering.permissions import own_person_id, require_manager
from aed.volunteering.records import queries
from aed.volunteering.rules import RULES, FlagKind, Period, ServiceEventKind, ServiceState

PROGRAM = "service records"
"""Who records what the program knows."""


def add_event(
    session: Session,
    record: ServiceRecord,
    kind: ServiceEventKind,
    *,
    at: datetime,
    by: str,
    reason: str | None = None,
) -> None:
    """Add an event to the history of a record."""
    session.add(ServiceEvent(record_id=record.id, kind=kind, at=at, by=by, reason=reason))
    session.flush()


def managed_record(session: Session, who: Viewer, record_id: int) -> ServiceRecord:
    """Return a record that the viewer manages, locked. Raises NotSignedIn, NotAllowed, NotFound."""
    own_person_id(who)
    found = queries.record(session, who, record_id, for_update=True)
    require_manager(who, estate_id=found.estate_id, region_id=found.region_id)
    return found


def flags_found(
    session: Session, found: ServiceRecord, zone: ZoneInfo, *, at: datetime
) -> dict[FlagKind, Mapping[str, Any]]:
    """Return the flags of a record that is being confirmed, with what was found."""
    flags: dict[FlagKind, Mapping[str, Any]] = {}
    period = Period(found.started_at, found.ended_at)
    others = queries.others_around(session, found, zone)
    if rules.is_long_day(found.minutes, found.started_at.astimezone(zone).date(), others):
        flags[FlagKind.LONG_DAY] = {"max_minutes": RULES.max_day_minutes}
    if rules.is_at_two_sites(period, found.estate_id, others):
        flags[FlagKind.TWO_SITES] = {"minutes_between": RULES.site_gap_minutes}
    if found.confirmed_by_id is not None and queries.is_ring(
        session,
        confirmer_id=found.confirmed_by_id,
        volunteer_id=found.person_id,
        since=at - timedelta(days=RULES.ring_days),
    ):
        flags[FlagKind.RING] = {"days": RULES.ring_days}
    proof = queries.proof_of(session, found.id)
    if proof is not None:
        if proof.lat is not None and proof.lon is not None:
            metres = queries.metres_from_estate(session, found.estate_id, lat=proof.lat, lon=proof.lon)
            if metres > RULES.max_proof_metres:
                flags[FlagKind.POSITION] = {"metres": round(metres)}
        if rules.is_photo_at_another_time(period, proof.taken_at):
            flags[FlagKind.PHOTO_TIME] = {}
        if proof.photo_sha256 is not None and queries.is_photo_known(session, found.id, proof.photo_sha256):
            flags[FlagKind.PHOTO_REUSED] = {}
    return flags


def raise_flag(
    session: Session,
    found: ServiceRecord,
    kind: FlagKind,
    details: Mapping[str, Any],
    *,
    at: datetime,
    by: str,
    reason: str | None = None,
) -> None:
    """Raise a flag and hold the record's points. A second flag of the same kind changes nothing."""
    known = queries.flags_of(session, [found.id])[found.id]
    if any(each.kind is kind for each in known):
        return
    session.add(ServiceFlag(record_id=found.id, kind=kind, raised_at=at, details=dict(details)))
    session.flush()
    add_event(session, found, ServiceEventKind.FLAGGED, at=at, by=by, reason=reason or str(kind))
    hold(session, found, at=at, by=by)


def object_to_record(
    session: Session, who: Viewer, record_id: int, *, reason: str, at: datetime
) -> ServiceRecord:
    """Object to a record that is posted within the team: its points are held until a manager has looked."""
    own_person_id(who)
    found = queries.posted_record(session, who, record_id, at=at)
    raise_flag(session, found, FlagKind.OBJECTION, {}, at=at, by=who.name, reason=reason)
    return found


def release_record(
    session: Session, who: Viewer, record_id: int, *, reason: str, at: datetime
) -> ServiceRecord:
    """Clear the flags of a record: its points can be spent. For a manager who did not confirm it."""
    found = managed_record(session, who, record_id)
    _require_uninvolved(who, found)
    open_flags = [each for each in queries.flags_of(session, [found.id])[found.id] if each.cleared_at is None]
    if not open_flags:
        raise Conflict("Service {number} has no open flag.", number=found.number)
    clear_flags(session, found, at=at, by=who.name, reason=reason)
    return queries.record(session, who, found.id)


def clear_flags(session: Session, found: ServiceRecord, *, at: datetime, by: str, reason: str | None) -> None:
    """Clear all open flags of a record, and release its points unless it is disputed."""
    for flag in queries.flags_of(session, [found.id])[found.id]:
        if flag.cleared_at is None:
            flag.cleared_at, flag.cleared_by = at, by
    add_event(session, found, ServiceEventKind.RELEASED, at=at, by=by, reason=reason)
    _release_if_settled(session, found, at=at, by=by)


# --- Disputes -------------------------------------------------------------------------------------------


def dispute_record(
    session: Session, who: Viewer, record_id: int, *, reason: str, at: datetime
) -> ServiceRecord:
    """Dispute a confirmed record: its points are held until it is upheld or voided. For managers."""
    found = managed_record(session, who, record_id)
    if found.state is not ServiceState.CONFIRMED:
        raise Conflict(
            "Only a confirmed record can be disputed; service {number} is {state}.",
            number=found.number,
            state=found.state,
        )
    found.state = ServiceState.DISPUTED
    session.flush()
    add_event(session, found, ServiceEventKind.DISPUTED, at=at, by=who.name, reason=reason)
    hold(session, found, at=at, by=who.name)
    return queries.record(session, who, found.id)


def uphold_record(
    session: Session, who: Viewer, record_id: int, *, reason: str, at: datetime
) -> ServiceRecord:
    """End a dispute: the record stands. For a manager who did not confirm it."""
    found = managed_record(session, who, record_id)
    _require_uninvolved(who, found)
    if found.state is not ServiceState.DISPUTED:
        raise Conflict("Service {number} is not disputed.", number=found.number)
    found.state = ServiceState.CONFIRMED
    session.flush()
    add_event(session, found, ServiceEventKind.UPHELD, at=at, by=who.name, reason=reason)
    _release_if_settled(session, found, at=at, by=who.name)
    return queries.record(session, who, found.id)


def settle(session: Session, found: ServiceRecord, *, at: datetime, by: str) -> None:
    """End the dispute and clear the flags of a record, as an appeal decided: its points are released."""
    if found.state is ServiceState.DISPUTED:
        found.state = ServiceState.CONFIRMED
        session.flush()
        add_event(session, found, ServiceEventKind.UPHELD, at=at, by=by)
    clear_flags(session, found, at=at, by=by, reason=None)


def _require_uninvolved(who: Viewer, found: ServiceRecord) -> None:
    if who.person_id in (found.person_id, found.confirmed_by_id, found.recorded_by_id):
        raise NotAllowed("This must be decided by a person who neither did, recorded nor confirmed it.")


# --- Points ---------------------------------------------------------------------------------------------


def hold(session: Session, found: ServiceRecord, *, at: datetime, by: str) -> None:
    """Hold the points of a record."""
    if not found.is_held:
        found.is_held, found.decided_at = True, at
        session.flush()
        ledger.hold_service(session, record_id=found.id, at=at, by=by)


def _release_if_settled(session: Session, found: ServiceRecord, *, at: datetime, by: str) -> None:
    """Release the points of a record once no flag is open and no dispute is."""
    flags = queries.flags_of(session, [found.id])[found.id]
    is_settled = found.state is ServiceState.CONFIRMED and all(each.cleared_at is not None for each in flags)
    if found.is_held and is_settled:
        found.is_held = False
        session.flush()
        ledger.release_service(session, record_id=found.id, at=at, by=by)
