"""Read what a person typed or tapped to say where the patient is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aed.accounts.free_text import one_line
from aed.errors import InvalidInput
from aed.geo import Datum, Position, coordinates_in, position_from

MAX_TEXT: Final = 100


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
    text = one_line(query.get("q", "")).strip()[:MAX_TEXT]
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


def _member[Choice: StrEnum](choices: type[Choice], value: str, default: Choice) -> Choice:
    try:
        return choices(value)
    except ValueError:
        return default
