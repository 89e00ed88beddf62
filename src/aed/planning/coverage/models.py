"""Tables: previews of a step, of an estate or a region, and the coverage of each region, found each night."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import BigIntId, Table, enum_column
from aed.planning.coverage.rules import RegionPreviewState


class RegionCoverage(Table):
    """The coverage of the estates of one region, without the regions below it; recomputed each night."""

    __tablename__ = "region_coverages"

    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), primary_key=True, autoincrement=False)
    computed_at: Mapped[datetime]
    result: Mapped[dict[str, Any]]
    """A `CoverageOfRegion`."""


class CoveragePreview(Table):
    """A preview of one proposed step. It is never changed."""

    __tablename__ = "coverage_previews"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    estate_id: Mapped[int] = mapped_column(ForeignKey("estates.id"), index=True)
    made_at: Mapped[datetime]
    inputs_hash: Mapped[str] = mapped_column(String(64))
    """SHA-256 of `inputs` as canonical JSON: the same inputs have the same hash and the same result."""
    inputs: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]


class RegionPreview(Table):
    """A preview of the same step for every estate of a region, computed by a job."""

    __tablename__ = "region_previews"

    id: Mapped[int] = mapped_column(BigIntId, primary_key=True)
    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), index=True)
    step: Mapped[dict[str, Any]]
    state: Mapped[RegionPreviewState] = mapped_column(enum_column(RegionPreviewState))
    asked_at: Mapped[datetime]
    estates_done: Mapped[int] = mapped_column(default=0)
    estates_total: Mapped[int | None]
    week_from: Mapped[date | None]
    """Monday of the week that was previewed."""
    finished_at: Mapped[datetime | None]
    result: Mapped[dict[str, Any] | None]
