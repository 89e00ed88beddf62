"""Compute a preview from the register and the walking network."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience, Viewer
from aed.database.geometry import shape_of
from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.lookup.places import BUILDING_METRES
from aed.lookup.walks import LocalTime
from aed.planning.arrests import WEIGHTS_OF_HOURS, Range, arrests_at_home, product
from aed.planning.bands import BANDS, Band, hours_of_week
from aed.planning.coverage.rules import (
    ARRESTS_BY_HOUR,
    BAND_BY_HOUR,
    MINUTES,
    SINCE_COLLAPSE_SECONDS,
    BandGain,
    Pattern,
    People,
    Prices,
    gains_by_band,
    reciprocity,
    worth,
)
from aed.planning.coverage.schemas import (
    BandOut,
    DeviceOnMap,
    DoorOut,
    GainOut,
    GateUse,
    PopulationOut,
    PreviewResult,
    RangeOut,
    ReciprocityOut,
    StepIn,
    YearOut,
)
from aed.planning.queries import (
    PlannedBuilding,
    PlannedDevice,
    accessible_hours,
    box_around,
    buildings_around,
    devices_around,
)
from aed.planning.residents import (
    FLOORS_IF_UNKNOWN,
    PEOPLE_PER_FLOOR,
    PopulationSource,
    residents_of,
)
from aed.planning.walks import Doors, GateChange, WalksToDoors
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate, Gate
from aed.registry.holidays.queries import holiday_calendar
from aed.registry.nearby import GateNearby
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    Basis,
    Pace,
    estate_pace,
    fetch_seconds,
    floor_seconds,
    general_pace,
    max_cost_metres,
    pace_at,
    walk_seconds,
)

type Floats = NDArray[np.float64]
type Bools = NDArray[np.bool_]

MAX_DOORS: Final = 2_000
"""Doors on the map; those beyond are counted and not drawn."""
_NOTES_EN: Final = (
    "Estimates with intervals, not a promise. Low takes every low value of the sources together, high every "
    "high one.",
    "Arrests are expected from rates of whole populations; both survival formulas are of witnessed, "
    "shockable arrests before 1997 and only compare choices.",
)
_NOTES_ZH: Final = (
    "均为区间估算，不构成承诺。下限同时取各项来源的最低值，上限同时取最高值。",
    "疑似心脏骤停例数按人群发生率推算；两种存活公式均基于1997年以前有目击、可除颤的病例，仅供方案比较。",
)


@dataclass(frozen=True, slots=True)
class Computed:
    inputs: dict[str, Any]
    inputs_hash: str
    result: PreviewResult


@dataclass(frozen=True, slots=True, eq=False)
class _World:
    """What the preview is about, as arrays of doors and cells."""

    estate: Estate
    buildings: list[PlannedBuilding]
    devices: list[PlannedDevice]
    proposed: set[int]
    doors: Doors
    cell_door: NDArray[np.intp]
    cell_floor: NDArray[np.intp]
    cell_climb: Floats
    """Seconds from the ground floor."""
    people: People


def compute(
    session: Session,
    viewer: Viewer,
    estate: Estate,
    step: StepIn,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    monday: date,
) -> Computed:
    """Return the preview of a step in the week from `monday`.

    1. Take the buildings within reach of the proposed devices, and every device within reach of those.
    2. Walk from each device to the doors, with the gates as they are in each hour of the week, before and
       after the step.
    3. Group the hours with the same devices and gates into patterns; compare the best fetch of each floor.
    4. Sum up people, arrests, survivors, uses and money, with intervals.

    Raises InvalidInput for devices and gates of another estate, and if nothing is in service.
    """
    region, numbers, planning = estate.region, settings.arrival, settings.planning
    time_zone = estate.time_zone or region.time_zone
    calendar = (
        holiday_calendar(session, region.holiday_calendar) if region.holiday_calendar is not None else None
    )
    ambulance = planning.ambulance_seconds_by_region.get(region.code, planning.ambulance_seconds)
    if step.ambulance_minutes is not None:
        ambulance = 60 * step.ambulance_minutes
    reach = _reach_seconds(ambulance, settings)
    world = _world(session, estate, step, reach, settings)
    names = {each.id: each for each in estate_queries.gates(session, viewer, estate_id=estate.id)}
    changes = _gate_changes(step, names)
    moments = hours_of_week(monday, time_zone)

    def walks(gates: dict[int, GateChange] | None) -> WalksToDoors:
        return WalksToDoors(
            session.connection(),
            network,
            world.doors,
            numbers=numbers,
            local=LocalTime(time_zone, calendar),
            gates=gates,
        )

    before = walks(None)
    after = walks(changes) if changes else before
    access = {
        each.id: np.array(accessible_hours(each, moments, calendar, numbers), dtype=np.bool_)
        for each in world.devices
    }
    step_open = np.array(
        [
            step.hours is None
            or hours_at(step.hours, at, time_zone=time_zone, calendar=calendar).state is Opening.OPEN
            for at in moments
        ],
        dtype=np.bool_,
    )
    patterns = _patterns(world, step, before, after, access, step_open, moments, reach, settings)
    proposed = [each for each in world.devices if each.id in world.proposed]
    share_open = _share_open(proposed, access, step_open)
    money = Prices(step.pads_price, step.price_per_device)
    year = worth(
        world.people,
        patterns,
        ambulance_seconds=reach_of_ambulance(ambulance, reach),
        devices=len(proposed),
        accessible=numbers.probability_open,
        numbers=numbers,
        rates=settings.arrests,
        survival=settings.survival,
        prices=money,
    )
    gains = gains_by_band(
        world.people, patterns, ambulance_seconds=reach_of_ambulance(ambulance, reach), rates=settings.arrests
    )
    mutual = reciprocity(world.people, patterns)
    gates = _gates_used(world, step, after, patterns, access, step_open, moments, reach, settings)
    residents = float(world.people.people[world.people.is_resident].sum())
    result = PreviewResult(
        bands=[_band_out(each, gates[each.band], names) for each in gains],
        year=YearOut(
            arrests=_range(year.arrests),
            device_first=_range(year.device_first),
            survivors_larsen=_range(year.larsen),
            survivors_valenzuela=_range(year.valenzuela),
            uses=_range(year.uses),
            money=_range(year.money, 0),
            cost_per_survivor=_range(year.cost_per_survivor, -3) if year.cost_per_survivor else None,
        ),
        reciprocity=ReciprocityOut(
            by_own=round(mutual.by_own),
            by_others_today=round(mutual.by_others_today),
            if_neighbours_follow=round(mutual.if_neighbours_follow),
            neighbours=len(
                {
                    each.estate_id
                    for each in world.devices
                    if each.estate_id != estate.id
                    and each.neighbourhood is not None
                    and each.neighbourhood == estate.neighbourhood
                }
            ),
        ),
        population=PopulationOut(
            people=round(float(world.people.people.sum())),
            residents=round(residents),
            buildings=len(world.buildings),
            by_source=_sources(world, step),
        ),
        ambulance_seconds=ambulance,
        basis=Basis.STRAIGHT_LINE if before.estimated else Basis.WALKING_NETWORK,
        doors=_doors_out(world, patterns),
        devices=[
            DeviceOnMap(id=each.id, lat=each.lat, lon=each.lon, is_proposed=each.id in world.proposed)
            for each in world.devices
            if each.estate_id == estate.id
            or (each.audience is Audience.PUBLIC and _is_on_map(each, world.doors))
        ],
        outline=[
            [(round(x, 6), round(y, 6)) for x, y, *_ in polygon.exterior.coords]
            for polygon in getattr(shape_of(estate.boundary), "geoms", [shape_of(estate.boundary)])
        ],
        notes_en=[*_NOTES_EN, *share_open[0]],
        notes_zh=[*_NOTES_ZH, *share_open[1]],
    )
    inputs = _inputs(
        world,
        step,
        monday,
        ambulance,
        gates=before.gates_around(),
        calendar=calendar,
        network=network,
        settings=settings,
    )
    canonical = orjson.dumps(inputs, option=orjson.OPT_SORT_KEYS)
    return Computed(inputs, hashlib.sha256(canonical).hexdigest(), result)


def _share_open(
    proposed: Sequence[PlannedDevice], access: dict[int, Bools], step_open: Bools
) -> tuple[list[str], list[str]]:
    """Return the note that says in how many hours a week the devices are open under the step."""
    hours = sum(int((access[each.id] & step_open).sum()) for each in proposed) / len(proposed)
    return (
        [f"On average each device is open under the step in {hours:.0f} of 168 hours a week."],
        [f"按此方案，每台AED平均每周开放{hours:.0f}小时（全周168小时）。"],
    )


def reach_of_ambulance(ambulance: float, reach: float) -> float:
    """Return the seconds within which a device counts as before the ambulance, within the lookup's limit."""
    return min(ambulance, reach)


def _reach_seconds(ambulance: float, settings: Settings) -> float:
    """Return the longest fetch that counts: before the ambulance or in five minutes, and not too far."""
    numbers, pace = settings.arrival, estate_pace(settings.arrival)
    longest = walk_seconds(numbers.max_fetch_metres, pace, numbers)
    return min(max(ambulance, 60.0 * MINUTES[-1]), fetch_seconds(longest, longest, pace))


def _world(session: Session, estate: Estate, step: StepIn, reach: float, settings: Settings) -> _World:
    numbers = settings.arrival
    pace = general_pace(numbers)
    metres = max_cost_metres((reach - pace.pick_up_seconds) / 2, pace, numbers)
    shape = shape_of(estate.boundary)
    west, south, east, north = shape.bounds
    own = [
        each
        for each in devices_around(session, box_around([south, north], [west, east], 500.0))
        if each.estate_id == estate.id
    ]
    wanted = set(step.device_ids)
    if unknown := sorted(wanted - {each.id for each in own}):
        raise InvalidInput(
            "Device {device_id} is not in service at this estate.", field="device_ids", device_id=unknown[0]
        )
    proposed = [each for each in own if not wanted or each.id in wanted]
    if not proposed:
        raise InvalidInput("The estate has no device in service that could be opened.", field="device_ids")
    around = box_around([each.lat for each in proposed], [each.lon for each in proposed], metres)
    buildings = [
        each
        for each in buildings_around(session, around, estate.id)
        if each.estate_id == estate.id or _is_near(each, proposed, metres)
    ]
    if not buildings:
        raise InvalidInput(
            "No building is registered around these devices; import buildings first.", field="device_ids"
        )
    near = box_around([each.lat for each in buildings], [each.lon for each in buildings], metres)
    devices = [each for each in devices_around(session, near) if _is_near(each, buildings, metres)]
    people = [residents_of(each.floors, step.residents.get(each.id)) for each in buildings]
    cell_door = np.repeat(np.arange(len(buildings)), [each.floors for each in people])
    cell_floor = np.concatenate([np.arange(each.floors) for each in people])
    climb = np.array([floor_seconds(floor, numbers) for floor in range(int(cell_floor.max()) + 1)])
    estates = np.array([each.estate_id for each in buildings], dtype=np.int64)
    return _World(
        estate=estate,
        buildings=buildings,
        devices=devices,
        proposed={each.id for each in proposed},
        doors=Doors(
            np.array([each.lat for each in buildings]), np.array([each.lon for each in buildings]), estates
        ),
        cell_door=cell_door,
        cell_floor=cell_floor,
        cell_climb=climb[cell_floor],
        people=People(
            np.array([each.people / each.floors for each in people])[cell_door],
            (estates == estate.id)[cell_door],
        ),
    )


def _is_on_map(device: PlannedDevice, doors: Doors) -> bool:
    inside = doors.lat.min() <= device.lat <= doors.lat.max()
    return bool(inside and doors.lon.min() <= device.lon <= doors.lon.max())


def _is_near(
    one: PlannedBuilding | PlannedDevice, others: Sequence[PlannedBuilding | PlannedDevice], metres: float
) -> bool:
    """Return whether a place may be within `metres` of another, by the straight line with a margin."""
    across = METRES_PER_DEGREE * math.cos(math.radians(one.lat))
    return any(
        math.hypot((one.lat - each.lat) * METRES_PER_DEGREE, (one.lon - each.lon) * across) <= 1.02 * metres
        for each in others
    )


def _gate_changes(step: StepIn, known: Mapping[int, Gate]) -> dict[int, GateChange]:
    for each in step.gates:
        if each.gate_id not in known:
            raise InvalidInput(
                "Gate {gate_id} is not a gate of this estate.", field="gates", gate_id=each.gate_id
            )
    return {each.gate_id: GateChange(each.passage, each.opening_hours) for each in step.gates}


# --- patterns -------------------------------------------------------------------------------------------


def _patterns(
    world: _World,
    step: StepIn,
    before: WalksToDoors,
    after: WalksToDoors,
    access: dict[int, Bools],
    step_open: Bools,
    moments: Sequence[datetime],
    reach: float,
    settings: Settings,
) -> list[Pattern]:
    may_now = {each.id: _may_fetch(world, each, each.audience) for each in world.devices}
    may_then = {each.id: may_now[each.id] | _may_fetch(world, each, step.audience) for each in world.devices}
    neighbours = {
        each.id
        for each in world.devices
        if each.estate_id != world.estate.id
        and each.neighbourhood is not None
        and each.neighbourhood == world.estate.neighbourhood
    }
    paces = {each.id: _pace(each, settings) for each in world.devices}
    known: dict[Hashable, Floats] = {}

    def seconds(device: PlannedDevice, walks: WalksToDoors, state: Hashable, at: datetime) -> Floats:
        key = (device.id, walks is after, state)
        if key not in known:
            known[key] = _cell_seconds(world, device, paces[device.id], walks, at, reach, settings)
        return known[key]

    groups: dict[Hashable, list[int]] = {}
    for hour, at in enumerate(moments):
        states = tuple(
            walks.gates_state(each.position, paces[each.id], within_seconds=reach, at=at)
            for walks in ((before,) if before is after else (before, after))
            for each in world.devices
        )
        open_now = tuple(bool(access[each.id][hour]) for each in world.devices)
        groups.setdefault((open_now, bool(step_open[hour]), states), []).append(hour)
    found = []
    nothing = np.full(len(world.cell_door), math.inf)
    for hours in groups.values():
        hour, at = hours[0], moments[hours[0]]
        best = {name: nothing.copy() for name in ("before", "after", "own", "mirrored", "by_proposed")}

        def take(name: str, which: Bools, times: Floats, best: dict[str, Floats] = best) -> None:
            best[name] = np.minimum(best[name], np.where(which, times, math.inf))

        for device in world.devices:
            if not access[device.id][hour]:
                continue
            pace = paces[device.id]
            state = before.gates_state(device.position, pace, within_seconds=reach, at=at)
            now = seconds(device, before, state, at)
            then = now
            if after is not before:
                changed = after.gates_state(device.position, pace, within_seconds=reach, at=at)
                then = seconds(device, after, changed, at)
            take("before", may_now[device.id], now)
            opened = may_then[device.id] if step_open[hour] else may_now[device.id]
            is_proposed = device.id in world.proposed
            take("after", opened if is_proposed else may_now[device.id], then)
            if is_proposed:
                take("by_proposed", opened, then)
            if device.estate_id == world.estate.id:
                take("own", may_now[device.id], now)
            take("mirrored", opened if device.id in neighbours else may_now[device.id], now)
        found.append(Pattern(tuple(hours), **best))
    return found


def _may_fetch(world: _World, device: PlannedDevice, audience: Audience) -> Bools:
    """Return (cells,), whose people may fetch the device with this audience."""
    if audience is Audience.PUBLIC:
        return np.ones(len(world.cell_door), dtype=np.bool_)
    may = np.array(
        [
            each.estate_id == device.estate_id
            or (
                audience is not Audience.ESTATE
                and device.neighbourhood is not None
                and each.neighbourhood == device.neighbourhood
            )
            for each in world.buildings
        ],
        dtype=np.bool_,
    )
    return np.asarray(may[world.cell_door], dtype=np.bool_)


def _cell_seconds(
    world: _World,
    device: PlannedDevice,
    pace: Pace,
    walks: WalksToDoors,
    at: datetime,
    reach: float,
    settings: Settings,
) -> Floats:
    """Return (cells,) the seconds of a fetch there and back, through gates and floors."""
    numbers = settings.arrival
    doors, one_way = walks.seconds_to_doors(device.position, pace, within_seconds=reach, at=at)
    legs = np.full(len(world.buildings), math.inf)
    legs[doors] = one_way
    climb = world.cell_climb + floor_seconds(device.floor, numbers)
    if device.floor:
        inside = world.cell_door == _building_of(world, device)
        climb[inside] = [
            floor_seconds(floor - device.floor, numbers) for floor in world.cell_floor[inside].tolist()
        ]
    found: Floats = pace.pick_up_seconds + 2 * (legs[world.cell_door] + climb)
    return found


def _building_of(world: _World, device: PlannedDevice) -> int:
    """Return the door of the building that a device is in, as the lookup finds it; -1 without one."""
    away = np.hypot(
        (world.doors.lat - device.lat) * METRES_PER_DEGREE,
        (world.doors.lon - device.lon) * METRES_PER_DEGREE * math.cos(math.radians(device.lat)),
    )
    nearest = int(away.argmin())
    return nearest if away[nearest] <= BUILDING_METRES else -1


def _pace(device: PlannedDevice, settings: Settings) -> Pace:
    return pace_at(
        is_in_estate=device.estate_id is not None,
        seconds_per_metre=device.seconds_per_metre,
        pick_up_seconds=device.pick_up_seconds,
        numbers=settings.arrival,
    )


# --- strangers at gates ---------------------------------------------------------------------------------


def _gates_used(
    world: _World,
    step: StepIn,
    walks: WalksToDoors,
    patterns: Sequence[Pattern],
    access: dict[int, Bools],
    step_open: Bools,
    moments: Sequence[datetime],
    reach: float,
    settings: Settings,
) -> dict[Band, dict[int, Range]]:
    """Return the strangers a year by band and gate.

    In each pattern, outsiders to whom a proposed device is now the nearest fetch the nearest proposed one.
    """
    used: dict[Band, dict[int, float]] = {band: {} for band in BANDS}
    for pattern in patterns:
        hour = pattern.hours[0]
        uses_it = ~world.people.is_resident & (pattern.by_proposed < np.minimum(pattern.before, reach))
        if not uses_it.any() or not step_open[hour]:
            continue
        doors = np.unique(world.cell_door[uses_it])
        people = np.bincount(
            world.cell_door[uses_it], weights=world.people.people[uses_it], minlength=len(world.buildings)
        )
        nearest: dict[int, tuple[float, tuple[int, ...]]] = {}
        for device in world.devices:
            if device.id not in world.proposed or not access[device.id][hour]:
                continue
            pace = _pace(device, settings)
            at = moments[hour]
            reached, one_way = walks.seconds_to_doors(device.position, pace, within_seconds=reach, at=at)
            times = dict(zip(reached.tolist(), one_way.tolist(), strict=True))
            ways = walks.gates_passed(
                device.position,
                pace,
                within_seconds=reach,
                at=at,
                doors=doors[np.isin(doors, reached)],
                estate_id=world.estate.id,
            )
            for door, gates in ways.items():
                if door not in nearest or times[door] < nearest[door][0]:
                    nearest[door] = times[door], gates
        for band in BANDS:
            those = [each for each in pattern.hours if BAND_BY_HOUR[each] is band]
            weight = float(ARRESTS_BY_HOUR[those].sum()) if those else 0.0
            for door, (_, gates) in nearest.items():
                for gate in set(gates) if weight else ():
                    used[band][gate] = used[band].get(gate, 0.0) + weight * float(people[door])
    rates = settings.arrests
    each_year = product(arrests_at_home(rates), Range(*rates.fetched)).times(1 / rates.confirmed)
    return {
        band: {gate: each_year.times(weighted) for gate, weighted in gates.items()}
        for band, gates in used.items()
    }


# --- the answer -----------------------------------------------------------------------------------------


def _band_out(gain: BandGain, gates: dict[int, Range], names: Mapping[int, Gate]) -> BandOut:
    return BandOut(
        band=gain.band,
        hours=gain.hours,
        gains=[
            GainOut(
                minutes=minutes,
                residents=round(gain.gains[minutes].residents),
                outsiders=round(gain.gains[minutes].outsiders),
                residents_before=round(gain.served_before[minutes].residents),
                outsiders_before=round(gain.served_before[minutes].outsiders),
            )
            for minutes in MINUTES
        ],
        before_ambulance_residents=round(gain.before_ambulance.residents),
        before_ambulance_outsiders=round(gain.before_ambulance.outsiders),
        arrests=_range(gain.arrests),
        in_reach=_range(gain.in_reach),
        gates=[
            GateUse(
                gate_id=gate,
                name_en=names[gate].name_en,
                name_zh=names[gate].name_zh,
                strangers=_range(each),
            )
            for gate, each in sorted(gates.items())
        ],
    )


def _range(found: Range, digits: int = 8) -> RangeOut:
    low, middle, high = (round(each, digits) for each in found)
    return RangeOut(low=low, middle=middle, high=high)


def _sources(world: _World, step: StepIn) -> dict[PopulationSource, int]:
    return dict(
        Counter(residents_of(each.floors, step.residents.get(each.id)).source for each in world.buildings)
    )


def _doors_out(world: _World, patterns: Sequence[Pattern]) -> list[DoorOut]:
    """Return each building with the share of its people who have a device, before and after."""
    count, limit = len(world.buildings), 60.0 * MINUTES[-1]
    people = np.bincount(world.cell_door, weights=world.people.people, minlength=count)
    shares = {name: np.zeros((count, len(BANDS))) for name in ("before", "after")}
    for number, band in enumerate(BANDS):
        total = BAND_BY_HOUR.count(band)
        for pattern in patterns:
            hours = sum(BAND_BY_HOUR[hour] is band for hour in pattern.hours)
            for name, times in (("before", pattern.before), ("after", pattern.after)):
                served = np.bincount(
                    world.cell_door, weights=world.people.people * (times <= limit), minlength=count
                )
                shares[name][:, number] += hours / total * served / np.maximum(people, 1e-9)
    return [
        DoorOut(
            lat=round(each.lat, 6),
            lon=round(each.lon, 6),
            is_own=each.estate_id == world.estate.id,
            people=round(float(people[i])),
            before=[round(share, 3) for share in shares["before"][i].tolist()],
            after=[round(share, 3) for share in shares["after"][i].tolist()],
        )
        for i, each in enumerate(world.buildings[:MAX_DOORS])
    ]


def _inputs(
    world: _World,
    step: StepIn,
    monday: date,
    ambulance: float,
    *,
    gates: Sequence[GateNearby],
    calendar: HolidayDates | None,
    network: WalkingNetwork | None,
    settings: Settings,
) -> dict[str, Any]:
    """Return everything that the result depends on, so that the preview can be made again."""
    estate = world.estate
    return {
        "step": step.model_dump(mode="json", exclude={"residents"}),
        "week_from": monday.isoformat(),
        "special_days": None if calendar is None else _special_days(calendar, monday),
        "ambulance_seconds": ambulance,
        "estate": [
            estate.id,
            estate.neighbourhood,
            estate.time_zone or estate.region.time_zone,
            shape_of(estate.boundary).wkt,
        ],
        "buildings": [[*_plain(each), step.residents.get(each.id)] for each in world.buildings],
        "devices": [_plain(each) for each in world.devices],
        "gates": [_plain(each) for each in gates],
        "network": None if network is None else network.digest,
        "arrival": settings.arrival.model_dump(mode="json"),
        "arrests": settings.arrests.model_dump(mode="json"),
        "survival": settings.survival.model_dump(mode="json"),
        "assumptions": [
            list(WEIGHTS_OF_HOURS),
            SINCE_COLLAPSE_SECONDS,
            PEOPLE_PER_FLOOR,
            FLOORS_IF_UNKNOWN,
        ],
    }


def _plain(row: Sequence[object]) -> list[str | None]:
    return [None if each is None else str(each) for each in row]


def _special_days(calendar: HolidayDates, monday: date) -> dict[str, list[str]]:
    """Return what the calendar says of the week, and of a day on either side for other time zones."""
    days = [monday + timedelta(days=number) for number in range(-1, 8)]
    return {
        "years": sorted({str(day.year) for day in days if day.year in calendar.years}),
        "holidays": [day.isoformat() for day in days if day in calendar.holidays],
        "workdays": [day.isoformat() for day in days if day in calendar.workdays],
    }
