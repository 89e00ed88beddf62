"""Write the curves of a simulation as a picture, and its figures as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from typing import Final, NamedTuple

import numpy as np
import orjson

from aed.simulation.rules.assumptions import Assumptions
from aed.simulation.rules.figures import Compared, DeviceSharing, Simulated, gained_by_opening, summary
from aed.simulation.rules.policies import Strategy
from aed.walking.streets import Floats

MINUTES: Final = 20
_STEPS_PER_MINUTE: Final = 4
_WIDTH, _HEIGHT = 960, 490
_TOP, _BOTTOM, _PANEL = 40, 340, 400
_LEFTS: Final = (60, 540)


class _Line(NamedTuple):
    name: str
    colour: str
    dashes: str
    which: Compared


_OPEN: Final = {
    Strategy.LINE: ("#8a8a8a", "1.5 3"),
    Strategy.LINE_AND_HOURS: ("#7a5c00", "8 3 1.5 3"),
    Strategy.WALK: ("#1a5fb4", "7 3"),
    Strategy.SPLIT: ("#8f2ba8", "3 2"),
    Strategy.SPLIT_30: ("#4b0082", "2 2 6 2"),
    Strategy.EVERYONE: ("#008080", "10 2 2 2 2 2"),
    Strategy.ONE_FETCH: ("#d1690a", "12 3 3 3 3 3"),
    Strategy.PLAN_ONCE: ("#0b6b3a", "14 4"),
    Strategy.PLAN: ("#b00020", ""),
}


def _lines() -> list[_Line]:
    """Return a line for each strategy with private devices open, and the plan with them closed too."""
    found = [
        _Line(way.value, colour, dashes, Compared(way, DeviceSharing.OPEN))
        for way, (colour, dashes) in _OPEN.items()
    ]
    closed = Compared(Strategy.PLAN, DeviceSharing.CLOSED)
    return [*found, _Line(f"{Strategy.PLAN.value}, private devices closed", "#000000", "2 5", closed)]


def curves(found: Simulated) -> str:
    """Return an SVG with two charts: compressions (without a bystander's), and the first shock."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    titles = ("Compressions started (patients without bystander CPR)", "First shock given")
    for left, title in zip(_LEFTS, titles, strict=True):
        parts += _axes(left, title)
    for place, line in enumerate(_lines()):
        these = found.by[line.which]
        for left, seconds in zip(
            _LEFTS, (these.cpr_seconds[~found.had_cpr], these.shock_seconds), strict=True
        ):
            parts.append(f'<polyline points="{_points(left, seconds)}" {_stroke(line)}/>')
        x, y = _LEFTS[place // 5], _BOTTOM + 62 + 17 * (place % 5)
        parts.append(f'<path d="M{x} {y - 4}h44" {_stroke(line)}/>')
        parts.append(f'<text x="{x + 52}" y="{y}">{escape(line.name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _stroke(line: _Line) -> str:
    dashes = f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
    return f'fill="none" stroke="{line.colour}" stroke-width="2"{dashes}'


def _axes(left: int, title: str) -> list[str]:
    parts = [f'<text x="{left}" y="22" font-size="14">{escape(title)}</text>']
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(f'<path d="M{left} {y}h{_PANEL}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{tenth * 10} %</text>')
    for minute in range(0, MINUTES + 1, 2):
        x = _x(left, minute)
        parts.append(f'<path d="M{x} {_BOTTOM}v4" stroke="#888"/>')
        parts.append(f'<text x="{x}" y="{_BOTTOM + 18}" text-anchor="middle">{minute}</text>')
    parts.append(
        f'<text x="{left + _PANEL}" y="{_BOTTOM + 36}" text-anchor="end">minutes from the alert</text>'
    )
    return parts


def _points(left: int, seconds: Floats) -> str:
    minutes: Sequence[float] = (np.arange(0, MINUTES * _STEPS_PER_MINUTE + 1) / _STEPS_PER_MINUTE).tolist()
    if not len(seconds):
        return ""
    by_then = np.searchsorted(np.sort(seconds), np.array(minutes) * 60, side="right") / len(seconds)
    return " ".join(
        f"{_x(left, minute)},{_y(share)}" for minute, share in zip(minutes, by_then.tolist(), strict=True)
    )


def _x(left: int, minute: float) -> float:
    return round(left + _PANEL * minute / MINUTES, 1)


def _y(share: float) -> float:
    return round(_BOTTOM - (_BOTTOM - _TOP) * share, 1)


def raw(found: Simulated, assumptions: Assumptions, *, seed: int) -> bytes:
    """Return one object; lists are in the order of the incidents, times in seconds from the alert."""
    return orjson.dumps(
        {
            "seed": seed,
            "incidents": found.incidents,
            "responders": found.responders,
            "devices": found.devices,
            "private_devices": found.private,
            "assumptions": asdict(assumptions),
            "had_cpr": found.had_cpr,
            "results": [
                {
                    "way": str(which.way),
                    "private_devices": which.sharing.value,
                    "summary": summary(found, which)._asdict()
                    | {"gains": summary(found, which).gains._asdict()},
                    "gained_by_opening": _gain_by_opening(found, which.way),
                    "cpr_seconds": these.cpr_seconds.round(1),
                    "shock_seconds": these.shock_seconds.round(1),
                    "is_shock_before_ambulance": these.is_shock_before_ambulance,
                    "alerts": these.alerts.astype(int),
                    "wasted": these.wasted.astype(int),
                    "survival": these.survival.round(3),
                    "valenzuela": these.valenzuela.round(3),
                    "is_alone": these.is_alone,
                }
                for which, these in found.by.items()
            ],
        },
        option=orjson.OPT_SERIALIZE_NUMPY,
    )


def _gain_by_opening(found: Simulated, way: str) -> dict[str, float] | None:
    if Compared(way, DeviceSharing.CLOSED) not in found.by:
        return None
    return gained_by_opening(found, way)._asdict()
