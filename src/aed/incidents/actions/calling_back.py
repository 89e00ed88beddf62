"""Telling people who were called that they are not needed, while the incident goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from aed.incidents.actions.timeline import enter
from aed.incidents.models import Alert, Incident
from aed.incidents.rules.incident import AlertState, Kind, StopReason
from aed.incidents.rules.words import over_words
from aed.notifications import actions as outbox
from aed.notifications.actions import Call, Notice


def lane_of(alert: Alert, what: str) -> str:
    """Return the name under which messages of that kind to that person wait."""
    return f"{what}/{alert.id}"


def call_back(
    session: Session,
    incident: Incident,
    alerts: Sequence[Alert],
    reason: StopReason,
    *,
    at: datetime,
    words: tuple[str, str] | None = None,
) -> int:
    """Stop these alerts, which are live; return how many. People who are on the way are told so.

    A call that was not sent yet is not sent any more. `words`: what is said instead of that it is over.
    visibility: to those who were called, of an incident that the caller holds.
    """
    if not alerts:
        return 0
    outbox.take_back(session, [lane_of(each, "call") for each in alerts], at)
    text_en, text_zh = words if words is not None else over_words(incident.kind)
    notice = Notice(text_en, text_zh, expires_at=at + timedelta(hours=1))
    calls = []
    for alert in alerts:
        if incident.kind is not Kind.TEST:
            lane = lane_of(alert, f"{reason}/{at.timestamp():.0f}")
            calls.append(Call(alert.person_id, lane, notice, incident.region.country))
        alert.state, alert.ended_at, alert.stopped_because = AlertState.STOPPED, at, reason
        enter(session, incident, "stopped", "plan", at, alert=alert.id, because=reason)
    outbox.call(session, calls, at)
    session.flush()
    return len(alerts)
