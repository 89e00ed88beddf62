"""What a lookup asks: a patient's place and floor, a moment, and how many answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from aed.errors import InvalidInput
from aed.geo import Position
from aed.registry.devices.dispatchable import PatientPlace

MIN_YEAR: Final = 2000
MAX_YEAR: Final = 2100


class Precision(StrEnum):
    """How exactly the places of responders are used."""

    CELL = "cell"
    """The centre of their H3 cell: the answer is the same for every place in it."""
    EXACT = "exact"
    """The exact place. Only for the plan of a real incident; `shown_seconds` is still the cell's."""


@dataclass(frozen=True, slots=True)
class LookupQuestion:
    """One lookup."""

    here: Position
    at: datetime
    limit: int = 5
    floor: int = 0
    counts_ground_as_one: bool | None = None
    """How storeys are counted at the patient, if the floor was given as a storey."""
    with_routes: bool = False
    responders: int = 10
    precision: Precision = Precision.CELL
    sent_from: PatientPlace | None = None
    """The patient's place in a plan: only devices that somebody may be sent for are candidates."""
    is_for_plan: bool = False
    """People come from elsewhere: a device that is too far to fetch from the patient may be on their way."""


def require_valid_moment(at: datetime) -> datetime:
    """Return `at`. Raises InvalidInput (field `at`) unless it has an offset and a year from 2000 to 2100."""
    if at.utcoffset() is None:
        raise InvalidInput(
            "at needs an offset, such as 2026-10-01T10:00:00+08:00 (a plus in a URL is %2B).", field="at"
        )
    if not MIN_YEAR <= at.year <= MAX_YEAR:
        raise InvalidInput(f"at must lie between {MIN_YEAR} and {MAX_YEAR}.", field="at")
    return at


def parse_moment(text: str) -> datetime:
    """Parse a moment in ISO 8601. Raises InvalidInput (field `at`)."""
    try:
        return require_valid_moment(datetime.fromisoformat(text))
    except ValueError:
        raise InvalidInput("at must read like 2026-10-01T10:00:00+08:00.", field="at") from None
