"""What opening an incident answers: how many are called, and when the first is expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import Field

from aed.incidents.models import Alert, Incident
from aed.incidents.rules.incident import LIVE, Kind
from aed.incidents.rules.offer import Task
from aed.incidents.schemas.incidents import IncidentOut
from aed.incidents.schemas.plans import WhyNoFetchOut


class OpenedOut(IncidentOut):
    """The incident as it stands, and what was done."""

    case_number: str | None
    is_new: bool = Field(description="False: the report joined an incident that was open, or was sent before")
    called: int = Field(description="People who are called and have not said no; of a test, who would be")
    minutes_to_first_direct: int | None = Field(
        description="Until the first who was asked to go straight there could be; whole minutes, rounded up"
    )
    minutes_to_first_device: int | None = Field(description="And the first with a device")
    why_nobody_fetches: WhyNoFetchOut | None = Field(description="Null where somebody is sent for a device")
    nobody_is_called: bool = Field(description="A test calls nobody; it only plans")

    @classmethod
    def opened(
        cls,
        incident: Incident,
        alerts: Sequence[Alert],
        why_nobody_fetches: WhyNoFetchOut | None,
        *,
        case_number: str | None,
        is_new: bool,
        at: datetime,
    ) -> Self:
        live = [each for each in alerts if each.state in LIVE]
        return cls(
            **IncidentOut.of(incident).model_dump(),
            case_number=case_number,
            is_new=is_new,
            called=len(live),
            minutes_to_first_direct=_first(live, Task.DIRECT, at),
            minutes_to_first_device=_first(live, Task.FETCH, at),
            why_nobody_fetches=why_nobody_fetches,
            nobody_is_called=incident.kind is Kind.TEST,
        )


def _first(live: Sequence[Alert], task: Task, at: datetime) -> int | None:
    """Whole minutes, by the times that may be shown of people who have not accepted."""
    moments = [each.shown_due_at for each in live if each.task is task]
    seconds = [(each - at).total_seconds() for each in moments if each is not None]
    return max(0, math.ceil(min(seconds) / 60)) if seconds else None
