"""How many cardiac arrests to expect, and at which hours.

Rates and shares come with a low and a high value, since no study is of one's own estate. They are settings,
each with its source (`aed.settings.planning.ArrestRates`): replace them by the centre's figures if it has
any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from aed.settings.planning import ArrestRates

WEIGHTS_OF_HOURS: Final = (
    *(0.20, 0.17, 0.14, 0.14, 0.15, 0.20),
    *(0.26, 0.32, 0.36, 0.37, 0.36, 0.35),
    *(0.34, 0.34, 0.33, 0.33, 0.33, 0.34),
    *(0.34, 0.32, 0.30, 0.28, 0.26, 0.23),
)
"""Relative frequency of cardiac arrests, by hour of the day.

Brooks 2010, Resuscitation 81:175, abstract (9,667 cases): odds against 0-6 h, with the interval of 95 %, 2.02
(1.90-2.15) at 6-12, 2.01 (1.89-2.15) at 12-18, 1.73 (1.62-1.85) at 18-24. To be checked: the distribution
within each six hours is assumed, without jumps between the parts of the day. Bagai 2013, Circulation
128:2595, has most arrests by day; OSCAR-POL 2023, Cardiology Journal 30:567, has most at 8 (7.1 %; here 5.3
%) and fewest at 1 (1.6 %; here 2.5 %).
"""


def share_of_arrests(is_within: Callable[[int, int], bool]) -> float:
    """Return the share of arrests in the hours of a week for which `is_within(weekday, hour)` is true.

    Weekday 0 is Monday. Days of the week count alike.
    """
    within = sum(
        WEIGHTS_OF_HOURS[hour] for weekday in range(7) for hour in range(24) if is_within(weekday, hour)
    )
    return within / (7 * sum(WEIGHTS_OF_HOURS))


class Range(NamedTuple):
    """A number with the lowest and highest value that the sources allow."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Range:
        return Range(self.low * factor, self.middle * factor, self.high * factor)


def product(*ranges: Range) -> Range:
    """Return low times low, middle times middle, and high times high."""
    low = middle = high = 1.0
    for each in ranges:
        low, middle, high = low * each.low, middle * each.middle, high * each.high
    return Range(low, middle, high)


def arrests_at_home(rates: ArrestRates) -> Range:
    """Return the arrests a year to expect at home for one resident."""
    return product(Range(*rates.per_100_000), Range(*rates.at_home)).times(1 / 100_000)
