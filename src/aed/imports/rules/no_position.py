"""Pairs of degrees that are numbers and yet no place of a device: they are set aside, not taken."""

from __future__ import annotations

import numpy as np

from aed.imports.rules.lint_coordinates import NEARLY_ZERO_DEGREES, POLE_DEGREES
from aed.imports.rules.lint_outlines import is_in


def why_no_position(lat: float, lon: float, *, country: str | None) -> str | None:
    """Why a pair on the earth cannot be meant as it stands; None where it can.

    `country`: where the whole list lies. A pair outside it that lies in it the other way round is swapped; of
    one that lies outside both ways the linter tells, since an outline may lack an island.
    """
    if abs(lat) >= POLE_DEGREES:
        return f"lat: {lat:g} is a pole, which stands for no position"
    if abs(lat) < NEARLY_ZERO_DEGREES and abs(lon) < NEARLY_ZERO_DEGREES:
        return f"lat, lon: {lat:g}, {lon:g} lies in the Gulf of Guinea: it stands for no position"
    if country is None or abs(lon) > 90.0:
        return None
    lats, lons = np.array([lat, lon]), np.array([lon, lat])
    if is_in(country, lats[:1], lons[:1])[0] or not is_in(country, lats[1:], lons[1:], within_metres=0.0)[0]:
        return None
    return (
        f"lat, lon: {lat:g}, {lon:g} lies outside {country}, and in it the other way round: they look swapped"
    )
