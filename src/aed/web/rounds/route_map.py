"""Draw the route of a round as SVG: streets, outline of the estate, devices by number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from aed.geo import Position

_WIDTH: Final = 400.0
_MARGIN: Final = 24.0
_NARROWEST: Final = 0.6
"""The least height, as a share of the width."""

type Line = Sequence[tuple[float, float]]
"""Longitude and latitude of each point."""


def box_around(places: Sequence[Position]) -> tuple[float, float, float, float]:
    """Return west, south, east and north of what the map shows, in degrees."""
    west, east = min(each.lon for each in places), max(each.lon for each in places)
    south, north = min(each.lat for each in places), max(each.lat for each in places)
    shrink = math.cos(math.radians((south + north) / 2))
    width = max((east - west) * shrink, (north - south) * 0.8, 5e-4) * 1.1
    height = max(north - south, width * _NARROWEST) * 1.1
    lon, lat = (west + east) / 2, (south + north) / 2
    return (lon - width / shrink / 2, lat - height / 2, lon + width / shrink / 2, lat + height / 2)


def route_map(
    start: Position | None,
    stops: Sequence[tuple[int, Position, bool]],
    *,
    streets: Sequence[Line] = (),
    outline: Sequence[Line] = (),
) -> Markup:
    """Return the map, north up. It is hidden from screen readers: the list beside it says the same.

    Each stop has its number, its place, and whether it is checked. The line only shows the order, straight
    from stop to stop.
    """
    places = [place for _, place, _ in stops] + ([start] if start is not None else [])
    west, south, east, north = box_around(places)
    shrink = math.cos(math.radians((south + north) / 2))
    scale = (_WIDTH - 2 * _MARGIN) / ((east - west) * shrink)
    height = (north - south) * scale + 2 * _MARGIN

    def at(lon: float, lat: float) -> tuple[float, float]:
        return _MARGIN + (lon - west) * shrink * scale, height - _MARGIN - (lat - south) * scale

    def points(line: Line) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*each) for each in line))

    parts = [
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" viewBox="0 0 {:.0f} {:.0f}">'
        ).format(_WIDTH, height),
        Markup('<rect width="{:.0f}" height="{:.0f}" fill="#fbfbf8"/>').format(_WIDTH, height),
    ]
    parts += [
        Markup('<polygon points="{}" fill="#eef3f7" stroke="#0b4f8a" stroke-width="1"/>').format(points(ring))
        for ring in outline
    ]
    parts += [
        Markup('<polyline points="{}" fill="none" stroke="#b9b9b0" stroke-width="2"/>').format(points(line))
        for line in streets
    ]
    way = [(each.lon, each.lat) for each in ([start] if start is not None else [])]
    way += [(place.lon, place.lat) for _, place, _ in stops]
    parts.append(
        Markup(
            '<polyline points="{}" fill="none" stroke="#0b4f8a" stroke-width="2" stroke-dasharray="5 4"/>'
        ).format(points(way))
    )
    if start is not None:
        x, y = at(start.lon, start.lat)
        parts.append(
            Markup('<rect x="{:.1f}" y="{:.1f}" width="12" height="12" fill="#1b1b1a"/>').format(x - 6, y - 6)
        )
    for number, place, is_checked in stops:
        x, y = at(place.lon, place.lat)
        parts.append(
            Markup(
                '<circle cx="{:.1f}" cy="{:.1f}" r="11" fill="{}" stroke="#0b4f8a" stroke-width="1.5"/>'
                '<text x="{:.1f}" y="{:.1f}" font-size="13" font-weight="700" text-anchor="middle" '
                'fill="{}">{}</text>'
            ).format(
                x,
                y,
                "#0b4f8a" if is_checked else "#fff",
                x,
                y + 4.5,
                "#fff" if is_checked else "#0b4f8a",
                number,
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])
