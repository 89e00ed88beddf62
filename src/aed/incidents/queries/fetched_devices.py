"""Which devices are out, because somebody was sent for them or found that they cannot be had."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.incidents.models import Alert, Incident
from aed.incidents.rules.incident import LIVE, State


def is_out_because_of_another(session: Session, device_id: int, alert_id: int, incident_id: int) -> bool:
    """Whether somebody else has the device, or has found that it cannot be had.

    A second person of the same incident may go for it until the first has it in their hands.
    visibility: that it is out.
    """
    found = session.scalars(
        select(Alert).where(
            Alert.out_device_id == device_id, Alert.device_settled_at.is_(None), Alert.id != alert_id
        )
    )
    return any(
        each.incident_id != incident_id
        or each.device_taken_at is not None
        or each.fetch_failure is not None
        or each.device_used_at is not None
        for each in found
    )


def fetchers_of(session: Session, device_id: int, *, region_id: int) -> Sequence[Alert]:
    """Alerts of open incidents of the region that ask for this device, with the device.

    visibility: for re-tasking them.
    """
    return session.scalars(
        select(Alert)
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Alert.device_id == device_id,
            Alert.state.in_(LIVE),
            Incident.state == State.OPEN,
            Incident.region_id == region_id,
        )
        .options(joinedload(Alert.device))
        .order_by(Alert.incident_id, Alert.id)
    ).all()


def unsettled(session: Session, *, after_id: int, limit: int) -> Sequence[tuple[int, int]]:
    """(alert, incident) of which upkeep does not know yet what became of the device, in order of the alert.

    visibility: for the timetable.
    """
    rows = session.execute(
        select(Alert.id, Alert.incident_id)
        .where(Alert.out_device_id.is_not(None), Alert.device_settled_at.is_(None), Alert.id > after_id)
        .order_by(Alert.id)
        .limit(limit)
    )
    return [(row.id, row.incident_id) for row in rows]
