"""The question of a lookup: a patient's place and floor, a moment, and how many results."""

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
    """The precision with which the places of responders are used."""

    CELL = "cell"
    """Use the centre of the H3 cell, so that the answer is the same for every place in it."""
    EXACT = "exact"
    """Use the exact place; only for plans of real incidents. `shown_seconds` is still that of the cell."""


@dataclass(frozen=True, slots=True)
class LookupQuestion:
    """The parameters of one lookup."""

    here: Position
    at: datetime
    limit: int = 5
    floor: int = 0
    counts_ground_as_one: bool | None = None
    """Whether the ground floor is storey 1 at the patient; None unless the floor was given as a storey."""
    with_routes: bool = False
    responders: int = 10
    precision: Precision = Precision.CELL
    sent_from: PatientPlace | None = None
    """The patient's place in a plan; then only devices that people may be sent to fetch are candidates."""
    is_for_plan: bool = False
    """True for plans, where people start elsewhere, so that no device is too far from the patient."""
    is_for_merge: bool = False
    """True if the answer is merged with those of other cells (`aed.lookup.neighbours`)."""


def require_valid_moment(at: datetime) -> datetime:
    """Return `at`; raise InvalidInput (field `at`) unless it has an offset and a year from 2000 to 2100."""
    if at.utcoffset() is None:
        raise InvalidInput(
            "at needs an offset, such as 2026-10-01T10:00:00+08:00 (a plus in a URL is %2B).", field="at"
        )
    if not MIN_YEAR <= at.year <= MAX_YEAR:
        raise InvalidInput(
            "at must be between the years {min_year} and {max_year}.",
            field="at",
            min_year=MIN_YEAR,
            max_year=MAX_YEAR,
        )
    return at


def parse_moment(text: str) -> datetime:
    """Parse a moment in ISO 8601; raise InvalidInput (field `at`) if it is invalid."""
    try:
        return require_valid_moment(datetime.fromisoformat(text))
    except ValueError:
        raise InvalidInput("at must be written like 2026-10-01T10:00:00+08:00.", field="at") from None
