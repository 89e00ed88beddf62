"""An estate's own speed and overhead, from drills: timed fetches by real people.

    seconds = pick_up + 2 * (seconds_per_metre * walk + slow start + floors)

is the lookup's own arithmetic (`aed.walking.travel`). What a drill took less its floors and slow starts is a
point over the metres walked there and back. Through the points goes the line of Theil and Sen: its slope is
the median of the slopes between all pairs, its height the median of what is left. Up to 29 in 100 drills may
be wrong by anything (a stopwatch forgotten, a chat on the way) and the line stays; least squares would follow
each one.

The interval of the slope is Sen's (1968, J. Am. Stat. Assoc. 63:1379), after Kendall's statistic, no ties.
That of the overhead is what the slope's interval leaves open, and no narrower than the sign test's of a
median. Both are meant to hold the true value in 95 of 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from aed.settings import Arrival, Drills
from aed.walking.travel import slow_start_seconds

_95_IN_100 = 1.959964


class Timed(NamedTuple):
    """What counts of one drill."""

    walk_metres: float
    """One way, from the start to the device."""
    floor_seconds: float
    """There and back, on stairs and in lifts."""
    seconds: float
    """From the start to the device and back at the start."""


class Between(NamedTuple):
    """A number and the interval that it lies in."""

    value: float
    low: float
    high: float


class Estimate(NamedTuple):
    """What the drills of one estate come to. Without two different walks nothing is known."""

    drills: int
    spread_metres: float
    """By how much the shortest and the longest walk differ, one way."""
    seconds_per_metre: Between | None
    pick_up_seconds: Between | None
    is_enough: bool
    """The lookup reckons with it."""


def estimate(drills: Sequence[Timed], numbers: Drills, arrival: Arrival) -> Estimate:
    """The estate's own speed and overhead, within what the settings take for possible. Their order is no
    matter. O(n^2) of at most `numbers.max_drills` drills."""
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
    """Which of that many numbers in order bound the interval of their median, whose place is off by that."""
    apart = _95_IN_100 * deviation
    below = max(0, math.floor((count - 1) / 2 - apart))
    return below, count - 1 - below
