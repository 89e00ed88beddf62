"""Planning an incident, calling whom the plan asks, and calling everybody off."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from aed.accounts.actions.tokens import key_hash
from aed.database.session import alone
from aed.errors import Conflict
from aed.incidents.actions.fetched_devices import leave_device_to_another, standing_of, take_device_news
from aed.incidents.actions.leaving import call_away, leave_others
from aed.incidents.actions.standing_down import as_it_stands, is_needed_again, stand_down, with_device
from aed.incidents.actions.taps import is_repeated
from aed.incidents.actions.timeline import enter
from aed.incidents.formats.plan_record import Inputs, inputs_as_json, plan_as_json
from aed.incidents.models import Alert, Incident, IncidentPlan
from aed.incidents.queries import incidents as queries
from aed.incidents.queries.in_force import busy_elsewhere, in_exercises
from aed.incidents.queries.planning import case_of_incident
from aed.incidents.queries.show_up import planning_of
from aed.incidents.rules.answering import after
from aed.incidents.rules.enough import enough_in, silent_and_needless, without_needless
from aed.incidents.rules.incident import (
    COMES,
    LIVE,
    AlertState,
    Kind,
    Said,
    State,
    StopReason,
    lapses_at,
    may_be_asked_again,
)
from aed.incidents.rules.offer import Offer, Task, shown_order, shown_seconds
from aed.incidents.rules.plan import by_hand, plan
from aed.incidents.rules.scene import Hazard
from aed.incidents.rules.words import call_words, over_words
from aed.notifications import actions as outbox
from aed.notifications.actions import Call, Notice
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")

KEY_PREFIX: Final = "call_"
CALLED: Final = "/v1/alerts/"
_QUIET: Final = timedelta(minutes=2)
"""When nobody else could help, it is looked at again after so long."""


def hold(session: Session, incident_id: int) -> Incident:
    """The incident with its region and estate, and nobody else plans in its region until this transaction
    ends: nobody is called to two patients at once. Raises NotFound.

    visibility: the caller says whose it is.
    """
    take_turns(session, queries.region_of(session, incident_id))
    return queries.held(session, incident_id)


def take_turns(session: Session, region_id: int) -> None:
    """One at a time in a region."""
    alone(session, f"incidents of region {region_id}")


def plan_and_call(
    session: Session,
    incident: Incident,
    *,
    because: str,
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
    learned = planning_of(session, incident, settings.planning, at=at)
    settings = settings.model_copy(update={"planning": learned})
    is_first = incident.version == 1  # planning amends it
    alerts = [] if is_first else queries.alerts(session, incident.id)
    asked = [as_it_stands(each, at, settings) for each in alerts if each.state in LIVE]
    again = {each.person_id: each for each in alerts if may_be_asked_again(each.state, each.stopped_because)}
    called = {each.person_id for each in alerts} - again.keys()
    case = case_of_incident(
        session,
        incident,
        at=at,
        asked=asked,
        not_these=called | busy_elsewhere(session, incident, at=at, numbers=settings.planning),
        network=network,
        settings=settings,
    )
    if more == 0:
        enough = enough_in(case, with_device=with_device(alerts), planning=settings.planning)
        stand_down(session, incident, alerts, silent_and_needless(case, enough), at=at)
        case = without_needless(case, enough)
    inputs = Inputs(case, settings.planning, settings.survival)
    made = plan(case, planning=settings.planning, survival=settings.survival)
    number = 1 if is_first else queries.plans_made(session, incident.id) + 1
    session.add(
        IncidentPlan(
            incident_id=incident.id,
            number=number,
            made_at=at,
            because=because,
            inputs=inputs_as_json(inputs),
            outcome=plan_as_json(made),
        )
    )
    offers = [step.offer for step in made.steps]
    if incident.calling_held_at is not None:
        offers = by_hand(made, more)
    elif more:
        offers += by_hand(made, len(offers) + more)[len(offers) :]
    offers.sort(key=shown_order)
    _call(session, incident, offers, again, number=number, at=at, settings=settings)
    enter(
        session,
        incident,
        "planned",
        "plan",
        at,
        number=number,
        because=because,
        asked=[{"person": each.person_id, "task": each.task, "device": each.device_id} for each in offers],
    )
    is_waiting = bool(offers) or any(each.state in (AlertState.ASKED, AlertState.SEEN) for each in alerts)
    wait = timedelta(seconds=settings.planning.wave_seconds)
    incident.look_at = at + (wait if is_waiting else max(wait, _QUIET))
    if incident.calling_held_at is not None:
        incident.look_at = None
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
            alert.works, alert.saved = offer.works, offer.saved
            alert.fetch_failure = alert.out_device_id = alert.device_settled_at = None
        alert.due_at, alert.asked_at, alert.plan_number = at + timedelta(seconds=offer.seconds), at, number
        alert.coarse_due_at = at + timedelta(seconds=shown_seconds(offer))
        alert.state, alert.key_hash = AlertState.ASKED, key_hash(key)
        alert.seen_at = alert.accepted_at = alert.there_at = alert.ended_at = alert.stopped_because = None
        alerts.append(alert)
    session.add_all(alerts)
    session.flush()
    if incident.kind is Kind.TEST:
        return
    people = [each.person_id for each in alerts]
    in_exercise: set[int] = set()
    if people and incident.kind is Kind.REAL:
        in_exercise = in_exercises(session, people, at=at, numbers=settings.planning)
        call_away(session, incident, people, at=at)
    calls = []
    for alert, key in zip(alerts, keys, strict=True):
        link = f"{settings.public_url}{CALLED}{key}" if settings.public_url is not None else None
        text_en, text_zh = call_words(
            incident.kind,
            alert.task,
            _where(incident),
            link,
            leaves_exercise=alert.person_id in in_exercise,
        )
        notice = Notice(text_en, text_zh, expires_at=max(incident.ambulance_at, at) + timedelta(minutes=5))
        calls.append(Call(alert.person_id, _lane(alert), notice, incident.region.country))
    for person_id in sorted(outbox.call(session, calls, at)):
        log.warning("person cannot be called", person=person_id)


def _where(incident: Incident) -> tuple[str, str] | None:
    estate = incident.estate
    return (estate.name_en, estate.name_zh) if estate is not None else None


def _lane(alert: Alert) -> str:
    return f"call/{alert.id}"


# --- what they say --------------------------------------------------------------------------------------


def take_answer(
    session: Session,
    alert_id: int,
    said: Said,
    *,
    by: str,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
    key: UUID | None = None,
) -> Alert:
    """Take what somebody who was called says; plan again where that changes anything.

    1. A tap that was counted already (by its `key`) changes nothing, whatever came in between.
    2. State, task and device follow `rules.answering.after`. The same again, older news, and words that come
       after the stop change nothing; where the device is counts after the stop too.
    3. Somebody who came away without the device, or whose device another has, goes straight to the patient.
    4. Somebody who was stood down and accepts late comes if they are needed again; their page says which.

    visibility: whoever has the link was called, or the caller dispatches the incident.
    """
    incident = hold(session, queries.alert_with_all(session, alert_id).incident_id)
    alert = queries.alert_with_all(session, alert_id)
    if key is not None and is_repeated(session, alert.id, key, said, at=at):
        return alert
    if is_needed_again(session, incident, alert, said, at=at, settings=settings):
        alert.state = AlertState.ASKED
    before = alert.state
    standing = after(standing_of(alert), said)
    new = standing.state
    is_a_sign = said in (Said.DEVICE_ATTACHED, Said.SHOCK_GIVEN, Said.HANDED_OVER)
    is_over = incident.state is State.CLOSED or before is AlertState.STOPPED
    has_news = take_device_news(
        session,
        incident,
        alert,
        standing._replace(state=before) if is_over else standing,
        at=at,
        network=network,
        settings=settings,
    )
    if is_over and has_news:
        enter(session, incident, "said", by, at, alert=alert.id, person=alert.person_id, said=said)
        return alert
    if is_over or (new is before and not is_a_sign and not has_news):
        if is_over or (before is AlertState.STOOD_DOWN and said is not Said.SEEN):
            enter(session, incident, "said_too_late", by, at, alert=alert.id, said=said)
        return alert
    alert.state = new
    _remember(alert, new, at)
    enter(session, incident, "said", by, at, alert=alert.id, person=alert.person_id, said=said)
    if new is AlertState.DECLINED:
        outbox.take_back(session, [_lane(alert)], at)
    if new is AlertState.THERE and alert.task is not Task.GUIDE and not incident.has_cpr:
        incident.has_cpr = True
    if new in COMES and before not in COMES:
        leave_others(session, incident, alert.person_id, at=at)
    session.flush()
    if new in COMES and alert.device_id is not None:
        leave_device_to_another(session, incident, alert, at=at, network=network, settings=settings)
    if (new is not before and new is not AlertState.SEEN) or (has_news and said is not Said.DEVICE_RETURNED):
        plan_and_call(
            session,
            incident,
            because=f"{said} by {alert.id}",
            at=at,
            network=network,
            settings=settings,
        )
    return alert


def _remember(alert: Alert, state: AlertState, at: datetime) -> None:
    """When it came to this, and to what must have been before."""
    alert.seen_at = alert.seen_at or at
    if state in COMES:
        alert.accepted_at = alert.accepted_at or at
        alert.ended_at = None
    if state is AlertState.THERE:
        alert.there_at = alert.there_at or at
    if state is AlertState.DECLINED:
        alert.ended_at = at


# --- the stop -------------------------------------------------------------------------------------------


def call_off(session: Session, incident: Incident, *, at: datetime) -> int:
    """Nobody is called any longer, and whoever was is told that it is over; how many were.

    What waits in the outbox is taken back in this transaction. Of an incident that it holds, with its region.
    visibility: to those who were called.
    """
    called = queries.alerts(session, incident.id)
    outbox.take_back(session, [_lane(each) for each in called], at)
    alerts = [each for each in called if each.state in LIVE]
    text_en, text_zh = over_words(incident.kind)
    notice = Notice(text_en, text_zh, expires_at=at + timedelta(hours=1))
    calls = []
    for alert in alerts:
        if incident.kind is not Kind.TEST and alert.state is not AlertState.THERE:
            calls.append(Call(alert.person_id, f"over/{alert.id}", notice, incident.region.country))
        alert.state, alert.ended_at, alert.stopped_because = AlertState.STOPPED, at, StopReason.OVER
    outbox.call(session, calls, at)
    incident.look_at = None
    session.flush()
    return len(alerts)


def may_be_answered(incident: Incident) -> None:
    """Raises Conflict for one that is closed."""
    if incident.state is State.CLOSED:
        raise Conflict("This incident is closed.")
