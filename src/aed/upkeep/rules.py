"""A device's short number: what stands under the QR code, to be read out or typed."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from aed.errors import InvalidInput


def short_number(device_id: int) -> str:
    """The device's id and a check digit, such as 1234-4: one wrong digit, or two swapped, names no device."""
    return f"{device_id}-{_check_digit(device_id)}"


def device_id_of(number: str) -> int:
    """The id behind a short number, with or without the hyphen. Raises InvalidInput for a mistyped one."""
    digits = number.strip().replace("-", "").replace(" ", "")
    if digits.isascii() and digits.isdecimal() and 2 <= len(digits) <= 19:
        device_id = int(digits[:-1])
        if device_id >= 1 and str(_check_digit(device_id)) == digits[-1]:
            return device_id
    raise InvalidInput(
        "There is no such number: read it again from the label. 编号有误，请再核对标签。", field="number"
    )


def _check_digit(device_id: int) -> int:
    """By Luhn's rule (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(str(device_id))):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return -total % 10


class PolicyState(StrEnum):
    IN_FORCE = "in_force"
    WITHDRAWN = "withdrawn"


class RecallState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    """No further devices fall under it."""


class FaultReportState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    """Somebody of the house says that it is so."""
    DISMISSED = "dismissed"
    """Somebody of the house says that it is not so."""
    ANSWERED = "answered"
    """The device was checked since."""


class CheckKind(StrEnum):
    GLANCE = "glance"
    """In passing: is it there, is its light green."""
    CHECK = "check"
    """With the cabinet open, against the form."""
    SERVICE = "service"
    """By whoever is trained for it, as its maker says."""


class Question(StrEnum):
    """What a check may ask. The answer to each is yes when all is well."""

    STATUS_LIGHT = "status_light"
    CABINET = "cabinet"
    """That it opens: a no takes the device out."""
    CABINET_WHOLE = "cabinet_whole"
    SEAL = "seal"
    SIGN = "sign"
    PADS_IN_DATE = "pads_in_date"
    BATTERY_IN_DATE = "battery_in_date"
    SPARE_PADS = "spare_pads"
    ALARM = "alarm"
    ACCESS_AS_DESCRIBED = "access_as_described"
    PHOTO = "photo"


class DueKind(StrEnum):
    """What is due of a device."""

    GLANCE = "glance"
    CHECK = "check"
    SERVICE = "service"
    PADS = "pads"
    CHILD_PADS = "child_pads"
    BATTERY = "battery"
    RETURN = "return"
    """It is quarantined: a check that answers the reason brings it back."""


def months_after(day: date, months: int) -> date:
    """The same day of a later month; a day that the month does not have is its last."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


class Fact(StrEnum):
    POSITION = "position"
    HOURS = "hours"
    """Its hours, and how one gets in."""
    READINESS = "readiness"
    """Only a check that passes confirms it."""


class RetrievalOutcome(StrEnum):
    """What became of a device that somebody was sent for."""

    RETURNED = "returned"
    """It is back in its place, and was not used."""
    USED = "used"
    NOT_RETURNED = "not_returned"
    """It is not back."""
    NOT_FETCHED = "not_fetched"
    """It could not be had."""
    NOT_NEEDED = "not_needed"
    """Nobody took it."""
    CHECKED = "checked"
    """A check tells how it is."""
    SILENT = "silent"
    """Nobody has answered."""


class ReminderLevel(StrEnum):
    """How far up the word goes. Whoever was told before is told again."""

    KEEPER = "keeper"
    MANAGER = "manager"
    REGION = "region"

    @property
    def above(self) -> ReminderLevel | None:
        return {ReminderLevel.KEEPER: ReminderLevel.MANAGER, ReminderLevel.MANAGER: ReminderLevel.REGION}.get(
            self
        )


class ReminderAnswer(StrEnum):
    """What somebody says to a reminder with one tap."""

    DONE = "done"
    """It is done, and a check will say so: nobody higher is told for a week."""
    NOT_ME = "not_me"
    """It goes to the next level at once."""
    LATER = "later"
    """Not before the next week, unless it is the last day."""


MAX_CLOCK_AHEAD: Final = timedelta(minutes=10)
"""Phones' clocks are off by less."""
MAX_DELAY: Final = timedelta(days=60)
"""How long answers may wait on a phone without a network."""


class QuarantineReason(StrEnum):
    USED = "used"
    """Sent for or found used: pads are single-use."""
    FAILED_CHECK = "failed_check"
    MISSING = "missing"
    RECALL = "recall"
    FAILED_FETCHES = "failed_fetches"
    """Two who were sent for it did not get it."""
    CANNOT_OPEN = "cannot_open"
    """Somebody stood before it and could not get it out."""
    NOT_RETURNED = "not_returned"
    """Taken, and nobody says that it is back."""


QUARANTINE_WORDS: Final = {
    QuarantineReason.USED: ("used; its pads must be replaced", "已使用，须更换电极片"),
    QuarantineReason.FAILED_CHECK: ("failed its last check", "上次巡检未通过"),
    QuarantineReason.MISSING: ("not in its place", "不在原位"),
    QuarantineReason.RECALL: ("recalled by its maker", "厂家召回"),
    QuarantineReason.FAILED_FETCHES: ("could not be fetched twice", "两次未能取到"),
    QuarantineReason.CANNOT_OPEN: ("could not be got out of its cabinet", "外箱柜体打不开，无法取出"),
    QuarantineReason.NOT_RETURNED: ("taken and not returned", "取走后未归还"),
}


class FaultKind(StrEnum):
    """What somebody says of a device in passing, or after fetching it."""

    MISSING = "missing"
    BEEPING = "beeping"
    DAMAGED = "damaged"
    NO_ACCESS = "no_access"
    OTHER = "other"
    USED = "used"
    NOT_FETCHED = "not_fetched"
    """Sent for, and could not be had."""


REPORT_WORDS: Final = {
    FaultKind.MISSING: ("it is not there", "不在原位"),
    FaultKind.BEEPING: ("it beeps", "设备报警"),
    FaultKind.DAMAGED: ("it is damaged", "设备损坏"),
    FaultKind.NO_ACCESS: ("one cannot get to it", "无法取用"),
    FaultKind.OTHER: ("something else", "其他问题"),
    FaultKind.USED: ("it was used", "已使用"),
    FaultKind.NOT_FETCHED: ("it was sent for and could not be had", "未能取到"),
}
BY_NAME_ONLY: Final = frozenset({FaultKind.USED, FaultKind.NOT_FETCHED})
"""These quarantine by themselves, so they are taken only from people and tokens of the place, or from its
dispatchers: strangers alone must not be able to take a network down."""
FAILED_FETCHES_THAT_QUARANTINE: Final = 2
WHEN_CONFIRMED: Final = {
    FaultKind.MISSING: QuarantineReason.MISSING,
    FaultKind.BEEPING: QuarantineReason.FAILED_CHECK,
    FaultKind.DAMAGED: QuarantineReason.FAILED_CHECK,
}
"""What a stranger's report comes to once somebody of the house says that it is so."""


def follows_from(kind: FaultKind, *, failed_fetches: int) -> QuarantineReason | None:
    """What a report by name begins at once. `failed_fetches`: how many were told since the last check, this
    one too."""
    if kind is FaultKind.USED:
        return QuarantineReason.USED
    if kind is FaultKind.NOT_FETCHED and failed_fetches >= FAILED_FETCHES_THAT_QUARANTINE:
        return QuarantineReason.FAILED_FETCHES
    return None


def serial_key(serial: str) -> tuple[tuple[int, int, str], ...]:
    """Serial numbers in the order in which makers count: digits by their value, letters whatever their case.

    `B-9` comes before `b10`; spaces and hyphens do not count.
    """
    parts = re.findall(r"\d+|[^\W\d_]+", serial.casefold())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)


def in_range(serial: str, first: str, last: str) -> bool:
    """Whether a serial number lies in a range of which both ends are in it.

    Only one that is built alike does: as many runs of digits and letters, so that `X1200` is not taken for
    one of `1000` to `2000`.
    """
    key, low, high = serial_key(serial), serial_key(first), serial_key(last)
    return _shape(key) == _shape(low) == _shape(high) and low <= key <= high


def _shape(key: tuple[tuple[int, int, str], ...]) -> tuple[int, ...]:
    return tuple(part[0] for part in key)
