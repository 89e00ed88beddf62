"""Outlines of countries: which country, which sea, and at what distance."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
from numpy.typing import NDArray

from aed.imports.outlines import NOWHERE, countries_of, is_at_sea, is_in, metres_from, outlines

PLACES = {
    "AQ": [(-84.0, 10.0)],
    "AT": [(48.21, 16.37)],
    "BR": [(-15.79, -47.88)],
    "CN": [(39.90, 116.41), (30.29, 120.10), (29.65, 91.12)],
    "FJ": [(-17.80, 178.0), (-16.85, -179.95)],
    "FR": [(48.86, 2.35), (4.92, -52.33)],
    "HK": [(22.32, 114.17)],
    "JP": [(35.68, 139.76), (43.06, 141.35)],
    "LI": [(47.15, 9.53)],
    "PL": [(52.23, 21.01)],
    "RU": [(55.75, 37.62), (66.0, -172.5), (62.03, 129.73)],
    "TW": [(25.03, 121.56)],
    "US": [(38.90, -77.04), (64.84, -147.72)],
    "ZA": [(-33.93, 18.55)],
}


def degrees(*pairs: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.array([lat for lat, _ in pairs]), np.array([lon for _, lon in pairs])


def test_a_place_lies_in_its_country() -> None:
    for code, pairs in PLACES.items():
        lats, lons = degrees(*pairs)
        assert [outlines().codes[each] for each in countries_of(lats, lons)] == [code] * len(pairs)
        assert is_in(code, lats, lons).all()
        assert not is_at_sea(lats, lons).any()
        assert not is_in("LI" if code != "LI" else "PL", lats, lons).any()


def test_the_open_sea_and_nan_lie_in_no_country() -> None:
    lats, lons = degrees((0.0, 0.0), (29.0, 125.5), (40.0, -40.0), (float("nan"), 1.0), (90.0, 0.0))

    assert (countries_of(lats, lons) == NOWHERE).all()
    assert is_at_sea(lats, lons).tolist() == [True, True, True, False, True]


def test_a_point_just_across_a_border_is_not_a_finding() -> None:
    lats, lons = degrees((47.166, 9.477), (47.166, 9.30))  # 2 and 15 km west of the Rhine

    assert is_in("LI", lats, lons).tolist() == [True, False]


def test_the_distance_from_a_country_is_measured() -> None:
    assert metres_from("LI", 47.15, 9.53) == 0.0
    assert metres_from("LI", 48.2082, 16.3738) == pytest.approx(520_000, rel=0.05)
    assert metres_from("XX", 0.0, 0.0) == float("inf")


def test_the_outline_file_is_small() -> None:
    assert len(resources.files("aed").joinpath("country_outlines.json").read_bytes()) < 300_000
