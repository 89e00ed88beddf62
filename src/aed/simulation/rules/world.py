"""The world of a simulation: streets, places spread over areas, devices, responders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.random import Generator
from numpy.typing import NDArray
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from aed.errors import InvalidInput
from aed.geo import Position
from aed.registry.devices.reachability import PlaceClass
from aed.registry.devices.rules import EntryMode
from aed.walking.network import WalkingNetwork
from aed.walking.snapping import SnappedPoints
from aed.walking.streets import Crossing, Floats

_WGS84 = Geod(ellps="WGS84")


def shares_of(areas: Sequence[BaseGeometry]) -> Floats:
    """Return each area's share of the total (computed in degrees, so for areas near each other only)."""
    sizes = np.array([area.area for area in areas])
    shares: Floats = sizes / sizes.sum()
    return shares


def somewhere_in(area: BaseGeometry, random: Generator) -> Position:
    """Return a uniformly distributed place in the area."""
    west, south, east, north = area.bounds
    while True:
        lon, lat = random.uniform((west, south), (east, north)).tolist()
        if area.contains(shapely.Point(lon, lat)):
            return Position(lat, lon)


def square_kilometres(areas: Sequence[BaseGeometry]) -> float:
    return sum(abs(_WGS84.geometry_area_perimeter(area)[0]) for area in areas) / 1e6


type Flags = NDArray[np.bool_]

_IMPASSABLE = frozenset({"no", "private"})
_MAX_TRIES = 50


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """A device of a list, with what the list says about it."""

    position: Position
    opening_hours: str | None = None
    entry: EntryMode = EntryMode.FREE
    is_private: bool = False
    """Not for everyone: strangers may use it only if its keeper has opened it."""
    place: PlaceClass = PlaceClass.UNKNOWN


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What is the same for all incidents."""

    network: WalkingNetwork
    areas: tuple[BaseGeometry, ...]
    """Residential areas; responders are spread over these."""
    homes: SnappedPoints
    """Houses in residential areas."""
    elsewhere: SnappedPoints
    """Other houses."""
    devices: tuple[SimulatedDevice, ...]
    time_zone: str

    @property
    def snapped_devices(self) -> SnappedPoints:
        return _snapped_points(self.network, [device.position for device in self.devices])

    @property
    def private(self) -> Flags:
        return np.array([device.is_private for device in self.devices], dtype=bool)

    def closed_gates(self) -> list[Crossing]:
        """Return the gates that strangers cannot pass: locked or private on the map, at any hour."""
        return [
            barrier.crossing
            for barrier in self.network.barriers
            if barrier.locked or barrier.access in _IMPASSABLE
        ]


def on_streets(network: WalkingNetwork, places: Sequence[Position]) -> SnappedPoints:
    """Return the places that have a street nearby."""
    found = _snapped_points(network, places)
    return found.take(np.flatnonzero(found.edge >= 0))


def _snapped_points(network: WalkingNetwork, places: Sequence[Position]) -> SnappedPoints:
    return network.snap([place.lat for place in places], [place.lon for place in places])


def spread_responders(world: World, count: int, random: Generator) -> SnappedPoints:
    """Spread that many people evenly over the areas, each with a street nearby.

    Raises InvalidInput if hardly any place of the areas has one.
    """
    if count < 1:
        raise InvalidInput("responders must be at least 1.", field="responders")
    shares, found = shares_of(world.areas), list[Position]()
    for _ in range(_MAX_TRIES):
        which = random.choice(len(world.areas), size=count, p=shares).tolist()
        places = [somewhere_in(world.areas[area], random) for area in which]
        has_street = _snapped_points(world.network, places).edge >= 0
        found += [place for place, is_kept in zip(places, has_street.tolist(), strict=True) if is_kept]
        if len(found) >= count:
            return _snapped_points(world.network, found[:count])
    raise InvalidInput("The residential areas have no streets of the walking network.", field="network")


def with_private_share(world: World, share: float | None, random: Generator) -> World:
    """Return the world with that share of private devices; None: as in the list.

    Devices that the list calls private come first, then random ones. Raises InvalidInput for an invalid
    share.
    """
    if share is None:
        return world
    if not 0 <= share <= 1:
        raise InvalidInput("The share of private devices must be from 0 to 1.", field="private-share")
    lots = random.random(len(world.devices)) + np.where(world.private, -1.0, 0.0)
    chosen = set(np.argsort(lots)[: round(share * len(world.devices))].tolist())
    devices = [replace(each, is_private=number in chosen) for number, each in enumerate(world.devices)]
    return replace(world, devices=tuple(devices))
