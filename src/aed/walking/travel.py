"""Travel times, shared by the lookup, plan, live arrival times and simulation.

    walk(d)  = seconds_per_metre * d + slow_start * min(1, d / slow_start_metres) + waits at gates
    direct   = reaction + walk + floors                     from receipt of the call to the patient's side
    fetch    = reaction + walk to the device + floors + opening the cabinet + walk to the patient + floors

Waits and floors are seconds. Only the street search, to compare paths, converts a wait to `metres_of_wait`;
`seconds_of_wait` is the exact inverse.

`docs/decide/arrival-times.md` gives the source of each parameter, and the fit to measurements.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

from aed.settings.arrival import Arrival


class Pace(NamedTuple):
    """Walking pace and pick-up time, either the defaults or those estimated from an estate's drills."""

    seconds_per_metre: float
    """Pace without the slow start, which is added separately."""
    pick_up_seconds: float
    """Seconds for reaction and opening the cabinet."""


class Leg(NamedTuple):
    """The way between two places; `metres` is infinite if there is none."""

    metres: float
    """Metres on foot, without waits."""
    wait_seconds: float = 0.0
    """Seconds of waiting at gates."""


NO_WAY = Leg(math.inf)


def general_pace(numbers: Arrival) -> Pace:
    """Return the default pace outside estates."""
    return _pace(numbers.responder_metres_per_second, numbers)


def estate_pace(numbers: Arrival) -> Pace:
    """Return the default pace, which is slower, in and to an estate without enough drills."""
    return _pace(numbers.estate_metres_per_second, numbers)


def pace_at(
    *,
    is_in_estate: bool,
    seconds_per_metre: float | None,
    pick_up_seconds: float | None,
    numbers: Arrival,
) -> Pace:
    """Return the pace to a place: from its estate's drills, else the default of estates, else the general."""
    if seconds_per_metre is not None and pick_up_seconds is not None:
        return Pace(seconds_per_metre, pick_up_seconds)
    return estate_pace(numbers) if is_in_estate else general_pace(numbers)


def quickest_pace(
    numbers: Arrival, *, seconds_per_metre: float | None, pick_up_seconds: float | None
) -> Pace:
    """Return a lower bound on all paces; the arguments are the minima over the drills of all estates."""
    known = [general_pace(numbers), estate_pace(numbers)]
    if seconds_per_metre is not None and pick_up_seconds is not None:
        known.append(Pace(seconds_per_metre, pick_up_seconds))
    return Pace(min(each.seconds_per_metre for each in known), min(each.pick_up_seconds for each in known))


def _pace(metres_per_second: float, numbers: Arrival) -> Pace:
    """Return the pace for a speed that was measured from receipt of the call over a typical distance.

    Reaction and slow start, which such a speed includes, are subtracted.
    """
    metres = numbers.speed_over_metres
    under_way = (
        metres / metres_per_second - numbers.reaction_seconds - slow_start_seconds(metres, numbers)
    ) / metres
    return Pace(under_way, numbers.reaction_seconds + numbers.open_cabinet_seconds)


# --- walking ----------------------------------------------------------------------------------------------


def slow_start_seconds(metres: float, numbers: Arrival) -> float:
    """Return the seconds that doors, crossings and orientation add; constant from `slow_start_metres` on."""
    return numbers.slow_start_seconds * min(1.0, metres / numbers.slow_start_metres)


def walk_seconds(metres: float, pace: Pace, numbers: Arrival) -> float:
    """Return the seconds of a walk. The function is increasing and concave in the distance."""
    return pace.seconds_per_metre * metres + slow_start_seconds(metres, numbers)


def metres_walked_in(seconds: float, pace: Pace, numbers: Arrival) -> float:
    """Return the metres walked in that time, the inverse of `walk_seconds`; 0 for negative times."""
    whole = pace.seconds_per_metre * numbers.slow_start_metres + numbers.slow_start_seconds
    if seconds <= whole:
        return max(0.0, seconds) * numbers.slow_start_metres / whole
    return (seconds - numbers.slow_start_seconds) / pace.seconds_per_metre


def leg_seconds(leg: Leg, floors_seconds: float, pace: Pace, numbers: Arrival) -> float:
    """Return the seconds of a way, including waits at gates, stairs and lifts."""
    return walk_seconds(leg.metres, pace, numbers) + leg.wait_seconds + floors_seconds


# --- waits at gates ---------------------------------------------------------------------------------------


def metres_of_wait(seconds: float, numbers: Arrival) -> float:
    """Convert a wait to equivalent metres, to compare paths, at the general pace including the slow start.

    At any faster pace a metre is worth fewer seconds, so the cost in metres gives a lower bound on the time.
    """
    return seconds / _slowest_general(numbers)


def seconds_of_wait(metres: float, numbers: Arrival) -> float:
    """Convert equivalent metres back to a wait, the inverse of `metres_of_wait`."""
    return metres * _slowest_general(numbers)


def _slowest_general(numbers: Arrival) -> float:
    slow = numbers.slow_start_seconds / numbers.slow_start_metres
    return general_pace(numbers).seconds_per_metre + slow


def least_leg_seconds(cost_metres: float, pace: Pace, numbers: Arrival) -> float:
    """Return a lower bound on the seconds of a way, given its cost in metres (including waits)."""
    return min(walk_seconds(cost_metres, pace, numbers), seconds_of_wait(cost_metres, numbers))


def max_cost_metres(seconds: float, pace: Pace, numbers: Arrival) -> float:
    """Return the maximum cost in metres of a way that takes that long, the inverse of `least_leg_seconds`."""
    return max(metres_walked_in(seconds, pace, numbers), metres_of_wait(max(0.0, seconds), numbers))


# --- floors -----------------------------------------------------------------------------------------------


def floor_seconds(floors: int, numbers: Arrival, *, lift_held_seconds: float = 0.0) -> float:
    """Return the seconds over that many floors, up or down, by stairs or lift, whichever is faster.

    `lift_held_seconds` is subtracted from the wait for the lift if a person holds it.
    """
    count = abs(floors)
    if not count:
        return 0.0
    wait = max(0.0, numbers.lift_wait_seconds - lift_held_seconds)
    return min(count * numbers.stairs_seconds_per_floor, wait + count * numbers.lift_seconds_per_floor)


def floors_between(one: int, other: int, *, is_same_building: bool, numbers: Arrival) -> float:
    """Return the seconds, one way, between two floors: directly in one building, else by the ground floor."""
    if is_same_building:
        return floor_seconds(one - other, numbers)
    return floor_seconds(one, numbers) + floor_seconds(other, numbers)


# --- whole tasks ------------------------------------------------------------------------------------------


def direct_seconds(to_patient: float, numbers: Arrival) -> float:
    """Return the seconds from receipt of the call to the patient's side, given those of the leg."""
    return numbers.reaction_seconds + to_patient


def fetch_seconds(to_device: float, to_patient: float, pace: Pace) -> float:
    """Return the seconds from receipt of the call to the patient's side with the device, given both legs."""
    return pace.pick_up_seconds + to_device + to_patient


def opening_seconds(pace: Pace, numbers: Arrival) -> float:
    """Return the seconds to open the cabinet, for a person who is already on the way."""
    return max(0.0, pace.pick_up_seconds - numbers.reaction_seconds)


class Basis(StrEnum):
    WALKING_NETWORK = "walking_network"
    STRAIGHT_LINE = "straight_line"
