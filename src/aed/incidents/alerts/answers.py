"""Show people their alert, take their replies and locations, and follow the devices that they fetch."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

import h3.api.basic_int as h3
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aed.database.geometry import position_of
from aed.database.idempotency import require_same_content
from aed.errors import Conflict
from aed.geo import Position
from aed.incidents import queries
from aed.incidents import queries as incident_queries
from aed.incidents.alerts.actions import (
    is_needed_again,
    leave_other_incidents,
    lock_for_planning,
    ordering_key,
    plan_and_alert,
)
from aed.incidents.alerts.queries import (
    alerts_fetching,
    child_pads_of,
    has_reached_device,
    is_device_taken_by_another,
    latest_locations,
    remaining_seconds,
)
from aed.incidents.alerts.rules import AlertSituation, apply_reply, is_device_unavailable
from aed.incidents.alerts.schemas import AlertDetailsOut, can_see_patient
from aed.incidents.messages import GoDirectReason, go_direct_text
from aed.incidents.models import Alert, AlertLocation, Incident, StoredReply
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import (
    COMING_STATES,
    EXACT_LOCATION_KEPT_FOR,
    LOCATION_KEPT_FOR,
    MIN_LOCATION_INTERVAL,
    NEEDS_CHILD_PADS,
    AlertReply,
    AlertState,
    ChildPads,
    IncidentKind,
    IncidentState,
    Task,
)
from aed.notifications import outbox
from aed.notifications.outbox import AlertMessage, Notice
from aed.registry.devices.cabinet_codes import cabinet_code
from aed.registry.devices.models import Device
from aed.registry.estates.gate_codes import GateAndCodeOut, gates_with_codes
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


def alert_details(session: Session, key_hash: str, *, at: datetime) -> AlertDetailsOut:
    """Return an alert as the person sees it. Raises NotFound. visibility: the person has the key."""
    alert = queries.alert_by_id(session, queries.alert_by_key(session, key_hash).id)
    incident = queries.incident_by_id(session, alert.incident_id)
    kept = cabinet_code(session, alert.device_id) if alert.device_id is not None else None
    code = kept.code if kept is not None else None
    pads = ChildPads.NOT_KNOWN
    if alert.device_id is not None and incident.age_group in NEEDS_CHILD_PADS:
        pads = child_pads_of(session, alert.device_id, today=at.date())
    gates: list[GateAndCodeOut] = []
    if can_see_patient(incident, alert):
        of_device = alert.device.estate_id if alert.device is not None else None
        estate_ids = {each for each in (incident.estate_id, of_device) if each is not None}
        gates = [gate for some in gates_with_codes(session, estate_ids).values() for gate in some]
    return AlertDetailsOut.of(incident, alert, cabinet_code=code, child_pads=pads, gates=gates, at=at)


def situation_of(alert: Alert) -> AlertSituation:
    """Return the alert's situation for the rules."""
    return AlertSituation(
        state=alert.state,
        task=alert.task,
        has_accepted=alert.accepted_at is not None,
        has_device=alert.device_taken_at is not None and alert.device_returned_at is None,
        failure=alert.fetch_failure,
        is_used=alert.device_used_at is not None,
        is_returned=alert.device_returned_at is not None,
    )


def update_device_state(
    session: Session,
    incident: Incident,
    alert: Alert,
    now: AlertSituation,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> bool:
    """Store the device's new state; return whether anything changed.

    1. Task, device and availability follow `now`.
    2. A person who came away without the device goes straight to the patient, from the device's place.
    3. Everybody else who was to fetch the same device goes straight to the patient.

    After the incident's end it is stored too, but nobody is re-tasked. The incident is locked. visibility:
    the person's own call.
    """
    before, device, device_id = situation_of(alert), alert.device, alert.device_id or alert.out_device_id
    _keep(session, alert, before, now, kind=incident.kind, at=at)
    is_new = now._replace(state=before.state, has_accepted=before.has_accepted) != before
    if not is_new or device_id is None or incident.state is IncidentState.CLOSED:
        return is_new
    reason = None
    if now.failure is not None and now.failure is not before.failure:
        reason = GoDirectReason.CANNOT_BE_HAD
        _enter(session, incident, alert, device_id, GoDirectReason.HERE_WITHOUT_DEVICE, at)
        if device is not None:
            here = position_of(device.position)
            _arrives_from(session, incident, alert, here, at=at, network=network, settings=settings)
    elif now.has_device and not before.has_device:
        reason = GoDirectReason.SOMEBODY_HAS_IT
    if reason is not None:
        send_others_direct(
            session, incident, device_id, reason, but={alert.id}, at=at, network=network, settings=settings
        )
    return True


def _keep(
    session: Session,
    alert: Alert,
    before: AlertSituation,
    now: AlertSituation,
    *,
    kind: IncidentKind,
    at: datetime,
) -> None:
    """visibility: the person's own call."""
    device_id = alert.device_id if alert.device_id is not None else alert.out_device_id
    if now.task is not alert.task:
        fetches = now.task is Task.FETCH
        alert.task, alert.device_id = now.task, device_id if fetches else None
        alert.device = session.get(Device, device_id) if fetches else None
        alert.p_device_works = 1.0
    if (now.failure, now.has_device) != (before.failure, before.has_device):
        alert.device_settled_at = None
    alert.fetch_failure = now.failure
    if now.failure is not None:
        alert.device_taken_at = None
    elif now.has_device:
        alert.device_taken_at = alert.device_taken_at or at
    if now.is_used:
        alert.device_used_at = alert.device_used_at or at
    alert.device_returned_at = (alert.device_returned_at or at) if now.is_returned else None
    if is_device_unavailable(now, kind):
        alert.out_device_id = device_id
    elif not now.is_returned:  # one that is back is released by upkeep, which closes its question
        alert.out_device_id = None
    session.flush()


def _enter(
    session: Session, incident: Incident, alert: Alert, device_id: int, reason: GoDirectReason, at: datetime
) -> None:
    """visibility: the incident is the caller's."""
    payload = {"person": alert.person_id, "task": Task.DIRECT, "device": device_id, "reason": reason}
    append_entry(session, incident, "retasked", "plan", at, alert=alert.id, **payload)


def _arrives_from(
    session: Session,
    incident: Incident,
    alert: Alert,
    here: Position,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> None:
    """visibility: the person's own call."""
    seconds = remaining_seconds(
        session, incident, alert, here, at=at, has_device=False, network=network, settings=settings
    )
    alert.due_at = at + timedelta(seconds=seconds)
    session.flush()


def release_device(session: Session, alert: Alert, *, at: datetime) -> None:
    """Note that upkeep decides from now on whether the device is offered."""
    alert.device_settled_at = at
    session.flush()


def go_direct(
    session: Session,
    incident: Incident,
    alert: Alert,
    reason: GoDirectReason,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
    is_notified: bool = True,
) -> None:
    """Send a person who was to fetch a device straight to the patient instead.

    Their page shows it; a message is sent if `is_notified`. The arrival time is computed from the last
    location of their phone; without one it stays, being the later of the two. The incident is locked.

    visibility: the person's own call.
    """
    assert alert.device_id is not None
    _enter(session, incident, alert, alert.device_id, reason, at)
    alert.task, alert.device_id, alert.device, alert.p_device_works = Task.DIRECT, None, None, 1.0
    alert.out_device_id = None
    session.flush()
    newest = latest_locations(session, [alert.id]).get(alert.id)
    if newest is not None and newest.lat is not None and newest.lon is not None:
        here = Position(newest.lat, newest.lon)
        _arrives_from(session, incident, alert, here, at=at, network=network, settings=settings)
    if is_notified and incident.kind is not IncidentKind.TEST:
        text_en, text_zh = go_direct_text(incident.kind, reason)
        notice = Notice(text_en, text_zh, expires_at=max(incident.ambulance_at, at) + timedelta(minutes=5))
        call = AlertMessage(alert.person_id, ordering_key(alert, "call"), notice, incident.region.country)
        outbox.alert_people(session, [call], at)


def send_others_direct(
    session: Session,
    incident: Incident,
    device_id: int,
    reason: GoDirectReason,
    *,
    but: Collection[int],
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> None:
    """Send everybody else who was to fetch this device straight to the patient, except the alerts in
    `but`.

    Also in other open incidents of the region, which are then planned again at once: the region's lock covers
    them. visibility: each hears of their own call.
    """
    for alert in alerts_fetching(session, device_id, region_id=incident.region_id):
        if alert.id in but:
            continue
        theirs = incident
        if alert.incident_id != incident.id:
            theirs = incident_queries.lock_incident(session, alert.incident_id)
            if theirs.state is IncidentState.CLOSED or (incident.kind is IncidentKind.TEST) != (
                theirs.kind is IncidentKind.TEST
            ):
                continue
            theirs.replan_at = at
        go_direct(
            session,
            theirs,
            alert,
            reason,
            at=at,
            network=network,
            settings=settings,
            is_notified=alert.state in COMING_STATES,
        )


def go_direct_if_device_taken(
    session: Session,
    incident: Incident,
    alert: Alert,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> None:
    """Send a person straight to the patient if another person has taken the device meanwhile.

    Their page says so as they accept, so no message is sent. The incident is locked. visibility: the person's
    own call.
    """
    if alert.device_id is None or alert.device_taken_at is not None:
        return
    if is_device_taken_by_another(session, alert.device_id, alert.id, incident.id):
        reason = GoDirectReason.SOMEBODY_HAS_IT
        go_direct(
            session, incident, alert, reason, at=at, network=network, settings=settings, is_notified=False
        )


def is_duplicate_reply(
    session: Session, alert_id: int, key: UUID, reply: AlertReply, *, at: datetime
) -> bool:
    """True if a reply with this key was received before; otherwise store the key.

    The incident is locked, so that of two identical requests one is a duplicate. Raises Conflict if the key
    was used for another reply. visibility: the person's own replies.
    """
    known = session.get(StoredReply, (alert_id, str(key)))
    if known is None:
        session.add(StoredReply(alert_id=alert_id, key=str(key), reply=reply, at=at))
        session.flush()
        return False
    require_same_content(known.reply, reply, "reply")
    return True


def delete_old_reply_keys(session: Session, *, before: datetime) -> int:
    """Delete the keys of replies from before then; return how many. visibility: for a job."""
    return session.connection().execute(delete(StoredReply).where(StoredReply.at <= before)).rowcount


# --- what they say --------------------------------------------------------------------------------------


def take_reply(
    session: Session,
    alert_id: int,
    reply: AlertReply,
    *,
    by: str,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
    key: UUID | None = None,
) -> Alert:
    """Process a reply to an alert, and plan again if it changes anything.

    1. A reply whose `key` was received before changes nothing, whatever came in between.
    2. State, task and device follow `alerts.rules.apply_reply`. Repeated or older replies, and replies after
       the stop change nothing; where the device is counts after the stop too.
    3. A person who came away without the device, or whose device another person has, goes straight to the
       patient.
    4. A person who was stood down and accepts late comes if they are needed again; their page says which.

    visibility: a person with the link was alerted, or the caller dispatches the incident.
    """
    incident = lock_for_planning(session, queries.alert_by_id(session, alert_id).incident_id)
    alert = queries.alert_by_id(session, alert_id)
    if key is not None and is_duplicate_reply(session, alert.id, key, reply, at=at):
        return alert
    is_closed = incident.state is IncidentState.CLOSED
    if not is_closed and is_needed_again(session, incident, alert, reply, at=at, settings=settings):
        alert.state = AlertState.ASKED
    before = alert.state
    situation = apply_reply(situation_of(alert), reply)
    new = situation.state
    is_a_sign = reply in (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN, AlertReply.HANDED_OVER)
    is_over = is_closed or before is AlertState.STOPPED
    has_news = update_device_state(
        session,
        incident,
        alert,
        situation._replace(state=before) if is_over else situation,
        at=at,
        network=network,
        settings=settings,
    )
    if is_over and has_news:
        append_entry(session, incident, "said", by, at, alert=alert.id, person=alert.person_id, said=reply)
        return alert
    if is_over or (new is before and not is_a_sign and not has_news):
        if is_over or (before is AlertState.STOOD_DOWN and reply is not AlertReply.SEEN):
            append_entry(session, incident, "said_too_late", by, at, alert=alert.id, said=reply)
        return alert
    alert.state = new
    _set_timestamps(alert, new, at)
    append_entry(session, incident, "said", by, at, alert=alert.id, person=alert.person_id, said=reply)
    if new is AlertState.DECLINED:
        outbox.cancel(session, [ordering_key(alert, "call")], at)
    if new is AlertState.THERE and alert.task is not Task.GUIDE and not incident.has_cpr:
        incident.has_cpr = True
    if new in COMING_STATES and before not in COMING_STATES:
        leave_other_incidents(session, incident, alert.person_id, at=at)
    session.flush()
    if new in COMING_STATES and alert.device_id is not None:
        go_direct_if_device_taken(session, incident, alert, at=at, network=network, settings=settings)
    if (new is not before and new is not AlertState.SEEN) or (
        has_news and reply is not AlertReply.DEVICE_RETURNED
    ):
        plan_and_alert(
            session,
            incident,
            reason=f"{reply} by {alert.id}",
            at=at,
            network=network,
            settings=settings,
        )
    return alert


def _set_timestamps(alert: Alert, state: AlertState, at: datetime) -> None:
    """Set the time of the new state, and of states that must have come before."""
    alert.seen_at = alert.seen_at or at
    if state in COMING_STATES:
        alert.accepted_at = alert.accepted_at or at
        alert.ended_at = None
    if state is AlertState.THERE:
        alert.there_at = alert.there_at or at
    if state is AlertState.DECLINED:
        alert.ended_at = at


def take_location(
    session: Session,
    alert_id: int,
    here: Position,
    *,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> None:
    """Store the location of a person who comes, and update their arrival time.

    It does not trigger planning; the next plan uses it. A location that follows another too soon, is repeated
    or older changes nothing. Raises Conflict if the person has not accepted, or the incident is over.
    visibility: a person with the link was alerted.
    """
    alert = queries.alert_by_id(session, alert_id)
    incident = queries.incident_by_id(session, alert.incident_id)
    if incident.state is IncidentState.CLOSED or alert.state is AlertState.STOPPED:
        raise Conflict("The call is over, so your location is no longer needed. Thank you.")
    if alert.state not in COMING_STATES:
        raise Conflict(
            "Accept the call before you share your location: it is stored only for people who have accepted."
        )
    newest = session.scalar(
        select(AlertLocation.at)
        .where(AlertLocation.alert_id == alert.id)
        .order_by(AlertLocation.at.desc())
        .limit(1)
    )
    if newest is not None and at < newest + MIN_LOCATION_INTERVAL:
        return
    was_at_device = alert.device is not None and has_reached_device(session, alert)
    session.add(
        AlertLocation(
            alert_id=alert.id,
            cell=h3.latlng_to_cell(here.lat, here.lon, settings.responder_cell_resolution),
            lat=here.lat,
            lon=here.lon,
            at=at,
        )
    )
    if alert.state is not AlertState.THERE:
        seconds = remaining_seconds(
            session,
            incident,
            alert,
            here,
            at=at,
            has_device=was_at_device,
            network=network,
            settings=settings,
        )
        alert.due_at = at + timedelta(seconds=seconds)
    session.flush()


def prune_locations(session: Session, *, at: datetime) -> tuple[int, int]:
    """Coarsen locations after a day, and delete them after 90 days; return (coarsened, deleted)."""
    connection = session.connection()
    coarse = connection.execute(
        update(AlertLocation)
        .where(AlertLocation.at <= at - EXACT_LOCATION_KEPT_FOR, AlertLocation.lat.is_not(None))
        .values(lat=None, lon=None)
    ).rowcount
    gone = connection.execute(
        delete(AlertLocation).where(AlertLocation.at <= at - LOCATION_KEPT_FOR)
    ).rowcount
    return coarse, gone
