"""Read all running incidents at once, as a dispatcher's board shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.people.queries import names_by_actor, names_of
from aed.accounts.permissions import Viewer
from aed.incidents import queries
from aed.incidents.alerts.queries import latest_locations
from aed.incidents.models import Alert, Incident, IncidentExclusion, IncidentReport
from aed.incidents.rules import AlertState, IncidentState
from aed.incidents.schemas import IncidentFull
from aed.registry.devices.models import Device
from aed.registry.estates.gate_codes import gates_with_codes


@dataclass(frozen=True, slots=True)
class RunningIncident:
    """An open incident, with what its dispatchers see."""

    incident: Incident
    shown: IncidentFull
    state_since: Mapping[int, datetime]
    """Since when each alert is in its state, by alert id."""
    exclusions: Sequence[IncidentExclusion]
    devices: Mapping[int, Device]
    """Devices that volunteers fetch or that are excluded, by id."""
    reporters: Mapping[str, str]
    """Names of the people who reported it, by how the report names them, such as `person:7`."""


def running_incidents(session: Session, viewer: Viewer, *, limit: int) -> list[RunningIncident]:
    """List the open incidents of the viewer's regions, newest first, in nine statements.

    Raises NotSignedIn, NotAllowed for anybody but dispatchers and administrators.
    """
    found = queries.incidents(session, viewer, state=IncidentState.OPEN, kind=None, limit=limit)
    return with_alerts(session, found)


def with_alerts(session: Session, found: Sequence[Incident]) -> list[RunningIncident]:
    """Return incidents with all that belongs to them.

    visibility: of incidents that the caller has found for the viewer.
    """
    ids = [each.id for each in found]
    alerts = _by_incident(
        session.scalars(
            select(Alert)
            .where(Alert.incident_id.in_(ids))
            .options(joinedload(Alert.device))
            .order_by(Alert.id)
        ).all()
    )
    of_all = [each for some in alerts.values() for each in some]
    names = names_of(session, {each.person_id for each in of_all})
    places = latest_locations(session, [each.id for each in of_all])
    reports = _by_incident(
        session.scalars(
            select(IncidentReport).where(IncidentReport.incident_id.in_(ids)).order_by(IncidentReport.id)
        ).all()
    )
    reporters = names_by_actor(session, {report.reported_by for some in reports.values() for report in some})
    exclusions = _by_incident(_exclusions_of(session, ids))
    devices = {each.device.id: each.device for each in of_all if each.device is not None}
    excluded = {each.device_id for some in exclusions.values() for each in some if each.device_id is not None}
    devices |= devices_by_id(session, excluded)
    gates = gates_with_codes(session, {each.estate_id for each in found if each.estate_id is not None})
    return [
        RunningIncident(
            each,
            IncidentFull.whole(
                each,
                reports[each.id],
                alerts[each.id],
                names,
                places,
                gates.get(each.estate_id or 0, []),
            ),
            {alert.id: _state_since(alert) for alert in alerts[each.id]},
            exclusions[each.id],
            devices,
            reporters,
        )
        for each in found
    ]


def devices_by_id(session: Session, device_ids: Collection[int]) -> dict[int, Device]:
    """visibility: of the plan of an incident that the caller has found for the viewer."""
    return {each.id: each for each in session.scalars(select(Device).where(Device.id.in_(device_ids)))}


def _exclusions_of(session: Session, incident_ids: Collection[int]) -> Sequence[IncidentExclusion]:
    """visibility: of incidents that the caller has found for the viewer."""
    return session.scalars(
        select(IncidentExclusion)
        .where(IncidentExclusion.incident_id.in_(incident_ids), IncidentExclusion.lifted_at.is_(None))
        .order_by(IncidentExclusion.id)
    ).all()


def _by_incident[Row: (Alert, IncidentReport, IncidentExclusion)](
    rows: Sequence[Row],
) -> defaultdict[int, list[Row]]:
    found = defaultdict[int, list[Row]](list)
    for row in rows:
        found[row.incident_id].append(row)
    return found


def _state_since(alert: Alert) -> datetime:
    moments = {
        AlertState.SEEN: alert.seen_at,
        AlertState.ACCEPTED: alert.accepted_at,
        AlertState.ON_THE_WAY: alert.accepted_at,
        AlertState.THERE: alert.there_at,
        AlertState.DECLINED: alert.ended_at,
        AlertState.STOPPED: alert.ended_at,
        AlertState.STOOD_DOWN: alert.ended_at,
    }
    return moments.get(alert.state) or alert.asked_at
