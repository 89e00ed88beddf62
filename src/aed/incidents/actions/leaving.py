"""Taking people out of other incidents: a real patient comes before an exercise, and nobody goes to two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from aed.incidents.actions.timeline import enter
from aed.incidents.models import Alert, Incident
from aed.incidents.queries import incidents as queries
from aed.incidents.queries.in_force import other_alerts
from aed.incidents.rules.incident import AlertState, Kind, StopReason
from aed.notifications import actions as outbox

_NOT_REAL = (Kind.EXERCISE, Kind.TEST)


def call_away(session: Session, incident: Incident, person_ids: Sequence[int], *, at: datetime) -> int:
    """Take people who are called to a real patient out of exercises and tests; return how many alerts end.

    Nothing is sent: the call to the real patient says that it goes before the exercise.
    visibility: of the incident that the caller holds.
    """
    if incident.kind is not Kind.REAL or not person_ids:
        return 0
    found = other_alerts(session, person_ids, not_of=incident.id, kinds=_NOT_REAL)
    return _leave(session, found, StopReason.CALLED_AWAY, at=at)


def leave_others(session: Session, incident: Incident, person_id: int, *, at: datetime) -> int:
    """Take somebody who comes to this patient out of all others; return how many alerts end.

    The last word counts: people who accepted two calls go to the one that they accepted last. Those others
    are planned again at once. An exercise takes nobody out of a real incident.
    visibility: of the incident that the caller holds.
    """
    kinds = tuple(Kind) if incident.kind is Kind.REAL else _NOT_REAL
    found = other_alerts(session, [person_id], not_of=incident.id, kinds=kinds)
    return _leave(session, found, StopReason.COMES_ELSEWHERE, at=at)


def _leave(session: Session, found: Sequence[tuple[int, int]], reason: StopReason, *, at: datetime) -> int:
    """End these alerts, given as (incident, alert).

    The incidents are locked in order of number, so that two transactions cannot wait for each other.
    visibility: of people who come to the caller's patient.
    """
    by_incident: dict[int, list[int]] = defaultdict(list)
    for incident_id, alert_id in found:
        by_incident[incident_id].append(alert_id)
    for incident_id in sorted(by_incident):
        other = queries.held(session, incident_id)
        for alert_id in by_incident[incident_id]:
            alert = session.get_one(Alert, alert_id)
            outbox.take_back(session, [f"call/{alert.id}"], at)
            alert.state, alert.ended_at, alert.stopped_because = AlertState.STOPPED, at, reason
            enter(session, other, "left", "plan", at, alert=alert.id, person=alert.person_id, because=reason)
        if other.look_at is not None:
            other.look_at = at
    session.flush()
    return len(found)
