"""Compute the previews of regions that were asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import select

from aed.accounts.regions.models import Region
from aed.database.session import Database, read_session, transaction
from aed.planning.bands import next_monday
from aed.planning.coverage.models import RegionPreview
from aed.planning.coverage.regional import preview_region
from aed.planning.coverage.rules import RegionPreviewState
from aed.planning.coverage.schemas import RegionResult, RegionStepIn
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")

ESTATES_A_STEP: Final = 25
"""Progress is written after each of so many estates."""


def compute_region_previews(
    database: Database,
    now: Callable[[], datetime],
    *,
    network_of: Callable[[], WalkingNetwork | None],
    settings: Settings,
) -> dict[str, int]:
    """Compute every preview that waits, or that a worker left unfinished, the oldest first.

    One that fails is marked so, and the next one begins.
    """
    counts = {"done": 0, "failed": 0}
    while (preview_id := _next(database)) is not None:
        try:
            monday, result = _computed(database, preview_id, now(), network_of(), settings)
        except Exception:  # logged, and the row says so: one broken preview must not stop the others
            log.exception("region preview", preview=preview_id)
            _finish(database, preview_id, RegionPreviewState.FAILED, now())
            counts["failed"] += 1
        else:
            _finish(database, preview_id, RegionPreviewState.DONE, now(), monday, result)
            counts["done"] += 1
    return counts


def _next(database: Database) -> int | None:
    """visibility: for the scheduler; asked for by people who plan for the region."""
    open_states = (RegionPreviewState.WAITING, RegionPreviewState.RUNNING)
    with transaction(database) as session:
        found = session.scalar(
            select(RegionPreview)
            .where(RegionPreview.state.in_(open_states))
            .order_by(RegionPreview.id)
            .limit(1)
        )
        if found is None:
            return None
        found.state, found.estates_done = RegionPreviewState.RUNNING, 0
        return found.id


def _computed(
    database: Database, preview_id: int, at: datetime, network: WalkingNetwork | None, settings: Settings
) -> tuple[date, RegionResult]:
    """visibility: asked for by a planner of the region."""

    def progress(done: int, total: int) -> None:
        if done % ESTATES_A_STEP and done != total:
            return
        with transaction(database) as writing:
            row = writing.get_one(RegionPreview, preview_id)
            row.estates_done, row.estates_total = done, total

    with read_session(database) as session:
        asked = session.get_one(RegionPreview, preview_id)
        region = session.get_one(Region, asked.region_id)
        monday = next_monday(at.astimezone(ZoneInfo(region.time_zone)).date())
        step = RegionStepIn.model_validate(asked.step)
        result = preview_region(
            session,
            region,
            step,
            network=network,
            settings=settings,
            monday=monday,
            progress=progress,
        )
    return monday, result


def _finish(
    database: Database,
    preview_id: int,
    state: RegionPreviewState,
    at: datetime,
    monday: date | None = None,
    result: RegionResult | None = None,
) -> None:
    """visibility: for the scheduler."""
    with transaction(database) as session:
        row = session.get_one(RegionPreview, preview_id)
        row.state, row.finished_at, row.week_from = state, at, monday
        row.result = None if result is None else result.model_dump(mode="json")
