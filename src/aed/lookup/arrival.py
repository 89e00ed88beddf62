"""The arithmetic of the lookup: how soon a device can be at the patient, and how probably.

    expected = fetch + (1 - chance reachable * chance ready) * lost

`fetch` is the time to the device and back for a person beside the patient (`aed.walking.travel`). Devices are
ranked by `expected`. All parameters are settings (`aed.settings.arrival`), each with its source.

A device is too far if it cannot be fetched before the ambulance arrives, since leaving the patient costs
compressions. Gramm 2025: devices 200 m away, one way, beat the ambulance; few at 400 m did.
"""

from __future__ import annotations

from typing import NamedTuple

from aed.registry.devices.reachability import HourBand, PlaceClass, probability_reachable
from aed.registry.devices.rules import Access, AccessAt, Readiness, probability_ready
from aed.settings.arrival import Arrival
from aed.walking.travel import Basis as Basis
from aed.walking.travel import (
    Leg,
    Pace,
    fetch_seconds,
    leg_seconds,
    max_cost_metres,
    metres_walked_in,
    opening_seconds,
)


class Fetch(NamedTuple):
    """The time to fetch one device and return to the patient."""

    fetch_seconds: float
    floor_seconds: float
    """The part of `fetch_seconds` on stairs and in lifts."""
    probability_usable: float
    """Probability that it can be reached and is ready; 0 if it cannot be used."""
    expected_seconds: float


def fetch(
    way: Leg, *, floors_seconds: float, probability_usable: float, pace: Pace, numbers: Arrival
) -> Fetch:
    """Return the time for a person beside the patient to fetch a device and return by the same way.

    `floors_seconds` is one way. `pace` comes from `pace_at`, `probability_usable` from `usable_probability`.
    """
    leg = leg_seconds(way, floors_seconds, pace, numbers)
    seconds = fetch_seconds(leg, leg, pace)
    return Fetch(
        seconds,
        2 * floors_seconds,
        probability_usable,
        expected_seconds(seconds, probability_usable, numbers),
    )


def expected_seconds(seconds: float, probability_usable: float, numbers: Arrival) -> float:
    """Return `seconds` plus the penalty for a failed fetch, weighted by the probability that it fails."""
    return seconds + (1 - probability_usable) * numbers.failed_fetch_penalty_seconds


def accessible_probability(access: AccessAt, place: PlaceClass, band: HourBand, numbers: Arrival) -> float:
    """Return the probability that a device is accessible; 0 if it is closed."""
    match access.access:
        case Access.CLOSED:
            return 0.0
        case Access.OPEN:
            return numbers.probability_open
        case Access.ASSISTED:
            return numbers.probability_assisted
        case Access.UNKNOWN if access.is_entry_unknown:
            return numbers.probability_entry_unknown
        case Access.UNKNOWN:
            return probability_reachable(place, band, numbers.probability_unknown)


def usable_probability(
    reachable: float,
    readiness: Readiness,
    confidence: float,
    numbers: Arrival,
    *,
    by_closed_gate: bool = False,
) -> float:
    """Return the probability that a device can be reached and is ready.

    Returns 0 if it cannot be used even as a last resort. `reachable` comes from `accessible_probability`.
    `confidence` in its readiness decays with time since the last check (`registry.rules.trust.confidence`).
    `by_closed_gate` is true if every way passes a gate that is closed for the viewer.
    """
    is_last_resort = readiness is Readiness.PADS_EXPIRED
    if not (readiness.is_usable or is_last_resort):
        return 0.0
    ready = (
        numbers.probability_ready_pads_expired if is_last_resort else probability_ready(confidence, numbers)
    )
    probability_usable = reachable * ready
    return probability_usable * numbers.probability_closed_gate if by_closed_gate else probability_usable


def best_usable_probability(numbers: Arrival) -> float:
    """Return the upper bound of `usable_probability` over all devices."""
    reachable = max(
        numbers.probability_open,
        numbers.probability_assisted,
        numbers.probability_entry_unknown,
        numbers.probability_unknown.best,
    )
    return reachable * max(numbers.probability_ready, numbers.probability_ready_checked)


def max_useful_metres(expected_seconds: float, quickest: Pace, numbers: Arrival) -> float:
    """Return the largest cost of a way, in metres, with which a device can still be expected sooner.

    The inverse of `fetch` for the best possible device: open, checked, on the ground floor, at the pace
    `quickest`. A way costs at least the straight line, so this also bounds the search radius.
    """
    left = (
        expected_seconds
        - quickest.pick_up_seconds
        - (1 - best_usable_probability(numbers)) * numbers.failed_fetch_penalty_seconds
    )
    return metres_walked_in(left / 2, quickest, numbers)


def estimated_walk_metres(straight_metres: float, numbers: Arrival, *, at_least: float = 0.0) -> float:
    """Estimate a walk from the straight line, where streets give no distance.

    `at_least` is a lower bound, such as the distance within which streets were searched.
    """
    return max(straight_metres * numbers.detour_factor, at_least)


def is_too_far(
    walk_metres: float, fetch_seconds: float, *, ambulance_seconds: float, numbers: Arrival
) -> bool:
    """Return whether a fetch takes longer than the ambulance, or the walk exceeds `max_fetch_metres`."""
    return walk_metres > numbers.max_fetch_metres or fetch_seconds > ambulance_seconds


def max_cost_in_time(ambulance_seconds: float, quickest: Pace, numbers: Arrival) -> float:
    """Return the largest cost, in metres, with which a device can be fetched before the ambulance arrives."""
    return max_cost_metres((ambulance_seconds - quickest.pick_up_seconds) / 2, quickest, numbers)


class Bringing(NamedTuple):
    """A device that staff on site bring when they are phoned, so that the way counts once, not twice."""

    phone: str
    seconds: float
    """Seconds from now until it is at the patient's side."""
    expected_seconds: float
    """`seconds` plus the penalty for failure, weighted by its probability."""

    @property
    def link(self) -> str:
        """The phone number as a `tel:` link."""
        return "tel:" + "".join(each for each in self.phone if each in "+0123456789")


def bringing(
    phone: str | None,
    access: Access,
    way: Leg,
    floors_seconds: float,
    *,
    probability_usable: float,
    pace: Pace,
    numbers: Arrival,
) -> Bringing | None:
    """Return how staff on site bring a device; None if nobody is known to be there.

    Only `Access.ASSISTED` means that staff are there now; a phone number alone does not. The time is the sum
    of the call, opening the cabinet, and the way to the patient.
    """
    if phone is None or access is not Access.ASSISTED:
        return None
    on_foot = leg_seconds(way, floors_seconds, pace, numbers)
    seconds = numbers.bring_call_seconds + opening_seconds(pace, numbers) + on_foot
    return Bringing(phone, seconds, expected_seconds(seconds, probability_usable, numbers))
