"""Read the figures of a region for those who run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import regions_below
from aed.debrief.statistics.queries import YearInNumbers, YearQuery, year_in_numbers
from aed.debrief.statistics.rules import CountedKind
from aed.errors import NotAllowed, NotFound
from aed.incidents.drills.queries import drill_times
from aed.planning.regional_coverage.queries import coverage_of_regions
from aed.planning.regional_coverage.schemas import CoverageOfRegion
from aed.registry.devices.rules import Readiness
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.settings import Settings
from aed.training.funnel import TrainingFunnel, training_funnel
from aed.upkeep.checks.queries import count_checks
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due.queries import Duties, Replacement, duties, replacements
from aed.upkeep.due.rules import CALENDAR_KINDS
from aed.upkeep.faults.queries import count_readiness
from aed.web.region_dashboard.rules import MONTHS, Year

READERS: Final = frozenset({Role.ADMINISTRATOR, Role.ESTATE_MANAGER})
"""Who reads the dashboard of a region, if they hold the role on it or above it."""
SOON_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a region, or of one of its estates."""

    region: Region
    estate_id: int | None
    estates: Mapping[int, Mapping[str, str]]
    """The names of the region's estates as {"en", "zh"}, by id."""
    at: datetime
    year: Year
    readiness: Mapping[int | None, Counter[Readiness]]
    """By estate; None: devices outside of estates."""
    duties: Duties
    replacements: Sequence[Replacement]
    checks: Sequence[tuple[int, int]]
    """Passed and failed, by month of `year`."""
    drills: Sequence[tuple[datetime, float]]
    """Seconds of each drill of `year`."""
    funnel_of_month: TrainingFunnel
    funnel_of_year: TrainingFunnel
    coverage: tuple[datetime, CoverageOfRegion] | None
    """As a night's job found it, and when; None before the first night."""
    incidents: YearInNumbers
    """Of the calendar year of the month and of the whole region, with small counts hidden."""


def readable_regions(session: Session, viewer: Viewer) -> list[Region]:
    """Return the regions whose dashboard the viewer may read, in order of code."""
    found = session.scalars(select(Region).order_by(Region.code)).all()
    return [
        each
        for each in found
        if viewer.is_administrator or viewer.has_role(READERS, estate_id=None, region_id=each.id)
    ]


def readable_region(session: Session, viewer: Viewer, code: str) -> Region:
    """Return the region with this code, or the first one for "". Raises NotAllowed.

    A region that does not exist and one that the viewer may not read look alike.
    """
    regions = readable_regions(session, viewer)
    found = next((each for each in regions if not code or each.code == code), None)
    if found is None:
        raise NotAllowed("Only a manager or an administrator of the region may read its figures.")
    return found


def figures(
    session: Session,
    viewer: Viewer,
    region: Region,
    year: Year,
    *,
    estate_id: int | None,
    at: datetime,
    settings: Settings,
) -> Figures:
    """Return the figures of a region that the viewer may read. Raises NotFound for another's estate.

    The number of statements does not depend on the number of devices.
    """
    region_ids = regions_below(session, region.id)
    estates = _estates(session, region_ids)
    if estate_id is not None and estate_id not in estates:
        raise NotFound("The region has no such estate.", field="estate")
    chosen = DeviceFilter(region=region.code, estate_id=estate_id)
    today = at.astimezone(ZoneInfo(region.time_zone)).date()
    within = settings.arrival.checked_within_days
    begins, ends = year.bounds[0], year.bounds[-1]

    def funnel(since: datetime) -> TrainingFunnel:
        return training_funnel(session, region_ids, estate_id=estate_id, since=since, until=ends, today=today)

    return Figures(
        region=region,
        estate_id=estate_id,
        estates=estates,
        at=at,
        year=year,
        readiness=count_readiness(session, viewer, chosen, at=at, checked_within_days=within),
        duties=duties(session, viewer, chosen, at=at, within_days=SOON_DAYS, due_kinds=CALENDAR_KINDS),
        replacements=replacements(session, viewer, chosen, today=today, months=MONTHS),
        checks=count_checks(session, viewer, chosen, bounds=year.bounds),
        drills=drill_times(session, viewer, region_ids, estate_id=estate_id, since=begins, until=ends),
        funnel_of_month=funnel(year.bounds[-2]),
        funnel_of_year=funnel(begins),
        coverage=coverage_of_regions(session, region_ids, estate_id=estate_id),
        incidents=year_in_numbers(
            session,
            viewer,
            YearQuery(year.month.year, CountedKind.REAL, region.code),
            for_publication=True,
        ),
    )


def _estates(session: Session, region_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """visibility: estates of regions whose figures the viewer reads."""
    rows = session.execute(
        select(Estate.id, Estate.name_en, Estate.name_zh)
        .where(Estate.region_id.in_(region_ids), Estate.state == EstateState.ACTIVE)
        .order_by(Estate.id)
    )
    return {row.id: {"en": row.name_en, "zh": row.name_zh} for row in rows}
