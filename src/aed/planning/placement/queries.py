"""Answer where the next device belongs in a region."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.errors import InvalidInput
from aed.lookup.walks import LocalTime
from aed.planning.bands import (
    BANDS,
    next_monday,
    representative_moment,
)
from aed.planning.permissions import require_region_planner
from aed.planning.placement.demand import attended, demand_cells, demand_of
from aed.planning.placement.fetches import existing_seconds, option_seconds
from aed.planning.placement.options import PlacedThing, choices, lacking_sites
from aed.planning.placement.rules.problem import (
    Action,
    CoverProblem,
    Floor,
    Limits,
    cover_problem,
)
from aed.planning.placement.rules.ranking import RankedOption, ranked
from aed.planning.placement.rules.solving import Solution, greedy, solve
from aed.planning.placement.schemas import DemandSource, Objective, PlacementIn
from aed.planning.queries import (
    HoursOfDevices,
    buildings_in,
    devices_in,
)
from aed.planning.walks import WalksToDoors
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    fetch_seconds,
    general_pace,
    walk_seconds,
)


@dataclass(frozen=True, slots=True)
class YearScore:
    year: int
    arrests: int
    nothing_percent: float
    chosen_percent: float
    greedy_percent: float


@dataclass(frozen=True, slots=True)
class PlacementAnswer:
    """The ranked choice, with what it is about."""

    region: Region
    question: PlacementIn
    problem: CoverProblem
    solution: Solution
    greedy: Solution | None
    lines: tuple[RankedOption, ...]
    things: dict[str, PlacedThing]
    cells: int
    walks_estimated: int
    unattended: float
    """Demand in hours without enough responders, which was left out."""
    sites_left_out: dict[str, int]
    """Sites by what they lack."""
    held_out: tuple[YearScore, ...]
    seconds: float


def place(
    session: Session,
    viewer: Viewer,
    question: PlacementIn,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    today: date,
) -> PlacementAnswer:
    """Return what to open, buy and move, the best first.

    1. Read the buildings, the devices in service and the past arrests of the region. Leave out demand in
       hours without enough responders nearby.
    2. Make an option of every site, every step that an existing device can be opened by, and every move.
    3. Walk from each to the doors around, at one moment of each part of the week, with the gates as they are.
    4. Solve, rank, and score year by year where demand is past arrests.

    Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    began = time.perf_counter()
    region = region_by_code(session, question.region)
    require_region_planner(viewer, region.id)
    regions = regions_below(session, region.id)
    calendar = (
        holiday_calendar(session, region.holiday_calendar) if region.holiday_calendar is not None else None
    )
    buildings = buildings_in(session, regions)
    devices = devices_in(session, regions)
    moments = [representative_moment(band, next_monday(today), region.time_zone) for band in BANDS]
    cells, unattended = attended(
        session,
        demand_cells(session, question, region, regions, buildings, settings),
        question,
        region,
        calendar,
        today=today,
    )
    if not len(cells.years):
        raise InvalidInput(
            "The region has no buildings to serve; import them first, or send past arrests.", field="region"
        )
    numbers = settings.arrival
    hours = HoursOfDevices(moments, calendar, numbers)
    offered = choices(question, buildings, devices, hours, moments, calendar, settings)
    limit = 60 * question.minutes
    reach = limit if question.objective is Objective.PEOPLE else float(cells.ambulance_seconds.max())
    reach = max(reach, 60 * (question.floor_minutes or 0.0))
    longest = walk_seconds(numbers.max_fetch_metres, general_pace(numbers), numbers)
    reach = min(reach, fetch_seconds(longest, longest, general_pace(numbers)))
    walks = WalksToDoors(
        session.connection(),
        network,
        cells.doors,
        moments,
        numbers=numbers,
        local=LocalTime(region.time_zone, calendar),
    )
    seconds = option_seconds(offered, cells, walks, reach, settings)
    movable = set(question.movable)
    fixed = [each for each in devices if each.id not in movable]
    existing = existing_seconds(fixed, cells, walks, hours, reach, settings)
    floor = None
    if question.floor_minutes is not None:
        if question.demand is not DemandSource.RESIDENTS:
            raise InvalidInput("The floor needs the buildings: use demand residents.", field="floor_minutes")
        floor = Floor(
            seconds,
            existing <= 60 * question.floor_minutes,
            60 * question.floor_minutes,
            tuple(band in question.floor_bands for band in BANDS),
        )
    options = [each.option for each in offered]
    limits = Limits(question.budget, question.max_per_estate, question.max_devices)

    def problem_of(rows: NDArray[np.intp], *, with_floor: bool) -> CoverProblem:
        return cover_problem(
            options,
            [csr_array(each[:, rows]) for each in seconds],
            demand_of(question, cells, rows, settings),
            existing=existing[rows],
            limits=limits,
            floor=floor if with_floor else None,
        )

    everything = np.arange(len(cells.years))
    problem = problem_of(everything, with_floor=True)
    solution = solve(problem, max_seconds=question.max_seconds)
    held_out = []
    for year in np.unique(cells.years[cells.years > 0]).tolist():
        rest, score = np.flatnonzero(cells.years != year), np.flatnonzero(cells.years == year)
        if not len(rest):
            continue
        seen, later = problem_of(rest, with_floor=False), problem_of(score, with_floor=False)
        chosen, beside = solve(seen, max_seconds=question.max_seconds), greedy(seen)
        kept = [i for i, option in enumerate(options) if option.action is Action.KEEP]
        held_out.append(
            YearScore(
                year,
                len(score),
                *(
                    100 * later.value(each) / later.total if later.total else 0.0
                    for each in (kept, chosen.chosen, beside.chosen if beside is not None else kept)
                ),
            )
        )
    return PlacementAnswer(
        region=region,
        question=question,
        problem=problem,
        solution=solution,
        greedy=greedy(problem),
        lines=tuple(ranked(problem, solution)),
        things={each.option.key: each.thing for each in offered},
        cells=len(cells.years),
        walks_estimated=walks.estimated,
        unattended=unattended,
        sites_left_out=lacking_sites(question),
        held_out=tuple(held_out),
        seconds=time.perf_counter() - began,
    )
