"""Draw an estate with the devices of an agreement as SVG: who may use each, today and under the agreement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup

from aed.accounts.permissions import Audience

_WIDTH: Final = 400.0
_MARGIN: Final = 30.0
_LABEL: Final = 20.0
_FILLS: Final = {
    Audience.ESTATE: "#fff",
    Audience.NEIGHBOURS: "#9cc9ee",
    Audience.DISPATCH: "#3d86c6",
    Audience.PUBLIC: "#0b4f8a",
}
"""The darker, the more people."""

type Ring = Sequence[tuple[float, float]]
"""Corners: longitude, latitude."""


@dataclass(frozen=True, slots=True)
class SketchedDevice:
    """A device of the agreement, numbered as in its text."""

    lon: float
    lat: float
    before: Audience
    after: Audience


def sketch(
    outline: Sequence[Ring], devices: Sequence[SketchedDevice], *, after: bool, labels: Mapping[Audience, str]
) -> Markup:
    """Return the drawing, north up. It is hidden from screen readers: the text beside it says the same."""
    points = [(each.lon, each.lat) for each in devices] + [corner for ring in outline for corner in ring]
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    shrink = math.cos(math.radians((south + north) / 2))
    scale = (_WIDTH - 2 * _MARGIN) / max((east - west) * shrink, north - south, 1e-5)
    height = (north - south) * scale + 2 * _MARGIN

    def at(lon: float, lat: float) -> tuple[float, float]:
        return _MARGIN + (lon - west) * shrink * scale, height - _MARGIN - (lat - south) * scale

    parts = [
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" aria-hidden="true" viewBox="0 0 {:.0f} {:.0f}">'
        ).format(_WIDTH, height),
        Markup('<rect width="{:.0f}" height="{:.0f}" fill="#fbfbf8"/>').format(_WIDTH, height),
    ]
    for ring in outline:
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*corner) for corner in ring))
        parts.append(
            Markup('<polygon points="{}" fill="#eef3f7" stroke="#0b4f8a" stroke-width="1.5"/>').format(
                corners
            )
        )
    for number, device in enumerate(devices, start=1):
        x, y = at(device.lon, device.lat)
        step = device.after if after else device.before
        words = f"{number} {labels[step]}"
        is_left = x > _WIDTH / 2
        parts.append(
            Markup(
                '<path d="M{:.1f} {:.1f}l8 14h-16z" fill="{}" stroke="#0b4f8a" stroke-width="1.5"/>'
                '<text x="{:.1f}" y="{:.1f}" font-size="{}" fill="#1b1b1a" text-anchor="{}">{}</text>'
            ).format(
                x,
                y - 9,
                _FILLS[step],
                x - 12 if is_left else x + 12,
                y + 7,
                _LABEL,
                "end" if is_left else "start",
                words,
            )
        )
    return Markup("").join([*parts, Markup("</svg>")])
