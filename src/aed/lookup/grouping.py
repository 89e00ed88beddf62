"""Which of the lists of a lookup a device belongs to, and when it is sooner to have it brought.

Somebody who leaves a patient to fetch a device must be back before the ambulance, or the patient has lost
compressions for nothing. Gramm 2025: only devices 200 m away one way beat the ambulance, at 400 m few did.
"""

from __future__ import annotations

from typing import NamedTuple

from aed.lookup.arrival import expected_seconds
from aed.registry.devices.rules import Access
from aed.settings import Arrival
from aed.walking.travel import Leg, Pace, leg_seconds, most_cost_metres, opening_seconds


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
