"""Plan an incident, and alert the people whom the plan asks."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aed.accounts.tokens import hash_key
from aed.database.session import exclusive_lock
from aed.errors import Conflict
from aed.incidents import queries
from aed.incidents.alerts.actions.stopping import (
    current_offer,
    leave_exercises,
    ordering_key,
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
from aed.notifications import outbox
from aed.notifications.outbox import AlertMessage, Notice
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")

KEY_PREFIX: Final = "call_"
ALERT_PATH: Final = "/v1/alerts/"
_IDLE_REPLAN_AFTER: Final = timedelta(minutes=2)
"""If nobody else could help, the incident is planned again after this long."""


def lock_for_planning(session: Session, incident_id: int) -> Incident:
    """Lock an incident and its region until this transaction ends, so that nobody is alerted to two
    patients.

    Returns it with its region and estate. Raises NotFound. visibility: the caller checks whose it is.
    """
    lock_region(session, queries.region_id_of(session, incident_id))
    return queries.lock_incident(session, incident_id)


def lock_region(session: Session, region_id: int) -> None:
    """Take the region's planning lock."""
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
    """Plan the incident with what is known now, and alert the people who are to be asked; return how many.

    1. People who were asked already, and how likely each still comes, by the show-up rates of the region.
    2. People who could be asked: not busy elsewhere, and have not declined.
    3. Stand down people who have not replied and are no longer needed (`plan.rules.sufficiency`).
    4. Make the plan, and store it with its inputs.
    5. Store an alert and enqueue messages for each person: once per person, unless they were stood down or a
       dispatcher lifted the reason for the stop. Ordered by the times that may be shown, because the plan's
       own order depends on exact locations.

    Only plans of real incidents use exact locations. Tests and exercises, which anybody may open repeatedly,
    take everybody to be at the centre of their cell (docs/decide/responder-privacy.md).

    Nobody is alerted while calling is on hold, a hazard forbids it, the ambulance has arrived, or the
    incident's time is over. `more`: this many people in addition, from those whom the plan leaves out; while
    calling is on hold, this many in all. The incident is open and locked by this transaction. visibility: it
    is the caller's.
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
    """Store an alert for each offer, and enqueue the messages; tests of the line send none.

    `again`: stopped alerts by person, which start anew under another link.
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
        alert.state, alert.key_hash = AlertState.ASKED, hash_key(key)
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
        calls.append(
            AlertMessage(alert.person_id, ordering_key(alert, "call"), notice, incident.region.country)
        )
    for person_id in sorted(outbox.alert_people(session, calls, at)):
        log.warning("person cannot be called", person=person_id)


def _where(incident: Incident) -> tuple[str, str] | None:
    estate = incident.estate
    return (estate.name_en, estate.name_zh) if estate is not None else None


def require_open(incident: Incident) -> None:
    """Require an open incident. Raises Conflict."""
    if incident.state is IncidentState.CLOSED:
        raise Conflict("This incident is closed.")
