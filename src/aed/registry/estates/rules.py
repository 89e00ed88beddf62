"""Estates and gates: states, boundaries, and who may pass a gate."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import shapely
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.validation import explain_validity

from aed.errors import InvalidInput
from aed.hours.evaluation import Opening


class EstateState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class Passage(StrEnum):
    """Who may pass a gate while it is open."""

    OPEN = "open"
    GUARDED = "guarded"
    """A guard lets outsiders in, after a short wait."""
    RESIDENTS = "residents"
    """Members of the estate only."""


class GateState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class GatePassing(StrEnum):
    """How one person passes a gate at one moment."""

    FREELY = "freely"
    AFTER_A_WAIT = "after_a_wait"
    NOT = "not"


def passing(passage: Passage, hours: Opening, *, is_member: bool, guard_can_be_rung: bool) -> GatePassing:
    """Return how a person passes the gate. A closed gate stops everyone; unknown hours stop nobody.

    `guard_can_be_rung`: a dispatcher can call the guard, who opens a residents' gate too.
    """
    if hours is Opening.CLOSED:
        return GatePassing.NOT
    if is_member or passage is Passage.OPEN:
        return GatePassing.FREELY
    if passage is Passage.GUARDED or guard_can_be_rung:
        return GatePassing.AFTER_A_WAIT
    return GatePassing.NOT


MAX_VERTICES = 10_000
_MAX_DEGREES = 1.0


def parse_boundary(geojson: dict[str, Any]) -> Polygon | MultiPolygon:
    """Parse a GeoJSON Polygon or MultiPolygon in WGS-84; return a valid shapely geometry.

    Raises InvalidInput (field `boundary`) for anything else, coordinates out of range, too many vertices,
    edges that cross, or an implausible extent.
    """
    kind = geojson.get("type")
    if kind not in ("Polygon", "MultiPolygon"):
        raise InvalidInput("The boundary must be a GeoJSON Polygon or MultiPolygon.", field="boundary")
    try:
        found = shape(geojson)
        found = shapely.force_2d(found)
    except (
        shapely.errors.ShapelyError,
        ValueError,
        OverflowError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
    ) as error:
        raise InvalidInput(
            "The boundary's coordinates cannot be read: {error}.", field="boundary", error=error
        ) from None
    if not isinstance(found, Polygon | MultiPolygon) or found.is_empty:
        raise InvalidInput("The boundary has no area.", field="boundary")
    if shapely.get_num_coordinates(found) > MAX_VERTICES:
        raise InvalidInput(
            "The boundary must have at most {max_vertices} vertices.",
            field="boundary",
            max_vertices=MAX_VERTICES,
        )
    west, south, east, north = found.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # also rejects NaN
        raise InvalidInput(
            "The boundary's coordinates are out of range: write [longitude, latitude], as GeoJSON requires.",
            field="boundary",
        )
    if east - west > _MAX_DEGREES or north - south > _MAX_DEGREES:
        raise InvalidInput(
            "The boundary is too large for an estate: it extends over more than one degree.", field="boundary"
        )
    if not found.is_valid:
        raise InvalidInput(
            "The boundary is not a valid polygon: {explain_validity}.",
            field="boundary",
            explain_validity=explain_validity(found),
        )
    return found
