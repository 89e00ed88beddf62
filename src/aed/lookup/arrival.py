"""The arithmetic of the lookup: how soon a device can be at the patient, and how sure that is.

    expected = fetch + (1 - chance reachable * chance ready) * lost

`fetch` is the time of `aed.walking.travel` for a person beside the patient: there and back. Devices are
ranked by `expected`. All numbers are settings (`aed.settings.Arrival`), each with its source.

A person who leaves a patient to fetch a device must be back before the ambulance, or the patient has lost
compressions for nothing: other devices are too far. Gramm 2025: only devices 200 m away one way beat the
ambulance, at 400 m few did.
"""

from __future__ import annotations

from typing import NamedTuple

from aed.registry.devices.reachability import HourBand, PlaceClass, probability_reachable
from aed.registry.devices.rules import Access, AccessAt, Readiness, probability_ready
from aed.settings import Arrival
from aed.walking.basis import Basis as Basis  # the lookup's own word
from aed.walking.travel import (
    Leg,
    Pace,
    fetch_seconds,
    leg_seconds,
    metres_walked_in,
    most_cost_metres,
    opening_seconds,
)


class Fetch(NamedTuple):
    """How long fetching one device and coming back takes."""

    fetch_seconds: float
    floor_seconds: float
    """Of these, on stairs and in lifts."""
    chance: float
    """That it can be reached and is ready; 0 when it cannot be used."""
    expected_seconds: float


def fetch(way: Leg, *, floors_seconds: float, chance: float, pace: Pace, numbers: Arrival) -> Fetch:
    """The fetch of one device by somebody beside the patient: out and back by the same way.

    `floors_seconds` is one way; `pace` the device's (`pace_at`); `chance` as `chance_of` has it.
    """
    leg = leg_seconds(way, floors_seconds, pace, numbers)
    seconds = fetch_seconds(leg, leg, pace)
    return Fetch(seconds, 2 * floors_seconds, chance, expected_seconds(seconds, chance, numbers))


def expected_seconds(seconds: float, chance: float, numbers: Arrival) -> float:
    """A fetch weighed by the chance that it brings a device."""
    return seconds + (1 - chance) * numbers.failed_fetch_penalty_seconds


def chance_reachable(access: AccessAt, place: PlaceClass, band: HourBand, numbers: Arrival) -> float:
    """That one can get at a device; 0 when it is closed."""
    match access.access:
        case Access.CLOSED:
            return 0.0
        case Access.OPEN:
            return numbers.chance_open
        case Access.ASSISTED:
            return numbers.chance_assisted
        case Access.UNKNOWN if access.is_entry_unknown:
            return numbers.chance_entry_unknown
        case Access.UNKNOWN:
            return probability_reachable(place, band, numbers.chance_unknown)


def chance_of(
    reachable: float,
    readiness: Readiness,
    confidence: float,
    numbers: Arrival,
    *,
    by_closed_gate: bool = False,
) -> float:
    """That a device can be reached and is ready; 0 when it cannot be used, not even as a last resort.

    `reachable` as `chance_reachable` has it.
    `confidence` in its readiness: what is left of its last check (`registry.rules.trust.confidence`).
    `by_closed_gate`: no way leads there unless somebody opens a gate that is closed for this viewer.
    """
    is_last_resort = readiness is Readiness.PADS_EXPIRED
    if not (readiness.is_usable or is_last_resort):
        return 0.0
    ready = numbers.chance_ready_pads_expired if is_last_resort else probability_ready(confidence, numbers)
    chance = reachable * ready
    return chance * numbers.chance_closed_gate if by_closed_gate else chance


def best_chance(numbers: Arrival) -> float:
    """No device is surer than this."""
    reachable = max(
        numbers.chance_open,
        numbers.chance_assisted,
        numbers.chance_entry_unknown,
        numbers.chance_unknown.best,
    )
    return reachable * max(numbers.chance_ready, numbers.chance_ready_checked)


def metres_that_can_beat(expected_seconds: float, quickest: Pace, numbers: Arrival) -> float:
    """A device whose way costs more metres than this cannot be expected sooner, whatever else it is.

    The inverse of `fetch` for the best device there can be: open, checked, on the ground, at an estate as
    quick as any (`quickest`). A way never costs less than the straight line, so this is also where the
    search may stop.
    """
    left = (
        expected_seconds
        - quickest.pick_up_seconds
        - (1 - best_chance(numbers)) * numbers.failed_fetch_penalty_seconds
    )
    return metres_walked_in(left / 2, quickest, numbers)


def estimated_walk_metres(straight_metres: float, numbers: Arrival, *, at_least: float = 0.0) -> float:
    """A walk where no network is known, or where the network knows that it is longer than `at_least`."""
    return max(straight_metres * numbers.detour_factor, at_least)


def is_too_far(
    walk_metres: float, fetch_seconds: float, *, ambulance_seconds: float, numbers: Arrival
) -> bool:
    """Return whether fetching it takes longer than the ambulance, or leads farther than it is worth."""
    return walk_metres > numbers.max_fetch_metres or fetch_seconds > ambulance_seconds


def max_cost_in_time(ambulance_seconds: float, quickest: Pace, numbers: Arrival) -> float:
    """Return the cost in metres, waits included, beyond which nothing is back before the ambulance."""
    return most_cost_metres((ambulance_seconds - quickest.pick_up_seconds) / 2, quickest, numbers)


class Bringing(NamedTuple):
    """A device that somebody who is there brings when they are rung up: one way instead of two."""

    phone: str
    seconds: float
    """From now until it is at the patient's side."""
    expected_seconds: float
    """The same, weighed by the chance that it can be had."""

    @property
    def link(self) -> str:
        """What a phone dials when it is tapped."""
        return "tel:" + "".join(each for each in self.phone if each in "+0123456789")


def bringing(
    phone: str | None,
    access: Access,
    way: Leg,
    floors_seconds: float,
    *,
    chance: float,
    pace: Pace,
    numbers: Arrival,
) -> Bringing | None:
    """Return how a device is brought by those who would let one in; None where nobody is known to be there.

    Only *assisted* says that somebody is there at this moment: a telephone alone says nothing of the hours.
    They know where it is and need not come back: the call, the cabinet, and the way once.
    """
    if phone is None or access is not Access.ASSISTED:
        return None
    on_foot = leg_seconds(way, floors_seconds, pace, numbers)
    seconds = numbers.bring_call_seconds + opening_seconds(pace, numbers) + on_foot
    return Bringing(phone, seconds, expected_seconds(seconds, chance, numbers))
