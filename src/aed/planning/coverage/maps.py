"""Draw who has a device within five minutes, as SVG: before and after a step."""

from __future__ import annotations

import math
from typing import Final

from aed.planning.bands import BANDS, Band
from aed.planning.coverage.schemas import PreviewResult

_WIDTH: Final = 400.0
_MARGIN: Final = 16.0
_MOST, _FEW = 0.9, 0.1


def coverage_map(found: PreviewResult, band: Band, *, after: bool) -> str:
    """Return an SVG of the buildings around, north up. The tables beside it say the same in words.

    A circle: nearly everyone has a device in time. A diamond: those on some floors or at some hours. An open
    square: nobody. Triangles are devices; those of the step are dark.
    """
    points = [(each.lon, each.lat) for each in found.doors]
    points += [(each.lon, each.lat) for each in found.devices]
    points += [place for ring in found.outline for place in ring]
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    shrink = math.cos(math.radians((south + north) / 2))
    span = max((east - west) * shrink, north - south, 1e-5)
    scale = (_WIDTH - 2 * _MARGIN) / span
    height = (north - south) * scale + 2 * _MARGIN

    def at(lon: float, lat: float) -> tuple[float, float]:
        return _MARGIN + (lon - west) * shrink * scale, height - _MARGIN - (lat - south) * scale

    number = BANDS.index(band)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" '
        f'viewBox="0 0 {_WIDTH:.0f} {height:.0f}">',
        f'<rect width="{_WIDTH:.0f}" height="{height:.0f}" fill="#fbfbf8"/>',
    ]
    for ring in found.outline:
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*place) for place in ring))
        parts.append(f'<polygon points="{corners}" fill="#eef3f7" stroke="#0b4f8a" stroke-width="1.5"/>')
    for door in found.doors:
        share = (door.after if after else door.before)[number]
        parts.append(_building(*at(door.lon, door.lat), share))
    for device in found.devices:
        x, y = at(device.lon, device.lat)
        fill = "#0b4f8a" if device.is_proposed else "#fff"
        parts.append(
            f'<path d="M{x:.1f} {y - 7:.1f}l6 11h-12z" fill="{fill}" stroke="#0b4f8a" stroke-width="1.5"/>'
        )
    return "".join([*parts, "</svg>"])


def _building(x: float, y: float, share: float) -> str:
    if share >= _MOST:
        return (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="#009e73" stroke="#1b1b1a" stroke-width=".6"/>'
        )
    if share > _FEW:
        return (
            f'<path d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z" fill="#e69f00" stroke="#1b1b1a" '
            'stroke-width=".6"/>'
        )
    return (
        f'<rect x="{x - 3.8:.1f}" y="{y - 3.8:.1f}" width="7.6" height="7.6" fill="#fff" stroke="#b34700" '
        'stroke-width="1.6"/>'
    )


def band_with_most(found: PreviewResult) -> Band:
    """Return the part of the week in which most people gain a device within five minutes."""
    return max(
        found.bands,
        key=lambda each: (each.gains[-1].residents + each.gains[-1].outsiders, each.arrests.middle),
    ).band
