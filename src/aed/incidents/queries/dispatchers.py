"""Whom an incident's reminders go to."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.models import Person, Region, RoleGrant
from aed.accounts.rules.roles import HeldRole
from aed.incidents.models import Incident, IncidentReport
from aed.notifications.queries import can_be_told

MOST: Final = 20
"""A region with more dispatchers has a board that somebody watches."""


def dispatchers_to_remind(session: Session, incident: Incident) -> list[int]:
    """Return the dispatchers who reported this patient; where none did, all of the region and above.

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
            RoleGrant.role == HeldRole.DISPATCHER,
            RoleGrant.revoked_at.is_(None),
            RoleGrant.region_id.in_(select(above.c.id)),
            can_be_told(),
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
    return ([each for each in of_all if each in reported] or of_all)[:MOST]
