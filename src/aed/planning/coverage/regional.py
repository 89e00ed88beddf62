"""Preview the same step for every estate of a region, each as if it alone took the step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import regions_below
from aed.errors import InvalidInput
from aed.lookup.walks import LocalTime
from aed.planning.bands import hours_of_week
from aed.planning.coverage.computing import ProposedStep, patterns_of
from aed.planning.coverage.previewing import open_hours, range_out
from aed.planning.coverage.reading import PlannedRegister, reach_seconds, world_of
from aed.planning.coverage.rules import MINUTES, Bools, Prices, gains_by_band, reciprocity, worth
from aed.planning.coverage.schemas import EstateGain, RegionResult, RegionStepIn
from aed.planning.queries import (
    HoursOfDevices,
    PlannedDevice,
    PlannedEstate,
    buildings_in,
    devices_in,
    estates_in,
)
from aed.planning.walks import WalksToDoors
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

type Progress = Callable[[int, int], None]
"""Called with how many estates are done, and of how many."""


@dataclass(frozen=True, slots=True, eq=False)
class _Week:
    """A week in one time zone with one holiday calendar; most regions have one."""

    walks: WalksToDoors
    hours: HoursOfDevices
    is_open: Bools


def preview_region(
    session: Session,
    region: Region,
    step: RegionStepIn,
    *,
    network: WalkingNetwork | None,
    settings: Settings,
    monday: date,
    progress: Progress,
) -> RegionResult:
    """Return what the step of each estate gives and gets, those that give most first.

    1. Read the region once: estates, buildings, devices. What lies beyond its border does not count.
    2. For each estate, compare the hours of a week before and after its step, as its own preview does. Walks
       from a device are searched once for all estates.

    Estates without a device in service or without buildings around are counted and left out.
    """
    regions = regions_below(session, region.id)
    estates = estates_in(session, regions)
    register = PlannedRegister(buildings_in(session, regions), devices_in(session, regions))
    own: dict[int | None, list[PlannedDevice]] = defaultdict(list)
    for device in register.devices:
        own[device.estate_id].append(device)
    weeks: dict[tuple[str, str | None], _Week] = {}
    found: list[EstateGain] = []
    progress(0, len(estates))
    for number, estate in enumerate(estates, start=1):
        if own[estate.id]:
            key = estate.time_zone, estate.holiday_calendar
            if key not in weeks:
                weeks[key] = _week(session, register, estate, step, network, settings, monday)
            line = _gain(register, estate, own[estate.id], step, weeks[key], settings)
            found += [line] if line is not None else []
        progress(number, len(estates))
    found.sort(key=lambda each: (-each.arrests.middle, -sum(each.outsiders), each.estate_id))
    return RegionResult(
        estates=found,
        left_out=len(estates) - len(found),
        outsiders=[sum(each.outsiders[band] for each in found) for band in range(4)],
        if_all_follow=sum(each.if_neighbours_follow for each in found),
        is_estimated=any(week.walks.estimated for week in weeks.values()),
    )


def _week(
    session: Session,
    register: PlannedRegister,
    estate: PlannedEstate,
    step: RegionStepIn,
    network: WalkingNetwork | None,
    settings: Settings,
    monday: date,
) -> _Week:
    name, time_zone = estate.holiday_calendar, estate.time_zone
    calendar = holiday_calendar(session, name) if name is not None else None
    moments: Sequence[datetime] = hours_of_week(monday, time_zone)
    return _Week(
        WalksToDoors(
            session.connection(),
            network,
            register.doors(),
            moments,
            numbers=settings.arrival,
            local=LocalTime(time_zone, calendar),
        ),
        HoursOfDevices(moments, calendar, settings.arrival),
        open_hours(step.hours, moments, time_zone, calendar),
    )


def _gain(
    register: PlannedRegister,
    estate: PlannedEstate,
    proposed: Sequence[PlannedDevice],
    step: RegionStepIn,
    week: _Week,
    settings: Settings,
) -> EstateGain | None:
    planning = settings.planning
    ambulance = planning.ambulance_seconds_by_region.get(estate.region_code, planning.ambulance_seconds)
    reach = reach_seconds(ambulance, settings)
    try:
        world = world_of(register, estate.id, estate.neighbourhood, proposed, reach, settings, residents={})
    except InvalidInput:
        return None
    patterns = patterns_of(
        ProposedStep(
            world=world,
            audience=step.audience,
            before=week.walks,
            after=week.walks,
            access={each.id: week.hours.accessible(each) for each in world.devices},
            is_open=week.is_open,
            reach=reach,
            settings=settings,
        )
    )
    first = min(ambulance, reach)
    year = worth(
        world.people,
        patterns,
        ambulance_seconds=first,
        devices=len(proposed),
        accessible=settings.arrival.probability_open,
        numbers=settings.arrival,
        rates=settings.arrests,
        survival=settings.survival,
        prices=Prices(),
    )
    bands = gains_by_band(world.people, patterns, ambulance_seconds=first, rates=settings.arrests)
    mutual = reciprocity(world.people, patterns)
    return EstateGain(
        estate_id=estate.id,
        name_en=estate.name_en,
        name_zh=estate.name_zh,
        devices=len(proposed),
        residents=round(float(world.people.people[world.people.is_resident].sum())),
        outsiders=[round(band.gains[MINUTES[-1]].outsiders) for band in bands],
        arrests=range_out(year.arrests),
        survivors_larsen=range_out(year.larsen),
        survivors_valenzuela=range_out(year.valenzuela),
        uses=range_out(year.uses),
        money=range_out(year.money, 0),
        by_own=round(mutual.by_own),
        by_others_today=round(mutual.by_others_today),
        if_neighbours_follow=round(mutual.if_neighbours_follow),
    )
