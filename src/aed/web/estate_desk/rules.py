"""Hours day by day: as the form of a device holds them, and as an expression of opening hours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final, Self

from aed.errors import InvalidInput
from aed.web.words import noop

DAYS: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
FIELDS: Final = tuple(f"{side}_{day.lower()}" for day in DAYS for side in ("opens", "closes"))
"""The names of the times in the form, such as `opens_mo`."""
NO_DAY: Final = noop("Enter the times of one day at least, or choose other hours.")
HALF_A_DAY: Final = noop("Enter both times of a day, or leave both empty if it is closed.")
BAD_TIME: Final = noop("Write times like 08:30.")
NO_TIME_BETWEEN: Final = noop(
    "A day must close at another time than it opens; 00:00 to 00:00 is the whole day."
)
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_RULE: Final = re.compile(r"([A-Z][a-z](?:[-,][A-Z][a-z])*) (\d\d:\d\d)-(\d\d:\d\d)")
_MIDNIGHT, _END_OF_DAY = "00:00", "24:00"

type Span = tuple[str, str]
"""When a day opens and closes, such as `("08:30", "24:00")`."""


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """One span or none for each day from Monday, and whether it is closed on public holidays."""

    days: tuple[Span | None, ...]
    is_closed_on_holidays: bool

    @classmethod
    def from_form(cls, fields: Mapping[str, str]) -> Self:
        """Read the times of the form. Raises InvalidInput for times that are missing or wrong."""
        days = tuple(_span_in(fields, day.lower()) for day in DAYS)
        if not any(days):
            raise InvalidInput(NO_DAY, field="hours")
        return cls(days, fields.get("holidays") != "usual")

    @classmethod
    def from_expression(cls, expression: str) -> Self | None:
        """Return the hours of an expression such as `Mo-Fr 08:30-17:30; Sa 09:00-12:00; PH off`.

        None for one that says more: several spans a day, months, weeks of a month.
        """
        days: dict[int, Span] = {}
        is_closed_on_holidays = False
        for rule in map(str.strip, expression.split(";")):
            if rule == "PH off" and not is_closed_on_holidays:
                is_closed_on_holidays = True
                continue
            found = _RULE.fullmatch(rule)
            chosen = _days_in(found[1]) if found is not None else None
            if found is None or chosen is None or is_closed_on_holidays or days.keys() & chosen:
                return None
            days |= dict.fromkeys(chosen, (found[2], found[3]))
        return cls(tuple(days.get(number) for number in range(7)), is_closed_on_holidays) if days else None

    def expression(self) -> str:
        """Return the expression, with days of equal hours together."""
        rules = []
        for span in dict.fromkeys(each for each in self.days if each is not None):
            days = [number for number, each in enumerate(self.days) if each == span]
            rules.append(f"{_in_ranges(days)} {span[0]}-{span[1]}")
        return "; ".join([*rules, "PH off"] if self.is_closed_on_holidays else rules)

    def to_form(self) -> dict[str, str]:
        """Return the fields of the form. A browser has no 24:00: the end of the day is 00:00."""
        times = [time for span in self.days for time in (span or ("", ""))]
        shown = [_MIDNIGHT if each == _END_OF_DAY else each for each in times]
        holidays = "closed" if self.is_closed_on_holidays else "usual"
        return dict(zip(FIELDS, shown, strict=True)) | {"holidays": holidays}


EMPTY: Final = WeeklyHours((None,) * 7, is_closed_on_holidays=True)


def _span_in(fields: Mapping[str, str], day: str) -> Span | None:
    opens, closes = (fields.get(f"{side}_{day}", "").strip() for side in ("opens", "closes"))
    if not opens and not closes:
        return None
    if not opens or not closes:
        raise InvalidInput(HALF_A_DAY, field="hours")
    if not _TIME.fullmatch(opens) or not _TIME.fullmatch(closes):
        raise InvalidInput(BAD_TIME, field="hours")
    if closes == _MIDNIGHT:
        return opens, _END_OF_DAY
    if opens == closes:
        raise InvalidInput(NO_TIME_BETWEEN, field="hours")
    return opens, closes


def _days_in(words: str) -> list[int] | None:
    """Return the numbers of the days of `Mo-We,Sa`; None if one is unknown or stands there twice."""
    found: list[int] = []
    for part in words.split(","):
        ends = part.split("-")
        if len(ends) > 2 or not set(ends) <= set(DAYS):
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found += [day % 7 for day in range(first, last + 1 if last >= first else last + 8)]
    return found if len(set(found)) == len(found) else None


def _in_ranges(days: list[int]) -> str:
    parts = []
    for _, run in groupby(enumerate(days), lambda pair: pair[1] - pair[0]):
        numbers = [day for _, day in run]
        first, last = DAYS[numbers[0]], DAYS[numbers[-1]]
        parts.append(first if first == last else f"{first}-{last}")
    return ",".join(parts)
