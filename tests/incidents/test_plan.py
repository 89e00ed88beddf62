"""Who is asked to do what: against every arrangement there is, and in cases whose answer one sees."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aed.incidents.rules import arrangement
from aed.incidents.rules.offer import Offer, Task
from aed.incidents.rules.plan import Case, Plan, Why, choices, plan
from aed.incidents.rules.survival import Patient, expected_survival
from aed.settings import Planning, Survival

PLANNING = Planning(min_gain_percent=0.1, min_direct=0, max_alerts_per_wave=10)
SURVIVAL = Survival()
PATIENT = Patient(0.0, 600.0)
METRES_PER_SECOND = 2.3


def direct(person: int, seconds: float, chance: float = 0.3) -> Offer:
    return Offer(person, Task.DIRECT, seconds, chance)


def fetch(person: int, seconds: float, device: int = 1, chance: float = 0.3, works: float = 0.9) -> Offer:
    return Offer(person, Task.FETCH, seconds, chance, device, works)


def planned(*offers: Offer, patient: Patient = PATIENT, **given: object) -> Plan:
    return plan(Case(patient, offers, **given), planning=PLANNING, survival=SURVIVAL)  # type: ignore[arg-type] # as Case has them


def tasks(made: Plan) -> dict[int, tuple[Task, int | None]]:
    return {step.offer.person_id: (step.offer.task, step.offer.device_id) for step in made.steps}


def scattered(seed: int, people: int, devices: int) -> Case:
    """People and devices around a patient, on foot as the crow flies with a detour."""
    rng = random.Random(seed)
    half = rng.choice((300, 600, 1000))

    def place() -> tuple[float, float]:
        return rng.uniform(-half, half), rng.uniform(-half, half)

    there = [(place(), rng.choice((0.45, 0.83, 0.93))) for _ in range(devices)]
    offers = []
    for person in range(people):
        at, chance = place(), rng.choice((0.27, 0.27, 0.6))
        offers.append(direct(person, 45 + math.hypot(*at) * 1.4 / METRES_PER_SECOND, chance))
        for number, (device, works) in enumerate(there):
            metres = math.dist(at, device) + math.hypot(*device)
            offers.append(fetch(person, 105 + metres * 1.4 / METRES_PER_SECOND, number, chance, works))
    patient = Patient(rng.uniform(0, 120), rng.choice((240, 420, 600, 900, 1500)), rng.random() < 0.2)
    return Case(patient, tuple(offers))


def worth(case: Case, chosen: list[Offer]) -> float:
    return expected_survival(case.patient, chosen, SURVIVAL) - PLANNING.min_gain_percent * len(chosen)


def best_of_all(case: Case) -> float:
    """What the best arrangement is worth, of all there are."""
    ways: dict[int, list[Offer | None]] = {}
    for offer in choices(case):
        ways.setdefault(offer.person_id, [None]).append(offer)
    best = worth(case, [])
    for each in product(*ways.values()):
        chosen = [way for way in each if way is not None]
        if any(way.task is Task.DIRECT for way in chosen) and len(chosen) <= PLANNING.max_alerts_per_wave:
            best = max(best, worth(case, chosen))
    return best


@pytest.mark.parametrize(("people", "devices"), [(1, 1), (3, 2), (4, 3), (6, 1)])
def test_small_cases_are_planned_as_well_as_they_can_be(people: int, devices: int) -> None:
    for seed in range(40):
        case = scattered(seed, people, devices)
        made = plan(case, planning=PLANNING, survival=SURVIVAL)
        assert worth(case, [step.offer for step in made.steps]) == pytest.approx(best_of_all(case), abs=1e-9)


@pytest.mark.parametrize(("people", "devices"), [(5, 2), (5, 3), (6, 2), (7, 1)])
def test_the_search_of_larger_ones_is_within_a_hundredth(
    people: int, devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made to search where it would try all."""
    monkeypatch.setattr(arrangement, "FEW", 0)  # cases of which all is tried would not show the search
    for seed in range(25):
        case = scattered(seed, people, devices)
        made = plan(case, planning=PLANNING, survival=SURVIVAL)
        best = best_of_all(case)
        assert worth(case, [step.offer for step in made.steps]) >= best - 0.01 * max(best, 0.0) - 1e-9


@given(st.integers(0, 10_000), st.integers(1, 25), st.integers(0, 8), st.randoms())
@settings(max_examples=60, deadline=None)  # how long a plan takes is for `make bench`
def test_what_holds_of_every_plan(seed: int, people: int, devices: int, rng: random.Random) -> None:
    case = scattered(seed, people, devices)
    made = plan(case, planning=PLANNING, survival=SURVIVAL)

    offers = [step.offer for step in made.steps]
    assert len({each.person_id for each in offers}) == len(offers) <= PLANNING.max_alerts_per_wave
    assert not offers or any(each.task is Task.DIRECT for each in offers)
    assert all(each.seconds < case.patient.ambulance_seconds for each in offers)
    directs = [each for each in offers if each.task is Task.DIRECT]
    may_go = [step for step in made.steps if len(directs) > 1 or step.offer.task is Task.FETCH]
    assert all(step.adds >= PLANNING.min_gain_percent - 1e-6 for step in may_go)
    assert made.survival >= made.survival_before
    asked, left = {each.person_id for each in offers}, [each.offer.person_id for each in made.left]
    assert sorted([*asked, *left]) == list(range(people)), "nobody is passed over in silence"
    mixed = list(case.offers)
    rng.shuffle(mixed)
    assert plan(Case(case.patient, tuple(mixed)), planning=PLANNING, survival=SURVIVAL) == made


def test_who_is_alone_goes_direct_though_a_device_is_near() -> None:
    assert tasks(planned(direct(1, 60), fetch(1, 90))) == {1: (Task.DIRECT, None)}


def test_the_nearer_goes_direct_and_the_one_beside_the_device_fetches() -> None:
    made = planned(direct(1, 60), fetch(1, 300), direct(2, 150), fetch(2, 160))
    assert tasks(made) == {1: (Task.DIRECT, None), 2: (Task.FETCH, 1)}


def test_no_device_is_fetched_that_comes_after_the_ambulance() -> None:
    made = planned(direct(1, 60), direct(2, 200), fetch(2, 700))
    assert all(task is Task.DIRECT for task, _ in tasks(made).values())
    late = planned(direct(1, 700), fetch(1, 650))
    assert late.steps == ()
    assert [each.why for each in late.left] == [Why.AFTER_THE_AMBULANCE]


def test_nobody_is_asked_when_the_ambulance_is_at_the_door() -> None:
    assert planned(direct(1, 30), patient=Patient(600.0, 10.0)).steps == ()


def test_once_a_device_is_on_its_way_no_later_one_is_sent_for() -> None:
    asked = (fetch(9, 200, chance=0.71), direct(8, 100))
    offers = (direct(1, 150), fetch(1, 260, device=2))
    assert tasks(planned(*offers, asked=asked))[1] == (Task.FETCH, 2), "as long as nobody has said yes"
    known = planned(*offers, asked=asked, on_the_way=frozenset({9}))
    assert all(task is Task.DIRECT for task, _ in tasks(known).values())


def test_more_are_asked_when_too_few_accept_and_nobody_when_enough_come() -> None:
    offers = tuple(direct(person, 120 + 10 * person) for person in range(3, 12))
    few = planned(*offers, asked=(direct(1, 90, chance=0.02), direct(2, 95, chance=0.02)))
    enough = planned(*offers, asked=(direct(1, 90, chance=1.0),), on_the_way=frozenset({1}))
    assert len(few.steps) > 3
    assert enough.steps == ()
    assert {each.why for each in enough.left} == {Why.GAINS_TOO_LITTLE}


def test_somebody_goes_though_the_ambulance_is_so_late_that_the_formula_sees_no_use() -> None:
    late, offers = Patient(0.0, 1500.0), tuple(direct(person, 500.0 + person) for person in range(9))
    case = Case(late, offers)
    assert plan(case, planning=PLANNING, survival=SURVIVAL).steps == ()
    made = plan(case, planning=Planning(), survival=SURVIVAL)
    assert {person: task for person, (task, _) in tasks(made).items()} == dict.fromkeys(range(3), Task.DIRECT)
    with_cpr = Case(late._replace(has_cpr=True), offers)
    assert plan(with_cpr, planning=Planning(), survival=SURVIVAL).steps == ()


def test_who_has_been_asked_is_not_asked_again() -> None:
    made = planned(direct(1, 60), direct(2, 90), asked=(direct(1, 60, chance=0.1),))
    assert tasks(made) == {2: (Task.DIRECT, None)}


def test_a_full_wave_says_that_more_would_help() -> None:
    made = planned(*(direct(person, 100.0 + person, chance=0.1) for person in range(20)))
    assert len(made.steps) == PLANNING.max_alerts_per_wave
    assert {each.why for each in made.left} == {Why.WAVE_IS_FULL}
