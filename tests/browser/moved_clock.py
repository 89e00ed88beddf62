"""A clock that tests move, also in a running server.

A file has the seconds by which it is moved. It is read at each question for the time, so that a test can move
the clock of a running server. Nothing of the server but its clock is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aed import clock


@dataclass(frozen=True)
class MovedClock:
    """A clock that is moved by the seconds in a file, and goes on from there."""

    file: Path

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text(encoding="ascii")))

    def move_to(self, at: datetime) -> None:
        """Move the clock of everything that reads the file."""
        seconds = (at - datetime.now(UTC)).total_seconds()
        new = self.file.with_suffix(".new")
        new.write_text(str(seconds), encoding="ascii")
        new.replace(self.file)


def install(moved: MovedClock, patch: Callable[[object, str, object], None] = setattr) -> None:
    """Make the program in this process read the moved clock."""
    patch(clock, "now", moved.now)
