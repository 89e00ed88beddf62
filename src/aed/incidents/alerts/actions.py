"""Alert people to an incident, and stop alerting them."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aed.accounts.tokens import hash_key
from aed.database.locks import exclusive_lock, exclusive_locks, try_exclusive_lock
from aed.errors import Conflict
from aed.incidents import queries
from aed.incidents.alerts.queries import busy_elsewhere, other_alerts, people_in_exercises
from aed.incidents.messages import alert_text, over_text, stood_down_text
from aed.incidents.models import Alert, EarlierAlertLink, Incident, IncidentPlan
from aed.incidents.plan.queries.case import AskedPerson, build_case_of_incident
from aed.incidents.plan.rules.offers import TaskOffer, arrival_probability, shown_order, shown_seconds
from aed.incidents.plan.rules.planner import PlanCase, offers_by_benefit, plan
from aed.incidents.plan.rules.sufficiency import (
    drop_unneeded,
    silent_and_unneeded,
    sufficiency_in_case,
    sufficiency_of,
)
from aed.incidents.plan.schemas import PlanInputs, dump_inputs, dump_plan
from aed.incidents.plan.show_up import planning_with_learned_rates
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import (
    COMING_STATES,
    LIVE_STATES,
    AlertReply,
    AlertState,
    Hazard,
    IncidentKind,
    IncidentState,
    StopReason,
    Task,
    ambulance_seconds,
    can_be_alerted_again,
    lapses_at,
)
from aed.notifications import outbox
from aed.notifications.outbox import AlertMessage, Notice
from aed.notifications.short_links import KEY_IN_PATH, PREFIX, short_links
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


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
    offer = TaskOffer(
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


log = structlog.get_logger("aed")

KEY_PREFIX: Final = "call_"
ALERT_PATH: Final = "/a/"
"""Path of the page behind an alert's link (`aed.web.call_pages`)."""
_LINK_LASTS: Final = timedelta(days=30)
"""How long the short link of a call leads to its page; the page itself stays."""
_IDLE_REPLAN_AFTER: Final = timedelta(minutes=2)
"""If nobody else could help, the incident is planned again after this long."""


def renew_link(session: Session, alert: Alert) -> str:
    """Give an alert of an exercise a new link, and return its path; the old link becomes invalid.

    visibility: the caller checks that the viewer may take the place of the person.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(16)
    alert.key_hash = hash_key(key)
    session.flush()
    return ALERT_PATH + key


def lock_for_planning(session: Session, incident_id: int) -> Incident:
    """Lock an incident and its region until this transaction ends, so that its plans follow each other.

    Returns it with its region and estate. Raises NotFound. visibility: the caller checks that it is theirs.
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
    case = _case_of_free_people(
        session, incident, at=at, asked=asked, called=called, network=network, settings=settings
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


def _case_of_free_people(
    session: Session,
    incident: Incident,
    *,
    at: datetime,
    asked: Sequence[AskedPerson],
    called: Collection[int],
    network: WalkingNetwork | None,
    settings: Settings,
) -> PlanCase:
    """Build the case without people who are busy elsewhere; lock all others that it names until commit.

    The planning lock is the region's, while people near its border may be called from another region, too.
    Those whom an incident there has alerted meanwhile are left out, and the case is built anew. Only the
    first locks are waited for: later ones could be held by a transaction that waits for ours.
    """
    excluded = set(called) | busy_elsewhere(session, incident, at=at, numbers=settings.planning)
    locked: set[int] = set()
    while True:
        case = build_case_of_incident(
            session,
            incident,
            at=at,
            asked=asked,
            excluded_people=excluded,
            network=network,
            settings=settings,
        )
        people = {offer.person_id for offer in (*case.offers, *case.guides)}
        new = people - locked
        if not locked:
            exclusive_locks(session, [_lock_of_person(each) for each in new])
            lost: set[int] = set()
        else:
            lost = {each for each in new if not try_exclusive_lock(session, _lock_of_person(each))}
        locked |= new - lost
        lost |= people & busy_elsewhere(session, incident, at=at, numbers=settings.planning)
        if not lost:
            return case
        excluded |= lost


def _lock_of_person(person_id: int) -> str:
    return f"alerts of person {person_id}"


def _call(
    session: Session,
    incident: Incident,
    offers: Sequence[TaskOffer],
    again: Mapping[int, Alert],
    *,
    number: int,
    at: datetime,
    settings: Settings,
) -> None:
    """Store an alert for each offer, and enqueue the messages; tests of the line send none.

    `again`: stopped alerts by person, which start anew under another link; the earlier link still opens them.
    """
    public_url = settings.public_url if incident.kind is not IncidentKind.TEST else None
    if public_url is not None:
        links = short_links(session, [(ALERT_PATH + KEY_IN_PATH, at + _LINK_LASTS)] * len(offers))
        keys = [link.removeprefix(PREFIX) for link in links]
    else:
        keys = [KEY_PREFIX + secrets.token_urlsafe(16) for _ in offers]
    alerts = []
    for offer, key in zip(offers, keys, strict=True):
        alert = again.get(offer.person_id)
        if alert is None:
            alert = Alert(incident_id=incident.id, person_id=offer.person_id)
        else:
            session.add(EarlierAlertLink(key_hash=alert.key_hash, alert_id=alert.id))
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
        link = f"{public_url}{PREFIX}{key}" if public_url is not None else None
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
        raise Conflict("The incident is closed.")
