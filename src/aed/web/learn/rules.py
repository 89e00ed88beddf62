"""Read what a person asks of the list of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from aed.errors import InvalidInput
from aed.geo import Position, position_from
from aed.training.queries import After

NEAR_METRES: Final = 10_000
"""Half an hour by bicycle or bus."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """What the list is restricted to; the course is known to be one of those offered once it is looked up."""

    here: Position | None = None
    course: str = ""
    after: After | None = None


def filter_asked(query: Mapping[str, str]) -> SessionFilter:
    """Return what the query parameters ask for; what cannot be read counts as not given."""
    here = None
    with suppress(KeyError, ValueError, InvalidInput):
        here = position_from(float(query["lat"]), float(query["lon"]))
    return SessionFilter(here, query.get("course", "").strip()[:32], _parse_cursor(query.get("after", "")))


def after_parameter(last: After) -> str:
    """Return the `after` parameter of the list that follows this session."""
    return f"{(last.starts_at - _EPOCH) // _MICROSECOND}-{last.id}"


def _parse_cursor(text: str) -> After | None:
    moment, _, session_id = text.partition("-")
    if not (moment.isascii() and moment.isdecimal() and session_id.isascii() and session_id.isdecimal()):
        return None
    if len(moment) > 16 or len(session_id) > 18:
        return None
    return After(_EPOCH + int(moment) * _MICROSECOND, int(session_id))
