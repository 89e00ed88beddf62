"""Decisions about one device: states, readiness, access."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from aed.errors import InvalidInput
from aed.hours.evaluation import HoursAt, Opening
from aed.settings.arrival import Arrival


class DeviceState(StrEnum):
    IN_SERVICE = "in_service"
    OUT_OF_SERVICE = "out_of_service"
    """Not offered by the lookup; `out_of_service_reason` says why."""
    WITHDRAWN = "withdrawn"
    """No longer exists; kept for its history."""


class EntryMode(StrEnum):
    """Whether a device is accessible while its hours say open."""

    FREE = "free"
    ASSISTED = "assisted"
    """A guard, a keeper or a receptionist lets people in."""
    UNKNOWN = "unknown"
    """It is unknown whether people are let in, whatever the hours."""


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
    CARTRIDGE = "cartridge"
    """Pads and battery in one, with one expiry date: 电极电池盒."""


EXPIRY = {
    ConsumableKind.PADS: "pads_expire_on",
    ConsumableKind.CHILD_PADS: "child_pads_expire_on",
    ConsumableKind.BATTERY: "battery_expires_on",
    ConsumableKind.CARTRIDGE: "cartridge_expires_on",
}
"""Names of the expiry dates in lists."""

REQUIRED_CONSUMABLES = (ConsumableKind.PADS, ConsumableKind.BATTERY, ConsumableKind.CARTRIDGE)
"""A device is not usable once one of these that is fitted has expired."""
WITH_BATTERY = (ConsumableKind.BATTERY, ConsumableKind.CARTRIDGE)
"""Once one of these has expired, a device is no last resort either."""
WITH_PADS = (ConsumableKind.PADS, ConsumableKind.CARTRIDGE)


def replaced_by(kind: ConsumableKind) -> frozenset[ConsumableKind]:
    """Return the kinds that are taken out when one of `kind` is fitted: a cartridge replaces both parts."""
    if kind is ConsumableKind.CARTRIDGE:
        return frozenset(REQUIRED_CONSUMABLES)
    return frozenset({kind})


class ConsumableState(StrEnum):
    FITTED = "fitted"
    WITHDRAWN = "withdrawn"


class Readiness(StrEnum):
    CHECKED = "checked"
    """In service, in date, and checked lately."""
    UNCHECKED = "unchecked"
    """In service and in date, but without a recent check."""
    PADS_EXPIRED = "pads_expired"
    """Only the pads have expired: a last resort, where there is no other device."""
    EXPIRED = "expired"
    """The battery has expired: not usable."""
    OUT_ON_CALL = "out_on_call"
    """A responder was sent for it, or could not get it: not usable until its return is confirmed."""
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
    """Return whether a device is ready on `day` (a date in its own time zone).

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


AWAY_WORDS: Final = ("away, a loaner stands in", "外送中，备用机顶替")
"""English, Chinese."""
AWAY: Final = "; ".join(AWAY_WORDS)
"""Why a device is out of service that was in service when a loaner took its place."""


class Access(StrEnum):
    """Whether a device is accessible at a moment."""

    OPEN = "open"
    ASSISTED = "assisted"
    CLOSED = "closed"
    UNKNOWN = "unknown"


class AccessAt(NamedTuple):
    access: Access
    until: datetime | None
    is_entry_unknown: bool = False
    """The hours say open, but it is unknown whether people are let in."""


@lru_cache(maxsize=4_096)
def access_at(hours: HoursAt, entry: EntryMode) -> AccessAt:
    """Return access at a moment from the opening hours; unknown hours never give open or closed."""
    if hours.state is Opening.CLOSED:
        return AccessAt(Access.CLOSED, hours.until)
    if hours.state is Opening.UNKNOWN:
        return AccessAt(Access.UNKNOWN, hours.until)
    if entry is EntryMode.UNKNOWN:
        return AccessAt(Access.UNKNOWN, hours.until, is_entry_unknown=True)
    return AccessAt(Access.ASSISTED if entry is EntryMode.ASSISTED else Access.OPEN, hours.until)


class Mark(StrEnum):
    """The state of a device at a moment, as lists and maps show it."""

    OPEN = "open"
    ASSISTED = "assisted"
    UNKNOWN = "unknown"
    CLOSED = "closed"
    LAST_RESORT = "last_resort"
    OUT = "out"


_MARK_OF_ACCESS: Final = {
    Access.OPEN: Mark.OPEN,
    Access.ASSISTED: Mark.ASSISTED,
    Access.UNKNOWN: Mark.UNKNOWN,
    Access.CLOSED: Mark.CLOSED,
}


def mark_of(access: AccessAt, readiness: Readiness) -> Mark:
    """Return the mark of a device by its access and readiness at a moment."""
    if readiness is Readiness.PADS_EXPIRED and access.access is not Access.CLOSED:
        return Mark.LAST_RESORT
    if not readiness.is_usable:
        return Mark.OUT
    return _MARK_OF_ACCESS[access.access]


def confidence(days: float | None, *, half_life_days: float) -> float:
    """Return 1 for data confirmed today, halved with each half-life; 0 if never confirmed.

    `days` since the confirmation; negative if it was confirmed after the moment in question.
    """
    if days is None or days < 0:
        return 0.0
    return float(0.5 ** (days / half_life_days))


def probability_ready(confidence_in_readiness: float, numbers: Arrival) -> float:
    """Return the probability that a device works, between audits of any device and of checked ones."""
    return numbers.probability_ready + (numbers.probability_ready_checked - numbers.probability_ready) * (
        confidence_in_readiness
    )


# --- numbers on labels ---


def short_number(device_id: int) -> str:
    """Return the device's id with a check digit, such as 1234-4, as printed on its label.

    The check digit detects one wrong digit and nearly all swaps of two adjacent digits.
    """
    return f"{device_id}-{_check_digit(device_id)}"


def device_id_of(number: str) -> int:
    """Return the device id of a short number, with or without the hyphen. Raises InvalidInput if mistyped."""
    digits = number.strip().replace("-", "").replace(" ", "")
    if digits.isascii() and digits.isdecimal() and 2 <= len(digits) <= 19:
        device_id = int(digits[:-1])
        if device_id >= 1 and str(_check_digit(device_id)) == digits[-1]:
            return device_id
    raise InvalidInput(
        "This number is not valid: read it again from the label. 编号有误，请再核对标签。", field="number"
    )


def _check_digit(device_id: int) -> int:
    """Return the Luhn check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(str(device_id))):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10
