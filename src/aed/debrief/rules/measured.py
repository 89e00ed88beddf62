"""What the record of a call itself knows: when things happened, and how many were asked, saw it, accepted and
came. Never typed by hand, and not overwritten by what is typed later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from aed.incidents.rules.offer import Task


class Calls(NamedTuple):
    """Of those who were asked for one task."""

    asked: int = 0
    seen: int = 0
    accepted: int = 0
    there: int = 0


def together(calls: Iterable[Calls]) -> Calls:
    """Their sums."""
    return Calls(*(sum(each) for each in zip(*calls, strict=True)))


@dataclass(frozen=True, slots=True)
class Measured:
    """Moments are as they were told: None is what nobody has told."""

    collapsed_at: datetime
    called_at: datetime
    first_there_at: datetime | None = None
    """Of those who were asked to go straight or to fetch."""
    compressions_at: datetime | None = None
    """Since when it is known that somebody does them: as reported, or since somebody was there."""
    attached_at: datetime | None = None
    shock_at: datetime | None = None
    ambulance_there_at: datetime | None = None
    calls: Mapping[Task, Calls] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def all_calls(self) -> Calls:
        return together(self.calls.values())

    def seconds(self, moment: str) -> float | None:
        """From the call until then; below 0 is what was told with a clock that is wrong, and counts as 0."""
        at: datetime | None = getattr(self, moment)
        return None if at is None else max(0.0, (at - self.called_at).total_seconds())


MOMENTS: Final = ("first_there_at", "compressions_at", "attached_at", "shock_at", "ambulance_there_at")
