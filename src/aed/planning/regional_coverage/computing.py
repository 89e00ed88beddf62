"""Compute the coverage of a region from its buildings, devices, gates and hours."""

from __future__ import annotations

from datetime import date

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.database.geometry import shape_of
from aed.lookup.walks import LocalTime
from aed.planning.bands import BANDS, representative_moment
from aed.planning.coverage.reading import PlannedRegister, reach_seconds
from aed.planning.coverage.rules import MINUTES, share_within
from aed.planning.placement.demand import DemandCells
from aed.planning.placement.fetches import existing_seconds
from aed.planning.queries import HoursOfDevices, buildings_in, devices_in
from aed.planning.regional_coverage.schemas import CoverageGap, CoverageOfEstate, CoverageOfRegion
from aed.planning.residents import residents_of
from aed.planning.walks import WalksToDoors
from aed.registry.estates.models import Estate
from aed.registry.estates.rules import EstateState
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import floor_seconds

MAX_GAPS = 60


def coverage_of_region(
    session: Session, region: Region, *, network: WalkingNetwork | None, settings: Settings, monday: date
) -> CoverageOfRegion:
    """Return who of the region's residents can fetch a device in time, at one moment of each band.

    1. Take the devices in service that are accessible at that moment, each for those who may fetch it.
    2. Find the best fetch of each building, there and back from the ground floor, through open gates.
    3. Count the floors from which it is in time.

    What lies beyond the region's border does not count.

    visibility: for the nightly job; only sums and buildings without people are kept.
    """
    register = PlannedRegister(buildings_in(session, [region.id]), devices_in(session, [region.id]))
    doors = register.doors()
    moments = [representative_moment(band, monday, region.time_zone) for band in BANDS]
    name = region.holiday_calendar
    calendar = holiday_calendar(session, name) if name is not None else None
    walks = WalksToDoors(
        session.connection(),
        network,
        doors,
        moments,
        numbers=settings.arrival,
        local=LocalTime(region.time_zone, calendar),
    )
    count = len(register.buildings)
    cells = DemandCells(
        doors,
        [each.neighbourhood for each in register.buildings],
        np.zeros((count, len(BANDS))),
        np.zeros(count),
        np.zeros(count),
        np.zeros(count, dtype=np.int64),
    )
    hours = HoursOfDevices(moments, calendar, settings.arrival)
    seconds = existing_seconds(register.devices, cells, walks, hours, reach_seconds(0.0, settings), settings)
    outlines = _outlines(session, region.id)
    estates = {
        estate_id: CoverageOfEstate(
            estate_id=estate_id,
            residents=0,
            within=dict.fromkeys(MINUTES, (0.0, 0.0, 0.0, 0.0)),
            outline=outline,
        )
        for estate_id, outline in outlines.items()
    }
    gaps = []
    for number, building in enumerate(register.buildings):
        people = residents_of(building.floors, None)
        climbs = np.array([floor_seconds(floor, settings.arrival) for floor in range(people.floors)])
        estate = estates[building.estate_id]
        estate.residents += people.people
        for minutes in MINUTES:
            served = people.people * share_within(seconds[number], climbs, 60.0 * minutes)
            before = estate.within[minutes]
            estate.within[minutes] = tuple(a + b for a, b in zip(before, served.tolist(), strict=True))
        without = tuple(round(people.people - each, 1) for each in served.tolist())
        if max(without) > 0:
            gaps.append(
                CoverageGap(
                    estate_id=building.estate_id,
                    name_en=building.name_en,
                    name_zh=building.name_zh,
                    lat=building.lat,
                    lon=building.lon,
                    without=without,
                )
            )
    gaps.sort(key=lambda gap: (-sum(gap.without), gap.estate_id, gap.name_zh))
    return CoverageOfRegion(
        estates=list(estates.values()), gaps=gaps[:MAX_GAPS], is_estimated=walks.estimated > 0
    )


def _outlines(session: Session, region_id: int) -> dict[int, list[list[tuple[float, float]]]]:
    """visibility: for the nightly job; boundaries only."""
    rows = session.execute(
        select(Estate.id, Estate.boundary)
        .where(Estate.region_id == region_id, Estate.state == EstateState.ACTIVE)
        .order_by(Estate.id)
    )
    return {
        estate_id: [
            [(round(lon, 5), round(lat, 5)) for lon, lat, *_ in part.exterior.coords]
            for part in getattr(shape_of(boundary), "geoms", [shape_of(boundary)])
        ]
        for estate_id, boundary in rows
    }
