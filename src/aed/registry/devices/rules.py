"""Decisions about one device: states, readiness, access."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from aed.hours.evaluation import HoursAt, Opening
from aed.settings import Arrival


class DeviceState(StrEnum):
    IN_SERVICE = "in_service"
    OUT_OF_SERVICE = "out_of_service"
    """Quarantined: must not be offered, and says why."""
    WITHDRAWN = "withdrawn"
    """No longer there; kept for its history."""


class EntryMode(StrEnum):
    """How one gets at a device while its hours say open."""

    FREE = "free"
    ASSISTED = "assisted"
    """Somebody lets you in: a guard, a keeper, a receptionist."""
    UNKNOWN = "unknown"
    """Whether one may go to it is not known, whatever its hours."""


class Cabinet(StrEnum):
    NONE = "none"
    UNLOCKED = "unlocked"
    ALARMED = "alarmed"
    LOCKED = "locked"
    UNKNOWN = "unknown"


class ConsumableKind(StrEnum):
    PADS = "pads"
    CHILD_PADS = "child_pads"
    BATTERY = "battery"


EXPIRY = {
    ConsumableKind.PADS: "pads_expire_on",
    ConsumableKind.CHILD_PADS: "child_pads_expire_on",
    ConsumableKind.BATTERY: "battery_expires_on",
}
"""What lists call the day on which each expires."""

NEEDED_KINDS = (ConsumableKind.PADS, ConsumableKind.BATTERY)
"""Without these a device is of no use."""


class ConsumableState(StrEnum):
    FITTED = "fitted"
    WITHDRAWN = "withdrawn"


class Readiness(StrEnum):
    CHECKED = "checked"
    """In service, in date, and checked lately."""
    UNCHECKED = "unchecked"
    """In service and in date as far as the register knows, but not known to be checked lately."""
    PADS_EXPIRED = "pads_expired"
    """Only the pads have expired: a last resort, where there is no other device."""
    EXPIRED = "expired"
    """The battery has expired: not usable."""
    OUT_ON_CALL = "out_on_call"
    """Somebody was sent for it, or found that it cannot be had: not usable until it is known to be back."""
    OUT_OF_SERVICE = "out_of_service"
    """Not usable."""

    @property
    def is_usable(self) -> bool:
        return self in (Readiness.CHECKED, Readiness.UNCHECKED)


def readiness_on(
    day: date,
    *,
    state: DeviceState,
    first_expiry: date | None,
    battery_expiry: date | None = None,
    last_checked_on: date | None,
    checked_within_days: int,
) -> Readiness:
    """Whether a device is ready on `day` (a date in its own time zone).

    What expires on a date may be used on that date and no longer.
    """
    if state is not DeviceState.IN_SERVICE:
        return Readiness.OUT_OF_SERVICE
    if battery_expiry is not None and battery_expiry < day:
        return Readiness.EXPIRED
    if first_expiry is not None and first_expiry < day:
        return Readiness.PADS_EXPIRED
    if last_checked_on is not None and 0 <= (day - last_checked_on).days <= checked_within_days:
        return Readiness.CHECKED
    return Readiness.UNCHECKED


class Access(StrEnum):
    """Whether one can get at a device at a moment."""

    OPEN = "open"
    ASSISTED = "assisted"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class AccessAt(NamedTuple):
    access: Access
    until: datetime | None
    is_entry_unknown: bool = False
    """The hours say open; only whether one may go to it is not known."""


@lru_cache(maxsize=4_096)
def access_at(hours: HoursAt, entry: EntryMode) -> AccessAt:
    """Only hours that were really given make open (or assisted) or closed. Remembered: few come often."""
    if hours.state is Opening.CLOSED:
        return AccessAt(Access.CLOSED, hours.until)
    if hours.state is Opening.UNKNOWN:
        return AccessAt(Access.UNKNOWN, hours.until)
    if entry is EntryMode.UNKNOWN:
        return AccessAt(Access.UNKNOWN, hours.until, is_entry_unknown=True)
    return AccessAt(Access.ASSISTED if entry is EntryMode.ASSISTED else Access.OPEN, hours.until)


def confidence(days: float | None, *, half_life_days: float) -> float:
    """1 for what was confirmed today, half of it after each half-life, 0 for what nobody ever confirmed.

    `days` since then; less than 0: it was confirmed only after the moment that is asked about.
    """
    if days is None or days < 0:
        return 0.0
    return float(0.5 ** (days / half_life_days))


def probability_ready(confidence_in_readiness: float, numbers: Arrival) -> float:
    """That a device works, from what audits find of any device up to what they find of one just checked."""
    return numbers.chance_ready + (numbers.chance_ready_checked - numbers.chance_ready) * (
        confidence_in_readiness
    )
