"""What is doubtful about one row of a list: named, placed, and with what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    """The row cannot be taken, or says what cannot be true."""
    WARNING = "warning"
    """The row can be taken; somebody should look."""
    NOTE = "note"
    """What was done with it, or what is not known."""


class FindingKind(StrEnum):
    """What is the matter: stable names, counted and filtered by."""

    # noticed by the reader of a format
    ROW_UNREADABLE = "row_unreadable"
    HOURS_NOT_UNDERSTOOD = "hours_not_understood"
    HOURS_AMBIGUOUS = "hours_ambiguous"
    HOURS_CONTRADICT = "hours_contradict"
    DATE_UNREADABLE = "date_unreadable"
    DATE_IS_A_PLACEHOLDER = "date_is_a_placeholder"
    FLOOR_NOT_UNDERSTOOD = "floor_not_understood"
    VALUE_NOT_UNDERSTOOD = "value_not_understood"
    VALUE_CUT = "value_cut"
    MARKED_AS_DUPLICATE = "marked_as_duplicate"
    NOT_YET_VALIDATED = "not_yet_validated"
    NOT_AT_A_FIXED_PLACE = "not_at_a_fixed_place"
    ID_FROM_CONTENT = "id_from_content"
    COLUMN_NOT_READ = "column_not_read"
    # noticed by the linter
    COORDINATES_MISSING = "coordinates_missing"
    COORDINATES_UNREADABLE = "coordinates_unreadable"
    COORDINATES_SWAPPED = "coordinates_swapped"
    COORDINATES_OUT_OF_RANGE = "coordinates_out_of_range"
    DECIMAL_POINT_LOST = "decimal_point_lost"
    AT_THE_POLE_OR_ZERO = "at_the_pole_or_zero"
    OUTSIDE_COUNTRY = "outside_country"
    IN_THE_SEA = "in_the_sea"
    FAR_FROM_ITS_TOWN = "far_from_its_town"
    DATUM_SLIP = "datum_slip"
    DUPLICATE_ID = "duplicate_id"
    DUPLICATE_IN_FILE = "duplicate_in_file"
    DUPLICATE_ACROSS_SOURCES = "duplicate_across_sources"
    DATE_IMPOSSIBLE = "date_impossible"
    DATE_EXPIRED = "date_expired"
    VALUE_INVALID = "value_invalid"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one row. `where` as in `Record.where`; `column` as the file calls it."""

    kind: FindingKind
    severity: Severity
    where: str
    column: str | None
    read: str | None
    """What stands there."""
    wrong: str
    """A sentence."""
    right: str | None = None
    """What would be right: a value or a sentence."""
