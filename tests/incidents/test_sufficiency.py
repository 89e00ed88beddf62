"""When enough people have accepted: who is stood down, who is not, and who is alerted again."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.alerts.schemas import AlertDetailsOut
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert, Incident
from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.sufficiency import Sufficiency, sufficiency_of
from aed.incidents.rules import COMING_STATES, LIVE_STATES, AlertReply, AlertState, IncidentOutcome, Task
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from aed.settings.planning import Planning
from tests import make
from tests.make import NOW, PATIENT, north_of

SURE = Planning().probability_there / Planning().probability_accepted
AMBULANCE = 600.0
PLANNING = Planning()


def direct(person: int, seconds: float, probability_arrives: float = SURE) -> TaskOffer:
    return TaskOffer(person, Task.DIRECT, seconds, probability_arrives)


def fetch(person: int, seconds: float, device: int = 1) -> TaskOffer:
    return TaskOffer(person, Task.FETCH, seconds, SURE, device, 0.9)


def enough(*accepted: TaskOffer, having: set[int] = frozenset(), device: bool = False) -> Sufficiency:  # type: ignore[assignment] # an empty set
    return sufficiency_of(
        accepted,
        with_device=having,
        can_a_device_come=device,
        ambulance_seconds=AMBULANCE,
        planning=PLANNING,
    )


def test_direct_is_sufficient_once_the_accepted_keep_the_promise() -> None:
    three = [direct(person, 60.0 * person) for person in (1, 2, 3)]
    assert enough(*three) == Sufficiency(), "two of three, each with 71 %, are there in 79 of 100 cases"
    four = enough(*three, direct(4, 240))
    assert four.direct_after_seconds == 240
    assert not four.is_unneeded(direct(9, 100)), "a person who would arrive sooner is not stood down"
    assert four.is_unneeded(direct(9, 300))
    assert not four.is_unneeded(TaskOffer(9, Task.GUIDE, 300, 0.3)), "the gate is opened all the same"
    assert enough(*three, direct(4, AMBULANCE + 1)) == Sufficiency(), "after the ambulance nobody counts"


def test_it_takes_two_rescuers_even_if_one_of_them_is_sure_to_come() -> None:
    found = sufficiency_of(
        [direct(1, 60, 1.0), direct(2, 120, 1.0)],
        with_device=(),
        can_a_device_come=False,
        ambulance_seconds=AMBULANCE,
        planning=PLANNING.model_copy(update={"min_direct": 1}),
    )
    assert found.direct_after_seconds == 120


def test_with_several_devices_in_hand_the_soonest_counts() -> None:
    directs = [direct(person, 100.0, 1.0) for person in range(5)]
    coming = (*directs, fetch(8, 300.0), fetch(9, 200.0))

    found = enough(*coming, having={8, 9}, device=True)

    assert found.fetch_after_seconds == 200.0


def test_nobody_is_stood_down_while_a_reachable_device_is_not_fetched() -> None:
    four = [direct(person, 60.0 * person) for person in (1, 2, 3, 4)]
    assert enough(*four, device=True) == Sufficiency()
    with_fetch = enough(*four, fetch(5, 400), device=True)
    assert with_fetch.direct_after_seconds == 240
    assert math.isinf(with_fetch.fetch_after_seconds), "one who fetches may not come"
    in_hand = enough(*four, fetch(5, 400), device=True, having={5})
    assert in_hand.fetch_after_seconds == 400
    assert in_hand.is_unneeded(fetch(9, 500, device=2))
    assert not in_hand.is_unneeded(fetch(9, 300, device=2)), "one that is sooner is wanted"


@pytest.fixture
def incident(session: Session) -> Incident:
    for each in range(1, 15):
        make.responder(session, at=north_of(PATIENT, metres=25.0 * each))
    return make.incident(session, ambulance_seconds=900)


def answer(session: Session, alert: Alert, reply: AlertReply, *, at: float) -> Alert:
    when = NOW + timedelta(seconds=at)
    return take_reply(session, alert.id, reply, by="test", at=when, network=None, settings=Settings())


def by_state(session: Session, incident: Incident, state: AlertState) -> list[Alert]:
    return [each for each in queries.alerts(session, incident.id) if each.state is state]


def test_only_silent_people_are_stood_down(session: Session, incident: Incident) -> None:
    alerts = queries.alerts(session, incident.id)
    assert len(alerts) >= 7
    accepting = alerts[:4]
    for number, alert in enumerate(accepting):
        answer(session, alert, AlertReply.ACCEPT, at=10 + number)

    down = by_state(session, incident, AlertState.STOOD_DOWN)
    latest = max(each.due_at for each in accepting)
    assert down
    assert all((each.coarse_due_at or each.due_at) >= latest for each in down)
    assert all(each.state in COMING_STATES for each in accepting)
    notified = {
        each.person_id: each.text_zh
        for each in session.scalars(select(OutboxMessage).where(OutboxMessage.given_up_at.is_(None)))
        if "人数已足" in (each.text_zh or "")
    }
    assert set(notified) == {each.person_id for each in down}
    called = len(queries.alerts(session, incident.id))

    late = answer(session, down[0], AlertReply.ACCEPT, at=60)
    assert late.state is AlertState.STOOD_DOWN, "not needed: the page says so"
    page = AlertDetailsOut.of(
        queries.incident_by_id(session, incident.id), late, at=NOW + timedelta(seconds=60)
    )
    assert (page.is_stood_down, page.patient, page.seconds) == (True, None, None)
    assert answer(session, down[0], AlertReply.THERE, at=70).state is AlertState.THERE, "who is there counts"
    assert len(queries.alerts(session, incident.id)) == called, "and nobody else is asked"


def test_nobody_is_needed_again_after_the_incident_was_closed(session: Session, incident: Incident) -> None:
    for number, alert in enumerate(queries.alerts(session, incident.id)[:4]):
        answer(session, alert, AlertReply.ACCEPT, at=10 + number)
    down = by_state(session, incident, AlertState.STOOD_DOWN)
    closed_at = NOW + timedelta(seconds=60)
    lifecycle.close_incident(
        session, make.ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=closed_at
    )

    assert answer(session, down[0], AlertReply.ACCEPT, at=90).state is AlertState.STOOD_DOWN
    assert not any(each.state in LIVE_STATES for each in queries.alerts(session, incident.id))


def test_people_who_were_stood_down_are_needed_again_when_others_drop_out(
    session: Session, incident: Incident
) -> None:
    alerts = queries.alerts(session, incident.id)
    for number, alert in enumerate(alerts[:4]):
        answer(session, alert, AlertReply.ACCEPT, at=10 + number)
    down = by_state(session, incident, AlertState.STOOD_DOWN)
    keys = {each.id: each.key_hash for each in down}
    for number, alert in enumerate(alerts[:4]):
        answer(session, alert, AlertReply.DECLINE, at=90 + number)

    again = [each for each in down if each.state is AlertState.ASKED]
    assert again, "they are called again"
    assert all(each.key_hash != keys[each.id] for each in again), "by a new link"
    for each in again:
        assert queries.alert_by_key(session, keys[each.id]) is each, "the earlier message's link works too"
    people = [each.person_id for each in queries.alerts(session, incident.id)]
    assert len(people) == len(set(people)), "one alert for a person"
    for each in down:
        assert answer(session, each, AlertReply.ACCEPT, at=120).state in COMING_STATES | {
            AlertState.STOOD_DOWN
        }
    assert len([each for each in down if each.state in COMING_STATES]) >= 3
