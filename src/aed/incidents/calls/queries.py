"""Read incidents that a report may be of, that are due for a job, and who is to be reminded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.models import Region
from aed.accounts.role_grants import RoleGrant
from aed.accounts.visibility import visible_to
from aed.errors import NotFound
from aed.geo import Position
from aed.incidents.models import Incident, IncidentReport
from aed.incidents.queries import is_active_at
from aed.incidents.rules import IncidentKind, IncidentState, KnownIncident
from aed.notifications.queries import reachable_people
from aed.registry.devices.models import Device
from aed.settings.planning import Planning


def open_incidents_in_region(
    session: Session, region_id: int, kind: IncidentKind, *, at: datetime, numbers: Planning
) -> list[KnownIncident]:
    """List open incidents of that kind that a new report may be of.

    visibility: for matching a report.
    """
    since = at - timedelta(minutes=numbers.same_patient_minutes)
    rows = session.execute(
        select(
            Incident.id, Incident.kind, Incident.lat, Incident.lon, Incident.floor, Incident.opened_at
        ).where(
            Incident.region_id == region_id,
            Incident.kind == kind,
            Incident.opened_at >= since,
            is_active_at(at, numbers),
        )
    )
    return [
        KnownIncident(row.id, row.kind, Position(row.lat, row.lon), row.floor, row.opened_at) for row in rows
    ]


def count_unconfirmed(
    session: Session, kind: IncidentKind, *, by: str, estate_id: int | None, at: datetime, numbers: Planning
) -> tuple[int, int]:
    """Count open incidents of that kind that no dispatcher has confirmed: (by the reporter, in the estate).

    visibility: counts.
    """
    row = session.execute(
        select(
            func.count(case((Incident.opened_by == by, 1))),
            func.count(case((Incident.estate_id == estate_id, 1))),  # of no estate: none
        ).where(
            Incident.kind == kind,
            Incident.confirmed_at.is_(None),
            is_active_at(at, numbers),
        )
    ).one()
    return int(row[0]), int(row[1])


# --- for the timetable ----------------------------------------------------------------------------------


def due_for_replanning(session: Session, at: datetime, *, numbers: Planning, limit: int) -> Sequence[int]:
    """List incidents that are due to be planned again, real ones first. visibility: for a job."""
    return session.scalars(
        select(Incident.id)
        .where(Incident.replan_at <= at, is_active_at(at, numbers))
        .order_by(case((Incident.kind == IncidentKind.REAL, 0), else_=1), Incident.replan_at)
        .limit(limit)
    ).all()


def lapsed_incidents(session: Session, at: datetime, *, numbers: Planning, limit: int) -> Sequence[int]:
    """List open incidents whose time is over. visibility: for a job."""
    return session.scalars(
        select(Incident.id)
        .where(Incident.state == IncidentState.OPEN, ~is_active_at(at, numbers))
        .order_by(Incident.id)
        .limit(limit)
    ).all()


def due_for_reminder(session: Session, at: datetime, *, numbers: Planning, limit: int) -> Sequence[int]:
    """List real incidents still open a while after the ambulance was expected. visibility: for a job."""
    expected = at - timedelta(seconds=numbers.remind_after_seconds)
    return session.scalars(
        select(Incident.id)
        .where(
            Incident.kind == IncidentKind.REAL,
            Incident.reminded_at.is_(None),
            Incident.ambulance_at <= expected,
            is_active_at(at, numbers),
        )
        .order_by(Incident.id)
        .limit(limit)
    ).all()


MAX_REMINDED: Final = 20
"""A region with more dispatchers has somebody watching the board."""


def dispatchers_to_remind(session: Session, incident: Incident) -> list[int]:
    """Return the dispatchers who reported this patient; if none did, all of the region and above.

    visibility: they dispatch there, and see the incident.
    """
    above = (
        select(Region.id, Region.parent_id)
        .where(Region.id == incident.region_id)
        .cte("above", recursive=True)
    )
    above = above.union_all(select(Region.id, Region.parent_id).join(above, Region.id == above.c.parent_id))
    people = session.scalars(
        select(RoleGrant.person_id)
        .join(Person, Person.id == RoleGrant.person_id)
        .where(
            RoleGrant.role == Role.DISPATCHER,
            RoleGrant.revoked_at.is_(None),
            RoleGrant.region_id.in_(select(above.c.id)),
            reachable_people(),
        )
        .order_by(RoleGrant.person_id)
    ).all()
    reported = set(
        session.scalars(
            select(IncidentReport.by_id).where(
                IncidentReport.incident_id == incident.id, IncidentReport.by_id.is_not(None)
            )
        )
    )
    of_all = list(dict.fromkeys(people))
    return ([each for each in of_all if each in reported] or of_all)[:MAX_REMINDED]


def require_person_or_device(
    session: Session, who: Viewer, *, person_id: int | None, device_id: int | None
) -> None:
    """Require that the person and the device exist. Raises NotFound.

    visibility: dispatchers see people as ids only, as in the plan.
    """
    if person_id is not None and session.scalar(select(Person.id).where(Person.id == person_id)) is None:
        raise NotFound("Person {person_id} does not exist.", field="person_id", person_id=person_id)
    if device_id is None:
        return
    known = select(Device.id).where(Device.id == device_id, visible_to(who, Device))
    if session.scalar(known) is None:
        raise NotFound(
            "Device {device_id} does not exist, or you may not see it.",
            field="device_id",
            device_id=device_id,
        )
