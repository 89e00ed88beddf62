"""Plans compared with exhaustive search, and in cases with an obvious answer."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aed.incidents.plan.rules import search
from aed.incidents.plan.rules.offers import Guide, TaskOffer
from aed.incidents.plan.rules.planner import (
    NotAsked,
    NotAskedReason,
    Plan,
    PlanCase,
    PlannedStep,
    TaskPurpose,
    has_same_outcome,
    plan,
    useful_offers,
)
from aed.incidents.plan.rules.survival import Patient, expected_score
from aed.incidents.plan.schemas import PlanInputs, dump_inputs, load_inputs
from aed.incidents.rules import Task
from aed.settings.planning import Planning, Survival
from tests.examples import examples

PLANNING = Planning(
    ambulance_spread=0.0, promise_probability=0.0, min_direct=1, min_gain_percent=0.1, max_alerts_per_wave=10
)
"""Settings that maximise value only, without promises."""
SURVIVAL = Survival()
PATIENT = Patient(0.0, 600.0)
METRES_PER_SECOND = 2.3


def direct(person: int, seconds: float, probability_arrives: float = 0.3) -> TaskOffer:
    return TaskOffer(person, Task.DIRECT, seconds, probability_arrives)


def fetch(
    person: int, seconds: float, device: int = 1, probability_arrives: float = 0.3, works: float = 0.9
) -> TaskOffer:
    return TaskOffer(person, Task.FETCH, seconds, probability_arrives, device, works)


def planned(*offers: TaskOffer, patient: Patient = PATIENT, **given: object) -> Plan:
    return plan(PlanCase(patient, offers, **given), planning=PLANNING, survival=SURVIVAL)  # type: ignore[arg-type] # as Case has them


def tasks(made: Plan) -> dict[int, tuple[Task, int | None]]:
    return {step.offer.person_id: (step.offer.task, step.offer.device_id) for step in made.steps}


def scattered(seed: int, people: int, devices: int) -> PlanCase:
    """Return random people and devices around a patient; walks are straight lines with a detour factor."""
    rng = random.Random(seed)
    half = rng.choice((300, 600, 1000))

    def place() -> tuple[float, float]:
        return rng.uniform(-half, half), rng.uniform(-half, half)

    there = [(place(), rng.choice((0.45, 0.83, 0.93))) for _ in range(devices)]
    offers = []
    for person in range(people):
        at, probability_arrives = place(), rng.choice((0.27, 0.27, 0.6))
        offers.append(direct(person, 45 + math.hypot(*at) * 1.4 / METRES_PER_SECOND, probability_arrives))
        for number, (device, works) in enumerate(there):
            metres = math.dist(at, device) + math.hypot(*device)
            offers.append(
                fetch(person, 105 + metres * 1.4 / METRES_PER_SECOND, number, probability_arrives, works)
            )
    patient = Patient(rng.uniform(0, 120), rng.choice((240, 420, 600, 900, 1500)), rng.random() < 0.2)
    return PlanCase(patient, tuple(offers))


def score(case: PlanCase, chosen: list[TaskOffer], planning: Planning = PLANNING) -> float:
    coming = [*case.asked, *chosen]
    return expected_score(case.patient, coming, SURVIVAL, spread=planning.ambulance_spread)


def worth(case: PlanCase, chosen: list[TaskOffer], planning: Planning = PLANNING) -> float:
    return score(case, chosen, planning) - planning.min_gain_percent * len(chosen)


class Promised(NamedTuple):
    """The promises a plan must meet, computed exhaustively."""

    direct: int
    in_time: float
    soon: float


def in_time(case: PlanCase, chosen: Sequence[TaskOffer], *, within: float = math.inf) -> float:
    people = [each for each in (*case.asked, *chosen) if each.task is not Task.GUIDE]
    before = min(within, case.patient.ambulance_seconds)
    return 1 - math.prod(1 - each.probability_arrives for each in people if each.seconds < before)


def direct_count(case: PlanCase, chosen: Sequence[TaskOffer]) -> int:
    return sum(each.task is Task.DIRECT for each in (*case.asked, *chosen))


def promised(case: PlanCase, planning: Planning) -> Promised:
    directs = [each for each in useful_offers(case, planning) if each.task is Task.DIRECT]
    if case.patient.has_cpr:
        return Promised(min(1, planning.min_direct, direct_count(case, directs)), 0.0, 0.0)
    goal = planning.promise_probability
    before = [each for each in directs if each.seconds < case.patient.ambulance_seconds]
    for count in range(len(directs) + 1):
        some = directs[: min(count, planning.max_alerts_per_wave)]
        is_enough = direct_count(case, some) >= planning.min_direct
        if is_enough and (in_time(case, some) >= goal or count >= len(before)):
            break
    if in_time(case, some) < goal and len(some) >= planning.max_alerts_per_wave:
        some = sorted(before, key=lambda each: (-each.probability_arrives, each.order))[
            : planning.max_alerts_per_wave
        ]
    soon = in_time(case, some, within=planning.promise_seconds)
    return Promised(
        min(planning.min_direct, direct_count(case, some)),
        min(goal, in_time(case, some)),
        goal if soon >= goal else 0.0,
    )


def keeps(case: PlanCase, chosen: Sequence[TaskOffer], what: Promised, planning: Planning) -> bool:
    devices = Counter(each.device_id for each in (*case.asked, *chosen) if each.device_id is not None)
    return (
        len(chosen) <= planning.max_alerts_per_wave
        and max(devices.values(), default=0) <= 2
        and direct_count(case, chosen) >= what.direct
        and in_time(case, chosen) >= what.in_time - 1e-9
        and in_time(case, chosen, within=planning.promise_seconds) >= what.soon - 1e-9
    )


def best_of_all(case: PlanCase, planning: Planning = PLANNING) -> float:
    """Return the value of the best arrangement that meets the promise, over all arrangements."""
    ways: dict[int, list[TaskOffer | None]] = {}
    for offer in useful_offers(case, planning):
        ways.setdefault(offer.person_id, [None]).append(offer)
    every = [[way for way in each if way is not None] for each in product(*ways.values())]
    what = promised(case, planning)

    def best(what: Promised) -> list[TaskOffer]:
        return max(
            (chosen for chosen in every if keeps(case, chosen, what, planning)),
            key=lambda chosen: worth(case, chosen, planning),
        )

    found = best(what)
    if what.soon and not any(each.task is Task.FETCH for each in found):
        relaxed = best(what._replace(soon=0.0))
        found = relaxed if any(each.task is Task.FETCH for each in relaxed) else found
    return worth(case, found, planning)


SOME = (
    PLANNING,
    Planning(promise_probability=0.5, min_direct=2, min_gain_percent=0.1),
    Planning(promise_probability=0.9, min_direct=1, ambulance_spread=0.0, max_alerts_per_wave=3),
    Planning(),
)


@pytest.mark.parametrize("planning", SOME, ids=("value", "half", "few", "usual"))
@pytest.mark.parametrize(("people", "devices"), [(1, 1), (3, 2), (4, 3), (6, 1)])
def test_small_cases_are_planned_optimally(people: int, devices: int, planning: Planning) -> None:
    for seed in range(20):
        case = scattered(seed, people, devices)
        made = plan(case, planning=planning, survival=SURVIVAL)
        chosen = [step.offer for step in made.steps]
        assert worth(case, chosen, planning) == pytest.approx(best_of_all(case, planning), abs=1e-9)


@pytest.mark.parametrize("planning", SOME, ids=("value", "half", "few", "usual"))
@pytest.mark.parametrize(("people", "devices"), [(5, 2), (5, 3), (6, 2), (7, 1)])
def test_the_search_is_within_a_hundredth_of_a_point_of_the_optimum(
    people: int, devices: int, planning: Planning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uses the search where exhaustive enumeration would be chosen."""
    monkeypatch.setattr(
        search, "MAX_EXHAUSTIVE_ARRANGEMENTS", 0
    )  # cases that are enumerated would not show the search
    for seed in range(12):
        case = scattered(seed, people, devices)
        made = plan(case, planning=planning, survival=SURVIVAL)
        chosen = [step.offer for step in made.steps]
        gained = best_of_all(case, planning) - score(case, [], planning)
        assert worth(case, chosen, planning) >= best_of_all(case, planning) - 0.01 * max(1.0, gained), seed


@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(0, 8), st.sampled_from(SOME), st.randoms())
@settings(max_examples=examples(80), deadline=None)  # planning time is measured by `make bench`
def test_invariants_of_every_plan(
    seed: int, people: int, devices: int, planning: Planning, rng: random.Random
) -> None:
    case = scattered(seed, people, devices)
    made = plan(case, planning=planning, survival=SURVIVAL)

    offers = [step.offer for step in made.steps]
    assert len({each.person_id for each in offers}) == len(offers) <= planning.max_alerts_per_wave
    assert planning.ambulance_spread or all(each.seconds < case.patient.ambulance_seconds for each in offers)
    what = promised(case, planning)
    assert keeps(case, offers, what._replace(soon=0.0), planning)
    assert made.probability_in_time == pytest.approx(in_time(case, offers))
    if not case.patient.has_cpr and made.probability_in_time < planning.promise_probability:
        before = (
            each for each in useful_offers(case, planning) if each.seconds < case.patient.ambulance_seconds
        )
        useful = {each.person_id for each in before}
        assert len(offers) >= min(len(useful), planning.max_alerts_per_wave), "everybody useful is asked"
    assert made.survival >= made.survival_before - 1e-9
    asked, left = {each.person_id for each in offers}, [each.offer.person_id for each in made.left]
    assert sorted([*asked, *left]) == list(range(people)), "nobody is passed over in silence"
    mixed = list(case.offers)
    rng.shuffle(mixed)
    assert plan(PlanCase(case.patient, tuple(mixed)), planning=planning, survival=SURVIVAL) == made


@given(st.integers(0, 10_000), st.integers(0, 20), st.integers(0, 5), st.sampled_from(SOME))
@settings(max_examples=examples(60), deadline=None)
def test_one_more_person_near_never_makes_the_promise_worse(
    seed: int, people: int, devices: int, planning: Planning
) -> None:
    """Value beyond the promise may decrease: with a likely responder, fewer others are asked."""
    more = scattered(seed, people + 1, devices)
    fewer = replace(more, offers=tuple(each for each in more.offers if each.person_id != people))
    probabilities = [
        min(
            planning.promise_probability, plan(case, planning=planning, survival=SURVIVAL).probability_in_time
        )
        for case in (fewer, more)
    ]
    assert more.patient.has_cpr or probabilities[1] >= probabilities[0] - 1e-9


# --- cases with an obvious answer -----------------------------------------------------------------------


def test_a_single_person_goes_direct_even_near_a_device() -> None:
    assert tasks(planned(direct(1, 60), fetch(1, 90))) == {1: (Task.DIRECT, None)}


def test_the_nearer_goes_direct_and_the_one_beside_the_device_fetches() -> None:
    made = planned(direct(1, 60), fetch(1, 300), direct(2, 150), fetch(2, 160))
    assert tasks(made) == {1: (Task.DIRECT, None), 2: (Task.FETCH, 1)}


def test_a_device_that_would_arrive_after_the_ambulance_is_not_fetched() -> None:
    made = planned(direct(1, 60), direct(2, 200), fetch(2, 700))
    assert all(task is Task.DIRECT for task, _ in tasks(made).values())
    late = planned(direct(1, 700), fetch(1, 650))
    assert late.steps == ()
    assert [(each.reason, each.adds) for each in late.left] == [(NotAskedReason.AFTER_THE_AMBULANCE, 0.0)]


def test_nobody_is_asked_when_the_ambulance_is_at_the_door() -> None:
    assert planned(direct(1, 30), patient=Patient(600.0, 10.0)).steps == ()


def test_a_device_that_would_arrive_after_one_on_its_way_is_not_fetched() -> None:
    asked = (fetch(9, 200, probability_arrives=0.71), direct(8, 100))
    offers = (direct(1, 150), fetch(1, 260, device=2))
    assert tasks(planned(*offers, asked=asked))[1] == (Task.FETCH, 2), "as long as nobody has said yes"
    known = planned(*offers, asked=asked, on_the_way=frozenset({9}))
    assert all(task is Task.DIRECT for task, _ in tasks(known).values())


def test_a_device_is_fetched_only_if_it_comes_before_the_first_of_those_on_their_way() -> None:
    asked = (fetch(8, 300.0, device=1), fetch(9, 400.0, device=2))
    offers = (fetch(1, 299.0, device=3), fetch(2, 300.0, device=4), fetch(3, 350.0, device=5))
    case = PlanCase(PATIENT, offers, asked=asked, on_the_way=frozenset({8, 9}))

    assert [each.person_id for each in useful_offers(case, PLANNING)] == [1]
    silent = replace(case, on_the_way=frozenset({9}))
    assert [each.person_id for each in useful_offers(silent, PLANNING)] == [1, 2, 3]


def test_more_people_are_alerted_until_enough_accept() -> None:
    offers = tuple(direct(person, 120 + 10 * person) for person in range(3, 12))
    few = planned(
        *offers, asked=(direct(1, 90, probability_arrives=0.02), direct(2, 95, probability_arrives=0.02))
    )
    enough = planned(*offers, asked=(direct(1, 90, probability_arrives=1.0),), on_the_way=frozenset({1}))
    assert len(few.steps) > 3
    assert enough.steps == ()
    assert {each.reason for each in enough.left} == {NotAskedReason.PROMISE_MET}


def test_people_are_asked_however_late_the_ambulance_is() -> None:
    """Where the survival formula is 0 and nobody would add value."""
    late = Patient(0.0, 1500.0)
    offers = tuple(direct(person, 500.0 + 10 * person, 0.27) for person in range(12))
    made = plan(PlanCase(late, offers), planning=Planning(min_gain_percent=9.0), survival=SURVIVAL)

    assert (made.survival_before, made.survival) == (0.0, 0.0)
    assert {person: task for person, (task, _) in tasks(made).items()} == dict.fromkeys(range(8), Task.DIRECT)
    assert {step.purpose for step in made.steps} == {TaskPurpose.PROMISE}
    assert made.probability_in_time == pytest.approx(1 - 0.73**8)
    assert {each.reason for each in made.left} == {NotAskedReason.PROMISE_MET}


def test_one_person_is_alerted_to_relieve_if_compressions_are_under_way() -> None:
    offers = tuple(direct(person, 100.0 + person) for person in range(9))
    made = plan(PlanCase(PATIENT._replace(has_cpr=True), offers), planning=Planning(), survival=SURVIVAL)

    assert tasks(made) == {0: (Task.DIRECT, None)}
    assert [step.purpose for step in made.steps] == [TaskPurpose.RELIEF]


def test_enough_go_direct_though_fetching_is_worth_more() -> None:
    """Ten people next to ten devices: by value alone, all of them would fetch."""
    offers = [offer for one in range(10) for offer in (direct(one, 290.0), fetch(one, 300.0, device=one))]
    value = planned(*offers)
    made = plan(PlanCase(PATIENT, tuple(offers)), planning=Planning(min_direct=4), survival=SURVIVAL)

    counts = [Counter(step.offer.task for step in each.steps)[Task.DIRECT] for each in (value, made)]
    assert counts == [1, 4]


def test_few_people_nearby_are_all_alerted_and_one_fetches() -> None:
    offers = [
        offer
        for one in range(5)
        for offer in (direct(one, 120.0 + 10 * one), fetch(one, 340.0, device=one % 2))
    ]
    made = plan(PlanCase(PATIENT, tuple(offers)), planning=Planning(), survival=SURVIVAL)

    assert len(made.steps) == 5
    assert Task.FETCH in {task for task, _ in tasks(made).values()}


def test_nearer_people_are_alerted_before_farther_ones_who_would_meet_the_promise() -> None:
    near = [direct(one, 300.0 + one, 0.27) for one in range(8)]
    far = [direct(10 + one, 500.0 + one, 0.9) for one in range(8)]
    made = plan(PlanCase(PATIENT, (*near, *far)), planning=Planning(min_gain_percent=9.0), survival=SURVIVAL)
    assert set(tasks(made)) == set(range(8))


def test_not_more_than_two_are_sent_to_one_device() -> None:
    offers = [
        offer
        for one in range(9)
        for offer in (direct(one, 500.0), fetch(one, 200.0 + one, probability_arrives=0.2))
    ]
    made = planned(*offers)

    assert [device for _, device in tasks(made).values()].count(1) == 2
    asked = (fetch(20, 150.0), fetch(21, 150.0))
    again = planned(*offers, asked=asked)
    assert all(device is None for _, device in tasks(again).values()), "two were sent there before"
    only_there = planned(
        direct(1, 100.0), *(fetch(one, 300.0, probability_arrives=0.2) for one in range(2, 8))
    )
    assert {each.reason for each in only_there.left} == {NotAskedReason.TWO_TO_THIS_DEVICE}


def test_people_who_were_asked_are_not_asked_again() -> None:
    made = planned(direct(1, 60), direct(2, 90), asked=(direct(1, 60, probability_arrives=0.1),))
    assert tasks(made) == {2: (Task.DIRECT, None)}


def test_a_full_wave_reports_that_more_people_would_help() -> None:
    made = planned(*(direct(person, 100.0 + person, probability_arrives=0.1) for person in range(20)))
    assert len(made.steps) == PLANNING.max_alerts_per_wave
    assert {each.reason for each in made.left} == {NotAskedReason.WAVE_IS_FULL}


STEP = PlannedStep(direct(1, 60.0), 4.0, TaskPurpose.PROMISE)
LEFT = NotAsked(direct(2, 90.0), 0.05, NotAskedReason.GAINS_TOO_LITTLE)
OUTCOME = Plan((STEP,), 5.0, 9.0, (LEFT,), 0.3)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": (STEP._replace(offer=direct(3, 60.0)),)},
        {"steps": (STEP._replace(purpose=TaskPurpose.VALUE),)},
        {"steps": (STEP._replace(adds=4.0001),)},
        {"left": (LEFT._replace(offer=direct(3, 90.0)),)},
        {"left": (LEFT._replace(reason=NotAskedReason.PROMISE_MET),)},
        {"left": (LEFT._replace(adds=0.0501),)},
        {"survival_before": 5.0001},
        {"survival": 9.0001},
        {"probability_in_time": 0.3001},
    ],
    ids=str,
)
def test_plans_differ_by_any_task_reason_or_gain(change: dict[str, Any]) -> None:
    assert not has_same_outcome(OUTCOME, replace(OUTCOME, **change))


def test_plans_are_the_same_up_to_rounding() -> None:
    assert has_same_outcome(
        OUTCOME, replace(OUTCOME, survival=9.0 + 1e-9, left=(LEFT._replace(adds=0.05 + 1e-9),))
    )


def test_a_plan_that_was_kept_with_the_settings_old_names_is_planned_again() -> None:
    inputs = PlanInputs(
        PlanCase(PATIENT, (direct(1, 60.0),)), Planning(min_direct=2, max_alerts_per_wave=7), SURVIVAL
    )
    text = dump_inputs(inputs)
    for old, new in (
        ("price_of_asking", "min_gain_percent"),
        ("least_direct", "min_direct"),
        ("most_at_once", "max_alerts_per_wave"),
    ):
        assert f'"{new}":' in text
        text = text.replace(f'"{new}":', f'"{old}":')
    assert load_inputs(text) == inputs


@pytest.mark.parametrize(
    ("offer", "patient", "guided_seconds", "minutes", "per_minute"),
    [
        (direct(1, 240.0), PATIENT, None, 6.0, 2.3),
        (fetch(1, 240.0), PATIENT, None, 6.0, 2.3 + 0.9 * 1.1),
        (direct(1, 600.0), PATIENT, None, 0.0, 2.3),
        (direct(1, 660.0), PATIENT, None, 0.0, 2.3),
        (direct(1, 240.0), PATIENT._replace(has_cpr=True), None, 6.0, 0.0),
        (fetch(1, 240.0), PATIENT._replace(has_cpr=True), None, 6.0, 0.9 * 1.1),
        (direct(1, 240.0)._replace(saved=60.0), PATIENT, None, 6.0, 2.3),
        (direct(1, 240.0)._replace(saved=60.0), PATIENT, 30.0, 7.0, 2.3),
    ],
)
def test_a_person_adds_at_most_what_the_formula_gives_for_the_minutes_before_the_ambulance(
    offer: TaskOffer, patient: Patient, guided_seconds: float | None, minutes: float, per_minute: float
) -> None:
    """67 - 2.3 t_CPR - 1.1 t_shock - 2.1 t_ACLS; a device works in 9 of 10 cases, and 3 of 10 people come."""
    guide = None if guided_seconds is None else Guide(TaskOffer(9, Task.GUIDE, guided_seconds, 0.3), 0.0)
    found = search.ArrangementSearch(patient, (), [offer], PLANNING, SURVIVAL, guide)

    assert found.bound(offer) == pytest.approx(0.3 * per_minute * minutes)


def test_what_a_person_adds_at_most_is_expected_over_when_the_ambulance_comes() -> None:
    planning = PLANNING.model_copy(update={"ambulance_spread": 0.2})
    factor = math.exp(0.2 * math.sqrt(3.0))
    found = search.ArrangementSearch(PATIENT, (), [], planning, SURVIVAL)

    expected = sum(
        weight * (seconds - 240.0)
        for weight, seconds in ((1 / 6, 600 / factor), (2 / 3, 600), (1 / 6, 600 * factor))
    )
    assert found.bound(direct(1, 240.0)) == pytest.approx(0.3 * 2.3 * expected / 60)


@pytest.mark.parametrize(("seconds", "asked"), [(599.0, {1, 2}), (600.0, {1})])
def test_nobody_who_comes_with_the_ambulance_is_asked_for_the_promise(
    seconds: float, asked: set[int]
) -> None:
    """They are considered, since it may be late; here nobody is worth the price."""
    planning = Planning(promise_probability=0.99, min_direct=1, min_gain_percent=50.0, ambulance_spread=0.2)

    made = plan(
        PlanCase(PATIENT, (direct(1, 100.0), direct(2, seconds))), planning=planning, survival=SURVIVAL
    )

    assert set(tasks(made)) == asked


def test_a_full_wave_that_cannot_keep_the_promise_asks_the_likeliest() -> None:
    planning = Planning(promise_probability=0.99, min_direct=1, ambulance_spread=0.0, max_alerts_per_wave=2)
    near = [direct(person, 60.0, 0.3) for person in (1, 2)]
    likely = [direct(person, 500.0, 0.5) for person in (3, 4)]

    made = plan(PlanCase(PATIENT, (*near, *likely)), planning=planning, survival=SURVIVAL)

    assert set(tasks(made)) == {3, 4}


class CountingSearch(search.ArrangementSearch):
    """A search that counts the changes that it evaluates."""

    evaluated = 0

    def _with_change(
        self, chosen: search.Arrangement, change: Iterable[tuple[int, TaskOffer | None]]
    ) -> search.Arrangement | None:
        self.evaluated += 1
        return super()._with_change(chosen, change)


@pytest.mark.parametrize(
    ("people", "has_guide", "small_group", "evaluations"),
    [(6, False, 1, 1), (6, False, 2, 2), (12, False, 7, 7), (13, False, 7, 40), (13, True, 7, 10)],
)
def test_improving_an_arrangement_ends_after_its_number_of_evaluations(
    people: int, has_guide: bool, small_group: int, evaluations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Limits that a small case reaches; its few arrangements would otherwise all be tried.
    monkeypatch.setattr(search, "MAX_EXHAUSTIVE_ARRANGEMENTS", 0)
    monkeypatch.setattr(search, "_MAX_EVALUATIONS_SMALL_GROUP", small_group)
    monkeypatch.setattr(search, "_MAX_EVALUATIONS", 40)
    case = scattered(1, people=people, devices=3)
    guide = Guide(TaskOffer(900, Task.GUIDE, 120.0, 0.3), 60.0) if has_guide else None
    found = CountingSearch(case.patient, case.asked, case.offers, PLANNING, SURVIVAL, guide)
    found.best()
    assert found.evaluated == evaluations


@pytest.mark.parametrize(("people", "evaluations"), [(12, 7), (13, 0)])
def test_two_of_up_to_twelve_people_change_their_tasks_together(
    people: int, evaluations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As above: a limit that a small case reaches.
    monkeypatch.setattr(search, "MAX_EXHAUSTIVE_ARRANGEMENTS", 0)
    monkeypatch.setattr(search, "_MAX_EVALUATIONS_SMALL_GROUP", 7)
    case = scattered(1, people=people, devices=3)
    found = CountingSearch(case.patient, case.asked, case.offers, PLANNING, SURVIVAL)
    found.best([])  # nobody is asked yet, so that no one person alone changes
    assert found.evaluated == evaluations
