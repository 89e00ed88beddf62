"""The arithmetic of the lookup: how soon a device can be at the patient, and how sure that is.

    fetch    = pick_up + 2 * (seconds_per_metre * walk + floors)
    expected = fetch + (1 - chance reachable * chance ready) * lost

`pick_up` and `seconds_per_metre` are those of the device's estate, once it has timed enough fetches (`pace`).
`walk` is one way, in metres, and holds the waits at guarded gates as the metres one would walk meanwhile at
the general pace.
Devices are ranked by `expected`. All numbers are settings (`aed.settings.Arrival`), each with its source.
"""

from __future__ import annotations

from typing import NamedTuple

from aed.registry.rules.device import Access, Readiness
from aed.registry.rules.trust import chance_ready
from aed.settings import Arrival
from aed.walking.basis import Basis as Basis  # the lookup's own word

SAME_BUILDING_METRES = 30.0
"""A device this near on the map may be on other floors of the same building: one goes straight there."""


class Fetch(NamedTuple):
    """How long fetching one device and coming back takes."""

    fetch_seconds: float
    floor_seconds: float
    """Of these, on stairs and in lifts."""
    chance: float
    """That it can be reached and is ready; 0 when it cannot be used."""
    expected_seconds: float


def fetch(
    walk_metres: float,
    *,
    straight_metres: float,
    patient_floor: int,
    device_floor: int,
    access: Access,
    readiness: Readiness,
    confidence: float,
    numbers: Arrival,
    pace: Pace | None = None,
    by_closed_gate: bool = False,
) -> Fetch:
    """The fetch of one device; `walk_metres` is one way with waits.

    `pace`: the estate's own, from its drills; the general one where there is none.
    `confidence` in its readiness: what is left of its last check (`registry.rules.trust.confidence`).
    `by_closed_gate`: no way leads there unless somebody opens a gate that is closed for this viewer.
    """
    floors = floors_between(straight_metres, patient_floor, device_floor, numbers)
    seconds = fetch_seconds(walk_metres, floors, pace or pace_of(numbers))
    chance = chance_of(access, readiness, confidence, numbers, by_closed_gate=by_closed_gate)
    return Fetch(seconds, 2 * floors, chance, expected_seconds(seconds, chance, numbers))


class Pace(NamedTuple):
    """How fast one walks, and how long everything else takes: in general, or found out at one estate."""

    seconds_per_metre: float
    pick_up_seconds: float


def pace_of(numbers: Arrival) -> Pace:
    """The general one."""
    return Pace(numbers.seconds_per_metre, numbers.pick_up_seconds)


def quicker(pace: Pace, seconds_per_metre: float | None, pick_up_seconds: float | None) -> Pace:
    """As quick as that pace and these numbers, whichever of each is less."""
    return Pace(
        pace.seconds_per_metre
        if seconds_per_metre is None
        else min(pace.seconds_per_metre, seconds_per_metre),
        pace.pick_up_seconds if pick_up_seconds is None else min(pace.pick_up_seconds, pick_up_seconds),
    )


def fetch_seconds(walk_metres: float, floors: float, pace: Pace) -> float:
    """There and back, and the pick-up; `floors` is seconds one way."""
    return pace.pick_up_seconds + 2 * (pace.seconds_per_metre * walk_metres + floors)


def expected_seconds(seconds: float, chance: float, numbers: Arrival) -> float:
    """A fetch weighed by the chance that it brings a device."""
    return seconds + (1 - chance) * numbers.lost_seconds


def floors_between(straight_metres: float, patient_floor: int, device_floor: int, numbers: Arrival) -> float:
    """Seconds one way on stairs and in lifts from the patient to a device."""
    if patient_floor == device_floor == 0:
        return 0.0
    if straight_metres <= SAME_BUILDING_METRES:
        return floor_seconds(patient_floor - device_floor, numbers)
    return floor_seconds(patient_floor, numbers) + floor_seconds(device_floor, numbers)


def floor_seconds(floors: int, numbers: Arrival) -> float:
    """One way over that many floors, up or down: stairs, or the lift above the third."""
    count = abs(floors)
    if count > numbers.high_floor:
        return numbers.high_floor_seconds
    return min(count * numbers.stairs_seconds_per_floor, numbers.high_floor_seconds)


def chance_of(
    access: Access, readiness: Readiness, confidence: float, numbers: Arrival, *, by_closed_gate: bool = False
) -> float:
    """That a device can be reached and is ready; 0 when it cannot be used."""
    if access is Access.CLOSED or not readiness.is_usable:
        return 0.0
    if access is Access.OPEN:
        reachable = numbers.chance_open
    elif access is Access.ASSISTED:
        reachable = numbers.chance_assisted
    else:
        reachable = numbers.chance_unknown
    chance = reachable * chance_ready(confidence, numbers)
    return chance * numbers.chance_closed_gate if by_closed_gate else chance


def best_chance(numbers: Arrival) -> float:
    """No device is surer than this."""
    reachable = max(numbers.chance_open, numbers.chance_assisted, numbers.chance_unknown)
    return reachable * max(numbers.chance_ready, numbers.chance_ready_checked)


def metres_that_can_beat(expected_seconds: float, quickest: Pace, numbers: Arrival) -> float:
    """A device whose walk is longer than this cannot be expected sooner, whatever else it is.

    The inverse of `fetch` for the best device there can be: open, checked, on the ground, at an estate as
    quick as any (`quickest`). A walk is never shorter than the straight line, so this is also where the
    search may stop.
    """
    best = quickest.pick_up_seconds + (1 - best_chance(numbers)) * numbers.lost_seconds
    return max(0.0, (expected_seconds - best) / (2 * quickest.seconds_per_metre))


def estimated_walk_metres(straight_metres: float, numbers: Arrival, *, at_least: float = 0.0) -> float:
    """A walk where no network is known, or where the network knows that it is longer than `at_least`."""
    return max(straight_metres * numbers.detour_factor, at_least)


def metres_worth(seconds: float, numbers: Arrival) -> float:
    """What a wait is worth in metres of the fetch."""
    return seconds / numbers.seconds_per_metre
