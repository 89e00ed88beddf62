"""Which months the dashboard counts, and the tables that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from zoneinfo import ZoneInfo

from aed.hours.dates import months_after

MONTHS = 12
type Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Year:
    """Twelve whole months by local time, the chosen one last."""

    months: tuple[date, ...]
    """The first day of each month."""
    bounds: tuple[datetime, ...]
    """When each month begins, and when the last one ends."""

    @property
    def month(self) -> date:
        return self.months[-1]

    def month_of(self, at: datetime) -> int:
        """Return the number of the month that contains the moment, which lies in the year."""
        return max(number for number, begins in enumerate(self.bounds[:-1]) if begins <= at)


def year_until(month: date, time_zone: str) -> Year:
    """Return the twelve months that end with the one of the given date."""
    firsts = [months_after(month.replace(day=1), back) for back in range(1 - MONTHS, 2)]
    zone = ZoneInfo(time_zone)
    return Year(tuple(firsts[:-1]), tuple(datetime.combine(each, time(), zone) for each in firsts))


class Drawn(StrEnum):
    """How a table is drawn."""

    BARS = "bars"
    """A bar per row, of its first number."""
    COLUMNS = "columns"
    """A column per row, with its numbers on top of each other."""


@dataclass(frozen=True, slots=True)
class FigureTable:
    """A table of figures in one language, for the page, the PDF and the workbook alike."""

    key: str
    title: str
    columns: tuple[str, ...]
    """The heading of the rows, then of each number."""
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""
    drawn: Drawn | None = None

    @property
    def bars(self) -> list[tuple[str, float, str]]:
        """Return a label, a length and a text for each row; a count that is hidden has no length."""
        found = []
        for label, *numbers in self.rows:
            first = numbers[0]
            length = float(first) if isinstance(first, int | float) else 0.0
            found.append((str(label), length, " / ".join("–" if n is None else str(n) for n in numbers)))
        return found

    @property
    def is_empty(self) -> bool:
        """True if every number is 0 or missing."""
        return not any(cell for row in self.rows for cell in row[1:])
