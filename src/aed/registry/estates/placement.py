"""Check that a position is plausible: it must lie in the estate or near it."""

from __future__ import annotations

from shapely.geometry import Point
from shapely.ops import nearest_points

from aed.database.geometry import shape_of
from aed.errors import Conflict, InvalidInput
from aed.geo import Datum, Position, distance_metres, to_wgs84
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.registry.fields import PositionIn

MAX_METRES_OUTSIDE = 200.0
"""A position farther outside is treated as a mistake. (A wrong datum shifts by about 500 m.)"""


def require_active_estate(estate: Estate) -> None:
    """Require that the estate is not withdrawn. Raises Conflict."""
    if estate.state is EstateState.WITHDRAWN:
        raise Conflict("The estate {name_en} has been withdrawn.", field="estate_id", name_en=estate.name_en)


def require_near_estate(estate: Estate, here: Position, given: PositionIn) -> None:
    """Require that `here` lies in the estate or near it.

    Raises InvalidInput, which names the datum (or the swapped order) that would put it there.
    """
    away = _metres_outside(estate, here)
    if away <= MAX_METRES_OUTSIDE:
        return
    for datum in Datum:
        if (
            datum is not given.datum
            and _metres_outside(estate, to_wgs84(given.lat, given.lon, datum)) <= MAX_METRES_OUTSIDE
        ):
            raise InvalidInput(
                "The position is {away:.0f} m outside the boundary of {name_en} as {datum}, "
                "but in or near it as {datum_2}: give datum={datum_3}.",
                field="position.datum",
                away=away,
                name_en=estate.name_en,
                datum=given.datum.upper(),
                datum_2=datum.upper(),
                datum_3=datum,
            )
    if (
        abs(given.lon) <= 90.0
        and _metres_outside(estate, Position(given.lon, given.lat)) <= MAX_METRES_OUTSIDE
    ):
        raise InvalidInput(
            "Latitude {lat:g} and longitude {lon:g} look swapped: swapped back, the "
            "position is in {name_en}.",
            field="position",
            lat=given.lat,
            lon=given.lon,
            name_en=estate.name_en,
        )
    raise InvalidInput(
        "The position is {away:.0f} m outside the boundary of {name_en}: check the "
        "coordinates, or leave out the estate.",
        field="position",
        away=away,
        name_en=estate.name_en,
    )


def _metres_outside(estate: Estate, here: Position) -> float:
    boundary, spot = shape_of(estate.boundary), Point(here.lon, here.lat)
    if boundary.intersects(spot):
        return 0.0
    nearest = nearest_points(boundary, spot)[0]
    return distance_metres(here, Position(nearest.y, nearest.x))
