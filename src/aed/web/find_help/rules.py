"""Read what a person typed or tapped to say where the patient is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aed.errors import InvalidInput
from aed.geo import Datum, Position, position_from

MAX_TEXT: Final = 100
_NUMBER: Final = r"([-+]?\d{1,3}(?:\.\d{1,12})?)"
_PAIR: Final = re.compile(rf"\s*{_NUMBER}\s*(?:[,，;；]|\s)\s*{_NUMBER}\s*")
_MAX_LATITUDE: Final = 90.0


class Show(StrEnum):
    """Which devices the list shows."""

    NOW = "now"
    ALWAYS = "24h"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Where:
    """The place that a page was asked for; `here` is set too once a text or an estate is found."""

    here: Position | None = None
    text: str = ""
    estate_id: int | None = None
    show: Show = Show.NOW
    name: str = ""
    """What the reader calls the place, shown above the list."""
    datum: Datum = Datum.WGS84


def position_from_form(query: Mapping[str, str]) -> Where:
    """Return what the query parameters of the page ask for; unknown values count as not given.

    Raises InvalidInput for coordinates that are none.
    """
    show = _member(Show, query.get("show", ""), Show.NOW)
    datum = _member(Datum, query.get("datum", ""), Datum.WGS84)
    name = query.get("name", "").strip()[:MAX_TEXT]
    text = query.get("q", "").strip()[:MAX_TEXT]
    lat, lon = query.get("lat", ""), query.get("lon", "")
    if lat and lon:
        try:
            here = position_from(float(lat), float(lon), datum)
        except ValueError:
            raise InvalidInput("lat and lon must be degrees.", field="lat") from None
        return Where(here=here, show=show, name=name, datum=datum)
    typed = coordinates_in(text)
    if typed is not None:
        return Where(here=position_from(*typed, datum), text=text, show=show, datum=datum)
    estate = query.get("estate", "")
    if not text and estate.isascii() and estate.isdecimal() and len(estate) < 19:
        return Where(estate_id=int(estate), show=show, datum=datum)
    return Where(text=text, show=show, datum=datum)


def coordinates_in(text: str) -> tuple[float, float] | None:
    """Return (latitude, longitude) if the text is a pair of numbers, in either order where that is clear."""
    found = _PAIR.fullmatch(text)
    if found is None:
        return None
    first, second = float(found[1]), float(found[2])
    return (second, first) if abs(first) > _MAX_LATITUDE >= abs(second) else (first, second)


def _member[Choice: StrEnum](choices: type[Choice], value: str, default: Choice) -> Choice:
    try:
        return choices(value)
    except ValueError:
        return default
