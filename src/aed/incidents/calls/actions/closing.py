"""Close incidents, by a dispatcher or when they lapse, and remind dispatchers of open ones."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from aed.incidents.alerts.actions.stopping import stop_all
from aed.incidents.calls.queries import dispatchers_to_remind
from aed.incidents.messages import still_open_text
from aed.incidents.models import Incident
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import IncidentKind, IncidentOutcome, IncidentState, lapses_at
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.settings import Planning

TIMETABLE = "timetable"


def close_and_stop_alerts(
    session: Session, incident: Incident, outcome: IncidentOutcome, *, by: str, note: str | None, at: datetime
) -> None:
    """Close an open incident that this transaction has locked, and stop all alerts.

    visibility: the incident is the caller's.
    """
    stop_all(session, incident, at=at)
    incident.state, incident.outcome = IncidentState.CLOSED, outcome
    incident.closed_at, incident.closed_by = at, by
    append_entry(session, incident, "closed", by, at, outcome=outcome, note=note)


def close_if_lapsed(session: Session, incident: Incident, *, at: datetime, numbers: Planning) -> bool:
    """Close an incident as lapsed if its time is over; True if it did. A second worker does nothing.

    visibility: the incident is the caller's, who has locked it.
    """
    if incident.state is IncidentState.CLOSED or not is_over(incident, at=at, numbers=numbers):
        return False
    close_and_stop_alerts(session, incident, IncidentOutcome.LAPSED, by=TIMETABLE, note=None, at=at)
    return True


def is_over(incident: Incident, *, at: datetime, numbers: Planning) -> bool:
    """True if nobody is alerted to it any longer: it is closed, or its time is over."""
    if incident.state is IncidentState.CLOSED:
        return True
    return at >= lapses_at(
        incident.kind,
        opened_at=incident.opened_at,
        ambulance_at=incident.ambulance_at,
        numbers=numbers,
    )


def remind_if_due(session: Session, incident: Incident, *, at: datetime, numbers: Planning) -> int | None:
    """Remind the dispatchers of a real incident that it is still open; return how many people were
    notified.

    None: there is nothing to remind of. Centres and watchers see it by the record. Once for each estimate of
    the ambulance's arrival. visibility: the incident is the caller's, who has locked it; it goes to its
    dispatchers.
    """
    expected = incident.ambulance_at + timedelta(seconds=numbers.remind_after_seconds)
    is_due = incident.kind is IncidentKind.REAL and incident.reminded_at is None and expected <= at
    if not is_due or is_over(incident, at=at, numbers=numbers):
        return None
    incident.reminded_at = at
    ends_at = lapses_at(
        incident.kind, opened_at=incident.opened_at, ambulance_at=incident.ambulance_at, numbers=numbers
    )
    minutes = round((at - incident.ambulance_at).total_seconds() / 60)
    hours = max(1, round((ends_at - at).total_seconds() / 3600))
    text_en, text_zh = still_open_text(incident.id, minutes=minutes, hours=hours)
    notice = Notice(text_en, text_zh, "An incident is still open", "事件尚未结束", expires_at=ends_at)
    people = dispatchers_to_remind(session, incident)
    for person_id in people:
        outbox.notify_person(session, person_id, notice, at, country=incident.region.country)
    append_entry(
        session, incident, "reminded", TIMETABLE, at, minutes=minutes, lapses_at=ends_at, people=people
    )
    return len(people)
