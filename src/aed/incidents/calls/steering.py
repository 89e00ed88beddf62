"""A dispatcher's control of an incident: hold, exclude, ask more, radius, age group, hazard.

Each change is recorded with the dispatcher's name, and the incident is planned again where it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import Conflict, NotFound
from aed.incidents import queries
from aed.incidents.alerts.actions import ordering_key, plan_and_alert, require_open, stop_alerts
from aed.incidents.calls.actions import confirm_incident, lock_for_dispatcher
from aed.incidents.calls.queries import require_person_or_device
from aed.incidents.calls.schemas import AskMoreIn, ExclusionIn, HazardIn
from aed.incidents.messages import hazard_text
from aed.incidents.models import Incident, IncidentExclusion
from aed.incidents.plan.queries.case import exclusions
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import LIVE_STATES, AgeGroup, Hazard, IncidentKind, StopReason
from aed.notifications import outbox
from aed.notifications.outbox import AlertMessage, Notice
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


@dataclass(frozen=True, slots=True)
class PlanningContext:
    """What every plan needs: the time, the walking network, the settings."""

    at: datetime
    network: WalkingNetwork | None
    settings: Settings


@dataclass(frozen=True, slots=True)
class SteeringResult:
    """The incident after a change, and how many people were alerted by it."""

    incident: Incident
    asked: int = 0
    exclusion: IncidentExclusion | None = None


def _open_incident(session: Session, who: Viewer, incident_id: int, *, at: datetime) -> Incident:
    incident = lock_for_dispatcher(session, who, incident_id)
    require_open(incident)
    confirm_incident(incident, at=at)
    return incident


def _plan(session: Session, incident: Incident, reason: str, now: PlanningContext, *, more: int = 0) -> int:
    return plan_and_alert(
        session,
        incident,
        reason=reason,
        at=now.at,
        network=now.network,
        settings=now.settings,
        more=more,
    )


def hold_calling(
    session: Session, who: Viewer, incident_id: int, *, held: bool, now: PlanningContext
) -> SteeringResult:
    """Hold or resume alerting. People who were asked stay asked; resuming plans at once.

    Repeating it changes nothing. Raises NotFound, NotSignedIn, NotAllowed; Conflict for a closed incident.
    """
    incident = _open_incident(session, who, incident_id, at=now.at)
    if held is (incident.calling_held_at is not None):
        return SteeringResult(incident)
    incident.calling_held_at = now.at if held else None
    append_entry(session, incident, "held" if held else "resumed", who.name, now.at)
    if held:
        incident.replan_at = None
        session.flush()
        return SteeringResult(incident)
    return SteeringResult(incident, _plan(session, incident, "resumed", now))


def ask_more(
    session: Session, who: Viewer, incident_id: int, change: AskMoreIn, *, now: PlanningContext
) -> SteeringResult:
    """Alert this many more people, the best that the plan left out, also while calling is on hold.

    The same request again (by its key) alerts nobody. Raises as `hold_calling` does; Conflict if a hazard
    forbids sending anybody, or the ambulance has arrived.
    """
    incident = _open_incident(session, who, incident_id, at=now.at)
    if incident.hazard is Hazard.NOBODY_IS_SENT:
        raise Conflict(
            "No one is sent because of the hazard at the scene: change the hazard before you alert more "
            "people.",
            field="hazard",
        )
    if incident.ambulance_there_at is not None:
        raise Conflict("The ambulance has arrived, so no more people are alerted.")
    key = str(change.key)
    for event in queries.events(session, incident.id):
        if event.kind == "asked_more" and orjson.loads(event.payload)["key"] == key:
            return SteeringResult(incident)
    append_entry(session, incident, "asked_more", who.name, now.at, people=change.people, key=key)
    return SteeringResult(incident, _plan(session, incident, "asked for more", now, more=change.people))


def set_radius(
    session: Session, who: Viewer, incident_id: int, metres: float, *, now: PlanningContext
) -> SteeringResult:
    """Set the radius within which people are searched. Raises as `hold_calling` does."""
    incident = _open_incident(session, who, incident_id, at=now.at)
    if incident.radius_metres == metres:
        return SteeringResult(incident)
    incident.radius_metres = metres
    append_entry(session, incident, "radius", who.name, now.at, metres=metres)
    return SteeringResult(incident, _plan(session, incident, "radius", now))


def set_age_group(
    session: Session, who: Viewer, incident_id: int, age: AgeGroup, *, now: PlanningContext
) -> SteeringResult:
    """Set the patient's age group: people who fetch a device then see what is known of its child pads.

    Raises as `hold_calling` does.
    """
    incident = _open_incident(session, who, incident_id, at=now.at)
    if incident.age_group is not age:
        incident.age_group = age
        append_entry(session, incident, "patient", who.name, now.at, age_group=age)
        session.flush()
    return SteeringResult(incident)


def set_hazard(
    session: Session, who: Viewer, incident_id: int, change: HazardIn, *, now: PlanningContext
) -> SteeringResult:
    """Set whether people may be sent to the scene.

    1. `nobody_is_sent`: everybody who was alerted is called back and warned, and nobody is alerted.
    2. `inform`: people are alerted; those who were alerted already are warned at once.
    3. `none`: as usual; people who were called back may be alerted again.

    Raises as `hold_calling` does.
    """
    incident = _open_incident(session, who, incident_id, at=now.at)
    before = incident.hazard, incident.hazard_note
    if before == (change.hazard, change.note):
        return SteeringResult(incident)
    incident.hazard, incident.hazard_note = change.hazard, change.note
    append_entry(
        session, incident, "hazard", who.name, now.at, hazard=change.hazard, has_note=change.note is not None
    )
    alerts = [each for each in queries.alerts(session, incident.id) if each.state in LIVE_STATES]
    if change.hazard is Hazard.NOBODY_IS_SENT:
        stop_alerts(session, incident, alerts, StopReason.HAZARD, at=now.at, words=hazard_text(change.hazard))
        incident.replan_at = None
        session.flush()
        return SteeringResult(incident)
    if change.hazard is Hazard.INFORM and incident.kind is not IncidentKind.TEST:
        text_en, text_zh = hazard_text(change.hazard)
        notice = Notice(text_en, text_zh, expires_at=now.at + timedelta(hours=1))
        country = incident.region.country
        calls = [
            AlertMessage(each.person_id, ordering_key(each, "hazard"), notice, country) for each in alerts
        ]
        outbox.alert_people(session, calls, now.at)
    return SteeringResult(incident, _plan(session, incident, "hazard", now))


def exclude(
    session: Session, who: Viewer, incident_id: int, given: ExclusionIn, *, now: PlanningContext
) -> SteeringResult:
    """Exclude a person or a device from the plan, and notify people who were asked.

    People who were sent for an excluded device are called back, and may be asked for something else at once.
    Excluding the same again returns the existing exclusion. Raises as `hold_calling` does; NotFound for an
    unknown person or device.
    """
    incident = _open_incident(session, who, incident_id, at=now.at)
    current = exclusions(session, incident.id)
    for each in current:
        if (each.person_id, each.device_id) == (given.person_id, given.device_id):
            return SteeringResult(incident, exclusion=each)
    require_person_or_device(session, who, person_id=given.person_id, device_id=given.device_id)
    made = IncidentExclusion(
        incident_id=incident.id,
        person_id=given.person_id,
        device_id=given.device_id,
        excluded_at=now.at,
        excluded_by=who.name,
    )
    session.add(made)
    session.flush()
    append_entry(
        session,
        incident,
        "excluded",
        who.name,
        now.at,
        exclusion=made.id,
        person=given.person_id,
        device=given.device_id,
    )
    stopped = [
        each
        for each in queries.alerts(session, incident.id)
        if each.state in LIVE_STATES
        and (
            each.person_id == given.person_id
            or (given.device_id is not None and each.device_id == given.device_id)
        )
    ]
    stop_alerts(session, incident, stopped, StopReason.EXCLUDED, at=now.at)
    return SteeringResult(incident, _plan(session, incident, "exclusion", now), made)


def lift_exclusion(
    session: Session, who: Viewer, incident_id: int, exclusion_id: int, *, now: PlanningContext
) -> SteeringResult:
    """Lift an exclusion: the person may be alerted again, the device fetched. Repeating it changes
    nothing.

    Raises as `hold_calling` does; NotFound for an exclusion of another incident. visibility: of an incident
    that the caller dispatches.
    """
    incident = _open_incident(session, who, incident_id, at=now.at)
    found = session.get(IncidentExclusion, exclusion_id)
    if found is None or found.incident_id != incident.id:
        raise NotFound(
            "Incident {incident_id} has no exclusion {exclusion_id}.",
            field="exclusion_id",
            incident_id=incident_id,
            exclusion_id=exclusion_id,
        )
    if found.lifted_at is not None:
        return SteeringResult(incident, exclusion=found)
    found.lifted_at, found.lifted_by = now.at, who.name
    append_entry(session, incident, "exclusion_lifted", who.name, now.at, exclusion=found.id)
    return SteeringResult(incident, _plan(session, incident, "exclusion lifted", now), found)
