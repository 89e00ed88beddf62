"""What is kept of a region's coverage."""

from __future__ import annotations

from pydantic import BaseModel

type BandNumbers = tuple[float, float, float, float]
"""Residents in each of `BANDS`."""


class CoverageOfEstate(BaseModel):
    """Residents of an estate who have an AED within so many minutes, there and back."""

    estate_id: int
    residents: float
    within: dict[int, BandNumbers]
    """By minutes."""
    outline: list[list[tuple[float, float]]]
    """The boundary: lon, lat."""


class CoverageGap(BaseModel):
    """A building in which residents have no AED in time."""

    estate_id: int
    name_en: str
    name_zh: str
    lat: float
    lon: float
    without: BandNumbers
    """Residents without an AED within the longest of the minutes."""


class CoverageOfRegion(BaseModel):
    """The coverage of a region, or of several: sums of estates, and the largest gaps."""

    estates: list[CoverageOfEstate]
    gaps: list[CoverageGap]
    """The largest first."""
    is_estimated: bool
    """True if walks were estimated from straight lines, for lack of a street network there."""
