"""Preview a step: read, compute, and put the result in words and numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

import numpy as np
import orjson
from sqlalchemy.orm import Session

from aed.accounts.permissions import Audience, Viewer
from aed.database.geometry import shape_of
from aed.hours.evaluation import HolidayDates, Opening, hours_at
from aed.lookup.walks import LocalTime
from aed.planning.arrests import Range
from aed.planning.bands import BANDS, hours_of_week
from aed.planning.coverage.computing import ProposedStep, gates_used, patterns_of
from aed.planning.coverage.reading import (
    PlannedWorld,
    gate_changes,
    inputs_of,
    reach_seconds,
    read_around,
    world_of,
)
from aed.planning.coverage.rules import (
    BAND_BY_HOUR,
    MINUTES,
    BandGain,
    Bools,
    Pattern,
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
from aed.planning.queries import HoursOfDevices, PlannedDevice
from aed.planning.residents import (
    PopulationSource,
    residents_of,
)
from aed.planning.walks import Doors, GateChange, WalksToDoors
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.models import Estate, Gate
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    Basis,
)

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
    reach = reach_seconds(ambulance, settings)
    register, proposed = read_around(session, estate, step, reach, settings)
    world = world_of(
        register, estate.id, estate.neighbourhood, proposed, reach, settings, residents=step.residents
    )
    world = replace(world, door_numbers=np.arange(len(world.buildings)))
    names = {each.id: each for each in estate_queries.gates(session, viewer, estate_id=estate.id)}
    changes = gate_changes(step, names)
    moments = hours_of_week(monday, time_zone)

    def walks(gates: dict[int, GateChange] | None) -> WalksToDoors:
        return WalksToDoors(
            session.connection(),
            network,
            world.doors,
            moments,
            numbers=numbers,
            local=LocalTime(time_zone, calendar),
            gates=gates,
        )

    before = walks(None)
    hours = HoursOfDevices(moments, calendar, numbers)
    proposal = ProposedStep(
        world=world,
        audience=step.audience,
        before=before,
        after=walks(changes) if changes else before,
        access={each.id: hours.accessible(each) for each in world.devices},
        is_open=open_hours(step.hours, moments, time_zone, calendar),
        reach=reach,
        settings=settings,
    )
    patterns = patterns_of(proposal)
    share_open = _share_open(proposal, proposed)
    money = Prices(step.pads_price, step.price_per_device)
    year = worth(
        world.people,
        patterns,
        ambulance_seconds=min(ambulance, reach),
        devices=len(proposed),
        accessible=numbers.probability_open,
        numbers=numbers,
        rates=settings.arrests,
        survival=settings.survival,
        prices=money,
    )
    gains = gains_by_band(
        world.people, patterns, ambulance_seconds=min(ambulance, reach), rates=settings.arrests
    )
    mutual = reciprocity(world.people, patterns)
    gates = gates_used(proposal, patterns)
    residents = float(world.people.people[world.people.is_resident].sum())
    result = PreviewResult(
        bands=[_band_out(each, gates[each.band], names) for each in gains],
        year=YearOut(
            arrests=range_out(year.arrests),
            device_first=range_out(year.device_first),
            survivors_larsen=range_out(year.larsen),
            survivors_valenzuela=range_out(year.valenzuela),
            uses=range_out(year.uses),
            money=range_out(year.money, 0),
            cost_per_survivor=range_out(year.cost_per_survivor, -3) if year.cost_per_survivor else None,
        ),
        reciprocity=ReciprocityOut(
            by_own=round(mutual.by_own),
            by_others_today=round(mutual.by_others_today),
            if_neighbours_follow=round(mutual.if_neighbours_follow),
            neighbours=len({each.estate_id for each in world.devices if each.id in world.neighbours}),
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
    inputs = inputs_of(
        estate,
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


def open_hours(
    hours: str | None, moments: Sequence[datetime], time_zone: str, calendar: HolidayDates | None
) -> Bools:
    """Return at which moments a step is in force."""
    return np.array(
        [
            hours is None or hours_at(hours, at, time_zone=time_zone, calendar=calendar).state is Opening.OPEN
            for at in moments
        ],
        dtype=np.bool_,
    )


def _share_open(step: ProposedStep, proposed: Sequence[PlannedDevice]) -> tuple[list[str], list[str]]:
    """Return the note that says in how many hours a week the devices are open under the step."""
    hours = sum(int((step.access[each.id] & step.is_open).sum()) for each in proposed) / len(proposed)
    return (
        [f"On average each device is open under the step in {hours:.0f} of 168 hours a week."],
        [f"按此方案，每台AED平均每周开放{hours:.0f}小时（全周168小时）。"],
    )


def _is_on_map(device: PlannedDevice, doors: Doors) -> bool:
    inside = doors.lat.min() <= device.lat <= doors.lat.max()
    return bool(inside and doors.lon.min() <= device.lon <= doors.lon.max())


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
        arrests=range_out(gain.arrests),
        in_reach=range_out(gain.in_reach),
        gates=[
            GateUse(
                gate_id=gate,
                name_en=names[gate].name_en,
                name_zh=names[gate].name_zh,
                strangers=range_out(each),
            )
            for gate, each in sorted(gates.items())
        ],
    )


def range_out(found: Range, digits: int = 8) -> RangeOut:
    low, middle, high = (round(each, digits) for each in found)
    return RangeOut(low=low, middle=middle, high=high)


def _sources(world: PlannedWorld, step: StepIn) -> dict[PopulationSource, int]:
    return dict(
        Counter(residents_of(each.floors, step.residents.get(each.id)).source for each in world.buildings)
    )


def _doors_out(world: PlannedWorld, patterns: Sequence[Pattern]) -> list[DoorOut]:
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
            is_own=each.estate_id == world.estate_id,
            people=round(float(people[i])),
            before=[round(share, 3) for share in shares["before"][i].tolist()],
            after=[round(share, 3) for share in shares["after"][i].tolist()],
        )
        for i, each in enumerate(world.buildings[:MAX_DOORS])
    ]
