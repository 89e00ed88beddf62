"""Make and read previews."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_estate_manager
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code
from aed.errors import NotFound
from aed.planning.bands import next_monday
from aed.planning.coverage.models import CoveragePreview, RegionPreview
from aed.planning.coverage.previewing import compute
from aed.planning.coverage.rules import RegionPreviewState
from aed.planning.coverage.schemas import (
    PreviewOut,
    PreviewResult,
    RegionPreviewOut,
    RegionResult,
    RegionStepIn,
    StepIn,
)
from aed.planning.permissions import require_estate_reader, require_region_planner
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.walking.network import WalkingNetwork


def make_preview(
    session: Session,
    viewer: Viewer,
    estate_id: int,
    step: StepIn,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    at: datetime,
) -> CoveragePreview:
    """Compute and keep the preview of a step, in the week that begins next.

    Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    estate = estate_queries.estate(session, viewer, estate_id)
    require_estate_manager(viewer, estate.id, region_id=estate.region_id)
    local = at.astimezone(ZoneInfo(estate.time_zone or estate.region.time_zone))
    computed = compute(
        session, viewer, estate, step, network=network, settings=settings, monday=next_monday(local.date())
    )
    made = CoveragePreview(
        estate_id=estate.id,
        made_at=at,
        inputs_hash=computed.inputs_hash,
        inputs=computed.inputs | {"residents": {str(key): count for key, count in step.residents.items()}},
        result=computed.result.model_dump(mode="json"),
    )
    session.add(made)
    session.flush()
    return made


def preview(session: Session, viewer: Viewer, preview_id: int) -> tuple[CoveragePreview, Estate]:
    """Return a preview with its estate. Raises NotFound, NotSignedIn, NotAllowed.

    visibility: checked once the estate is known.
    """
    row = session.execute(
        select(CoveragePreview, Estate)
        .join(Estate, Estate.id == CoveragePreview.estate_id)
        .where(CoveragePreview.id == preview_id)
    ).one_or_none()
    missing = NotFound(
        "There is no preview {preview_id}, or you may not see it.",
        field="preview_id",
        preview_id=preview_id,
    )
    if row is None:
        raise missing
    found, estate = row
    estate_queries.estate(session, viewer, estate.id)
    require_estate_reader(viewer, estate.id, estate.region_id)
    return found, estate


def previews(
    session: Session, viewer: Viewer, estate_id: int, *, limit: int, before_id: int | None = None
) -> list[CoveragePreview]:
    """Return the previews of an estate, latest first. Raises NotFound, NotSignedIn, NotAllowed.

    visibility: for people of the estate and its region, checked first.
    """
    estate = estate_queries.estate(session, viewer, estate_id)
    require_estate_reader(viewer, estate.id, estate.region_id)
    statement = (
        select(CoveragePreview)
        .where(CoveragePreview.estate_id == estate.id)
        .order_by(CoveragePreview.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(CoveragePreview.id < before_id)
    return [*session.scalars(statement)]


def preview_out(found: CoveragePreview, estate: Estate) -> PreviewOut:
    inputs = found.inputs
    return PreviewOut(
        id=found.id,
        estate_id=estate.id,
        estate_en=estate.name_en,
        estate_zh=estate.name_zh,
        made_at=found.made_at,
        week_from=inputs["week_from"],
        inputs_hash=found.inputs_hash,
        step=StepIn.model_validate(inputs["step"] | {"residents": inputs["residents"]}),
        result=PreviewResult.model_validate(found.result),
    )


def ask_region_preview(
    session: Session, viewer: Viewer, step: RegionStepIn, *, at: datetime
) -> tuple[RegionPreview, Region]:
    """Ask for a preview of a step by every estate of a region; a job computes it.

    Raises NotFound, NotSignedIn, NotAllowed.
    """
    region = region_by_code(session, step.region)
    require_region_planner(viewer, region.id, writes=True)
    made = RegionPreview(
        region_id=region.id,
        step=step.model_dump(mode="json"),
        state=RegionPreviewState.WAITING,
        asked_at=at,
        estates_done=0,
    )
    session.add(made)
    session.flush()
    return made, region


def region_preview(session: Session, viewer: Viewer, region_preview_id: int) -> tuple[RegionPreview, Region]:
    """Return a preview of a region. Raises NotFound, NotSignedIn, NotAllowed.

    visibility: for those who plan for the region, checked once it is known.
    """
    row = session.execute(
        select(RegionPreview, Region)
        .join(Region, Region.id == RegionPreview.region_id)
        .where(RegionPreview.id == region_preview_id)
    ).one_or_none()
    if row is None:
        require_region_planner(viewer, 0)
        raise NotFound(
            "There is no preview {preview_id}, or you may not see it.",
            field="region_preview_id",
            preview_id=region_preview_id,
        )
    found, region = row
    require_region_planner(viewer, region.id)
    return found, region


def region_preview_out(found: RegionPreview, region: Region) -> RegionPreviewOut:
    return RegionPreviewOut(
        id=found.id,
        region=region.code,
        step=RegionStepIn.model_validate(found.step),
        state=found.state,
        asked_at=found.asked_at,
        estates_done=found.estates_done,
        estates_total=found.estates_total,
        week_from=found.week_from,
        finished_at=found.finished_at,
        result=None if found.result is None else RegionResult.model_validate(found.result),
    )
