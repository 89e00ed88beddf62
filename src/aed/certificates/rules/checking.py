"""How a certificate's verification stands, when an issuer is asked again, and when it is left alone."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Final


class CheckState(StrEnum):
    WAITING = "waiting"
    """To be asked, or to be asked again."""
    CONFIRMED = "confirmed"
    CORRECTED = "corrected"
    """Right but for some of it, which is now as the issuer has it."""
    DISPUTED = "disputed"
    """The issuer knows the number, and says that it is somebody else's: a person must look."""
    UNKNOWN = "unknown"
    """The issuer knows no such certificate."""
    REVOKED = "revoked"


FIRST_PAUSE: Final = timedelta(minutes=5)
LONGEST_PAUSE: Final = timedelta(days=1)
FAILURES_IN_A_ROW: Final = 5
"""After so many the issuer is left alone."""
LEFT_ALONE: Final = timedelta(minutes=15)


def pause_after(tries: int, asked_to_wait: timedelta | None = None) -> timedelta:
    """5, 10, 20, 40 minutes … a day; longer where the server asks for it, but no longer than a day."""
    doubled = FIRST_PAUSE * (1 << min(max(tries - 1, 0), 12))
    return min(max(doubled, asked_to_wait or timedelta()), LONGEST_PAUSE)


def is_left_alone(failures: int) -> bool:
    """Whether an issuer that failed so often in a row is not asked for a while. Each failure after that while
    closes the line again: the first question is a trial."""
    return failures >= FAILURES_IN_A_ROW
