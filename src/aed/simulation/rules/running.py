"""Run a simulation, incident by incident."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np

from aed.errors import InvalidInput
from aed.simulation.rules.assumptions import Numbers
from aed.simulation.rules.figures import Compared, DeviceSharing, Simulated, outcomes
from aed.simulation.rules.incident import draw_incident
from aed.simulation.rules.outcome import SimulatedOutcome, outcome
from aed.simulation.rules.policies import (
    Policy,
    Strategy,
    everyone_near,
    fixed_split,
    nearest_by_line,
    nearest_by_line_and_hours,
    nearest_on_foot,
    one_fetch_only,
)
from aed.simulation.rules.scene import Surroundings
from aed.simulation.rules.waves import plan_in_waves
from aed.simulation.rules.world import World, spread_responders, square_kilometres, with_private_share

RESPONDERS_PER_SQUARE_KILOMETRE: Final = 10.0
"""Stieglis 2020."""
_SEED_OF_PEOPLE: Final = 0
_SEED_OF_LOTS: Final = 2
"""A seed apart from that of the incidents, so that these are the same for every private share."""


def policies(numbers: Numbers) -> Mapping[str, Policy]:
    """Return the strategies with their numbers."""
    count = numbers.assumptions.asked
    return {
        Strategy.LINE: partial(nearest_by_line, count=count),
        Strategy.LINE_AND_HOURS: partial(nearest_by_line_and_hours, count=count),
        Strategy.WALK: partial(nearest_on_foot, count=count),
        Strategy.SPLIT: partial(fixed_split, count=count),
        Strategy.SPLIT_30: partial(fixed_split, count=30),
        Strategy.EVERYONE: everyone_near,
        Strategy.ONE_FETCH: one_fetch_only,
        Strategy.PLAN_ONCE: partial(plan_in_waves, numbers=numbers, waves=1),
        Strategy.PLAN: partial(plan_in_waves, numbers=numbers, waves=numbers.assumptions.waves),
    }


def simulate(
    world: World,
    *,
    incidents: int,
    seed: int,
    numbers: Numbers,
    responders: int | None = None,
    private_share: float | None = None,
    ways: Mapping[str, Policy] | None = None,
    sharings: Sequence[DeviceSharing] = tuple(DeviceSharing),
    progress: Callable[[int], None] | None = None,
) -> Simulated:
    """Simulate incidents under every strategy, with private devices open and closed.

    The same seed gives the same result. `responders` is their total number, by default
    `RESPONDERS_PER_SQUARE_KILOMETRE` of the residential areas; `private_share`: see
    `with_private_share`; `ways`: the strategies, by default `policies`.
    Raises InvalidInput for impossible numbers.
    """
    if incidents < 1:
        raise InvalidInput("incidents must be at least 1.", field="incidents")
    if seed < 0:
        raise InvalidInput("seed must be a whole number that is not negative.", field="seed")
    world = with_private_share(world, private_share, np.random.default_rng((seed, _SEED_OF_LOTS)))
    count = responders
    if count is None:
        count = max(1, round(RESPONDERS_PER_SQUARE_KILOMETRE * square_kilometres(world.areas)))
    people = spread_responders(world, count, np.random.default_rng((seed, _SEED_OF_PEOPLE)))
    surroundings = Surroundings(world, people, numbers)
    ways = ways if ways is not None else policies(numbers)
    found: dict[Compared, list[SimulatedOutcome]] = {
        Compared(way, sharing): [] for sharing in sharings for way in ways
    }
    had_cpr: list[bool] = []
    for number in range(incidents):
        incident = draw_incident(number, world, count, numbers.assumptions, seed=seed)
        had_cpr.append(incident.has_cpr)
        scene = surroundings.scene(incident)
        scenes = {DeviceSharing.OPEN: scene, DeviceSharing.CLOSED: scene.without_private_devices()}
        for each, kept in found.items():
            scene = scenes[each.sharing]
            kept.append(outcome(scene, ways[each.way](scene), numbers))
        if progress is not None:
            progress(number + 1)
    return Simulated(
        by={each: outcomes(kept) for each, kept in found.items()},
        had_cpr=np.array(had_cpr, dtype=bool),
        responders=count,
        devices=len(world.devices),
        private=int(world.private.sum()),
    )
