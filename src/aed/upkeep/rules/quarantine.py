"""Why a device is not offered, and what brings it back."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
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


WORDS: Final = {
    Reason.USED: ("used; its pads must be replaced", "已使用，须更换电极片"),
    Reason.FAILED_CHECK: ("failed its last check", "上次巡检未通过"),
    Reason.MISSING: ("not in its place", "不在原位"),
    Reason.RECALL: ("recalled by its maker", "厂家召回"),
    Reason.FAILED_FETCHES: ("could not be fetched twice", "两次未能取到"),
    Reason.CANNOT_OPEN: ("could not be got out of its cabinet", "外箱柜体打不开，无法取出"),
    Reason.NOT_RETURNED: ("taken and not returned", "取走后未归还"),
}


class ReportKind(StrEnum):
    """What somebody says of a device in passing, or after fetching it."""

    MISSING = "missing"
    BEEPING = "beeping"
    DAMAGED = "damaged"
    NO_ACCESS = "no_access"
    OTHER = "other"
    USED = "used"
    NOT_FETCHED = "not_fetched"
    """Sent for, and could not be had."""


REPORTS: Final = {
    ReportKind.MISSING: ("it is not there", "不在原位"),
    ReportKind.BEEPING: ("it beeps", "设备报警"),
    ReportKind.DAMAGED: ("it is damaged", "设备损坏"),
    ReportKind.NO_ACCESS: ("one cannot get to it", "无法取用"),
    ReportKind.OTHER: ("something else", "其他问题"),
    ReportKind.USED: ("it was used", "已使用"),
    ReportKind.NOT_FETCHED: ("it was sent for and could not be had", "未能取到"),
}
BY_NAME_ONLY: Final = frozenset({ReportKind.USED, ReportKind.NOT_FETCHED})
"""These quarantine by themselves, so they are taken only from people and tokens of the place, or from its
dispatchers: strangers alone must not be able to take a network down."""
FAILED_FETCHES_THAT_QUARANTINE: Final = 2
WHEN_CONFIRMED: Final = {
    ReportKind.MISSING: Reason.MISSING,
    ReportKind.BEEPING: Reason.FAILED_CHECK,
    ReportKind.DAMAGED: Reason.FAILED_CHECK,
}
"""What a stranger's report comes to once somebody of the house says that it is so."""


def follows_from(kind: ReportKind, *, failed_fetches: int) -> Reason | None:
    """What a report by name begins at once. `failed_fetches`: how many were told since the last check, this
    one too."""
    if kind is ReportKind.USED:
        return Reason.USED
    if kind is ReportKind.NOT_FETCHED and failed_fetches >= FAILED_FETCHES_THAT_QUARANTINE:
        return Reason.FAILED_FETCHES
    return None
