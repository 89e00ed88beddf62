"""Planning an incident, calling whom the plan asks, and calling everybody off."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aed.accounts.tokens import key_hash
from aed.database.session import exclusive_lock
from aed.errors import Conflict
from aed.incidents import queries
from aed.incidents.alerts.actions.stopping import (
    _lane,
    current_offer,
    leave_exercises,
    people_with_device,
    stand_down,
)
from aed.incidents.alerts.queries import busy_elsewhere, people_in_exercises
from aed.incidents.messages import alert_text
from aed.incidents.models import Alert, Incident, IncidentPlan
from aed.incidents.plan.queries.case import build_case_of_incident
from aed.incidents.plan.queries.show_up import planning_with_learned_rates
from aed.incidents.plan.rules.offers import Offer, shown_order, shown_seconds
from aed.incidents.plan.rules.planner import offers_by_benefit, plan
from aed.incidents.plan.rules.sufficiency import drop_unneeded, silent_and_unneeded, sufficiency_in_case
from aed.incidents.plan.schemas import PlanInputs, dump_inputs, dump_plan
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import (
    LIVE_STATES,
    AlertState,
    Hazard,
    IncidentKind,
    IncidentState,
    can_be_alerted_again,
    lapses_at,
)
from aed.notifications import enqueue as putting_actions
from aed.notifications.enqueue import Call, Notice
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")

KEY_PREFIX: Final = "call_"
ALERT_PATH: Final = "/v1/alerts/"
_IDLE_REPLAN_AFTER: Final = timedelta(minutes=2)
"""When nobody else could help, it is looked at again after so long."""


def lock_for_planning(session: Session, incident_id: int) -> Incident:
    """The incident with its region and estate, and nobody else plans in its region until this transaction
    ends: nobody is called to two patients at once. Raises NotFound.

    visibility: the caller says whose it is.
    """
    lock_region(session, queries.region_id_of(session, incident_id))
    return queries.lock_incident(session, incident_id)


def lock_region(session: Session, region_id: int) -> None:
    """One at a time in a region."""
    exclusive_lock(session, f"incidents of region {region_id}")


def plan_and_alert(
    session: Session,
    incident: Incident,
    *,
    reason: str,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
    more: int = 0,
) -> int:
    """It is planned by what is known at this moment, and whoever is to be asked is called; how many.

    1. Who was asked already, and how likely each is to come now, by what the region's past real calls show.
    2. Who else could come, who is not out elsewhere and has not said no.
    3. Who is silent and no longer needed is stood down, as enough others come (`rules.enough`).
    4. The plan, kept with all that it follows from.
    5. An alert and its messages for each, in this transaction: once for a person, unless they were stood down
       or a dispatcher has taken back why it was stopped. In the order of the times that may be shown: the
       plan's own order follows from where people are.

    Only the plan of a real incident reckons with exact places. Tests and exercises, of which anybody may open
    one after the other, take everybody to be at the centre of their cell (docs/decide/responder-privacy.md).

    Nobody while a dispatcher holds it or a hazard forbids it. `more`: so many besides of those whom the plan
    leaves, whatever it says of them; while it is held, so many in all.
    Nobody once the ambulance is there, or its time is over. Of an open incident that this transaction holds.
    visibility: it is the caller's.
    """
    ends_at = lapses_at(
        incident.kind,
        opened_at=incident.opened_at,
        ambulance_at=incident.ambulance_at,
        numbers=settings.planning,
    )
    if incident.ambulance_there_at is not None or at >= ends_at:
        return 0
    is_held = incident.calling_held_at is not None and more == 0
    if is_held or incident.hazard is Hazard.NOBODY_IS_SENT:
        return 0
    learned = planning_with_learned_rates(session, incident, settings.planning, at=at)
    settings = settings.model_copy(update={"planning": learned})
    is_first = incident.version == 1  # planning amends it
    alerts = [] if is_first else queries.alerts(session, incident.id)
    asked = [current_offer(each, at, settings) for each in alerts if each.state in LIVE_STATES]
    again = {each.person_id: each for each in alerts if can_be_alerted_again(each.state, each.stop_reason)}
    called = {each.person_id for each in alerts} - again.keys()
    case = build_case_of_incident(
        session,
        incident,
        at=at,
        asked=asked,
        excluded_people=called | busy_elsewhere(session, incident, at=at, numbers=settings.planning),
        network=network,
        settings=settings,
    )
    if more == 0:
        enough = sufficiency_in_case(case, with_device=people_with_device(alerts), planning=settings.planning)
        stand_down(session, incident, alerts, silent_and_unneeded(case, enough), at=at)
        case = drop_unneeded(case, enough)
    inputs = PlanInputs(case, settings.planning, settings.survival)
    made = plan(case, planning=settings.planning, survival=settings.survival)
    number = 1 if is_first else queries.plans_made(session, incident.id) + 1
    session.add(
        IncidentPlan(
            incident_id=incident.id,
            number=number,
            made_at=at,
            reason=reason,
            inputs=dump_inputs(inputs),
            outcome=dump_plan(made),
        )
    )
    offers = [step.offer for step in made.steps]
    if incident.calling_held_at is not None:
        offers = offers_by_benefit(made, more)
    elif more:
        offers += offers_by_benefit(made, len(offers) + more)[len(offers) :]
    offers.sort(key=shown_order)
    _call(session, incident, offers, again, number=number, at=at, settings=settings)
    append_entry(
        session,
        incident,
        "planned",
        "plan",
        at,
        number=number,
        because=reason,
        asked=[{"person": each.person_id, "task": each.task, "device": each.device_id} for each in offers],
    )
    is_waiting = bool(offers) or any(each.state in (AlertState.ASKED, AlertState.SEEN) for each in alerts)
    wait = timedelta(seconds=settings.planning.wave_seconds)
    incident.replan_at = at + (wait if is_waiting else max(wait, _IDLE_REPLAN_AFTER))
    if incident.calling_held_at is not None:
        incident.replan_at = None
    session.flush()
    return len(offers)


def _call(
    session: Session,
    incident: Incident,
    offers: Sequence[Offer],
    again: Mapping[int, Alert],
    *,
    number: int,
    at: datetime,
    settings: Settings,
) -> None:
    """An alert for each, and messages unless it is a test of the line.

    `again`: by person, alerts that were stopped and begin anew, under another link.
    """
    keys = [KEY_PREFIX + secrets.token_urlsafe(16) for _ in offers]
    alerts = []
    for offer, key in zip(offers, keys, strict=True):
        alert = again.get(offer.person_id) or Alert(incident_id=incident.id, person_id=offer.person_id)
        if alert.device_taken_at is None or alert.device_returned_at is not None:
            # Somebody who has a device in their hands brings that one.
            alert.task, alert.device_id = offer.task, offer.device_id
            alert.p_device_works, alert.seconds_saved = offer.works, offer.saved
            alert.fetch_failure = alert.out_device_id = alert.device_settled_at = None
        alert.due_at, alert.asked_at, alert.plan_number = at + timedelta(seconds=offer.seconds), at, number
        alert.coarse_due_at = at + timedelta(seconds=shown_seconds(offer))
        alert.state, alert.key_hash = AlertState.ASKED, key_hash(key)
        alert.seen_at = alert.accepted_at = alert.there_at = alert.ended_at = alert.stop_reason = None
        alerts.append(alert)
    session.add_all(alerts)
    session.flush()
    if incident.kind is IncidentKind.TEST:
        return
    people = [each.person_id for each in alerts]
    in_exercise: set[int] = set()
    if people and incident.kind is IncidentKind.REAL:
        in_exercise = people_in_exercises(session, people, at=at, numbers=settings.planning)
        leave_exercises(session, incident, people, at=at)
    calls = []
    for alert, key in zip(alerts, keys, strict=True):
        link = f"{settings.public_url}{ALERT_PATH}{key}" if settings.public_url is not None else None
        text_en, text_zh = alert_text(
            incident.kind,
            alert.task,
            _where(incident),
            link,
            leaves_exercise=alert.person_id in in_exercise,
        )
        notice = Notice(text_en, text_zh, expires_at=max(incident.ambulance_at, at) + timedelta(minutes=5))
        calls.append(Call(alert.person_id, _lane(alert), notice, incident.region.country))
    for person_id in sorted(putting_actions.call(session, calls, at)):
        log.warning("person cannot be called", person=person_id)


def _where(incident: Incident) -> tuple[str, str] | None:
    estate = incident.estate
    return (estate.name_en, estate.name_zh) if estate is not None else None


def require_open(incident: Incident) -> None:
    """Raises Conflict for one that is closed."""
    if incident.state is IncidentState.CLOSED:
        raise Conflict("This incident is closed.")
