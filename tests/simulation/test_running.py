"""A whole simulation on a grid of streets."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from aed.errors import InvalidInput
from aed.planning.arrests import WEIGHTS_OF_HOURS
from aed.simulation.rules.assumptions import Assumptions
from aed.simulation.rules.figures import (
    Compared,
    DeviceSharing,
    Simulated,
    StrategyOutcomes,
    difference,
    gained_by_opening,
    summary,
)
from aed.simulation.rules.incident import draw_incident
from aed.simulation.rules.policies import Strategy
from aed.simulation.rules.running import simulate
from aed.simulation.rules.scene import Surroundings
from aed.simulation.rules.world import spread_responders, square_kilometres, with_private_share
from aed.walking.network import Barrier, Crossing, WalkingNetwork
from tests.simulation.worlds import NODES, NUMBERS, grid_world
from tests.walking.grids import grid_position

INCIDENTS = 60


@pytest.fixture(scope="module")
def found() -> Simulated:
    world = grid_world(private=3)
    return simulate(world, incidents=INCIDENTS, seed=7, numbers=NUMBERS, responders=60)


def same(one: StrategyOutcomes, other: StrategyOutcomes) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("cpr_seconds", "shock_seconds", "alerts", "wasted", "survival")
    )


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(found: Simulated) -> None:
    again = simulate(grid_world(private=3), incidents=INCIDENTS, seed=7, numbers=NUMBERS, responders=60)
    other = simulate(grid_world(private=3), incidents=INCIDENTS, seed=8, numbers=NUMBERS, responders=60)

    assert all(same(again.by[which], found.by[which]) for which in found.by)
    assert not any(same(other.by[which], found.by[which]) for which in found.by)


def test_an_incident_does_not_depend_on_other_random_draws(found: Simulated) -> None:
    fewer = simulate(grid_world(private=3), incidents=10, seed=7, numbers=NUMBERS, responders=60)

    for which, these in fewer.by.items():
        assert np.array_equal(these.survival, found.by[which].survival[:10])


def test_all_policies_are_compared_with_the_same_random_draws() -> None:
    """Nobody is near, so every policy has only the ambulance: the same in each incident."""
    world, settings = grid_world(), NUMBERS.settings.model_copy(update={"responder_radius_metres": 1e-3})

    alone = simulate(world, incidents=20, seed=1, numbers=replace(NUMBERS, settings=settings), responders=5)

    first, *others = alone.by.values()
    assert all(same(first, other) for other in others)
    assert len(set(first.shock_seconds.tolist())) == 20


def test_the_plan_brings_more_devices_in_time_and_alerts_fewer_people_than_other_policies(
    found: Simulated,
) -> None:
    """Statistically significant, compared per incident."""
    for sharing in DeviceSharing:
        plan = found.by[Compared(Strategy.PLAN, sharing)]
        for way in Strategy:
            other = found.by[Compared(way, sharing)]
            gain = difference(
                plan.is_shock_before_ambulance.astype(float), other.is_shock_before_ambulance.astype(float)
            )
            assert gain.mean + gain.within >= 0.0, (way, gain)
        asked = summary(found, Compared(Strategy.PLAN, sharing)).alerts
        assert 0 < asked < summary(found, Compared(Strategy.SPLIT_30, sharing)).alerts


def test_people_and_incidents_do_not_depend_on_the_share_of_private_devices(found: Simulated) -> None:
    all_private = simulate(
        grid_world(), incidents=10, seed=7, numbers=NUMBERS, responders=60, private_share=1.0
    )

    which = Compared(Strategy.LINE, DeviceSharing.OPEN)
    assert same(
        all_private.by[which],
        StrategyOutcomes(*(getattr(found.by[which], each)[:10] for each in StrategyOutcomes.__slots__)),
    )


def test_without_private_devices_opening_them_changes_nothing() -> None:
    none = simulate(grid_world(private=0), incidents=15, seed=3, numbers=NUMBERS, responders=40)

    for way in Strategy:
        assert same(none.by[Compared(way, DeviceSharing.OPEN)], none.by[Compared(way, DeviceSharing.CLOSED)])
        assert gained_by_opening(none, way) == (0.0, 0.0)


def test_with_all_devices_private_and_closed_none_arrives_before_the_ambulance() -> None:
    all_of_them = simulate(
        grid_world(), incidents=30, seed=3, numbers=NUMBERS, responders=60, private_share=1.0
    )

    assert all_of_them.private == all_of_them.devices == 6
    for way in Strategy:
        closed = all_of_them.by[Compared(way, DeviceSharing.CLOSED)]
        assert not closed.is_shock_before_ambulance.any()
    assert all_of_them.by[Compared(Strategy.PLAN, DeviceSharing.OPEN)].is_shock_before_ambulance.any()


def test_a_device_is_usable_according_to_its_hours_at_the_time_of_the_incident() -> None:
    world = grid_world(hours="Mo-Su 08:00-20:00")
    surroundings = Surroundings(world, spread_responders(world, 5, np.random.default_rng(1)), NUMBERS)
    arrival = NUMBERS.settings.arrival
    seen = set()
    for number in range(60):
        incident = draw_incident(number, world, 5, NUMBERS.assumptions, seed=1)
        is_open = 0 <= incident.at.hour < 12  # UTC; 08:00 to 20:00 in Shanghai
        probabilities = set(surroundings.scene(incident).probability_usable.tolist())
        assert probabilities <= {arrival.probability_open * arrival.probability_ready if is_open else 0.0}
        seen |= probabilities
    assert len(seen) == 2


def test_strangers_pass_no_gate_that_is_locked_or_not_for_the_public() -> None:
    world = grid_world()
    gates = [
        Barrier(number, grid_position(NODES, number / 10, 0.5), Crossing(number, 0), access, locked, None)
        for number, (access, locked) in enumerate(
            [(None, False), (None, True), ("no", False), ("private", False), ("yes", False), ("yes", True)]
        )
    ]
    network = WalkingNetwork(world.network.streets, gates, world.network.contracted)
    assert [gate.edge for gate in replace(world, network=network).closed_gates()] == [1, 2, 3, 5]
    assert world.closed_gates() == []


def test_a_scene_has_whom_and_what_is_exactly_as_far_as_the_plan_looks() -> None:
    world = grid_world()
    incident = draw_incident(0, world, 30, NUMBERS.assumptions, seed=1)
    people = spread_responders(world, 30, np.random.default_rng(1))
    everything = Surroundings(world, people, NUMBERS).scene(incident)
    for metres in (everything.line.devices[2], everything.line.people[2]):
        settings = NUMBERS.settings.model_copy(update={"responder_radius_metres": float(metres)})
        scene = Surroundings(world, people, replace(NUMBERS, settings=settings)).scene(incident)
        for found, all_of_them in (
            (scene.line.devices, everything.line.devices),
            (scene.line.people, everything.line.people),
        ):
            assert found.tolist() == [each for each in all_of_them.tolist() if each <= metres]
        assert metres in (*scene.line.devices, *scene.line.people)


def test_walks_are_longer_than_straight_lines() -> None:
    world = grid_world()
    surroundings = Surroundings(world, spread_responders(world, 30, np.random.default_rng(1)), NUMBERS)
    scene = surroundings.scene(draw_incident(0, world, 30, NUMBERS.assumptions, seed=1))

    for line, walk in (
        (scene.line.people, scene.walk.people),
        (scene.line.devices, scene.walk.devices),
        (scene.line.between, scene.walk.between),
    ):
        assert line.size
        assert (walk >= line * 0.999).all()


def test_incidents_are_on_any_day_of_the_year() -> None:
    world = grid_world()
    local = [
        draw_incident(number, world, 1, NUMBERS.assumptions, seed=3).at.astimezone(ZoneInfo(world.time_zone))
        for number in range(400)
    ]

    assert {each.year for each in local} == {NUMBERS.assumptions.year}
    assert {each.month for each in local} == set(range(1, 13))


def test_incidents_follow_the_published_distribution_by_hour() -> None:
    night, *others = (sum(WEIGHTS_OF_HOURS[first : first + 6]) for first in (0, 6, 12, 18))
    assert [other / night for other in others] == pytest.approx([2.02, 2.01, 1.73])
    assert 8 <= WEIGHTS_OF_HOURS.index(max(WEIGHTS_OF_HOURS)) <= 11


def test_the_ambulance_takes_as_long_as_is_assumed() -> None:
    world = grid_world()
    numbers = Assumptions(ambulance_seconds=300.0, share_with_cpr=0.25)
    drawn = [draw_incident(number, world, 1, numbers, seed=2) for number in range(1_000)]

    assert np.median([each.ambulance_seconds for each in drawn]) == pytest.approx(300, rel=0.08)
    assert np.mean([each.has_cpr for each in drawn]) == pytest.approx(0.25, abs=0.05)


def test_a_share_of_private_devices_includes_the_really_private_ones_first() -> None:
    world, random = grid_world(devices=10, private=2), np.random.default_rng(0)

    assert with_private_share(world, None, random).private.sum() == 2
    half = with_private_share(world, 0.5, random).private
    assert half.sum() == 5
    assert half[:2].all()
    assert with_private_share(world, 0.1, random).private.tolist().index(True) < 2


# --- figures --------------------------------------------------------------------------------------------


def test_a_policy_compared_with_itself_has_no_difference(found: Simulated) -> None:
    survival = found.by[Compared(Strategy.PLAN, DeviceSharing.OPEN)].survival
    assert difference(survival, survival) == (0.0, 0.0)


def test_the_confidence_interval_contains_zero_in_95_of_100_runs_without_a_difference() -> None:
    random = np.random.default_rng(11)
    gains = [difference(random.normal(20, 5, 400), random.normal(20, 5, 400)) for _ in range(1_000)]

    assert np.mean([abs(each.mean) <= each.within for each in gains]) == pytest.approx(0.95, abs=0.02)


def test_a_small_run_equals_a_manual_calculation() -> None:
    assert difference(np.array([3.0, 5.0]), np.array([2.0, 2.0])) == pytest.approx((2.0, 1.96))


def test_each_figure_of_a_summary_equals_a_manual_calculation() -> None:
    def of(survival: list[float]) -> StrategyOutcomes:
        return StrategyOutcomes(
            cpr_seconds=np.array([0.0, 100.0, 200.0, 300.0]),
            shock_seconds=np.array([400.0, 500.0, 600.0, 1_000.0]),
            is_shock_before_ambulance=np.array([True, True, True, False]),
            alerts=np.array([1.0, 2.0, 3.0, 6.0]),
            wasted=np.array([0.0, 0.0, 1.0, 4.0]),
            survival=np.array(survival),
            valenzuela=np.array([0.1, 0.2, 0.3, 0.2]),
            is_alone=np.array([True, True, False, False]),
        )

    here = DeviceSharing.OPEN
    by = {
        Compared(Strategy.PLAN, here): of([0.4, 0.3, 0.2, 0.3]),
        Compared(Strategy.WALK, here): of([0.2, 0.2, 0.2, 0.2]),
    }
    had_cpr = np.array([True, False, False, False])
    found = Simulated(by=by, had_cpr=had_cpr, responders=1, devices=1, private=0)

    row = summary(found, Compared(Strategy.PLAN, here))

    assert row[:-1] == pytest.approx((200, 280, 550, 880, 0.75, 3, 1.25, 1 / 3, 0.3, 0.2))
    assert row.gains.mean == pytest.approx(0.1)
    assert summary(found, Compared(Strategy.WALK, here)).gains == (0.0, 0.0)


def test_a_summary_of_patients_who_all_had_cpr_has_no_time_to_compressions() -> None:
    one = np.ones(2)
    outcome = StrategyOutcomes(one, one, one > 0, one, one, one, one, one > 0)
    which = Compared(Strategy.PLAN, DeviceSharing.OPEN)
    found = Simulated(by={which: outcome}, had_cpr=one > 0, responders=1, devices=1, private=0)

    row = summary(found, which)

    assert (row.cpr_median_seconds, row.cpr_late_seconds, row.share_alone) == (0.0, 0.0, 0.0)
    assert math.isinf(difference(one[:1], one[:1]).within), "one incident says nothing of the spread"


# --- invalid input --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"ambulance_seconds": 0.0},
        {"ambulance_seconds": float("nan")},
        {"share_with_cpr": 1.1},
        {"since_seconds": -1.0},
        {"asked": 0},
        {"waves": -1},
        {"share_at_home": 1.0000001},
        {"show_up": 1.0000001},
        {"show_up": -0.0000001},
        {"answer_seconds": 0.0},
        {"next_wave_seconds": 0.0},
        {"waves": 0},
        {"floors": -1},
        {"year": 1901},
        {"year": 9001},
    ],
    ids=str,
)
def test_impossible_assumptions_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Assumptions(**wrong)  # type: ignore[arg-type] # one of them


def test_assumptions_are_the_numbers_of_their_sources() -> None:
    assert asdict(Assumptions()) == {
        "share_at_home": 0.7,  # CARES
        "share_with_cpr": 0.4,  # CARES
        "since_seconds": 120.0,
        "since_spread": 0.5,
        "ambulance_seconds": 426.0,  # Virginia Beach, doi 10.5281/zenodo.4079985
        "ambulance_spread": 0.47,  # the same
        "estimate_spread": 0.2,
        "answer_seconds": 30.0,
        "show_up": None,
        "next_wave_seconds": 45.0,
        "waves": 4,
        "asked": 9,
        "floors": 0,
        "year": 2026,
    }


def test_the_limits_of_assumptions_are_possible() -> None:
    Assumptions(share_at_home=1.0, share_with_cpr=0.0, show_up=1.0, since_seconds=0.0, floors=0, year=1902)
    Assumptions(share_at_home=0.0, share_with_cpr=1.0, show_up=0.0, waves=1, asked=1, year=9000)


def test_one_incident_and_one_responder_are_enough_and_ten_a_square_kilometre_are_usual() -> None:
    world = grid_world()

    one = simulate(world, numbers=NUMBERS, incidents=1, seed=1, responders=1)
    usual = simulate(world, numbers=NUMBERS, incidents=1, seed=1, responders=None)

    assert (one.incidents, one.responders) == (1, 1)
    assert square_kilometres(world.areas) == pytest.approx(1.7**2, rel=0.1)
    assert usual.responders == round(10 * square_kilometres(world.areas))


@pytest.mark.parametrize(
    "wrong",
    [{"incidents": 0}, {"responders": 0}, {"responders": -3}, {"seed": -1}, {"private_share": 1.5}],
    ids=str,
)
def test_impossible_numbers_are_refused(wrong: dict[str, float]) -> None:
    usual = {"incidents": 1, "seed": 1, "responders": 5}
    with pytest.raises(InvalidInput):
        simulate(grid_world(), numbers=NUMBERS, **(usual | wrong))  # type: ignore[arg-type] # one of them


def test_patients_and_responders_are_on_every_floor_up_to_the_highest() -> None:
    numbers, world = Assumptions(floors=3), grid_world()
    drawn = [draw_incident(number, world, 5, numbers, seed=1) for number in range(60)]

    assert {each.floor for each in drawn} == {0, 1, 2, 3}
    assert {floor for each in drawn for floor in each.responder_floors.tolist()} == {0.0, 1.0, 2.0, 3.0}
    on_the_ground = draw_incident(0, world, 5, Assumptions(floors=0), seed=1)
    assert (on_the_ground.floor, set(on_the_ground.responder_floors.tolist())) == (0, {0.0})
