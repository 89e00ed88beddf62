"""How many of those who are asked come is learned from real calls, and the plan works with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.incidents import queries as queries
from aed.incidents.alerts.actions.answers import take_answer
from aed.incidents.calls.actions import lifecycle as opening
from aed.incidents.models import Incident, ShowUpCount
from aed.incidents.plan.actions import count_show_up
from aed.incidents.plan.queries.show_up import planning_of
from aed.incidents.plan.rules.planner import is_the_same, plan
from aed.incidents.plan.rules.show_up import Past, ShowUp, counted, learned, time_of_day
from aed.incidents.plan.schemas import inputs_of, plan_of
from aed.incidents.rules import AlertState, Outcome, Said, TimeOfDay
from aed.settings import Planning, Settings
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of

MINUTE = timedelta(minutes=1)
PUBLISHED = Planning()


def past(**given: object) -> Past:
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
    return Past(**(known | given))  # type: ignore[arg-type] # what each test says


def test_silence_counts_only_where_there_was_time_to_answer() -> None:
    assert counted(past()) == ShowUp(asked=1)
    assert counted(past(ended_at=NOW + MINUTE)) == ShowUp(), "stood down before an answer could come"
    came = past(accepted_at=NOW, there_at=NOW + 5 * MINUTE)
    assert counted(came) == ShowUp(1, 1, 1, 1, 1)
    called_off = past(accepted_at=NOW, ended_at=NOW + MINUTE, over_at=NOW + MINUTE)
    assert counted(called_off) == ShowUp(1, 1, 1, 0, 0), "called off on the way is no failure to come"
    gave_up = past(accepted_at=NOW, state=AlertState.DECLINED)
    assert counted(gave_up) == ShowUp(1, 1, 1, 1, 0)


def test_few_calls_move_the_published_rate_a_little_and_many_make_it_their_own() -> None:
    def rate(number: int) -> float:
        tenth = ShowUp(10 * number, 5 * number, 2 * number, 2 * number, number)
        return learned(PUBLISHED, tenth, tenth, tenth, weight=25).chance_there

    assert learned(PUBLISHED, ShowUp(), ShowUp(), ShowUp(), weight=25) is PUBLISHED
    assert 0.1 < rate(10) < rate(1) < PUBLISHED.chance_there
    assert rate(1_000) == pytest.approx(0.1, abs=0.005)


def test_chances_stay_in_order_whatever_was_counted() -> None:
    for counts in (ShowUp(9, 9, 9, 9, 9), ShowUp(500, 0, 0, 0, 0), ShowUp(500, 500, 500, 0, 0)):
        found = learned(PUBLISHED, counts, counts, counts, weight=25)
        assert 1 >= found.chance_seen >= found.chance_accepted >= found.chance_there > 0


@pytest.mark.parametrize(
    ("hour", "when"),
    [
        (3, TimeOfDay.NIGHT),
        (7, TimeOfDay.MORNING),
        (12, TimeOfDay.DAY),
        (20, TimeOfDay.EVENING),
        (23, TimeOfDay.NIGHT),
    ],
)
def test_times_of_day(hour: int, when: TimeOfDay) -> None:
    assert time_of_day(datetime(2026, 9, 22, hour, tzinfo=UTC)) is when


def call(session: Session, *, kind: str = "real", at: datetime = NOW, comes: int = 0) -> Incident:
    """Everybody who is asked sees it; so many come; then it is over."""
    incident = make.incident(session, kind=kind, at=at, ambulance_seconds=1200)
    for number, alert in enumerate(queries.alerts(session, incident.id)):
        said = (Said.ACCEPT, Said.THERE) if number < comes else (Said.SEEN,)
        for each in said:
            when = at + timedelta(seconds=5 + number)
            take_answer(session, alert.id, each, by="test", at=when, network=None, settings=Settings())
    end = at + 15 * MINUTE
    opening.close(session, ADMINISTRATOR, incident.id, Outcome.HANDED_OVER, None, at=end)
    session.commit()
    return incident


def test_a_region_where_nobody_comes_at_noon_asks_more_and_its_plan_is_planned_again_the_same(
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
    opening.close(session, ADMINISTRATOR, before.id, Outcome.CALLED_OFF, None, at=NOW)

    people = count_show_up(session, at=NOW, within_days=730)
    assert people == count_show_up(session, at=NOW, within_days=730), "counted anew each time"
    rows = session.scalars(select(ShowUpCount)).all()
    assert {each.time_of_day for each in rows} == {TimeOfDay.DAY}, "NOW is by the region's own clock"
    assert sum(each.there for each in rows) == 0, "exercises do not count"
    assert count_show_up(session, at=NOW + timedelta(days=900), within_days=730) == 0
    count_show_up(session, at=NOW, within_days=730)

    incident = make.incident(session, at=NOW + MINUTE)
    kept = queries.plans(session, incident.id)[0]
    inputs = inputs_of(kept.inputs)
    assert inputs.planning.chance_there < PUBLISHED.chance_there / 2
    assert len(queries.alerts(session, incident.id)) > asked_before, "so more are asked"
    again = plan(inputs.case, planning=inputs.planning, survival=inputs.survival)
    assert is_the_same(again, plan_of(kept.outcome))
    day = planning_of(session, queries.with_all(session, incident.id), PUBLISHED, at=NOW)
    night = planning_of(
        session, queries.with_all(session, incident.id), PUBLISHED, at=NOW + timedelta(hours=12)
    )
    assert day.chance_there < night.chance_there < PUBLISHED.chance_there
