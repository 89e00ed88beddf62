"""Compare the best fetch of each floor before and after a step, and count strangers at gates."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aed.accounts.permissions import Audience
from aed.geo import METRES_PER_DEGREE
from aed.lookup.places import BUILDING_METRES
from aed.planning.arrests import Range, arrests_at_home, product
from aed.planning.bands import BANDS, HOURS, Band
from aed.planning.coverage.reading import PlannedWorld
from aed.planning.coverage.rules import ARRESTS_BY_HOUR, BAND_BY_HOUR, Bools, Floats, Pattern
from aed.planning.queries import PlannedDevice, device_pace
from aed.planning.walks import WalksToDoors
from aed.settings import Settings
from aed.walking.travel import Pace, floor_seconds


@dataclass(frozen=True, slots=True, eq=False)
class ProposedStep:
    """A step in its world, with the walks of each hour of a week."""

    world: PlannedWorld
    audience: Audience
    before: WalksToDoors
    after: WalksToDoors
    """The same as `before` if no gate changes."""
    access: dict[int, Bools]
    """(168,) by device: whether it is accessible."""
    is_open: Bools
    """(168,) whether the step is in force."""
    reach: float
    """Seconds of the longest fetch that counts."""
    settings: Settings


class _Fetch(NamedTuple):
    """How long people behind the doors take to fetch a device, there and back, from the ground floor."""

    doors: NDArray[np.intp]
    seconds: Floats
    cells: NDArray[np.intp]
    """Those of the device's own building, if it is on another floor than the ground's."""
    cell_seconds: Floats


def patterns_of(step: ProposedStep) -> list[Pattern]:
    """Return the seconds of the best fetch of each cell, for hours with the same devices and gates.

    1. Group the hours with the same devices, gates and step.
    2. Take each device's fetch to each door; keep the best of those that the people there may fetch.
    3. Add the floors. In the device's own building only the floors between count.
    """
    world, fetches = step.world, _Fetches(step)
    found = []
    for hours in _hours_alike(step):
        moment = hours[0]
        best = {name: _Best(world) for name in ("before", "after", "own", "mirrored", "by_proposed")}
        for device in world.devices:
            if not step.access[device.id][moment]:
                continue
            now = fetches.of(device, step.before, moment)
            then = now if step.after is step.before else fetches.of(device, step.after, moment)
            best["before"].take(now, fetches.may_now(device))
            opened = fetches.may_then(device) if step.is_open[moment] else fetches.may_now(device)
            best["mirrored"].take(now, opened if device.id in world.neighbours else fetches.may_now(device))
            if device.estate_id == world.estate_id:
                best["own"].take(now, fetches.may_now(device))
            if device.id in world.proposed:
                best["after"].take(then, opened)
                best["by_proposed"].take(then, opened)
            else:
                best["after"].take(then, fetches.may_now(device))
        found.append(Pattern(tuple(hours), **{name: each.by_cell() for name, each in best.items()}))
    return found


class _Best:
    """The best fetch of each door so far."""

    def __init__(self, world: PlannedWorld) -> None:
        self._world = world
        self._doors = np.full(len(world.buildings), math.inf)
        self._inside: list[tuple[NDArray[np.intp], Floats]] = []

    def take(self, fetch: _Fetch, may: Bools) -> None:
        """Take a fetch for the people behind the doors who may."""
        allowed = may[fetch.doors]
        doors = fetch.doors[allowed]
        self._doors[doors] = np.minimum(self._doors[doors], fetch.seconds[allowed])
        if len(fetch.cells) and may[self._world.cell_door[fetch.cells[0]]]:
            self._inside.append((fetch.cells, fetch.cell_seconds))

    def by_cell(self) -> Floats:
        found: Floats = self._doors[self._world.cell_door] + 2 * self._world.cell_climb
        for cells, seconds in self._inside:
            found[cells] = np.minimum(found[cells], seconds)
        return found


class _Fetches:
    """The fetches of each device, and who may fetch it, computed once each."""

    def __init__(self, step: ProposedStep) -> None:
        self._step = step
        self._known: dict[Hashable, _Fetch] = {}
        self._may: dict[tuple[int, Audience], Bools] = {}
        self._local = np.full(step.before.door_count, -1, dtype=np.intp)
        self._local[step.world.door_numbers] = np.arange(len(step.world.buildings))
        self._paces = {each.id: device_pace(each, step.settings.arrival) for each in step.world.devices}
        self._buildings = {
            each.id: _building_of(step.world, each) for each in step.world.devices if each.floor
        }

    def of(self, device: PlannedDevice, walks: WalksToDoors, moment: int) -> _Fetch:
        step, pace = self._step, self._paces[device.id]
        state = walks.gates_state(device.position, pace, moment, within_seconds=step.reach)
        key = device.id, walks is step.after, state
        if key not in self._known:
            self._known[key] = self._fetch(device, walks, pace, moment)
        return self._known[key]

    def _fetch(self, device: PlannedDevice, walks: WalksToDoors, pace: Pace, moment: int) -> _Fetch:
        world, numbers = self._step.world, self._step.settings.arrival
        reached, one_way = walks.seconds_to_doors(
            device.position, pace, moment, within_seconds=self._step.reach
        )
        doors = self._local[reached]
        here = doors >= 0
        doors, one_way = doors[here], one_way[here]
        seconds = pace.pick_up_seconds + 2 * (one_way + floor_seconds(device.floor, numbers))
        inside = np.flatnonzero(doors == self._buildings[device.id]) if device.floor else doors[:0]
        if not len(inside):
            return _Fetch(doors, seconds, inside, seconds[:0])
        cells = np.flatnonzero(world.cell_door == self._buildings[device.id])
        between = [floor_seconds(floor - device.floor, numbers) for floor in world.cell_floor[cells].tolist()]
        return _Fetch(
            doors, seconds, cells, pace.pick_up_seconds + 2 * (one_way[inside[0]] + np.array(between))
        )

    def may_now(self, device: PlannedDevice) -> Bools:
        """Return (doors,), whose people may fetch the device today."""
        return self._may_with(device, device.audience)

    def may_then(self, device: PlannedDevice) -> Bools:
        """Return (doors,), whose people may fetch the device if it takes the step."""
        found: Bools = self.may_now(device) | self._may_with(device, self._step.audience)
        return found

    def _may_with(self, device: PlannedDevice, audience: Audience) -> Bools:
        key = device.id, audience
        if key not in self._may:
            world = self._step.world
            if audience is Audience.PUBLIC:
                may = np.ones(len(world.buildings), dtype=np.bool_)
            else:
                may = world.doors.estate == (-1 if device.estate_id is None else device.estate_id)
            if audience not in (Audience.PUBLIC, Audience.ESTATE) and device.neighbourhood is not None:
                may = may | (world.door_neighbourhood == device.neighbourhood)
            self._may[key] = may
        return self._may[key]


def _hours_alike(step: ProposedStep) -> list[list[int]]:
    """Return the hours of a week in groups with the same devices, gates and step."""
    devices = step.world.devices
    paces = [device_pace(each, step.settings.arrival) for each in devices]
    states = [
        walks.states(timetable)
        for walks in ((step.before,) if step.before is step.after else (step.before, step.after))
        for timetable in sorted(
            {
                each
                for device, pace in zip(devices, paces, strict=True)
                for each in walks.timetables(device.position, pace, within_seconds=step.reach)
            }
        )
    ]
    accessible = np.packbits([step.access[each.id] for each in devices], axis=0).T
    groups: dict[Hashable, list[int]] = {}
    for hour in range(HOURS):
        key = accessible[hour].tobytes(), bool(step.is_open[hour]), tuple(each[hour] for each in states)
        groups.setdefault(key, []).append(hour)
    return [*groups.values()]


def _building_of(world: PlannedWorld, device: PlannedDevice) -> int:
    """Return the door of the building that a device is in, as the lookup finds it; -1 without one."""
    away = np.hypot(
        (world.doors.lat - device.lat) * METRES_PER_DEGREE,
        (world.doors.lon - device.lon) * METRES_PER_DEGREE * math.cos(math.radians(device.lat)),
    )
    nearest = int(away.argmin())
    return nearest if away[nearest] <= BUILDING_METRES else -1


def gates_used(step: ProposedStep, patterns: Sequence[Pattern]) -> dict[Band, dict[int, Range]]:
    """Return the strangers a year by band and gate.

    In each pattern, outsiders to whom a proposed device is now the nearest fetch the nearest proposed one.
    """
    world, walks, reach = step.world, step.after, step.reach
    used: dict[Band, dict[int, float]] = {band: {} for band in BANDS}
    for pattern in patterns:
        hour = pattern.hours[0]
        uses_it = ~world.people.is_resident & (pattern.by_proposed < np.minimum(pattern.before, reach))
        if not uses_it.any() or not step.is_open[hour]:
            continue
        doors = np.unique(world.cell_door[uses_it])
        people = np.bincount(
            world.cell_door[uses_it], weights=world.people.people[uses_it], minlength=len(world.buildings)
        )
        nearest: dict[int, tuple[float, tuple[int, ...]]] = {}
        for device in world.devices:
            if device.id not in world.proposed or not step.access[device.id][hour]:
                continue
            pace = device_pace(device, step.settings.arrival)
            reached, one_way = walks.seconds_to_doors(device.position, pace, hour, within_seconds=reach)
            times = dict(zip(reached.tolist(), one_way.tolist(), strict=True))
            ways = walks.gates_passed(
                device.position,
                pace,
                hour,
                within_seconds=reach,
                doors=doors[np.isin(doors, reached)],
                estate_id=world.estate_id,
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
    rates = step.settings.arrests
    each_year = product(arrests_at_home(rates), Range(*rates.fetched)).times(1 / rates.confirmed)
    return {
        band: {gate: each_year.times(weighted) for gate, weighted in gates.items()}
        for band, gates in used.items()
    }
