"""Where demand is, and in which parts of the week."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE, box_around
from aed.hours.evaluation import HolidayDates
from aed.planning.arrests import arrests_at_home
from aed.planning.bands import (
    BANDS,
    HOURS,
    SHARE_OF_ARRESTS,
    Band,
    band_at,
    band_of_local,
    next_monday,
)
from aed.planning.placement.rules.problem import (
    Demand,
    by_survival,
    within_seconds,
)
from aed.planning.placement.schemas import DemandSource, Objective, PlacementIn
from aed.planning.queries import (
    PlannedBuilding,
    past_arrests,
)
from aed.planning.residents import AT_HOME, HOURS_OF_BAND, residents_of
from aed.planning.survival import larsen_survival
from aed.planning.walks import Doors
from aed.settings import Settings
from aed.training.gaps.queries import places_around
from aed.training.gaps.rules import counted
from aed.training.gaps.table import RegisteredPeople
from aed.training.gaps.week import CalendarWeek
from aed.walking.travel import (
    floor_seconds,
)

UNTIL_CALLED_SECONDS: Final = 120.0
"""From the collapse to the call, as the simulation assumes; compressions begin then, in every choice
alike."""

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DemandCells:
    """Where demand is: doors, the people or arrests there by band, and when the ambulance comes."""

    doors: Doors
    neighbourhood: list[str | None]
    weights: Floats
    floor_seconds: Floats
    """One way, at the middle floor."""
    ambulance_seconds: Floats
    years: NDArray[np.int64]
    """0 for residents."""


def demand_cells(
    session: Session,
    question: PlacementIn,
    region: Region,
    regions: Sequence[int],
    buildings: Sequence[PlannedBuilding],
    settings: Settings,
) -> DemandCells:
    planning = settings.planning
    ambulance = planning.ambulance_seconds_by_region.get(region.code, planning.ambulance_seconds)
    if question.ambulance_minutes is not None:
        ambulance = 60 * question.ambulance_minutes
    if question.demand is DemandSource.PAST_ARRESTS:
        return _past(session, question, region, regions, ambulance)
    people = [residents_of(each.floors, None) for each in buildings]
    counts = np.array([each.people for each in people])
    if question.objective is Objective.PEOPLE:
        week = sum(HOURS_OF_BAND.values())
        by_band = [AT_HOME[band] * HOURS_OF_BAND[band] / week for band in BANDS]
    else:
        rate = arrests_at_home(settings.arrests).middle
        by_band = [rate * SHARE_OF_ARRESTS[band] for band in BANDS]
    return DemandCells(
        Doors(
            np.array([each.lat for each in buildings], dtype=np.float64),
            np.array([each.lon for each in buildings], dtype=np.float64),
            np.array([each.estate_id for each in buildings], dtype=np.int64),
        ),
        [each.neighbourhood for each in buildings],
        np.outer(counts, by_band),
        np.array([floor_seconds((each.floors - 1) // 2, settings.arrival) for each in people]),
        np.full(len(buildings), ambulance),
        np.zeros(len(buildings), dtype=np.int64),
    )


def _past(
    session: Session, question: PlacementIn, region: Region, regions: Sequence[int], ambulance: float
) -> DemandCells:
    if question.objective is Objective.PEOPLE:
        raise InvalidInput(
            "Past arrests are no people at home: use the objective before_ambulance or survivors.",
            field="objective",
        )
    zone = ZoneInfo(region.time_zone)
    rows: list[tuple[float, float, int, Band | None, float]]
    if question.arrests:
        rows = [
            (each.lat, each.lon, each.year, each.band, 60 * (each.ambulance_minutes or ambulance / 60))
            for each in question.arrests
        ]
    else:
        rows = [
            (each.lat, each.lon, local.year, band_of_local(local), ambulance)
            for each in past_arrests(session, regions)
            for local in [each.at.astimezone(zone)]
        ]
    weights = np.zeros((len(rows), len(BANDS)))
    for number, row in enumerate(rows):
        for band, name in enumerate(BANDS):
            weights[number, band] = SHARE_OF_ARRESTS[name] if row[3] is None else float(row[3] is name)
    years = np.array([row[2] for row in rows], dtype=np.int64)
    count = len(rows)
    return DemandCells(
        Doors(
            np.array([row[0] for row in rows], dtype=np.float64),
            np.array([row[1] for row in rows], dtype=np.float64),
            np.zeros(count, dtype=np.int64),
        ),
        [None] * count,
        weights / max(1, len(np.unique(years))),
        np.zeros(count),
        np.array([row[4] for row in rows], dtype=np.float64),
        years,
    )


def demand_of(
    question: PlacementIn, cells: DemandCells, rows: NDArray[np.intp], settings: Settings
) -> Demand:
    weights, ambulance = cells.weights[rows], cells.ambulance_seconds[rows]
    if question.objective is Objective.PEOPLE:
        return within_seconds(weights, 60 * question.minutes)
    if question.objective is Objective.BEFORE_AMBULANCE:
        return within_seconds(weights, ambulance)
    numbers = settings.survival

    def share(delay: Floats, ambulance: Floats) -> Floats:
        since = UNTIL_CALLED_SECONDS
        shock = since + delay + numbers.pads_seconds
        found: Floats = larsen_survival(since, shock, since + ambulance, numbers) / 100
        return found

    return by_survival(weights * settings.arrests.witnessed_and_shockable[1], ambulance, share)


def attended(
    session: Session,
    cells: DemandCells,
    question: PlacementIn,
    region: Region,
    calendar: HolidayDates | None,
    *,
    today: date,
) -> tuple[DemandCells, float]:
    """Leave out demand in hours in which too few responders are nearby to fetch a device.

    The weight of a cell in a part of the week is multiplied by the share of its hours in which at least
    `min_responders` people with registered hours are within `responder_metres`. Returns the cells and the
    weight that was left out.

    visibility: people are only counted; no position is returned.
    """
    if not question.min_responders or not len(cells.years):
        return cells, 0.0
    lat, lon, metres = cells.doors.lat, cells.doors.lon, question.responder_metres
    box = box_around([float(lat.min()), float(lat.max())], [float(lon.min()), float(lon.max())], metres)
    people = RegisteredPeople(places_around(session, box=box, valid_from=today)).within(
        box,
        CalendarWeek(next_monday(today), region.time_zone),
        calendar,
        today=today,
        renewing=(),
        passes=1.0,
    )
    shares = np.zeros_like(cells.weights)
    if len(people):
        from scipy.spatial import cKDTree  # imported here to save 8 MB of memory

        across = METRES_PER_DEGREE * math.cos(math.radians(float(lat.mean())))
        places = cKDTree(np.column_stack((people.lats * METRES_PER_DEGREE, people.lons * across)))
        here = np.column_stack((lat * METRES_PER_DEGREE, lon * across))
        near_each = np.asarray(places.query_ball_point(here, metres), dtype=object)
        for cell, near in enumerate(near_each.tolist()):
            if near:
                there = counted(people.take(np.array(near, dtype=np.intp))).now
                enough = there >= question.min_responders
                shares[cell] = [float(enough[hours].mean()) for hours in _HOURS_BY_BAND]
    kept = replace(cells, weights=cells.weights * shares)
    return kept, float(cells.weights.sum() - kept.weights.sum())


_HOURS_BY_BAND: Final = tuple(
    np.array([hour for hour in range(HOURS) if band_at(hour // 24, hour % 24) is band]) for band in BANDS
)
