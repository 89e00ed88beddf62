"""Read a world from files: a map, and a list of devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import shapely
from pydantic import TypeAdapter

from aed.accounts.permissions import Audience
from aed.errors import InvalidInput
from aed.imports.batches import ImportReport, valid_rows
from aed.imports.formats.osm_buildings import read_buildings, read_residential_areas
from aed.imports.formats.recognise import read_devices
from aed.imports.schemas import DeviceRow, columns
from aed.registry.devices.reachability import place_class
from aed.registry.devices.rules import DeviceState
from aed.simulation.rules.world import SimulatedDevice, World, on_streets
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork


@dataclass(frozen=True, slots=True)
class ReadDevices:
    """The devices of a list, and how many of its rows could not be read."""

    devices: tuple[SimulatedDevice, ...]
    bad: int


def read_world(
    map_file: Path, devices: tuple[SimulatedDevice, ...], *, time_zone: str, network: WalkingNetwork | None
) -> World:
    """Build a world from the streets, houses and residential areas of an OpenStreetMap extract.

    `devices` are placed in it. `network` is a saved network, to use instead of building one. Raises
    InvalidInput if the map lacks any of these, NetworkFileUnusable if it cannot be read.
    """
    _check_time_zone(time_zone)
    if not map_file.is_file():
        raise InvalidInput("There is no file {map_file}.", field="map", map_file=map_file)
    streets = network if network is not None else build_network(map_file)
    areas = tuple(read_residential_areas(map_file))
    if not areas:
        raise InvalidInput(
            "{name} contains no residential area (landuse=residential) in which to place people.",
            field="map",
            name=map_file.name,
        )
    houses = on_streets(streets, [building.position for building in read_buildings(map_file)])
    tree = shapely.STRtree(areas)
    inside, _ = tree.query(shapely.points(houses.lons, houses.lats), predicate="intersects")
    is_home = np.zeros(len(houses), dtype=bool)
    is_home[inside] = True
    if not is_home.any():
        raise InvalidInput(
            "{name} contains no building in a residential area near a street.",
            field="map",
            name=map_file.name,
        )
    world = World(
        network=streets,
        areas=areas,
        homes=houses.take(np.flatnonzero(is_home)),
        elsewhere=houses.take(np.flatnonzero(~is_home)),
        devices=devices,
        time_zone=time_zone,
    )
    if not (world.snapped_devices.edge >= 0).any():
        raise InvalidInput("No device is near a street of this map.", field="devices")
    return world


def read_list_of_devices(path: Path) -> ReadDevices:
    """Read the devices in service from a list in any format that can be imported.

    Devices that not everyone may use are private. Raises InvalidInput for a list without devices.
    """
    if not path.is_file():
        raise InvalidInput("There is no file {path}.", field="devices", path=path)
    reading, report = read_devices(path), ImportReport()
    rows = valid_rows(
        reading,
        TypeAdapter(DeviceRow),
        known=columns(DeviceRow),
        report=report,
        progress=None,
        is_of_others=reading.source is not None,
        country=reading.country,
    )
    found = tuple(
        SimulatedDevice(
            row.position(),
            row.opening_hours,
            row.entry,
            is_private=row.audience is not Audience.PUBLIC,
            place=place_class(row.place_en, row.place_zh, is_in_estate=False),
        )
        for _, row in rows
        if row.state is DeviceState.IN_SERVICE
    )
    if not found:
        raise InvalidInput("{name} contains no device in service.", field="devices", name=path.name)
    return ReadDevices(found, len(report.bad))


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(
            "There is no time zone '{name}'. Give one such as Europe/Vaduz or Asia/Shanghai.",
            field="time-zone",
            name=name,
        ) from None
