"""The people each policy alerts, in scenes with an obvious answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aed.incidents.plan.rules.offers import TaskOffer
from aed.incidents.plan.rules.survival import probability_after_silence
from aed.incidents.rules import Task
from aed.simulation.rules.outcome import journey
from aed.simulation.rules.policies import (
    AskedResponder,
    everyone_near,
    fixed_split,
    nearest_by_line,
    nearest_by_line_and_hours,
    nearest_on_foot,
    one_fetch_only,
)
from aed.simulation.rules.running import policies
from aed.simulation.rules.scene import Lengths
from aed.simulation.rules.waves import _finds_nothing, _known, _offers, plan_in_waves
from tests.simulation.worlds import NUMBERS, OPENING, scene, walking

ACROSS_THE_RIVER = Lengths(
    np.array([50.0, 90.0]), np.array([20.0, 80.0]), np.array([[30.0, 40.0], [85.0, 10.0]])
)
"""The first person and device are near in a straight line, but far on foot."""


def about(number: float) -> Any:  # a number, to which pytest compares with a tolerance
    return pytest.approx(number)


def test_the_straight_line_policy_ignores_streets_and_the_walking_policy_follows_them() -> None:
    scenario = scene([900.0, 100.0], [950.0, 85.0], [[900.0, 800.0], [1000.0, 12.0]], line=ACROSS_THE_RIVER)

    assert nearest_by_line(scenario, 2) == [AskedResponder(0, 0), AskedResponder(1)]
    assert nearest_on_foot(scenario, 2) == [AskedResponder(1, 1), AskedResponder(0)]
    assert nearest_on_foot(scenario, 1) == [AskedResponder(1)], "a single responder goes direct"


def test_policies_that_know_the_hours_avoid_a_closed_device() -> None:
    scenario = scene([50.0, 90.0], [20.0, 80.0], [[30.0, 40.0], [85.0, 10.0]], probability_usable=[0.0, 0.8])

    assert AskedResponder(0, 0) in nearest_by_line(scenario, 2)
    assert AskedResponder(1, 1) not in nearest_by_line(scenario, 2)
    for way in (nearest_by_line_and_hours, nearest_on_foot, fixed_split):
        assert {each.device for each in way(scenario, 3)} <= {None, 1}
    assert nearest_by_line_and_hours(scenario, 2) == [AskedResponder(0), AskedResponder(1, 1)], "an open one"
    assert everyone_near(scenario) == [AskedResponder(0), AskedResponder(1, 1)]
    assert one_fetch_only(scenario) == [AskedResponder(1, 1)]
    assert {each.device for each in plan_in_waves(scenario, NUMBERS, waves=4)} <= {None, 1}


def test_the_fixed_split_sends_two_people_direct_for_each_device_fetched() -> None:
    people = [100.0 + 10 * person for person in range(9)]
    scenario = scene(people, [50.0, 60.0, 70.0], [[200.0 + person] * 3 for person in range(9)])

    asked = fixed_split(scenario, 9)

    assert [each.device for each in asked] == [None, None, 0, None, None, 1, None, None, 2]
    assert len({each.person for each in asked}) == 9
    assert fixed_split(scenario, 4) == asked[:4]
    without = fixed_split(scene(people), 9)
    assert [each.device for each in without] == [None] * 9, "without devices everyone goes direct"


def test_nobody_is_alerted_without_responders_nearby() -> None:
    for way in policies(NUMBERS).values():
        assert way(scene([], [10.0], np.zeros((0, 1)).tolist())) == []
        assert way(scene([np.inf], [10.0], [[np.inf]])) == [], "there is no path to it"


def test_closed_private_devices_are_not_offered() -> None:
    scenario = scene(
        [100.0, 120.0, 140.0], [10.0, 60.0], [[20.0, 80.0]] * 3, private=[True, False]
    ).without_private_devices()

    assert scenario.devices.tolist() == [1]
    for way in policies(NUMBERS).values():
        assert {each.device for each in way(scenario)} <= {None, 0}
        assert all(scenario.devices[each.device] == 1 for each in way(scenario) if each.device is not None)


# --- the plan, wave by wave -----------------------------------------------------------------------------


def test_when_everyone_declines_the_next_wave_alerts_others() -> None:
    people = [100.0 + 5 * person for person in range(90)]
    refusing = scene(people, luck=[0.5] * 90, answers=[1.0] * 90)

    first = plan_in_waves(refusing, NUMBERS, waves=1)
    asked = plan_in_waves(refusing, NUMBERS, waves=3)

    assert asked[: len(first)] == first
    assert {each.at_seconds for each in asked} == {0.0, 45.0, 90.0}
    assert len({each.person for each in asked}) == len(asked), "nobody is alerted twice"


def test_nobody_is_alerted_once_the_device_has_arrived() -> None:
    people = [5.0] * 12
    scenario = scene(people, [5.0], [[0.0]] * 12, answers=[1.0] * 12, ambulance=900.0)
    first = plan_in_waves(scenario, NUMBERS, waves=1)
    assert any(each.device == 0 for each in first)

    assert plan_in_waves(scenario, NUMBERS, waves=8)[-1].at_seconds <= 45.0 * 2


def test_no_wave_is_sent_once_the_ambulance_has_arrived() -> None:
    people = [20.0] * 30
    scenario = scene(people, luck=[0.9] * 30, ambulance=80.0)

    assert {each.at_seconds for each in plan_in_waves(scenario, NUMBERS, waves=9)} <= {0.0, 45.0}


def test_another_device_is_fetched_once_the_first_is_reported_missing() -> None:
    """Twenty people at the patient's door; the near device is missing (chance 0.4, random number 0.5)."""
    people, devices = [150.0 + person for person in range(20)], [60.0, 160.0]
    scenario = scene(people, devices, [[60.0, 160.0]] * 20, probability_usable=[0.4, 0.9], ambulance=900.0)

    asked = plan_in_waves(scenario, NUMBERS, waves=4)

    to_first = [each for each in asked if each.device == 0]
    assert 1 <= len(to_first) <= 2
    stands_there = min(journey(scenario, each, NUMBERS).at_device_seconds for each in to_first)
    assert stands_there % NUMBERS.assumptions.next_wave_seconds
    assert all(each.device != 0 for each in asked if each.at_seconds >= stands_there)
    once = plan_in_waves(scenario, NUMBERS, waves=1)
    assert {each.at_seconds for each in once} == {0.0}, "a single-wave plan is not revised"
    anew = plan_in_waves(scene(people, devices, [[60.0, 160.0]] * 20, ambulance=900.0), NUMBERS, waves=4)
    assert {each.at_seconds % 45.0 for each in anew} == {0.0}, "nothing is missing"


def test_a_second_fetcher_of_a_missing_device_brings_nothing() -> None:
    scenario = scene(
        [150.0] * 9,
        [100.0, 400.0],
        [[50.0, 500.0]] * 9,
        probability_usable=[0.4, 0.9],
        answers=[1.0, 60.0] * 5,
    )
    asked = [AskedResponder(0, 0), AskedResponder(1, 0)]
    at = journey(scenario, asked[0], NUMBERS).at_device_seconds

    before, after = (_known(scenario, asked, moment, NUMBERS) for moment in (at - 1.0, at))

    assert [each.device_id for each in before.asked] == [0, 0]
    assert [each.device_id for each in after.asked] == [None, None]
    assert after.useless_devices == {0}


def test_a_person_on_the_way_needs_the_rest_of_the_way() -> None:
    scenario = scene([300.0])
    asked = [AskedResponder(0, None, 0.0)]
    arrives = journey(scenario, asked[0], NUMBERS).arrives_seconds

    for now in (40.0, 90.0):
        known = _known(scenario, asked, now, NUMBERS)
        assert known.on_the_way == {0}
        assert [offer.seconds for offer in known.asked] == [arrives - now]


def test_a_person_who_has_not_answered_needs_a_reaction_and_the_whole_way() -> None:
    scenario = scene([300.0], answers=[100.0])
    asked = [AskedResponder(0, None, 20.0)]
    taken = journey(scenario, asked[0], NUMBERS)

    known = _known(scenario, asked, 50.0, NUMBERS)

    reaction = NUMBERS.settings.arrival.reaction_seconds
    assert taken.sets_off_seconds == 120.0
    assert [each.seconds for each in known.asked] == [reaction + taken.arrives_seconds - 120.0]
    assert known.on_the_way == frozenset()


def test_everyone_within_a_straight_kilometre_is_alerted() -> None:
    line = Lengths(np.array([990.0, 1010.0, 10.0]), np.array([5.0]), np.array([[900.0], [900.0], [900.0]]))
    scenario = scene([1500.0, 1200.0, 20.0], [9.0], [[1400.0], [1000.0], [30.0]], line=line)

    assert everyone_near(scenario) == [AskedResponder(2, 0), AskedResponder(0)]


def test_a_kilometre_includes_its_last_metre_and_the_soonest_on_foot_comes_first() -> None:
    line = Lengths(np.array([1000.0, 1000.5, 400.0, 300.0]), np.zeros(0), np.zeros((4, 0)))

    asked = everyone_near(scene([1100.0, 50.0, 900.0, np.inf], line=line))

    assert asked == [AskedResponder(2), AskedResponder(0)], "nobody can walk from the last place"


# --- what the plan knows --------------------------------------------------------------------------------


def test_people_who_are_not_asked_yet_are_offered_the_way_and_the_three_soonest_devices() -> None:
    devices = [100.0, 20.0, 60.0, 10.0, 5.0, 1.0]
    scenario = scene(
        [150.0, 80.0, np.inf],
        devices,
        [[50.0, 50.0, 50.0, 50.0, np.inf, 0.0], [10.0] * 6, [10.0] * 6],
        probability_usable=[0.5, 0.6, 0.7, 0.0, 0.9, 0.9],
        floor_seconds=40.0,
        people_floor_seconds=[15.0, 0.0, 0.0],
    )
    arrival, there = NUMBERS.settings.arrival, NUMBERS.settings.planning.probability_there

    offers = _offers(scenario, NUMBERS, busy={1}, useless=frozenset({5}))

    def fetch(device: int) -> TaskOffer:
        seconds = arrival.reaction_seconds + 15.0 + walking(50.0) + OPENING + walking(devices[device]) + 40.0
        works = float(scenario.probability_usable[device])
        return TaskOffer(0, Task.FETCH, about(seconds), there, device, works)

    direct = about(arrival.reaction_seconds + 15.0 + walking(150.0) + 40.0)
    assert offers == [TaskOffer(0, Task.DIRECT, direct, there), fetch(1), fetch(2), fetch(0)]
    of_both = _offers(scenario, NUMBERS, busy=set(), useless=frozenset())
    assert [(each.person_id, each.device_id) for each in of_both] == [
        (0, None),
        *((0, device) for device in (5, 1, 2)),
        (1, None),
        *((1, device) for device in (5, 4, 1)),
    ]


@pytest.mark.parametrize(
    ("luck", "answer"),
    [
        (0.0, "comes"),
        (0.27, "sets off"),
        (0.379, "sets off"),
        (0.38, "declines"),
        (0.759, "declines"),
        (0.76, "is silent"),
        (0.99, "is silent"),
    ],
)
def test_a_person_who_was_asked_is_known_by_what_they_answered(luck: float, answer: str) -> None:
    """Of 100 people asked 76 see it, 38 accept, and 27 come; each answers after 30 s."""
    scenario = scene([300.0], luck=[luck], answers=[30.0])
    asked = [AskedResponder(0)]
    planning, reaction = NUMBERS.settings.planning, NUMBERS.settings.arrival.reaction_seconds
    arrives = journey(scenario, asked[0], NUMBERS).arrives_seconds

    def silent(now: float) -> list[TaskOffer]:
        share = probability_after_silence(planning.probability_there, now, planning.answers_after_seconds)
        return [TaskOffer(0, Task.DIRECT, about(reaction + arrives - 30.0), share)]

    before, after, at_last = (_known(scenario, asked, now, NUMBERS) for now in (29.0, 30.0, arrives))

    assert list(before.asked) == silent(29.0)
    is_on_the_way = answer in {"comes", "sets off"}
    on_the_way = [TaskOffer(0, Task.DIRECT, arrives - 30.0, about(27 / 38))]
    assert after.on_the_way == ({0} if is_on_the_way else frozenset())
    assert list(after.asked) == (
        on_the_way if is_on_the_way else silent(30.0) if answer == "is silent" else []
    )
    assert list(at_last.asked) == (
        [TaskOffer(0, Task.DIRECT, 0.0, 1.0)]
        if answer == "comes"
        else silent(arrives)
        if answer == "is silent"
        else []
    )
    assert (at_last.on_the_way, at_last.has_cpr) == (frozenset(), answer == "comes")
    assert not before.has_cpr
    assert not after.has_cpr
    assert not at_last.has_device


def test_silence_counts_from_when_a_person_was_asked() -> None:
    scenario, planning = scene([300.0], luck=[0.99], answers=[30.0]), NUMBERS.settings.planning

    known = _known(scenario, [AskedResponder(0, None, at_seconds=45.0)], 90.0, NUMBERS)

    waited = probability_after_silence(planning.probability_there, 45.0, planning.answers_after_seconds)
    assert [each.probability_arrives for each in known.asked] == [about(waited)]


def test_a_person_who_brings_a_device_counts_by_the_chance_that_it_works() -> None:
    scenario = scene([50.0], [200.0], [[40.0]], probability_usable=[0.6])
    asked = [AskedResponder(0, 0)]
    taken = journey(scenario, asked[0], NUMBERS)

    under_way, at_last = (_known(scenario, asked, now, NUMBERS) for now in (1.0, taken.arrives_seconds))

    assert [(each.task, each.device_id, each.works) for each in under_way.asked] == [(Task.FETCH, 0, 0.6)]
    assert (under_way.has_device, under_way.useless_devices) == (False, frozenset())
    assert (at_last.has_cpr, at_last.has_device) == (True, True)


def test_only_a_person_who_comes_finds_that_a_device_is_not_there() -> None:
    """One in place by a chance of 0.4 is missing at a random number of 0.5, and of 0.4 too."""
    scenario = scene(
        [50.0] * 3, [30.0, 30.0], [[40.0] * 2] * 3, probability_usable=[0.4, 0.6], luck=[0.0, 0.27, 0.0]
    )
    asked = [AskedResponder(0, 0), AskedResponder(1, 0), AskedResponder(2, 1), AskedResponder(2)]
    at = journey(scenario, asked[0], NUMBERS).at_device_seconds

    assert list(_finds_nothing(scenario, asked, NUMBERS)) == [at]
    stays_away = _known(scenario, asked[1:], at + 1.0, NUMBERS)
    assert stays_away.useless_devices == frozenset()
    just_missing = replace(scenario, truth=replace(scenario.truth, device_luck=np.array([0.4, 0.5])))
    assert not just_missing.is_there(0)


@pytest.mark.parametrize(
    ("expected", "arrives", "moments"),
    [(45.0, 900.0, {0.0}), (140.0, 900.0, {0.0, 45.0}), (900.0, 45.0, {0.0}), (900.0, 45.5, {0.0, 45.0})],
)
def test_the_plan_ends_when_the_ambulance_is_there_or_was_expected(
    expected: float, arrives: float, moments: set[float]
) -> None:
    refusing = scene([5.0] * 30, luck=[0.5] * 30, answers=[1.0] * 30)
    scenario = replace(
        refusing,
        patient=refusing.patient._replace(ambulance_seconds=expected),
        truth=replace(refusing.truth, ambulance_seconds=arrives),
    )

    assert {each.at_seconds for each in plan_in_waves(scenario, NUMBERS, waves=2)} == moments
