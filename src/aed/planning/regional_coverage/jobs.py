"""Compute the coverage of every region each night."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from aed.accounts.regions.models import Region
from aed.database.session import Database, read_session, transaction
from aed.planning.bands import next_monday
from aed.planning.coverage.models import RegionCoverage
from aed.planning.regional_coverage.computing import coverage_of_region
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")


def compute_region_coverages(
    database: Database,
    now: Callable[[], datetime],
    *,
    network_of: Callable[[], WalkingNetwork | None],
    settings: Settings,
) -> dict[str, int]:
    """Compute the coverage of every region that has estates. One that fails is logged, and the next begins.

    visibility: for the scheduler.
    """
    with read_session(database) as session:
        region_ids = list(
            session.scalars(
                select(Estate.region_id)
                .where(Estate.state == EstateState.ACTIVE)
                .distinct()
                .order_by(Estate.region_id)
            )
        )
    counts = {"done": 0, "failed": 0}
    network = network_of() if region_ids else None
    for region_id in region_ids:
        try:
            at = now()
            with read_session(database) as session:
                region = session.get_one(Region, region_id)
                monday = next_monday(at.astimezone(ZoneInfo(region.time_zone)).date())
                found = coverage_of_region(session, region, network=network, settings=settings, monday=monday)
            with transaction(database) as session:
                result = found.model_dump(mode="json")
                session.merge(RegionCoverage(region_id=region_id, computed_at=at, result=result))
        except Exception:  # logged: one region must not stop the others
            log.exception("region coverage", region=region_id)
            counts["failed"] += 1
        else:
            counts["done"] += 1
    return counts
