"""Stop alerts of people who are not needed, or are needed elsewhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from aed.incidents import queries
from aed.incidents.alerts.queries import other_alerts
from aed.incidents.messages import over_text, stood_down_text
from aed.incidents.models import Alert, Incident
from aed.incidents.plan.queries.case import AskedPerson
from aed.incidents.plan.rules.offers import Offer, arrival_probability
from aed.incidents.plan.rules.sufficiency import sufficiency_of
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import (
    COMING_STATES,
    LIVE_STATES,
    AlertReply,
    AlertState,
    IncidentKind,
    StopReason,
    Task,
    ambulance_seconds,
)
from aed.notifications import outbox
from aed.notifications.outbox import AlertMessage, Notice
from aed.settings import Settings


def stand_down(
    session: Session, incident: Incident, alerts: Sequence[Alert], people: Collection[int], *, at: datetime
) -> int:
    """Notify people who have not replied that enough others come; return how many.

    Messages still in the outbox are cancelled. They may be alerted again if others drop out. The incident is
    locked. visibility: each hears of their own call.
    """
    unneeded = [
        each
        for each in alerts
        if each.person_id in people and each.state in (AlertState.ASKED, AlertState.SEEN)
    ]
    if not unneeded:
        return 0
    outbox.cancel(session, [ordering_key(each, "call") for each in unneeded], at)
    text_en, text_zh = stood_down_text(incident.kind)
    notice = Notice(text_en, text_zh, expires_at=max(incident.ambulance_at, at + timedelta(minutes=5)))
    for each in unneeded:
        each.state, each.ended_at = AlertState.STOOD_DOWN, at
    if incident.kind is not IncidentKind.TEST:
        country = incident.region.country
        calls = [
            AlertMessage(each.person_id, ordering_key(each, "over"), notice, country) for each in unneeded
        ]
        outbox.alert_people(session, calls, at)
    append_entry(session, incident, "stood_down", "plan", at, alerts=[each.id for each in unneeded])
    session.flush()
    return len(unneeded)


def current_offer(alert: Alert, at: datetime, settings: Settings) -> AskedPerson:
    """Return an alert as an offer, with the probability and the time left as of now."""
    waited = (at - (alert.seen_at or alert.asked_at)).total_seconds()
    seconds = 0.0 if alert.state is AlertState.THERE else max(0.0, (alert.due_at - at).total_seconds())
    probability_arrives = arrival_probability(alert.state, waited_seconds=waited, numbers=settings.planning)
    due = alert.shown_due_at
    shown = max(0.0, (due - at).total_seconds()) if due is not None else None
    offer = Offer(
        alert.person_id,
        alert.task,
        seconds,
        probability_arrives,
        alert.device_id,
        alert.p_device_works,
        alert.seconds_saved,
        shown,
    )
    return AskedPerson(offer, alert.state in COMING_STATES)


def people_with_device(alerts: Sequence[Alert]) -> set[int]:
    """Return the ids of people who have a device in their hands."""
    return {
        each.person_id
        for each in alerts
        if each.state in COMING_STATES
        and each.device_taken_at is not None
        and each.device_returned_at is None
    }


def is_needed_again(
    session: Session, incident: Incident, alert: Alert, reply: AlertReply, *, at: datetime, settings: Settings
) -> bool:
    """True if a person who was stood down and now accepts is needed, because others dropped out.

    visibility: the person's own call.
    """
    if alert.state is not AlertState.STOOD_DOWN or reply not in (AlertReply.ACCEPT, AlertReply.ON_THE_WAY):
        return False
    alerts = queries.alerts(session, incident.id)
    live = [each for each in alerts if each.state in LIVE_STATES]
    enough = sufficiency_of(
        [current_offer(each, at, settings).offer for each in live if each.state in COMING_STATES],
        with_device=people_with_device(live),
        can_a_device_come=any(each.task is Task.FETCH for each in live),
        ambulance_seconds=ambulance_seconds(incident.ambulance_at, at, settings.planning),
        planning=settings.planning,
    )
    return not enough.is_unneeded(current_offer(alert, at, settings).offer)


# --- the stop -------------------------------------------------------------------------------------------


def stop_all(session: Session, incident: Incident, *, at: datetime) -> int:
    """Stop all alerts of an incident, and notify people who are not there yet; return how many.

    Messages still in the outbox are cancelled. The incident and its region are locked. visibility: to people
    who were alerted.
    """
    called = queries.alerts(session, incident.id)
    outbox.cancel(session, [ordering_key(each, "call") for each in called], at)
    alerts = [each for each in called if each.state in LIVE_STATES]
    text_en, text_zh = over_text(incident.kind)
    notice = Notice(text_en, text_zh, expires_at=at + timedelta(hours=1))
    calls = []
    for alert in alerts:
        if incident.kind is not IncidentKind.TEST and alert.state is not AlertState.THERE:
            calls.append(
                AlertMessage(alert.person_id, ordering_key(alert, "over"), notice, incident.region.country)
            )
        alert.state, alert.ended_at, alert.stop_reason = AlertState.STOPPED, at, StopReason.OVER
    outbox.alert_people(session, calls, at)
    incident.replan_at = None
    session.flush()
    return len(alerts)


def ordering_key(alert: Alert, what: str) -> str:
    """Return the outbox ordering key of this kind of message to the person."""
    return f"{what}/{alert.id}"


def stop_alerts(
    session: Session,
    incident: Incident,
    alerts: Sequence[Alert],
    reason: StopReason,
    *,
    at: datetime,
    words: tuple[str, str] | None = None,
) -> int:
    """Stop these live alerts and notify the people; return how many.

    Messages still in the outbox are cancelled. `words` replaces the text that the call is over. visibility:
    to people who were alerted, of an incident that the caller has locked.
    """
    if not alerts:
        return 0
    outbox.cancel(session, [ordering_key(each, "call") for each in alerts], at)
    text_en, text_zh = words if words is not None else over_text(incident.kind)
    notice = Notice(text_en, text_zh, expires_at=at + timedelta(hours=1))
    calls = []
    for alert in alerts:
        if incident.kind is not IncidentKind.TEST:
            key = ordering_key(alert, f"{reason}/{at.timestamp():.0f}")
            calls.append(AlertMessage(alert.person_id, key, notice, incident.region.country))
        alert.state, alert.ended_at, alert.stop_reason = AlertState.STOPPED, at, reason
        append_entry(session, incident, "stopped", "plan", at, alert=alert.id, because=reason)
    outbox.alert_people(session, calls, at)
    session.flush()
    return len(alerts)


_NOT_REAL = (IncidentKind.EXERCISE, IncidentKind.TEST)


def leave_exercises(session: Session, incident: Incident, person_ids: Sequence[int], *, at: datetime) -> int:
    """Take people who are alerted to a real patient out of exercises and tests; return how many alerts
    end.

    Nothing is sent: the call to the real patient says that it comes first. visibility: of an incident that
    the caller has locked.
    """
    if incident.kind is not IncidentKind.REAL or not person_ids:
        return 0
    found = other_alerts(session, person_ids, not_of=incident.id, kinds=_NOT_REAL)
    return _leave(session, found, StopReason.CALLED_AWAY, at=at)


def leave_other_incidents(session: Session, incident: Incident, person_id: int, *, at: datetime) -> int:
    """Take a person who comes to this patient out of all other incidents; return how many alerts end.

    The last reply counts: people who accepted two calls go to the one that they accepted last. The other
    incidents are planned again at once. An exercise takes nobody out of a real incident. visibility: of an
    incident that the caller has locked.
    """
    kinds = tuple(IncidentKind) if incident.kind is IncidentKind.REAL else _NOT_REAL
    found = other_alerts(session, [person_id], not_of=incident.id, kinds=kinds)
    return _leave(session, found, StopReason.COMES_ELSEWHERE, at=at)


def _leave(session: Session, found: Sequence[tuple[int, int]], reason: StopReason, *, at: datetime) -> int:
    """End these alerts, given as (incident, alert).

    Incidents are locked in order of id, so that two transactions cannot deadlock. visibility: of people who
    come to the caller's patient.
    """
    by_incident: dict[int, list[int]] = defaultdict(list)
    for incident_id, alert_id in found:
        by_incident[incident_id].append(alert_id)
    for incident_id in sorted(by_incident):
        other = queries.lock_incident(session, incident_id)
        for alert_id in by_incident[incident_id]:
            alert = session.get_one(Alert, alert_id)
            outbox.cancel(session, [ordering_key(alert, "call")], at)
            alert.state, alert.ended_at, alert.stop_reason = AlertState.STOPPED, at, reason
            append_entry(
                session, other, "left", "plan", at, alert=alert.id, person=alert.person_id, because=reason
            )
        if other.replan_at is not None:
            other.replan_at = at
    session.flush()
    return len(found)
