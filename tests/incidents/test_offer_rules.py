"""The probability that a person arrives, how a gate delays them, and what dispatchers see of a plan."""

from __future__ import annotations

import pytest

from aed.incidents.plan.rules.disclosure import ShownNotAsked, ShownOffer, shown_plan
from aed.incidents.plan.rules.offers import (
    TaskOffer,
    arrival_probability,
    gate_wait_seconds,
    shown_seconds,
)
from aed.incidents.plan.rules.planner import (
    NotAsked,
    NotAskedReason,
    Plan,
    PlanCase,
    PlannedStep,
    TaskPurpose,
    offers_by_benefit,
)
from aed.incidents.plan.rules.survival import Patient, expected_survival, probability_after_silence
from aed.incidents.rules import AlertState, Task
from aed.registry.estates.rules import GatePassing
from aed.settings.arrival import Arrival
from aed.settings.planning import Planning, Survival

NUMBERS = Planning()
AMBULANCE = 600.0
LATE, LITTLE = NotAskedReason.AFTER_THE_AMBULANCE, NotAskedReason.GAINS_TOO_LITTLE


@pytest.mark.parametrize(
    ("state", "probability"),
    [
        (AlertState.ASKED, probability_after_silence(0.27, 40.0, NUMBERS.answers_after_seconds)),
        (AlertState.SEEN, probability_after_silence(27 / 76, 40.0, NUMBERS.answers_after_seconds)),
        (AlertState.ACCEPTED, 27 / 38),
        (AlertState.ON_THE_WAY, 27 / 38),
        (AlertState.THERE, 1.0),
        (AlertState.DECLINED, 0.0),
        (AlertState.STOPPED, 0.0),
        (AlertState.STOOD_DOWN, 0.0),
    ],
)
def test_the_further_an_alert_has_come_the_likelier_the_person_arrives(
    state: AlertState, probability: float
) -> None:
    """Of 100 people asked 76 see the alert, 38 accept, and 27 come."""
    found = arrival_probability(state, waited_seconds=40.0, numbers=NUMBERS)

    assert found == pytest.approx(probability)


def test_a_gate_keeps_a_person_waiting_as_it_is_passed() -> None:
    numbers = Arrival(guarded_gate_seconds=20.0, closed_gate_seconds=90.0)

    assert [gate_wait_seconds(each, numbers) for each in GatePassing] == [0.0, 20.0, 90.0]


def offer(
    person: int, seconds: float, *, shown: float | None, task: Task = Task.DIRECT, device: int | None = None
) -> TaskOffer:
    return TaskOffer(person, task, seconds, 0.5, device, shown_seconds=shown)


def plan_of(*asked: TaskOffer, left: tuple[NotAsked, ...] = ()) -> Plan:
    steps = tuple(PlannedStep(each, 1.0, TaskPurpose.PROMISE) for each in asked)
    return Plan(steps, 0.0, 0.0, left)


def test_dispatchers_see_the_times_that_may_be_shown_soonest_first() -> None:
    """The times that the plan was made with would tell where people are."""
    before, sooner = offer(1, 50.0, shown=80.0), offer(2, 10.0, shown=60.0)
    later = offer(3, 5.0, shown=90.0, task=Task.FETCH, device=7)
    case = PlanCase(Patient(0.0, AMBULANCE), (sooner, later), asked=(before,))
    survival = Survival()

    shown = shown_plan(case, plan_of(later, sooner), survival)

    assert shown.asked_before == (ShownOffer(1, Task.DIRECT, None, 80.0, 0.5),)
    assert shown.asked == (
        ShownOffer(2, Task.DIRECT, None, 60.0, 0.5),
        ShownOffer(3, Task.FETCH, 7, 90.0, 0.5),
    )
    coming = [each._replace(seconds=shown_seconds(each)) for each in (before, sooner, later)]
    assert shown.survival_before == expected_survival(case.patient, coming[:1], survival)
    assert shown.survival == expected_survival(case.patient, coming, survival)


def test_a_guide_adds_nothing_to_the_survival_that_is_shown() -> None:
    guide = offer(1, 10.0, shown=20.0, task=Task.GUIDE)
    case = PlanCase(Patient(0.0, AMBULANCE), ())

    shown = shown_plan(case, plan_of(guide), Survival())

    assert shown.survival == shown.survival_before == expected_survival(case.patient, [], Survival())


def test_of_a_plan_without_times_to_show_no_survival_is_shown() -> None:
    unknown = offer(1, 10.0, shown=None)
    shown = shown_plan(PlanCase(Patient(0.0, AMBULANCE), (unknown,)), plan_of(unknown), Survival())

    assert shown.asked[0].seconds is None
    assert (shown.survival_before is None, shown.survival) == (False, None)
    with pytest.raises(ValueError, match="are not known"):
        shown_seconds(unknown)


def test_why_a_person_is_left_out_is_judged_by_the_time_of_their_direct_way() -> None:
    in_time, late = offer(1, 10.0, shown=AMBULANCE - 1.0), offer(2, 10.0, shown=AMBULANCE)
    fetching = offer(1, 10.0, shown=900.0, task=Task.FETCH, device=7)
    unknown = offer(3, 900.0, shown=None)
    left = (
        NotAsked(late, 0.0, LITTLE),
        NotAsked(fetching, 0.0, LATE),
        NotAsked(unknown, 0.0, LATE),
        NotAsked(offer(4, 10.0, shown=30.0), 0.0, NotAskedReason.PROMISE_MET),
    )
    case = PlanCase(Patient(0.0, AMBULANCE), (in_time, late, fetching, unknown))

    shown = shown_plan(case, plan_of(left=left), Survival())

    assert shown.left == (
        ShownNotAsked(3, None, LATE),
        ShownNotAsked(4, 30.0, NotAskedReason.PROMISE_MET),
        ShownNotAsked(1, AMBULANCE - 1.0, LITTLE),
        ShownNotAsked(2, AMBULANCE, LATE),
    )


def test_offers_by_benefit_are_the_plans_then_the_others_and_last_those_who_come_too_late() -> None:
    asked, late, other = (offer(person, 10.0, shown=10.0) for person in (1, 2, 3))
    made = plan_of(asked, left=(NotAsked(late, 0.0, LATE), NotAsked(other, 0.0, LITTLE)))

    assert offers_by_benefit(made, 5) == [asked, other, late]
    assert offers_by_benefit(made, 2) == [asked, other]
