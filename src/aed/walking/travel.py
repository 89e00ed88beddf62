"""How long everything takes: the one clock of the lookup, plan, live arrival times and simulation.

    walk(d)  = seconds_per_metre * d + slow_start * min(1, d / slow_start_metres) + waits at gates
    direct   = reaction + walk + floors                     from receipt of the call to the patient's side
    fetch    = reaction + walk to the device + floors + opening the cabinet + walk to the patient + floors

Waits and floors are seconds, and are never turned into metres, but for one purpose: to choose between two
ways, the street search counts a wait as `metres_of_wait`. `seconds_of_wait` is its exact inverse.

`docs/decide/arrival-times.md` has the source of each number, and how well the formula fits the measurements.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from aed.settings import Arrival


class Pace(NamedTuple):
    """How fast people walk, and what a fetch takes besides: in general, or as the drills of an estate say."""

    seconds_per_metre: float
    """Once under way: the slow start comes on top."""
    pick_up_seconds: float
    """Reaction and opening the cabinet."""


class Leg(NamedTuple):
    """One way between two places; infinite metres: there is none."""

    metres: float
    """On foot, without waits."""
    wait_seconds: float = 0.0
    """At gates."""


NO_WAY = Leg(math.inf)


def general_pace(numbers: Arrival) -> Pace:
    """The pace outside estates."""
    return _pace(numbers.responder_metres_per_second, numbers)


def estate_pace(numbers: Arrival) -> Pace:
    """The pace in and to an estate without enough drills of its own: dense, and slower."""
    return _pace(numbers.estate_metres_per_second, numbers)


def pace_at(
    *,
    is_in_estate: bool,
    seconds_per_metre: float | None,
    pick_up_seconds: float | None,
    numbers: Arrival,
) -> Pace:
    """The pace to a place: of its estate's drills, else of estates, else the general one."""
    if seconds_per_metre is not None and pick_up_seconds is not None:
        return Pace(seconds_per_metre, pick_up_seconds)
    return estate_pace(numbers) if is_in_estate else general_pace(numbers)


def quickest_pace(
    numbers: Arrival, *, seconds_per_metre: float | None, pick_up_seconds: float | None
) -> Pace:
    """A pace that none beats; the numbers are the least that any estate's drills came to."""
    known = [general_pace(numbers), estate_pace(numbers)]
    if seconds_per_metre is not None and pick_up_seconds is not None:
        known.append(Pace(seconds_per_metre, pick_up_seconds))
    return Pace(min(each.seconds_per_metre for each in known), min(each.pick_up_seconds for each in known))


def _pace(metres_per_second: float, numbers: Arrival) -> Pace:
    """Speeds are measured from receipt of the call over a typical distance: reaction and slow start, which
    they hold, are taken out."""
    metres = numbers.speed_over_metres
    under_way = (
        metres / metres_per_second - numbers.reaction_seconds - slow_start_seconds(metres, numbers)
    ) / metres
    return Pace(under_way, numbers.reaction_seconds + numbers.open_cabinet_seconds)


# --- walking ----------------------------------------------------------------------------------------------


def slow_start_seconds(metres: float, numbers: Arrival) -> float:
    """What doors, crossings and finding the way add to a walk: it grows up to `slow_start_metres`."""
    return numbers.slow_start_seconds * min(1.0, metres / numbers.slow_start_metres)


def walk_seconds(metres: float, pace: Pace, numbers: Arrival) -> float:
    """One way on foot. Rises with the distance, and ever less steeply."""
    return pace.seconds_per_metre * metres + slow_start_seconds(metres, numbers)


def metres_walked_in(seconds: float, pace: Pace, numbers: Arrival) -> float:
    """The inverse of `walk_seconds`; 0 below 0."""
    whole = pace.seconds_per_metre * numbers.slow_start_metres + numbers.slow_start_seconds
    if seconds <= whole:
        return max(0.0, seconds) * numbers.slow_start_metres / whole
    return (seconds - numbers.slow_start_seconds) / pace.seconds_per_metre


def leg_seconds(leg: Leg, floors_seconds: float, pace: Pace, numbers: Arrival) -> float:
    """One way on foot, with waits at gates, stairs and lifts."""
    return walk_seconds(leg.metres, pace, numbers) + leg.wait_seconds + floors_seconds


# --- waits at gates ---------------------------------------------------------------------------------------


def metres_of_wait(seconds: float, numbers: Arrival) -> float:
    """The walk that a wait is worth when two ways are compared: at the general pace of the slow start.

    At no quicker pace is a metre worth more seconds, so a way's cost in metres bounds its time from below.
    """
    return seconds / _slowest_general(numbers)


def seconds_of_wait(metres: float, numbers: Arrival) -> float:
    """The inverse of `metres_of_wait`."""
    return metres * _slowest_general(numbers)


def _slowest_general(numbers: Arrival) -> float:
    slow = numbers.slow_start_seconds / numbers.slow_start_metres
    return general_pace(numbers).seconds_per_metre + slow


def least_leg_seconds(cost_metres: float, pace: Pace, numbers: Arrival) -> float:
    """A way that costs so many metres, waits counted as metres, takes no less than this."""
    return min(walk_seconds(cost_metres, pace, numbers), seconds_of_wait(cost_metres, numbers))


def most_cost_metres(seconds: float, pace: Pace, numbers: Arrival) -> float:
    """The inverse of `least_leg_seconds`: no way that takes at most that long costs more metres."""
    return max(metres_walked_in(seconds, pace, numbers), metres_of_wait(max(0.0, seconds), numbers))


# --- floors -----------------------------------------------------------------------------------------------


def floor_seconds(floors: int, numbers: Arrival, *, lift_held_seconds: float = 0.0) -> float:
    """One way over that many floors, up or down: the stairs, or the lift where that is sooner.

    `lift_held_seconds`: of the wait for the lift, so much is saved by somebody who holds it.
    """
    count = abs(floors)
    if not count:
        return 0.0
    wait = max(0.0, numbers.lift_wait_seconds - lift_held_seconds)
    return min(count * numbers.stairs_seconds_per_floor, wait + count * numbers.lift_seconds_per_floor)


def floors_between(one: int, other: int, *, is_same_building: bool, numbers: Arrival) -> float:
    """One way on stairs and in lifts between floors of one building, or of two by the ground floor."""
    if is_same_building:
        return floor_seconds(one - other, numbers)
    return floor_seconds(one, numbers) + floor_seconds(other, numbers)


# --- whole tasks ------------------------------------------------------------------------------------------


def direct_seconds(to_patient: float, numbers: Arrival) -> float:
    """From receipt of the call to the patient's side, by the leg's seconds. Nothing for answering on top."""
    return numbers.reaction_seconds + to_patient


def fetch_seconds(to_device: float, to_patient: float, pace: Pace) -> float:
    """From receipt of the call, by the device, to the patient's side with it, by the seconds of both legs."""
    return pace.pick_up_seconds + to_device + to_patient


def opening_seconds(pace: Pace, numbers: Arrival) -> float:
    """Opening the cabinet, of somebody who has set out already."""
    return max(0.0, pace.pick_up_seconds - numbers.reaction_seconds)
