"""Read a region from the register and answer where the next device belongs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience, Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.errors import InvalidInput
from aed.geo import Position
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.lookup.walks import LocalTime
from aed.planning.arrests import arrests_at_home
from aed.planning.bands import (
    BANDS,
    SHARE_OF_ARRESTS,
    Band,
    band_of_local,
    next_monday,
    representative_moment,
)
from aed.planning.permissions import require_region_planner
from aed.planning.placement.rules.problem import (
    Action,
    CoverProblem,
    Demand,
    Floor,
    Limits,
    Lock,
    Option,
    by_survival,
    cover_problem,
    within_seconds,
)
from aed.planning.placement.rules.ranking import RankedOption, ranked
from aed.planning.placement.rules.solving import Solution, greedy, solve
from aed.planning.placement.schemas import Candidate, DemandSource, Objective, PlacementIn
from aed.planning.queries import (
    HoursOfDevices,
    PlannedBuilding,
    PlannedDevice,
    buildings_in,
    devices_in,
    past_arrests,
)
from aed.planning.residents import AT_HOME, HOURS_OF_BAND, residents_of
from aed.planning.survival import larsen_survival
from aed.planning.walks import Doors, WalksToDoors
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    Pace,
    estate_pace,
    fetch_seconds,
    floor_seconds,
    general_pace,
    pace_at,
    walk_seconds,
)

MAX_OPTIONS: Final = 20_000
UNTIL_CALLED_SECONDS: Final = 120.0
"""From the collapse to the call, as the simulation assumes; compressions begin then, in every choice
alike."""

type Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlacedThing:
    """What an option is about, for the answer."""

    name_en: str
    name_zh: str
    position: Position
    estate_id: int | None = None
    device_id: int | None = None


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
    held_out: tuple[YearScore, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Where demand is: doors, the people or arrests there by band, and when the ambulance comes."""

    doors: Doors
    neighbourhood: list[str | None]
    weights: Floats
    floor_seconds: Floats
    """One way, at the middle floor."""
    ambulance_seconds: Floats
    years: NDArray[np.int64]
    """0 for residents."""


@dataclass(slots=True)
class _Choice:
    """An option under construction: where it is, who may fetch it, and when."""

    option: Option
    thing: PlacedThing
    pace: Pace
    floor: int
    audience: Audience
    neighbourhood: str | None


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

    1. Read the buildings, the devices in service and the past arrests of the region.
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
    cells = _cells(session, question, region, regions, buildings, settings)
    if not len(cells.years):
        raise InvalidInput(
            "The region has no buildings to serve; import them first, or send past arrests.", field="region"
        )
    numbers = settings.arrival
    hours = HoursOfDevices(moments, calendar, numbers)
    choices = _choices(question, buildings, devices, hours, moments, calendar, settings)
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
    seconds = _seconds(choices, cells, walks, reach, settings)
    movable = set(question.movable)
    fixed = [each for each in devices if each.id not in movable]
    existing = _existing(fixed, cells, walks, hours, reach, settings)
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
    options = [each.option for each in choices]
    limits = Limits(question.budget, question.max_per_estate, question.max_devices)

    def problem_of(rows: NDArray[np.intp], *, with_floor: bool) -> CoverProblem:
        return cover_problem(
            options,
            [csr_array(each[:, rows]) for each in seconds],
            _demand(question, cells, rows, settings),
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
        things={each.option.key: each.thing for each in choices},
        cells=len(cells.years),
        walks_estimated=walks.estimated,
        held_out=tuple(held_out),
        seconds=time.perf_counter() - began,
    )


# --- demand ---------------------------------------------------------------------------------------------


def _cells(
    session: Session,
    question: PlacementIn,
    region: Region,
    regions: Sequence[int],
    buildings: Sequence[PlannedBuilding],
    settings: Settings,
) -> _Cells:
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
    return _Cells(
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
) -> _Cells:
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
    return _Cells(
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


def _demand(question: PlacementIn, cells: _Cells, rows: NDArray[np.intp], settings: Settings) -> Demand:
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


# --- options --------------------------------------------------------------------------------------------


def _choices(
    question: PlacementIn,
    buildings: Sequence[PlannedBuilding],
    devices: Sequence[PlannedDevice],
    hours_of: HoursOfDevices,
    moments: Sequence[datetime],
    calendar: HolidayDates | None,
    settings: Settings,
) -> list[_Choice]:
    """Return every option: sites to buy for, steps to open, moves. Raises InvalidInput for wrong keys."""
    found: list[_Choice] = []
    names = [each.name for each in question.candidates]
    if len(set(names)) < len(names):
        raise InvalidInput("Each candidate needs a name of its own.", field="candidates")
    for each in question.candidates:
        if each.consent:
            found.append(_site(each, question, moments, calendar, settings))
    if question.every_building:
        found.extend(_door(building, question, settings) for building in buildings)
    movable = set(question.movable)
    if unknown := sorted(movable - {each.id for each in devices}):
        raise InvalidInput(
            "The region has no device {device_id} in service.", field="movable", device_id=unknown[0]
        )
    for device in devices:
        hours = tuple(hours_of.accessible(device).tolist())
        if device.id in movable:
            found.extend(_moves(device, hours, question, buildings, settings))
        elif question.open_existing:
            found.extend(_steps(device, hours, question, settings))
    if len(found) > MAX_OPTIONS:
        raise InvalidInput(
            "There are {options} options; at most {max_options} can be compared. Choose a smaller region, "
            "or send candidates.",
            field="candidates",
            options=len(found),
            max_options=MAX_OPTIONS,
        )
    return _locked(found, question)


def _locked(found: Sequence[_Choice], question: PlacementIn) -> list[_Choice]:
    inside, outside = set(question.locked_in), set(question.locked_out)
    known = {each.option.key for each in found}
    for key in (*question.locked_in, *question.locked_out):
        if key not in known:
            raise InvalidInput("There is no option {key}.", field="locked_in", key=key)
    if both := sorted(inside & outside):
        raise InvalidInput("{key} is locked in and locked out.", field="locked_in", key=both[0])
    for each in found:
        if each.option.key in inside | outside:
            lock = Lock.IN if each.option.key in inside else Lock.OUT
            each.option = replace(each.option, lock=lock)
    return list(found)


def _site(
    each: Candidate,
    question: PlacementIn,
    moments: Sequence[datetime],
    calendar: HolidayDates | None,
    settings: Settings,
) -> _Choice:
    position = each.position.position()
    price = each.price if each.price is not None else _price_of_new(question)
    bands = tuple(
        each.opening_hours is None
        or hours_at(each.opening_hours, at, time_zone=str(at.tzinfo), calendar=calendar).state is Opening.OPEN
        for at in moments
    )
    estate = None if each.estate_id is None else str(each.estate_id)
    key = f"buy:{each.name}"
    numbers = settings.arrival
    return _Choice(
        Option(key, key, Action.BUY, price, bands, estate),
        PlacedThing(each.name, each.name, position, each.estate_id),
        estate_pace(numbers) if each.estate_id is not None else general_pace(numbers),
        0,
        Audience.PUBLIC,
        None,
    )


def _door(building: PlannedBuilding, question: PlacementIn, settings: Settings) -> _Choice:
    key = f"buy:building-{building.id}"
    return _Choice(
        Option(key, key, Action.BUY, _price_of_new(question), (True,) * len(BANDS), str(building.estate_id)),
        PlacedThing(
            building.name_en, building.name_zh, Position(building.lat, building.lon), building.estate_id
        ),
        estate_pace(settings.arrival),
        0,
        Audience.PUBLIC,
        building.neighbourhood,
    )


def _price_of_new(question: PlacementIn) -> float:
    return question.prices.buy + question.prices.years * question.prices.upkeep_per_year


def _steps(
    device: PlannedDevice, hours: tuple[bool, ...], question: PlacementIn, settings: Settings
) -> Iterable[_Choice]:
    """Yield the steps by which a device can be opened: to whom, at its own hours or at all."""
    prices, always = question.prices, (True,) * len(BANDS)
    once = {Audience.NEIGHBOURS: prices.open_to_neighbours, Audience.PUBLIC: prices.open_to_everyone}
    for audience in (Audience.NEIGHBOURS, Audience.PUBLIC):
        if audience is Audience.NEIGHBOURS and (
            device.neighbourhood is None or device.audience is Audience.PUBLIC
        ):
            continue
        widened = _widens(device.audience, audience)
        for name, bands in (("hours", hours), ("always", always)):
            if (name == "hours" and not widened) or (name == "always" and hours == always):
                continue
            price = prices.years * prices.open_per_year
            price += once[audience] if widened else 0.0
            price += prices.open_at_night if name == "always" else 0.0
            yield _Choice(
                Option(
                    f"open:device-{device.id}:{audience.value}:{name}",
                    f"device-{device.id}",
                    Action.OPEN,
                    price,
                    bands,
                    None if device.estate_id is None else str(device.estate_id),
                ),
                _thing(device),
                _pace(device, settings),
                device.floor,
                audience,
                device.neighbourhood,
            )


def _moves(
    device: PlannedDevice,
    hours: tuple[bool, ...],
    question: PlacementIn,
    buildings: Sequence[PlannedBuilding],
    settings: Settings,
) -> Iterable[_Choice]:
    site = f"device-{device.id}"
    estate = None if device.estate_id is None else str(device.estate_id)
    pace = _pace(device, settings)
    yield _Choice(
        Option(f"keep:{site}", site, Action.KEEP, 0.0, hours, estate),
        _thing(device),
        pace,
        device.floor,
        device.audience,
        device.neighbourhood,
    )
    for building in buildings:
        if building.estate_id == device.estate_id:
            yield _Choice(
                Option(
                    f"move:{site}:building-{building.id}",
                    site,
                    Action.MOVE,
                    question.prices.move,
                    hours,
                    estate,
                ),
                PlacedThing(
                    building.name_en,
                    building.name_zh,
                    Position(building.lat, building.lon),
                    device.estate_id,
                    device.id,
                ),
                pace,
                0,
                device.audience,
                device.neighbourhood,
            )


_STEPS: Final = {step: number for number, step in enumerate(Audience)}


def _widens(now: Audience, then: Audience) -> bool:
    return _STEPS[then] > _STEPS[now]


def _thing(device: PlannedDevice) -> PlacedThing:
    name = f"Device {device.id}", f"AED {device.id}"
    return PlacedThing(
        device.name_en or device.name_zh or name[0],
        device.name_zh or device.name_en or name[1],
        device.position,
        device.estate_id,
        device.id,
    )


def _pace(device: PlannedDevice, settings: Settings) -> Pace:
    return pace_at(
        is_in_estate=device.estate_id is not None,
        seconds_per_metre=device.seconds_per_metre,
        pick_up_seconds=device.pick_up_seconds,
        numbers=settings.arrival,
    )


# --- walks ----------------------------------------------------------------------------------------------


def _seconds(
    choices: Sequence[_Choice],
    cells: _Cells,
    walks: WalksToDoors,
    reach: float,
    settings: Settings,
) -> list[csr_array]:
    """Return (options, cells) seconds there and back in each band."""
    found = []
    for band in range(len(BANDS)):
        rows: list[NDArray[np.intp]] = []
        columns: list[NDArray[np.intp]] = []
        data: list[Floats] = []
        for row, each in enumerate(choices):
            if not each.option.bands[band]:
                continue
            doors, seconds = _fetches(
                each.thing.position, each.floor, each.pace, cells, walks, band, reach, settings
            )
            may = _may_fetch(each.audience, each.thing.estate_id, each.neighbourhood, cells, doors)
            rows.append(np.full(int(may.sum()), row, dtype=np.intp))
            columns.append(doors[may])
            data.append(seconds[may])
        shape = (len(choices), len(cells.years))
        if not rows:
            found.append(csr_array(shape))
            continue
        found.append(
            csr_array((np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
        )
    return found


def _existing(
    devices: Sequence[PlannedDevice],
    cells: _Cells,
    walks: WalksToDoors,
    hours: HoursOfDevices,
    reach: float,
    settings: Settings,
) -> Floats:
    """Return (cells, bands): the seconds of the best device that people there may fetch today."""
    best = np.full((len(cells.years), len(BANDS)), math.inf)
    for device in devices:
        for band in np.flatnonzero(hours.accessible(device)).tolist():
            doors, seconds = _fetches(
                device.position, device.floor, _pace(device, settings), cells, walks, band, reach, settings
            )
            may = _may_fetch(device.audience, device.estate_id, device.neighbourhood, cells, doors)
            best[doors[may], band] = np.minimum(best[doors[may], band], seconds[may])
    return best


def _fetches(
    place: Position,
    floor: int,
    pace: Pace,
    cells: _Cells,
    walks: WalksToDoors,
    band: int,
    reach: float,
    settings: Settings,
) -> tuple[NDArray[np.intp], Floats]:
    doors, one_way = walks.seconds_to_doors(place, pace, band, within_seconds=reach)
    legs = one_way + cells.floor_seconds[doors] + floor_seconds(floor, settings.arrival)
    return doors, pace.pick_up_seconds + 2 * legs


def _may_fetch(
    audience: Audience,
    estate_id: int | None,
    neighbourhood: str | None,
    cells: _Cells,
    doors: NDArray[np.intp],
) -> NDArray[np.bool_]:
    """Return which of the doors belong to people who may fetch a device with this audience."""
    if audience is Audience.PUBLIC:
        return np.ones(len(doors), dtype=np.bool_)
    own: NDArray[np.bool_] = cells.doors.estate[doors] == (estate_id or -1)
    if audience is Audience.ESTATE or neighbourhood is None:
        return own
    near = np.array([cells.neighbourhood[i] == neighbourhood for i in doors.tolist()], dtype=np.bool_)
    return np.logical_or(own, near)
