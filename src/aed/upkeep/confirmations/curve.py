"""An SVG chart of how confidence fades, drawn for the documentation with the lookup's functions."""

from __future__ import annotations

from html import escape
from typing import Final

from aed.registry.devices.rules import confidence, probability_ready
from aed.settings.arrival import Arrival
from aed.settings.upkeep import TrustSettings

_WIDTH, _HEIGHT = 720, 300
_LEFT, _TOP, _RIGHT, _BOTTOM = 56, 28, 700, 252
DAYS: Final = 365
_STEP: Final = 5


def trust_curve(trust: TrustSettings, arrival: Arrival) -> str:
    """Return an SVG of confidence in readiness, hours and position over a year, and the chance of ready."""
    lines = (
        ("probability ready", "#b00020", [_probability_ready(day, trust, arrival) for day in _days()]),
        ("readiness", "#0b6b3a", [_trusted(day, trust.readiness_half_life_days) for day in _days()]),
        ("hours", "#1a5fb4", [_trusted(day, trust.hours_half_life_days) for day in _days()]),
        ("position", "#7a5c00", [_trusted(day, trust.position_half_life_days) for day in _days()]),
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{tenth / 10:.1f}</text>')
    for day in range(0, DAYS, 30):
        parts.append(f'<text x="{_x(day)}" y="{_BOTTOM + 18}" text-anchor="middle">{day}</text>')
    parts.append(f'<text x="{_RIGHT}" y="{_BOTTOM + 38}" text-anchor="end">days since confirmed</text>')
    for place, (name, colour, values) in enumerate(lines):
        points = " ".join(f"{_x(day)},{_y(value)}" for day, value in zip(_days(), values, strict=True))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_LEFT + 150 * place}" y="16" fill="{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _days() -> range:
    """Return the days at which the curves are drawn."""
    return range(0, DAYS + 1, _STEP)


def _trusted(day: int, half_life_days: float) -> float:
    """Return the confidence left `day` days after a confirmation."""
    return confidence(day, half_life_days=half_life_days)


def _probability_ready(day: int, trust: TrustSettings, arrival: Arrival) -> float:
    """Return the probability that a device is ready `day` days after a confirmation."""
    return probability_ready(_trusted(day, trust.readiness_half_life_days), arrival)


def _x(day: int) -> float:
    """Return the horizontal coordinate of a day."""
    return round(_LEFT + (_RIGHT - _LEFT) * day / DAYS, 1)


def _y(share: float) -> float:
    """Return the vertical coordinate of a share from 0 to 1."""
    return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)
