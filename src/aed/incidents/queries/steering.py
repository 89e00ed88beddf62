"""What a dispatcher has taken out of an incident's plan."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.models import Person
from aed.accounts.queries.visibility import visible_to
from aed.accounts.rules import Viewer
from aed.errors import NotFound
from aed.incidents.models import IncidentExclusion
from aed.registry.models import Device


def exclusions(session: Session, incident_id: int) -> Sequence[IncidentExclusion]:
    """List what is excluded at this moment. visibility: of an incident that the caller has found."""
    return session.scalars(
        select(IncidentExclusion)
        .where(IncidentExclusion.incident_id == incident_id, IncidentExclusion.lifted_at.is_(None))
        .order_by(IncidentExclusion.id)
    ).all()


def require_known(session: Session, who: Viewer, *, person_id: int | None, device_id: int | None) -> None:
    """Pass for a person or a device that there is. Raises NotFound.

    visibility: people are only numbers to a dispatcher, as the plan shows them.
    """
    if person_id is not None and session.scalar(select(Person.id).where(Person.id == person_id)) is None:
        raise NotFound(f"There is no person {person_id}.", field="person_id")
    if device_id is None:
        return
    known = select(Device.id).where(Device.id == device_id, visible_to(who, Device))
    if session.scalar(known) is None:
        raise NotFound(f"There is no device {device_id} that you may see.", field="device_id")
