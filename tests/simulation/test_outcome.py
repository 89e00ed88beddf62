"""Outcomes of alerts, in cases whose times can be computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aed.planning.survival import valenzuela_survival
from aed.simulation.rules.outcome import outcome
from aed.simulation.rules.policies import AskedResponder
from tests.simulation.worlds import NUMBERS, OPENING, scene, walking

PADS = 90.0


def test_a_next_door_responder_arrives_once_they_have_answered() -> None:
    scenario = scene([0.0, 0.0], [0.0], answers=[20.0, 30.0])

    found = outcome(scenario, [AskedResponder(0), AskedResponder(1, device=0)], NUMBERS)

    assert found.cpr_seconds == 20.0
    assert found.shock_seconds == 30.0 + OPENING + PADS
    assert (found.alerts, found.wasted, found.is_shock_before_ambulance) == (2, 0, True)
    # The formula: 67 - 2.3 t_CPR - 1.1 t_shock - 2.1 t_ACLS, in minutes.
    assert found.survival == pytest.approx(67 - 2.3 * 20 / 60 - 1.1 * (30 + OPENING + PADS) / 60 - 2.1 * 10)


def test_walks_follow_the_streets_by_way_of_the_device() -> None:
    scenario = scene([230.0], [460.0], [[115.0]], answers=[10.0])

    assert outcome(scenario, [AskedResponder(0)], NUMBERS).cpr_seconds == pytest.approx(10 + walking(230))
    fetched = outcome(scenario, [AskedResponder(0, device=0)], NUMBERS)
    assert fetched.cpr_seconds == pytest.approx(10 + walking(115) + OPENING + walking(460))
    assert fetched.shock_seconds == pytest.approx(fetched.cpr_seconds + PADS)
    later = outcome(scenario, [AskedResponder(0, at_seconds=45.0)], NUMBERS)
    assert later.cpr_seconds == pytest.approx(55 + walking(230))


def test_people_who_do_not_come_change_nothing() -> None:
    nobody = outcome(scene([0.0], [0.0]), [], NUMBERS)
    scenario = scene([0.0], [0.0], luck=[0.28])

    found = outcome(scenario, [AskedResponder(0, device=0)], NUMBERS)

    assert found == nobody._replace(alerts=1)
    assert (nobody.cpr_seconds, nobody.shock_seconds) == (600.0, 600.0 + PADS)


def test_a_closed_device_means_cpr_without_a_shock() -> None:
    scenario = scene([0.0], [0.0], probability_usable=[0.0])

    found = outcome(scenario, [AskedResponder(0, device=0)], NUMBERS)

    assert (found.cpr_seconds, found.shock_seconds) == (OPENING, 600.0 + PADS)
    assert found.wasted == 1


def test_only_the_first_responder_at_a_device_gets_it() -> None:
    scenario = scene([0.0, 0.0], [0.0], answers=[5.0, 50.0])

    found = outcome(scenario, [AskedResponder(1, device=0), AskedResponder(0, device=0)], NUMBERS)

    assert found.shock_seconds == 5 + OPENING + PADS
    assert found.wasted == 1, "the second responder found it taken"


def test_arrivals_after_the_ambulance_or_with_a_second_device_are_counted_as_wasted() -> None:
    scenario = scene([0.0, 0.0, 2300.0], [0.0, 100.0], answers=[0.0, 0.0, 0.0])

    found = outcome(
        scenario, [AskedResponder(0, device=0), AskedResponder(1, device=1), AskedResponder(2)], NUMBERS
    )

    assert found.wasted == 2
    assert found.alerts == 3


def test_a_person_who_comes_in_the_same_second_as_the_ambulance_was_in_vain() -> None:
    for answers, is_in_vain in ((599.0, False), (600.0, True)):
        found = outcome(scene([0.0], answers=[answers]), [AskedResponder(0)], NUMBERS)
        assert (found.wasted, found.is_alone, found.cpr_seconds) == (is_in_vain, is_in_vain, answers)

        with_device = scene([0.0], [0.0], answers=[answers - OPENING])
        fetched = outcome(with_device, [AskedResponder(0, device=0)], NUMBERS)
        assert fetched.is_shock_before_ambulance is not is_in_vain
        assert fetched.wasted == is_in_vain


def test_of_two_devices_that_come_in_the_same_second_neither_was_in_vain() -> None:
    scenario = scene([0.0] * 3, [0.0, 0.0, 0.0], answers=[10.0, 10.0, 10.5])

    both = outcome(scenario, [AskedResponder(0, device=0), AskedResponder(1, device=1)], NUMBERS)
    later = outcome(scenario, [AskedResponder(0, device=0), AskedResponder(2, device=2)], NUMBERS)

    assert (both.wasted, later.wasted) == (0, 1)


def test_of_100_people_asked_the_27th_comes_and_the_28th_does_not() -> None:
    comes, stays = (
        outcome(scene([0.0], luck=[luck]), [AskedResponder(0)], NUMBERS) for luck in (0.269, 0.27)
    )

    assert (comes.is_alone, stays.is_alone) == (False, True)


def test_the_soonest_at_a_device_brings_it_even_if_they_were_asked_last() -> None:
    scenario = scene([0.0, 0.0], [230.0, 0.0], [[0.0, 0.0], [0.0, 0.0]], answers=[50.0, 5.0])

    found = outcome(scenario, [AskedResponder(0, device=0), AskedResponder(1, device=0)], NUMBERS)

    assert found.shock_seconds == pytest.approx(5 + OPENING + walking(230) + PADS)
    assert found.wasted == 1


def test_a_bystander_has_already_begun_cpr() -> None:
    assert (
        outcome(scene([0.0], answers=[60.0], has_cpr=True), [AskedResponder(0)], NUMBERS).cpr_seconds == 0.0
    )


def test_without_arrivals_the_patient_is_alone_unless_a_bystander_helps() -> None:
    nobody = outcome(scene([0.0], luck=[0.9]), [AskedResponder(0)], NUMBERS)
    too_late = outcome(scene([0.0], answers=[601.0]), [AskedResponder(0)], NUMBERS)
    in_time = outcome(scene([0.0], answers=[599.0]), [AskedResponder(0)], NUMBERS)
    bystander = outcome(scene([0.0], luck=[0.9], has_cpr=True), [AskedResponder(0)], NUMBERS)

    assert [each.is_alone for each in (nobody, too_late, in_time, bystander)] == [True, True, False, False]


def test_responders_walk_down_their_floors_and_up_to_the_patient_once() -> None:
    flat = scene([230.0], [460.0], [[115.0]])
    high = scene([230.0], [460.0], [[115.0]], floor_seconds=50.0, people_floor_seconds=[30.0])

    for asked in (AskedResponder(0), AskedResponder(0, device=0)):
        more = outcome(high, [asked], NUMBERS).cpr_seconds - outcome(flat, [asked], NUMBERS).cpr_seconds
        assert more == pytest.approx(80.0)


def test_a_lower_show_up_rate_brings_fewer_people() -> None:
    """The plan assumes 27 of 100; with the same random numbers, the true rate decides."""
    scenario, asked = scene([0.0], luck=[0.2]), [AskedResponder(0)]
    numbers = replace(NUMBERS, assumptions=replace(NUMBERS.assumptions, show_up=0.1))

    assert not outcome(scenario, asked, NUMBERS).is_alone
    assert outcome(scenario, asked, numbers).is_alone
    assert numbers.truly == pytest.approx((0.76 / 2.7, 0.38 / 2.7, 0.1))
    assert NUMBERS.truly == (0.76, 0.38, 0.27)


def test_everybody_who_comes_has_seen_it_and_accepted() -> None:
    numbers = replace(NUMBERS, assumptions=replace(NUMBERS.assumptions, show_up=1.0))

    assert numbers.truly == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("cpr_minutes", "shock_minutes", "per_cent"),
    [(0, 0, 56.46), (5, 10, 15.98), (1, 10, 22.51), (10, 3, 22.85), (20, 20, 0.96)],
)
def test_survival_by_valenzuela_equals_a_manual_calculation(
    cpr_minutes: int, shock_minutes: int, per_cent: float
) -> None:
    found = valenzuela_survival(60.0 * cpr_minutes, 60.0 * shock_minutes)
    assert found == pytest.approx(per_cent, abs=0.005)


def test_survival_by_valenzuela_counts_from_the_collapse() -> None:
    scenario = scene([0.0], answers=[60.0])
    scenario = replace(scenario, patient=scenario.patient._replace(since_seconds=120.0))

    found = outcome(scenario, [AskedResponder(0)], NUMBERS)

    assert found.valenzuela == pytest.approx(valenzuela_survival(180.0, 120.0 + 600.0 + PADS))
    with_cpr = replace(scenario, patient=scenario.patient._replace(has_cpr=True))
    at_once = outcome(with_cpr, [AskedResponder(0)], NUMBERS).valenzuela
    assert at_once == pytest.approx(valenzuela_survival(0.0, 120.0 + 600.0 + PADS))
