"""Read the coverage that the nightly job found."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.planning.coverage.models import RegionCoverage
from aed.planning.regional_coverage.schemas import CoverageOfRegion


def coverage_of_regions(
    session: Session, region_ids: Collection[int], *, estate_id: int | None = None
) -> tuple[datetime, CoverageOfRegion] | None:
    """Return when the oldest part was computed, and the coverage; None before the first night.

    visibility: sums and buildings, for people who the caller knows may read the figures of these regions.
    """
    rows = session.scalars(
        select(RegionCoverage)
        .where(RegionCoverage.region_id.in_(region_ids))
        .order_by(RegionCoverage.region_id)
    ).all()
    if not rows:
        return None
    parts = [CoverageOfRegion.model_validate(row.result) for row in rows]
    wanted = CoverageOfRegion(
        estates=[each for part in parts for each in part.estates if estate_id in (None, each.estate_id)],
        gaps=sorted(
            (each for part in parts for each in part.gaps if estate_id in (None, each.estate_id)),
            key=lambda gap: -sum(gap.without),
        ),
        is_estimated=any(part.is_estimated for part in parts),
    )
    return min(row.computed_at for row in rows), wanted
