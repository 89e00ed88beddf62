"""Estimate an estate's walking pace and pick-up time from drills, which are timed fetches of a device.

    seconds = pick_up + 2 * (seconds_per_metre * walk + slow start + floors)

is the model that the lookup uses (`aed.walking.travel`). The duration of each drill, less floors and slow
starts, is regressed on the metres walked there and back with the Theil-Sen estimator: the slope is the median
of the slopes between all pairs, the intercept the median of the residuals. Unlike least squares, it tolerates
up to 29 % of outliers, such as a stopwatch stopped late.

The confidence interval of the slope is Sen's (1968, J. Am. Stat. Assoc. 63:1379), from Kendall's statistic
without ties. That of the intercept follows from the slope's, and is at least as wide as the sign test's
interval of a median. Both are nominal 95 % intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from aed.settings.arrival import Arrival, Drills
from aed.walking.travel import slow_start_seconds

_95_IN_100 = 1.959964


class Timed(NamedTuple):
    """The measurements of one drill that the estimate uses."""

    walk_metres: float
    """Metres from the start to the device, one way."""
    floor_seconds: float
    """Seconds on stairs and in lifts, there and back."""
    seconds: float
    """Total seconds from the start to the device and back to the start."""


class Between(NamedTuple):
    """An estimate with its confidence interval."""

    value: float
    low: float
    high: float


class Estimate(NamedTuple):
    """The pace of one estate; pace and pick-up time are None unless drills differ in length."""

    drills: int
    spread_metres: float
    """Difference between the longest and the shortest walk, one way."""
    seconds_per_metre: Between | None
    pick_up_seconds: Between | None
    is_enough: bool
    """True if there is enough data for the lookup to use the estimate."""


def estimate(drills: Sequence[Timed], numbers: Drills, arrival: Arrival) -> Estimate:
    """Estimate pace and pick-up time, clamped to the limits of the settings.

    Takes O(n^2) time for n drills (at most `numbers.max_drills`); their order does not matter.
    """
    count = len(drills)
    walked = [2.0 * each.walk_metres for each in drills]
    taken = [
        each.seconds - each.floor_seconds - 2.0 * slow_start_seconds(each.walk_metres, arrival)
        for each in drills
    ]
    spread = (max(walked) - min(walked)) / 2 if count else 0.0
    slopes = sorted(
        (taken[j] - taken[i]) / (walked[j] - walked[i])
        for i in range(count)
        for j in range(i)
        if abs(walked[j] - walked[i]) >= 1.0
    )
    if not slopes:
        return Estimate(count, spread, None, None, is_enough=False)

    def kept(slope: float) -> float:
        return min(max(slope, numbers.quickest_seconds_per_metre), numbers.slowest_seconds_per_metre)

    def overheads(slope: float) -> list[float]:
        least, most = numbers.min_pick_up_seconds, numbers.max_pick_up_seconds
        pairs = zip(walked, taken, strict=True)
        return sorted(min(max(each - slope * metres, least), most) for metres, each in pairs)

    below, above = _places(len(slopes), math.sqrt(count * (count - 1) * (2 * count + 5) / 18.0) / 2.0)
    speed = Between(kept(median(slopes)), kept(slopes[below]), kept(slopes[above]))
    left = overheads(speed.value)
    below, above = _places(count, math.sqrt(count) / 2.0)
    pick_up = Between(
        median(left),
        min(left[below], median(overheads(speed.high))),
        max(left[above], median(overheads(speed.low))),
    )
    is_enough = count >= numbers.min_drills and spread >= numbers.spread_metres
    return Estimate(count, spread, speed, pick_up, is_enough)


def _places(count: int, deviation: float) -> tuple[int, int]:
    """Return the indices of the sorted values that bound the 95 % interval of their median.

    `deviation` is the standard deviation of the median's rank.
    """
    apart = _95_IN_100 * deviation
    below = max(0, math.floor((count - 1) / 2 - apart))
    return below, count - 1 - below
