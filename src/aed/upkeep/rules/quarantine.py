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
    NOT_RETURNED = "not_returned"
    """Taken, and nobody says that it is back."""


WORDS: Final = {
    Reason.USED: ("used; its pads must be replaced", "已使用，须更换电极片"),
    Reason.FAILED_CHECK: ("failed its last check", "上次巡检未通过"),
    Reason.MISSING: ("not in its place", "不在原位"),
    Reason.RECALL: ("recalled by its maker", "厂家召回"),
    Reason.FAILED_FETCHES: ("could not be fetched twice", "两次未能取到"),
    Reason.NOT_RETURNED: ("taken and not returned", "取走后未归还"),
}


class ReportKind(StrEnum):
    """What a passer-by may say without an account."""

    MISSING = "missing"
    BEEPING = "beeping"
    DAMAGED = "damaged"
    NO_ACCESS = "no_access"
    OTHER = "other"
