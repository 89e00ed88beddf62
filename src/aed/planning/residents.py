"""How many people live in a building, and how many are at home."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from aed.planning.bands import Band

PEOPLE_PER_FLOOR: Final = 10.5
"""Four flats to a floor with 2.62 people each (household size of the 2020 census of China); the flats are an
assumption. Give an own list where it matters."""
FLOORS_IF_UNKNOWN: Final = 6

AT_HOME: Final = {Band.DAY: 0.45, Band.EVENING: 0.85, Band.NIGHT: 0.95, Band.WEEKEND: 0.7}
"""Share of residents who are at home. Assumptions."""
HOURS_OF_BAND: Final = {Band.DAY: 60, Band.EVENING: 15, Band.NIGHT: 63, Band.WEEKEND: 30}
"""Hours of each band in a week."""


class PopulationSource(StrEnum):
    OWN_LIST = "own_list"
    FLOORS = "floors"
    """From its floors, as registered or as OpenStreetMap has them."""
    ASSUMED = "assumed"
    """Even the floors are unknown."""


class Residents(NamedTuple):
    people: float
    floors: int
    source: PopulationSource


def residents_of(floors: int | None, counted: int | None) -> Residents:
    """Return the residents of a building by the best source there is: counted, its floors, an assumption."""
    known = floors or FLOORS_IF_UNKNOWN
    if counted is not None:
        return Residents(float(counted), known, PopulationSource.OWN_LIST)
    source = PopulationSource.FLOORS if floors else PopulationSource.ASSUMED
    return Residents(PEOPLE_PER_FLOOR * known, known, source)
