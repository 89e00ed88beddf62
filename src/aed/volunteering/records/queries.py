"""Queries for the service records that a viewer may see, and for what confirming them needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from shapely import Point
from shapely.ops import nearest_points
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.database.geometry import shape_of
from aed.errors import NotFound
from aed.geo import Position, distance_metres
from aed.registry.estates.models import Estate
from aed.volunteering.models import (
    LeadBuilding,
    ServiceEvent,
    ServiceFlag,
    ServiceProof,
    ServiceRecord,
)
from aed.volunteering.rules import (
    OF_CALLS,
    RULES,
    OtherService,
    Period,
    ServiceSource,
    ServiceState,
    is_posted,
)
from aed.volunteering.volunteers.queries import in_managed_estates


def service_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the service records that the viewer may see.

    1. A volunteer: their own, and those that they recorded for others.
    2. A lead: those of their buildings.
    3. A manager of an estate, an administrator of a region, a token of an estate with the write scope: those
       of the estate or region. An administrator of the network: all.

    visibility: it is a predicate itself.
    """
    parts = [in_managed_estates(viewer, estate_id=ServiceRecord.estate_id, region_id=ServiceRecord.region_id)]
    if viewer.person_id is not None:
        parts += [
            ServiceRecord.person_id == viewer.person_id,
            ServiceRecord.recorded_by_id == viewer.person_id,
        ]
    elif (
        viewer.role is TokenRole.MEMBER and TokenScope.WRITE in viewer.scopes and viewer.estate_id is not None
    ):
        parts.append(ServiceRecord.estate_id == viewer.estate_id)
    buildings = select(LeadBuilding.building_id).where(LeadBuilding.person_id == viewer.person_id)
    parts += [
        and_(ServiceRecord.estate_id == held.estate_id, ServiceRecord.building_id.in_(buildings))
        for held in viewer.role_assignments
        if held.role is Role.LEAD and held.estate_id is not None
    ]
    return or_(*parts)


def record(session: Session, viewer: Viewer, record_id: int, *, for_update: bool = False) -> ServiceRecord:
    """Return a record with its person. Raises NotFound if the viewer may not see it."""
    statement = (
        select(ServiceRecord)
        .where(ServiceRecord.id == record_id, service_visible_to(viewer))
        .options(joinedload(ServiceRecord.person))
        .execution_options(populate_existing=True)
    )
    if for_update:
        statement = statement.with_for_update(of=ServiceRecord)
    found = session.scalar(statement)
    if found is None:
        raise NotFound(
            "There is no service record {record_id}, or you may not see it.",
            field="record_id",
            record_id=record_id,
        )
    return found


def records(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int = 0,
    person_id: int | None = None,
    estate_id: int | None = None,
    state: ServiceState | None = None,
    is_held: bool | None = None,
) -> Sequence[ServiceRecord]:
    """Return a page of records with their people, in order of id."""
    conditions = [ServiceRecord.id > after_id, service_visible_to(viewer)]
    if person_id is not None:
        conditions.append(ServiceRecord.person_id == person_id)
    if estate_id is not None:
        conditions.append(ServiceRecord.estate_id == estate_id)
    if state is not None:
        conditions.append(ServiceRecord.state == state)
    if is_held is not None:
        conditions.append(ServiceRecord.is_held == is_held)
    return session.scalars(
        select(ServiceRecord)
        .where(*conditions)
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.id)
        .limit(limit)
    ).all()


def posted_records(
    session: Session, viewer: Viewer, *, estate_id: int, today: date, limit: int, after_id: int = 0
) -> Sequence[ServiceRecord]:
    """Return the confirmed records that are posted within the team today.

    visibility: for members of the estate, its managers and administrators above, as the caller has checked.
    """
    return session.scalars(
        select(ServiceRecord)
        .where(
            ServiceRecord.id > after_id,
            ServiceRecord.estate_id == estate_id,
            ServiceRecord.state == ServiceState.CONFIRMED,
            ServiceRecord.notice_from <= today,
            ServiceRecord.notice_until >= today,
        )
        .options(joinedload(ServiceRecord.person))
        .order_by(ServiceRecord.id)
        .limit(limit)
    ).all()


def posted_record(session: Session, viewer: Viewer, record_id: int, *, at: datetime) -> ServiceRecord:
    """Return a record that is posted within a team of the viewer, to object to it. Raises NotFound."""
    found = session.scalar(
        select(ServiceRecord)
        .where(
            ServiceRecord.id == record_id,
            ServiceRecord.state == ServiceState.CONFIRMED,
            or_(ServiceRecord.estate_id.in_(viewer.own_estate_ids), service_visible_to(viewer)),
        )
        .options(joinedload(ServiceRecord.person))
        .with_for_update(of=ServiceRecord)
        .execution_options(populate_existing=True)
    )
    if found is None or not is_posted(
        found.notice_from, found.notice_until, local_date(session, found.estate_id, at)
    ):
        raise NotFound(
            "There is no service record {record_id} on notice in your estate.",
            field="record_id",
            record_id=record_id,
        )
    return found


def record_by_source(
    session: Session, source: ServiceSource, source_id: str, person_id: int
) -> ServiceRecord | None:
    """Return the first record of a source.

    visibility: for the person who records it, to recognise that it was recorded.
    """
    return session.scalar(
        select(ServiceRecord).where(
            ServiceRecord.source == source,
            ServiceRecord.source_id == source_id,
            ServiceRecord.person_id == person_id,
            ServiceRecord.corrects_id.is_(None),
        )
    )


def is_corrected(session: Session, record_id: int) -> bool:
    """Return True if a later record corrects it. visibility: of a record that the caller has found."""
    later = select(ServiceRecord.id).where(ServiceRecord.corrects_id == record_id)
    return session.scalar(later) is not None


def counted_around(
    session: Session, person_id: int, period: Period, *, but: int | None = None
) -> list[ServiceRecord]:
    """Return the person's records that are not void and lie within a day of the period.

    visibility: to refuse what overlaps, and to flag.
    """
    day = timedelta(days=1)
    found = session.scalars(
        select(ServiceRecord).where(
            ServiceRecord.person_id == person_id,
            ServiceRecord.state != ServiceState.VOID,
            ServiceRecord.started_at > period.start - day - timedelta(minutes=RULES.max_hand_minutes),
            ServiceRecord.started_at < period.end + day,
        )
    )
    return [each for each in found if each.id != but]


def others_around(session: Session, record: ServiceRecord, zone: ZoneInfo) -> list[OtherService]:
    """Return the other services of the person around a record.

    visibility: to flag the record.
    """
    period = Period(record.started_at, record.ended_at)
    return [
        OtherService(
            Period(each.started_at, each.ended_at),
            each.minutes,
            each.started_at.astimezone(zone).date(),
            None if each.source in OF_CALLS else each.estate_id,
        )
        for each in counted_around(session, record.person_id, period, but=record.id)
    ]


def is_ring(session: Session, *, confirmer_id: int, volunteer_id: int, since: datetime) -> bool:
    """Return True if the volunteer has confirmed the confirmer, directly or through others.

    One statement for each person between them, at most `ring_length`.
    visibility: to flag a record.
    """
    reached, frontier = {volunteer_id}, {volunteer_id}
    for _ in range(RULES.ring_length - 1):
        confirmed = session.scalars(
            select(ServiceRecord.person_id)
            .where(
                ServiceRecord.confirmed_by_id.in_(frontier),
                ServiceRecord.confirmed_at >= since,
                ServiceRecord.state != ServiceState.VOID,
            )
            .distinct()
        )
        frontier = set(confirmed) - reached
        if confirmer_id in frontier:
            return True
        if not frontier:
            return False
        reached |= frontier
    return False


def confirmations_since(session: Session, confirmer_id: int, since: datetime) -> int:
    """Return how many records a person has confirmed since then.

    visibility: a count for the person who confirms.
    """
    found = session.scalar(
        select(func.count())
        .select_from(ServiceRecord)
        .where(ServiceRecord.confirmed_by_id == confirmer_id, ServiceRecord.confirmed_at > since)
    )
    return found or 0


def proof_of(session: Session, record_id: int) -> ServiceProof | None:
    """Return position and photo of a record. visibility: of a record that the caller has found."""
    return session.get(ServiceProof, record_id)


def is_photo_known(session: Session, record_id: int, photo_sha256: str) -> bool:
    """Return True if another record was proven with the same photo. visibility: to flag a record."""
    other = select(ServiceProof.record_id).where(
        ServiceProof.photo_sha256 == photo_sha256, ServiceProof.record_id != record_id
    )
    return session.scalar(other.limit(1)) is not None


def metres_from_estate(session: Session, estate_id: int, *, lat: float, lon: float) -> float:
    """Return the distance of a position from an estate's boundary, 0 inside.

    visibility: to flag a record.
    """
    boundary = session.scalars(select(Estate.boundary).where(Estate.id == estate_id)).one()
    here = Point(lon, lat)
    nearest = nearest_points(shape_of(boundary), here)[0]
    return distance_metres(Position(lat, lon), Position(nearest.y, nearest.x))


def flags_of(session: Session, record_ids: Collection[int]) -> dict[int, list[ServiceFlag]]:
    """Return the flags of records in order. visibility: of records that the caller has found."""
    found: dict[int, list[ServiceFlag]] = {each: [] for each in record_ids}
    for flag in session.scalars(
        select(ServiceFlag).where(ServiceFlag.record_id.in_(record_ids)).order_by(ServiceFlag.id)
    ):
        found[flag.record_id].append(flag)
    return found


def events_of(session: Session, record_id: int) -> Sequence[ServiceEvent]:
    """Return the events of a record in order. visibility: of a record that the caller has found."""
    return session.scalars(
        select(ServiceEvent).where(ServiceEvent.record_id == record_id).order_by(ServiceEvent.id)
    ).all()


def local_date(session: Session, estate_id: int, at: datetime) -> date:
    """Return the day in the estate's time zone."""
    return at.astimezone(ZoneInfo(time_zone_of(session, estate_id))).date()


def time_zone_of(session: Session, estate_id: int) -> str:
    """Return the time zone of an estate. visibility: it reveals nothing."""
    found = session.execute(
        select(Estate).where(Estate.id == estate_id).options(joinedload(Estate.region))
    ).scalar_one()
    return found.time_zone or found.region.time_zone


def calendar_name_of(session: Session, estate_id: int) -> str | None:
    """Return the holiday calendar of an estate's region. visibility: it reveals nothing."""
    found = session.execute(
        select(Estate).where(Estate.id == estate_id).options(joinedload(Estate.region))
    ).scalar_one()
    return found.region.holiday_calendar
