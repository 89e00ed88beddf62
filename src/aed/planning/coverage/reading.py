"""Read what a preview is about, as arrays: buildings, their residents and the devices around."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from aed.database.geometry import shape_of
from aed.errors import InvalidInput
from aed.geo import METRES_PER_DEGREE, box_around
from aed.hours.holiday_calendar import HolidayDates
from aed.planning.arrests import WEIGHTS_OF_HOURS
from aed.planning.coverage.rules import MINUTES, SINCE_COLLAPSE_SECONDS, Bools, Floats, People
from aed.planning.coverage.schemas import StepIn
from aed.planning.queries import (
    PlannedBuilding,
    PlannedDevice,
    buildings_around,
    devices_around,
    devices_of_estate,
)
from aed.planning.residents import FLOORS_IF_UNKNOWN, PEOPLE_PER_FLOOR, residents_of
from aed.planning.walks import Doors, GateChange
from aed.registry.estates.models import Estate, Gate
from aed.registry.nearby import GateNearby
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from aed.walking.travel import (
    estate_pace,
    fetch_seconds,
    floor_seconds,
    general_pace,
    max_cost_metres,
    walk_seconds,
)

type Indices = NDArray[np.intp]

_MARGIN = 1.02
"""On distances in the plane, which are a little short."""


class PlannedRegister:
    """Buildings and devices with their positions as arrays."""

    def __init__(self, buildings: list[PlannedBuilding], devices: list[PlannedDevice]) -> None:
        self.buildings, self.devices = buildings, devices
        self.building_lat = np.array([each.lat for each in buildings], dtype=np.float64)
        self.building_lon = np.array([each.lon for each in buildings], dtype=np.float64)
        self.building_estate = np.array([each.estate_id for each in buildings], dtype=np.int64)
        self.device_lat = np.array([each.lat for each in devices], dtype=np.float64)
        self.device_lon = np.array([each.lon for each in devices], dtype=np.float64)

    def doors(self) -> Doors:
        return Doors(self.building_lat, self.building_lon, self.building_estate)


@dataclass(frozen=True, slots=True, eq=False)
class PlannedWorld:
    """What the preview of one estate is about, as arrays of doors and cells."""

    estate_id: int
    neighbourhood: str | None
    buildings: list[PlannedBuilding]
    devices: list[PlannedDevice]
    proposed: set[int]
    doors: Doors
    door_numbers: Indices
    """(doors,) their numbers among the doors of the register."""
    door_neighbourhood: NDArray[np.object_]
    cell_door: Indices
    cell_floor: Indices
    cell_climb: Floats
    """Seconds from the ground floor."""
    people: People
    neighbours: set[int] = field(default_factory=set)
    """Devices of the other estates of the neighbourhood."""


def reach_seconds(ambulance: float, settings: Settings) -> float:
    """Return the longest fetch that counts: before the ambulance or in five minutes, and not too far."""
    numbers, pace = settings.arrival, estate_pace(settings.arrival)
    longest = walk_seconds(numbers.max_fetch_metres, pace, numbers)
    return min(max(ambulance, 60.0 * MINUTES[-1]), fetch_seconds(longest, longest, pace))


def read_around(
    session: Session, estate: Estate, step: StepIn, reach: float, settings: Settings
) -> tuple[PlannedRegister, list[PlannedDevice]]:
    """Return the buildings and devices around the proposed devices, and the proposed ones.

    Raises InvalidInput for devices of another estate, and if nothing is in service.
    """
    metres = _reach_metres(reach, settings)
    own, wanted = devices_of_estate(session, estate.id), set(step.device_ids)
    if unknown := sorted(wanted - {each.id for each in own}):
        raise InvalidInput(
            "Device {device_id} is not in service at this estate.", field="device_ids", device_id=unknown[0]
        )
    proposed = [each for each in own if not wanted or each.id in wanted]
    if not proposed:
        raise InvalidInput("The estate has no device in service that could be opened.", field="device_ids")
    around = box_around([each.lat for each in proposed], [each.lon for each in proposed], metres)
    buildings = buildings_around(session, around, estate.id)
    if not buildings:
        raise InvalidInput(
            "No building is registered around these devices; import buildings first.", field="device_ids"
        )
    near = box_around([each.lat for each in buildings], [each.lon for each in buildings], metres)
    return PlannedRegister(buildings, devices_around(session, near)), proposed


def world_of(
    register: PlannedRegister,
    estate_id: int,
    neighbourhood: str | None,
    proposed: Sequence[PlannedDevice],
    reach: float,
    settings: Settings,
    *,
    residents: Mapping[int, int],
) -> PlannedWorld:
    """Return what is within reach of the proposed devices, and every device within reach of that.

    `residents` are own counts by building id; the others are estimated. Raises InvalidInput without
    buildings.
    """
    metres = _reach_metres(reach, settings)
    lat, lon = np.array([each.lat for each in proposed]), np.array([each.lon for each in proposed])
    kept = _near(register.building_lat, register.building_lon, lat, lon, metres)
    numbers = np.flatnonzero(kept | (register.building_estate == estate_id))
    if not len(numbers):
        raise InvalidInput(
            "No building is registered around these devices; import buildings first.", field="device_ids"
        )
    doors = Doors(
        register.building_lat[numbers], register.building_lon[numbers], register.building_estate[numbers]
    )
    buildings = [register.buildings[i] for i in numbers.tolist()]
    around = _near(register.device_lat, register.device_lon, doors.lat, doors.lon, metres)
    devices = [register.devices[i] for i in np.flatnonzero(around).tolist()]
    people = [residents_of(each.floors, residents.get(each.id)) for each in buildings]
    floors = np.array([each.floors for each in people])
    cell_door = np.repeat(np.arange(len(buildings)), floors)
    cell_floor = np.arange(len(cell_door)) - np.repeat(np.cumsum(floors) - floors, floors)
    climb = np.array([floor_seconds(floor, settings.arrival) for floor in range(int(floors.max()))])
    return PlannedWorld(
        estate_id=estate_id,
        neighbourhood=neighbourhood,
        buildings=buildings,
        devices=devices,
        proposed={each.id for each in proposed},
        doors=doors,
        door_numbers=numbers,
        door_neighbourhood=np.array([each.neighbourhood for each in buildings], dtype=object),
        cell_door=cell_door,
        cell_floor=cell_floor,
        cell_climb=climb[cell_floor],
        people=People(
            np.array([each.people / each.floors for each in people])[cell_door],
            (doors.estate == estate_id)[cell_door],
        ),
        neighbours={
            each.id
            for each in devices
            if each.estate_id != estate_id
            and each.neighbourhood is not None
            and each.neighbourhood == neighbourhood
        },
    )


def _reach_metres(reach: float, settings: Settings) -> float:
    pace = general_pace(settings.arrival)
    return max_cost_metres((reach - pace.pick_up_seconds) / 2, pace, settings.arrival)


def _near(lat: Floats, lon: Floats, of_lat: Floats, of_lon: Floats, metres: float) -> Bools:
    """Return which places may be within `metres` of another, by the straight line with a margin."""
    near = np.zeros(len(lat), dtype=np.bool_)
    box = box_around(
        [float(of_lat.min()), float(of_lat.max())], [float(of_lon.min()), float(of_lon.max())], metres
    )
    inside = np.flatnonzero((lat >= box.south) & (lat <= box.north) & (lon >= box.west) & (lon <= box.east))
    across = METRES_PER_DEGREE * np.cos(np.radians(lat[inside]))[:, None]
    away = np.hypot((lat[inside, None] - of_lat) * METRES_PER_DEGREE, (lon[inside, None] - of_lon) * across)
    near[inside] = (away <= _MARGIN * metres).any(axis=1)
    return near


def gate_changes(step: StepIn, known: Mapping[int, Gate]) -> dict[int, GateChange]:
    for each in step.gates:
        if each.gate_id not in known:
            raise InvalidInput(
                "Gate {gate_id} is not a gate of this estate.", field="gates", gate_id=each.gate_id
            )
    return {each.gate_id: GateChange(each.passage, each.opening_hours) for each in step.gates}


def inputs_of(
    estate: Estate,
    world: PlannedWorld,
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
