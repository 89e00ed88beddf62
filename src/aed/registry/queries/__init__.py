"""Reading the register. Every read of devices, estates and gates carries the viewer's predicate.

devices.py   devices, what is fitted in them, the history
estates.py   estates and gates
holidays.py  holiday calendars
nearby.py    what the lookup asks
"""

from __future__ import annotations

from aed.registry.queries.devices import Box, cabinet_code, changes, consumable, device, devices, first_expiry
from aed.registry.queries.estates import estate, estate_id_of, estate_ids_of, estates, gate, gates
from aed.registry.queries.holidays import holiday_calendar, holiday_calendars, holiday_year
from aed.registry.queries.nearby import (
    BuildingNearby,
    DeviceNearby,
    GateNearby,
    OutOfService,
    buildings_around,
    calendar_of,
    gates_around,
    has_calendar,
    nearest_devices,
    nearest_out_of_service,
    with_keepers_phone,
)

__all__ = [
    "Box",
    "BuildingNearby",
    "DeviceNearby",
    "GateNearby",
    "OutOfService",
    "buildings_around",
    "cabinet_code",
    "calendar_of",
    "changes",
    "consumable",
    "device",
    "devices",
    "estate",
    "estate_id_of",
    "estate_ids_of",
    "estates",
    "first_expiry",
    "gate",
    "gates",
    "gates_around",
    "has_calendar",
    "holiday_calendar",
    "holiday_calendars",
    "holiday_year",
    "nearest_devices",
    "nearest_out_of_service",
    "with_keepers_phone",
]
