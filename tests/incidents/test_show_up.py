"""Show-up rates are learned from real alerts, and plans use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Incident, ShowUpCount
from aed.incidents.plan.rules.planner import has_same_outcome, plan
from aed.incidents.plan.rules.show_up import (
    PastAlert,
    ShowUpCounts,
    counts_of_alert,
    learn_rates,
    time_of_day,
)
from aed.incidents.plan.schemas import load_inputs, load_plan
from aed.incidents.plan.show_up import count_show_up, planning_with_learned_rates
from aed.incidents.rules import AlertReply, AlertState, IncidentOutcome, TimeOfDay
from aed.settings import Settings
from aed.settings.planning import Planning
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

MINUTE = timedelta(minutes=1)
PUBLISHED = Planning()


def past(**given: object) -> PastAlert:
    known = {
        "state": AlertState.STOPPED,
        "asked_at": NOW,
        "seen_at": None,
        "accepted_at": None,
        "there_at": None,
        "due_at": NOW + 4 * MINUTE,
        "ended_at": NOW + 10 * MINUTE,
        "over_at": NOW + 10 * MINUTE,
    }
    return PastAlert(**(known | given))  # type: ignore[arg-type] # what each test says


def test_silence_counts_only_where_there_was_time_to_answer() -> None:
    assert counts_of_alert(past()) == ShowUpCounts(asked=1)
    assert counts_of_alert(past(ended_at=NOW + MINUTE)) == ShowUpCounts(), (
        "stood down before an answer could come"
    )
    came = past(accepted_at=NOW, there_at=NOW + 5 * MINUTE)
    assert counts_of_alert(came) == ShowUpCounts(1, 1, 1, 1, 1)
    called_off = past(accepted_at=NOW, ended_at=NOW + MINUTE, over_at=NOW + MINUTE)
    assert counts_of_alert(called_off) == ShowUpCounts(1, 1, 1, 0, 0), (
        "called off on the way is no failure to come"
    )
    due_at_the_end = past(accepted_at=NOW, due_at=NOW + 10 * MINUTE)
    assert counts_of_alert(due_at_the_end) == ShowUpCounts(1, 1, 1, 1, 0)
    due_later = past(accepted_at=NOW, due_at=NOW + 11 * MINUTE)
    assert counts_of_alert(due_later) == ShowUpCounts(1, 1, 1, 0, 0)
    in_three_minutes = past(ended_at=NOW + 3 * MINUTE)
    assert counts_of_alert(in_three_minutes) == ShowUpCounts(asked=1), "as long as an answer may take"
    gave_up = past(accepted_at=NOW, state=AlertState.DECLINED)
    assert counts_of_alert(gave_up) == ShowUpCounts(1, 1, 1, 1, 0)


def test_few_calls_move_the_published_rate_a_little_and_many_make_it_their_own() -> None:
    def rate(number: int) -> float:
        tenth = ShowUpCounts(10 * number, 5 * number, 2 * number, 2 * number, number)
        return learn_rates(PUBLISHED, tenth, tenth, tenth, weight=25).probability_there

    assert learn_rates(PUBLISHED, ShowUpCounts(), ShowUpCounts(), ShowUpCounts(), weight=25) is PUBLISHED
    assert 0.1 < rate(10) < rate(1) < PUBLISHED.probability_there
    assert rate(1_000) == pytest.approx(0.1, abs=0.005)


def test_a_share_that_was_confirmed_by_counts_of_its_own_size_stays() -> None:
    """Of 100 people 76 see an alert, 38 accept, and 27 come, as published: counting that changes nothing."""
    counts = ShowUpCounts(asked=100, seen=76, accepted=38, due=38, there=27)

    learned = learn_rates(PUBLISHED, counts, counts, counts, weight=25)

    assert learned.probability_seen == pytest.approx(0.76)
    assert learned.probability_accepted == pytest.approx(0.38)
    assert learned.probability_there == pytest.approx(0.27)


def test_chances_stay_in_order_whatever_was_counted() -> None:
    for counts in (
        ShowUpCounts(9, 9, 9, 9, 9),
        ShowUpCounts(500, 0, 0, 0, 0),
        ShowUpCounts(500, 500, 500, 0, 0),
    ):
        found = learn_rates(PUBLISHED, counts, counts, counts, weight=25)
        assert 1 >= found.probability_seen >= found.probability_accepted >= found.probability_there > 0


@pytest.mark.parametrize(
    ("hour", "when"),
    [
        (5, TimeOfDay.NIGHT),
        (6, TimeOfDay.MORNING),
        (8, TimeOfDay.MORNING),
        (9, TimeOfDay.DAY),
        (16, TimeOfDay.DAY),
        (17, TimeOfDay.EVENING),
        (21, TimeOfDay.EVENING),
        (22, TimeOfDay.NIGHT),
    ],
)
def test_times_of_day(hour: int, when: TimeOfDay) -> None:
    assert time_of_day(datetime(2026, 9, 22, hour, tzinfo=UTC)) is when


def call(session: Session, *, kind: str = "real", at: datetime = NOW, comes: int = 0) -> Incident:
    """Add an incident in which everyone sees the alert and `comes` people come; close it."""
    incident = make.incident(session, kind=kind, at=at, ambulance_seconds=1200)
    for number, alert in enumerate(queries.alerts(session, incident.id)):
        replies = (AlertReply.ACCEPT, AlertReply.THERE) if number < comes else (AlertReply.SEEN,)
        for each in replies:
            when = at + timedelta(seconds=5 + number)
            take_reply(session, alert.id, each, by="test", at=when, network=None, settings=Settings())
    end = at + 15 * MINUTE
    lifecycle.close_incident(session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=end)
    session.commit()
    return incident


def test_a_region_with_low_show_up_at_noon_asks_more_reproducibly(
    session: Session,
) -> None:
    for each in range(1, 31):
        make.responder(session, at=north_of(PATIENT, metres=15.0 * each))
    for day in range(4):
        call(session, at=NOW - timedelta(days=9 - day))
    for day in range(3):
        call(session, kind="exercise", at=NOW - timedelta(days=3 - day), comes=9)
    before = make.incident(session, where=north_of(PATIENT, metres=5), at=NOW - MINUTE)
    asked_before = len(queries.alerts(session, before.id))
    lifecycle.close_incident(session, ADMINISTRATOR, before.id, IncidentOutcome.CALLED_OFF, None, at=NOW)

    people = count_show_up(session, at=NOW, within_days=730)
    assert people == count_show_up(session, at=NOW, within_days=730), "counted anew each time"
    rows = session.scalars(select(ShowUpCount)).all()
    assert {each.time_of_day for each in rows} == {TimeOfDay.DAY}, "NOW is by the region's own clock"
    assert sum(each.there for each in rows) == 0, "exercises do not count"
    assert count_show_up(session, at=NOW + timedelta(days=900), within_days=730) == 0
    count_show_up(session, at=NOW, within_days=730)

    incident = make.incident(session, at=NOW + MINUTE)
    kept = queries.plans(session, incident.id)[0]
    inputs = load_inputs(kept.inputs)
    assert inputs.planning.probability_there < PUBLISHED.probability_there / 2
    assert len(queries.alerts(session, incident.id)) > asked_before, "so more are asked"
    again = plan(inputs.case, planning=inputs.planning, survival=inputs.survival)
    assert has_same_outcome(again, load_plan(kept.outcome))
    by_day = planning_with_learned_rates(
        session, queries.incident_by_id(session, incident.id), PUBLISHED, at=NOW
    )
    by_night = planning_with_learned_rates(
        session, queries.incident_by_id(session, incident.id), PUBLISHED, at=NOW + timedelta(hours=12)
    )
    assert by_day.probability_there < by_night.probability_there < PUBLISHED.probability_there
