"""The coverage of each region, as the latest night's job found it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from aed.database.types import Table


class RegionCoverage(Table):
    """The coverage of the estates of one region, without the regions below it; recomputed each night."""

    __tablename__ = "region_coverages"

    region_id: Mapped[int] = mapped_column(ForeignKey("regions.id"), primary_key=True, autoincrement=False)
    computed_at: Mapped[datetime]
    result: Mapped[dict[str, Any]]
    """A `CoverageOfRegion`."""
