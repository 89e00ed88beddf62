"""Opening hours in the words of formats that know only days and a span of the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_DAY = "(?:Mo|Tu|We|Th|Fr|Sa|Su)"
_PART = f"{_DAY}(?:-{_DAY})?"
_PLAIN = re.compile(rf"(?:(?P<days>{_PART}(?:,{_PART})*) )?(?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class PlainHours:
    """The same span of the clock on some days of the week."""

    days: tuple[int, ...]
    """0 is Monday."""
    opens: str
    closes: str

    @property
    def is_always(self) -> bool:
        return len(self.days) == 7 and (self.opens, self.closes) == ("00:00", "24:00")


def plain_hours(expression: str | None) -> PlainHours | None:
    """What can be said as one span on some days; None for anything that is more than that, or not known."""
    if expression is None:
        return None
    if expression == "24/7":
        return PlainHours(tuple(range(7)), "00:00", "24:00")
    found = _PLAIN.fullmatch(expression)
    if found is None:
        return None
    days: set[int] = set()
    for part in (found["days"] or "Mo-Su").split(","):
        first, _, last = part.partition("-")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        days |= {day % 7 for day in range(begin, (end if end >= begin else end + 7) + 1)}
    return PlainHours(tuple(sorted(days)), found["opens"], found["closes"])
