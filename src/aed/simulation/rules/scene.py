"""One incident with its surroundings: the people and devices near it, and their distances."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from aed.geo import Position, distances_metres, in_mainland_china
from aed.hours.evaluation import china_calendar, hours_at
from aed.incidents.plan.rules.survival import Patient
from aed.lookup.arrival import accessible_probability, usable_probability
from aed.registry.devices.reachability import hour_band
from aed.registry.devices.rules import Readiness, access_at
from aed.simulation.rules.assumptions import Numbers
from aed.simulation.rules.incident import SimulatedIncident
from aed.simulation.rules.world import Flags, World
from aed.walking.snapping import SnappedPoints
from aed.walking.streets import Floats
from aed.walking.travel import floor_seconds

type Indexes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Lengths:
    """Distances in metres between people, devices and the patient, in one metric. Infinite: no path."""

    people: Floats
    """From each person to the patient."""
    devices: Floats
    """From each device to the patient."""
    between: Floats
    """From each person (row) to each device (column)."""

    @property
    def by_device(self) -> Floats:
        """From each person by way of each device to the patient."""
        return self.between + self.devices

    def of_devices(self, kept: Flags) -> Lengths:
        return Lengths(self.people, self.devices[kept], self.between[:, kept])


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What nobody knows beforehand, in the order of the scene's people and devices."""

    ambulance_seconds: float
    luck: Floats
    answers_after_seconds: Floats
    device_luck: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What can be known when the alert arrives, and the truth beside it.

    People and devices are those within a straight-line radius, indexed from 0 here.
    """

    patient: Patient
    line: Lengths
    walk: Lengths
    probability_usable: Floats
    """Probability that each device is reachable and works, by its hours at that moment; 0 if it is closed."""
    is_private: Flags
    devices: Indexes
    """Their indexes in the world."""
    truth: Truth
    floor_seconds: float
    """Between the patient's floor and the ground floor, where all devices are."""
    people_floor_seconds: Floats
    """Between each person's floor and the ground floor."""

    @property
    def people_count(self) -> int:
        return len(self.line.people)

    def is_there(self, device: int) -> bool:
        """True if the device is really available and works."""
        return bool(self.truth.device_luck[device] < self.probability_usable[device])

    def without_private_devices(self) -> Scene:
        """Return the scene with private devices closed to strangers."""
        kept = ~self.is_private
        return replace(
            self,
            line=self.line.of_devices(kept),
            walk=self.walk.of_devices(kept),
            probability_usable=self.probability_usable[kept],
            is_private=self.is_private[kept],
            devices=self.devices[kept],
            truth=replace(self.truth, device_luck=self.truth.device_luck[kept]),
        )


class Surroundings:
    """Finds the surroundings of places in one world. Walks from a device are searched once, and cached."""

    def __init__(self, world: World, people: SnappedPoints, numbers: Numbers) -> None:
        self._world, self._people, self._numbers = world, people, numbers
        self._devices = world.snapped_devices
        china = china_calendar()
        self._calendars = [china if in_mainland_china(each.position) else None for each in world.devices]
        self._zone = ZoneInfo(world.time_zone)
        self._closed = world.closed_gates()
        self._from_device: dict[int, tuple[Floats, Floats]] = {}

    def scene(self, incident: SimulatedIncident) -> Scene:
        """Return the scene of an incident."""
        here, arrival = _position(incident.place, 0), self._numbers.settings.arrival
        people_line = distances_metres(here, self._people.lats, self._people.lons)
        devices_line = distances_metres(here, self._devices.lats, self._devices.lons)
        radius = self._numbers.settings.responder_radius_metres
        people, devices = np.flatnonzero(people_line <= radius), np.flatnonzero(devices_line <= radius)
        both = self._people.take(people).followed_by(self._devices.take(devices))
        walks = self._walks(incident.place, both)
        line_between, walk_between = np.empty((2, len(people), len(devices)))
        for column, device in enumerate(devices.tolist()):
            line, walk = self._of_device(device)
            line_between[:, column], walk_between[:, column] = line[people], walk[people]
        return Scene(
            patient=Patient(incident.since_seconds, incident.ambulance_expected_seconds, incident.has_cpr),
            line=Lengths(people_line[people], devices_line[devices], line_between),
            walk=Lengths(walks[: len(people)], walks[len(people) :], walk_between),
            probability_usable=np.array(
                [self._probability_usable(device, incident) for device in devices.tolist()]
            ),
            is_private=self._world.private[devices],
            devices=devices,
            truth=Truth(
                incident.ambulance_seconds,
                incident.luck[people],
                incident.answers_after_seconds[people],
                incident.device_luck[devices],
            ),
            floor_seconds=floor_seconds(incident.floor, arrival),
            people_floor_seconds=np.array(
                [floor_seconds(int(floor), arrival) for floor in incident.responder_floors[people].tolist()]
            ),
        )

    def _walks(self, start: SnappedPoints, to: SnappedPoints) -> Floats:
        network, within = self._world.network, self._numbers.settings.walking_reach_metres
        reachable, from_here = None, start.one(0, network.contracted)
        if from_here is not None:
            reachable = network.reachable(from_here, within_metres=within, closed=self._closed)
        return np.full(len(to), np.inf) if reachable is None else reachable.costs(to)

    def _of_device(self, device: int) -> tuple[Floats, Floats]:
        """Return the distances to every responder, by line and on foot; the same in both directions."""
        if device not in self._from_device:
            start = self._devices.take([device])
            line = distances_metres(_position(start, 0), self._people.lats, self._people.lons)
            self._from_device[device] = line, self._walks(start, self._people)
        return self._from_device[device]

    def _probability_usable(self, device: int, incident: SimulatedIncident) -> float:
        """Return a device's probability, by its hours and the share of unchecked devices that are ready."""
        one = self._world.devices[device]
        hours = hours_at(
            one.opening_hours, incident.at, time_zone=self._world.time_zone, calendar=self._calendars[device]
        )
        arrival, local = self._numbers.settings.arrival, incident.at.astimezone(self._zone)
        band = hour_band(local, self._calendars[device])
        reachable = accessible_probability(access_at(hours, one.entry), one.place, band, arrival)
        return usable_probability(reachable, Readiness.UNCHECKED, 0.0, arrival)


def _position(places: SnappedPoints, which: int) -> Position:
    return Position(float(places.lats[which]), float(places.lons[which]))
