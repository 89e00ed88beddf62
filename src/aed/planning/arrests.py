"""How many cardiac arrests to expect, at which hours, and how many of them a device can serve.

Rates and shares come with a low and a high value, since no study is of one's own estate. Replace them by the
centre's figures where there are any (`aed.settings`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

WEIGHTS_OF_HOURS: Final = (
    *(0.20, 0.17, 0.14, 0.14, 0.15, 0.20),
    *(0.26, 0.32, 0.36, 0.37, 0.36, 0.35),
    *(0.34, 0.34, 0.33, 0.33, 0.33, 0.34),
    *(0.34, 0.32, 0.30, 0.28, 0.26, 0.23),
)
"""Relative frequency of cardiac arrests, by hour of the day.

Brooks 2010, Resuscitation 81:175 (9,667 cases): against 0-6 h, 2.02 times as many at 6-12, 2.01 at 12-18,
1.73 at 18-24. The distribution within each six hours is assumed: it rises to a peak at 8 to 11 as in Bagai
2013, Circulation 128:2595, without jumps between the parts of the day.
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


ARRESTS_PER_100_000: Final = Range(55.0, 95.7, 200.0)
"""Out-of-hospital cardiac arrests a year among 100,000 people.

Low: Berdowski 2010, Resuscitation 81:1479 (mean of 67 studies, presumed cardiac cause). Middle: Zheng 2023,
Lancet Public Health 8:e923 (BASIC-OHCA, China, assessed by ambulance crews). High: Virginia Beach 2017-2019,
counted from the city's own list (2,706 in two and a half years, 450,000 inhabitants)."""
SHARE_AT_HOME: Final = 0.7
"""Share of arrests that happen where people live. CARES: about 70 %."""
SHARE_WITNESSED_AND_SHOCKABLE: Final = Range(0.09, 0.13, 0.20)
"""Share of arrests to which the survival formulas apply. Middle: 37 % are witnessed by a bystander (CARES),
and 35 % of those at home are shockable (Weisfeldt 2011, NEJM 364:313). Low and high are
assumptions."""
SHARE_FETCHED: Final = Range(0.17, 0.27, 0.47)
"""Probability that somebody really fetches a device that is in reach, taken as the share of alerted people
who come: Haskins 2021 (27 %); studies range from 17 to 47 % (Khalemsky 2023)."""
SUSPECTED_PER_ARREST: Final = 1 / 0.535
"""A device is fetched for suspected arrests, of which 53.5 % are arrests (Denmark, JACC 2020)."""
