"""What a person may report on a page, and the words for it."""

from __future__ import annotations

from typing import Final

from aed.errors import InvalidInput
from aed.geo import Datum, Position, coordinates_in, position_from
from aed.upkeep.rules import FaultKind, FaultReportState
from aed.upkeep.sightings.rules import SightingState
from aed.web.words import noop

MAX_NOTE: Final = 500
OFFERED: Final = {
    FaultKind.MISSING: noop("It is not there"),
    FaultKind.BEEPING: noop("It beeps, or its light is red"),
    FaultKind.DAMAGED: noop("It is damaged"),
    FaultKind.NO_ACCESS: noop("I cannot get to it"),
    FaultKind.OTHER: noop("Something else"),
}
STATES: Final = {
    FaultReportState.OPEN: noop("The keeper has been asked to look. It is not answered yet."),
    FaultReportState.CONFIRMED: noop("The keeper has confirmed it and is putting it right. Thank you."),
    FaultReportState.DISMISSED: noop(
        "The keeper has looked and found nothing wrong. Thank you all the same."
    ),
    FaultReportState.ANSWERED: noop("The AED has been checked since. Thank you."),
}


SIGHTING_STATES: Final = {
    SightingState.SENT: noop("Your report has arrived. Someone from the network will look at it."),
    SightingState.TAKEN: noop("The network has looked at it and taken it up. Thank you."),
    SightingState.REFUSED: noop("The network has looked at it and could not confirm it. Thank you."),
}


def place_typed(where: str, datum: str, lat: str, lon: str) -> Position | None:
    """Return the place that a form says: what was typed, else what the phone found; None for neither.

    Raises InvalidInput for text that is no pair of coordinates.
    """
    if where.strip():
        typed = coordinates_in(where)
        if typed is None:
            raise InvalidInput("where must be coordinates.", field="where")
        given = Datum(datum) if datum in list(Datum) else Datum.WGS84
        return position_from(*typed, given, field="where")
    if lat and lon:
        try:
            return position_from(float(lat), float(lon))
        except ValueError:
            raise InvalidInput("lat and lon must be degrees.", field="lat") from None
    return None


def kind_chosen(text: str) -> FaultKind | None:
    """Return the kind of problem that the form sent; None for none or one that is not offered."""
    return next((kind for kind in OFFERED if kind.value == text), None)
