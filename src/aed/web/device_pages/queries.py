"""What the page of a device shows, for a viewer who may see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, is_insider
from aed.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.hours.holiday_calendar import HolidayDates
from aed.registry.devices import queries as device_queries
from aed.registry.devices.models import Device
from aed.registry.holidays.queries import holiday_calendar
from aed.settings import Settings
from aed.upkeep.checks.keepers import device_to_check
from aed.upkeep.checks.queries import photos_of_device, place_photo
from aed.upkeep.confirmations.queries import Trusted, trust_of
from aed.upkeep.faults.queries import DeviceReadiness, readiness_of
from aed.upkeep.models import Photo
from aed.upkeep.rules import CheckKind, device_id_of
from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.queries import monitor_of

MAX_ID: Final = 2**63 - 1
MAX_CHOICES: Final = 6


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device with its estate and region, its readiness, what is confirmed, and its holidays."""

    device: Device
    ready: DeviceReadiness
    trust: Sequence[Trusted]
    calendar: HolidayDates | None
    photo: Photo | None
    """The photo that shows where it hangs."""
    choices: Sequence[Photo]
    """Photos of checks among which the viewer may choose that one."""
    monitor: DeviceMonitor | None
    """What its monitor last said; None without one, and for a viewer who does not keep the device."""


def is_code(code: str) -> bool:
    """Return whether the code is a well-formed number of a label; not whether there is such a device."""
    try:
        return device_id_of(code) <= MAX_ID
    except InvalidInput:
        return False


def device_facts(
    session: Session, viewer: Viewer, code: str, *, at: datetime, settings: Settings
) -> DeviceFacts | None:
    """Return what the page shows, or None: no such device, or the viewer may not see it."""
    if not is_code(code):
        return None
    device_id = device_id_of(code)
    choices: Sequence[Photo] = ()
    try:
        device = device_to_check(session, viewer, device_id, CheckKind.CHECK)
        if is_insider(viewer, device.estate_id, device.region_id):
            choices = photos_of_device(session, device.id, limit=MAX_CHOICES)
    except (NotFound, NotAllowed, NotSignedIn):
        try:
            device = device_queries.device(session, viewer, device_id)
        except NotFound:
            return None
    calendar = device.region.holiday_calendar
    return DeviceFacts(
        device=device,
        ready=readiness_of(session, device, at=at, checked_within_days=settings.arrival.checked_within_days),
        trust=trust_of(session, device, at=at, numbers=settings.trust),
        calendar=holiday_calendar(session, calendar) if calendar is not None else None,
        photo=place_photo(session, viewer, device.id),
        choices=choices,
        monitor=_monitor(session, viewer, device),
    )


def _monitor(session: Session, viewer: Viewer, device: Device) -> DeviceMonitor | None:
    """Return the monitor of a device if the viewer may see its signals.

    visibility: the viewer keeps the device.
    """
    try:
        return monitor_of(session, viewer, device.id)[0]
    except (NotFound, NotAllowed, NotSignedIn):
        return None
