"""Process replies and locations of people who were alerted."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import h3.api.basic_int as h3
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aed.errors import Conflict
from aed.geo import Position
from aed.incidents import queries
from aed.incidents.alerts.actions.calling import lock_for_planning, plan_and_alert
from aed.incidents.alerts.actions.devices import go_direct_if_device_taken, situation_of, update_device_state
from aed.incidents.alerts.actions.stopping import (
    is_needed_again,
    leave_other_incidents,
    ordering_key,
)
from aed.incidents.alerts.queries import has_reached_device, remaining_seconds
from aed.incidents.alerts.rules import apply_reply
from aed.incidents.models import Alert, AlertLocation, StoredReply
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import (
    COMING_STATES,
    EXACT_LOCATION_KEPT_FOR,
    LOCATION_KEPT_FOR,
    MIN_LOCATION_INTERVAL,
    AlertReply,
    AlertState,
    IncidentState,
    Task,
)
from aed.notifications import outbox
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


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
    if known.reply is not reply:
        raise Conflict("Another answer was sent under this key: make up a new one.", field="key")
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
    if is_needed_again(session, incident, alert, reply, at=at, settings=settings):
        alert.state = AlertState.ASKED
    before = alert.state
    situation = apply_reply(situation_of(alert), reply)
    new = situation.state
    is_a_sign = reply in (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN, AlertReply.HANDED_OVER)
    is_over = incident.state is IncidentState.CLOSED or before is AlertState.STOPPED
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
        raise Conflict("The call is over: nobody needs to know where you are. Thank you.")
    if alert.state not in COMING_STATES:
        raise Conflict("Accept first: only of those who come is it asked where they are.")
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
