"""How many cardiac arrests to expect, at which hours, and how many of them a device can serve.

Rates and shares come with a low and a high value, since no study is of one's own estate. Replace them by the
centre's figures where there are any (`aed.settings`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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
