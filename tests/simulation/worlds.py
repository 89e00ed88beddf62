"""Small worlds: a grid of streets with houses, and single hand-made scenes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import shapely

from aed.incidents.plan.rules.survival import Patient
from aed.settings import Settings
from aed.simulation.rules.assumptions import Assumptions, Numbers
from aed.simulation.rules.scene import Lengths, Scene, Truth
from aed.simulation.rules.world import SimulatedDevice, World, on_streets
from tests.walking.grids import grid_position, street_grid

NODES = 900
"""The nodes of a square of 1.7 km."""
NUMBERS = Numbers(Assumptions(), Settings())
OPENING = NUMBERS.opening_seconds
walking = NUMBERS.walking_seconds


def grid_world(*, devices: int = 6, private: int = 0, hours: str | None = "24/7", houses: int = 60) -> World:
    """Build streets with homes at random positions, and devices of which the first are private."""
    network, random = street_grid(NODES), np.random.default_rng(5)
    places = [grid_position(NODES, *random.random(2).tolist()) for _ in range(houses + devices)]
    south_west, north_east = grid_position(NODES, 0, 0), grid_position(NODES, 1, 1)
    area = shapely.box(south_west.lon, south_west.lat, north_east.lon, north_east.lat)
    homes = on_streets(network, places[devices:])
    return World(
        network=network,
        areas=(area,),
        homes=homes,
        elsewhere=homes.take([]),
        devices=tuple(
            SimulatedDevice(place, hours, is_private=number < private)
            for number, place in enumerate(places[:devices])
        ),
        time_zone="Asia/Shanghai",
    )


def scene(
    people: Sequence[float],
    devices: Sequence[float] = (),
    between: Sequence[Sequence[float]] | None = None,
    *,
    line: Lengths | None = None,
    probability_usable: Sequence[float] | None = None,
    luck: Sequence[float] | None = None,
    answers: Sequence[float] | None = None,
    private: Sequence[bool] | None = None,
    ambulance: float = 600.0,
    has_cpr: bool = False,
    floor_seconds: float = 0.0,
    people_floor_seconds: Sequence[float] | None = None,
) -> Scene:
    """Build a scene from metres on foot: people and devices to the patient, and between them.

    By default everyone comes at once if alerted, and all devices work.
    """
    walk = Lengths(
        np.array(people, dtype=float),
        np.array(devices, dtype=float),
        np.array(between if between is not None else np.zeros((len(people), len(devices))), dtype=float),
    )
    return Scene(
        patient=Patient(0.0, ambulance, has_cpr),
        line=line or walk,
        walk=walk,
        probability_usable=np.array(
            probability_usable if probability_usable is not None else np.ones(len(devices)), dtype=float
        ),
        is_private=np.array(private if private is not None else np.zeros(len(devices)), dtype=bool),
        devices=np.arange(len(devices)),
        truth=Truth(
            ambulance,
            np.array(luck if luck is not None else np.zeros(len(people)), dtype=float),
            np.array(answers if answers is not None else np.zeros(len(people)), dtype=float),
            np.full(len(devices), 0.5),
        ),
        floor_seconds=floor_seconds,
        people_floor_seconds=np.array(
            people_floor_seconds if people_floor_seconds is not None else np.zeros(len(people)), dtype=float
        ),
    )
