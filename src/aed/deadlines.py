"""The deadline of the current request or task, after which it stops waiting for the database.

A read that another server can answer, too, waits less for the first one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class Deadline:
    """When an answer must be there, in seconds of the monotonic clock; None once it is given."""

    at: float | None

    def lift(self) -> None:
        """Let what follows the answer, such as the rest of a stream, take its time."""
        self.at = None


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def answer_within(seconds: float) -> Iterator[Deadline]:
    """Set a deadline for the block, and for the threads and tasks that it starts."""
    deadline = Deadline(time.monotonic() + seconds)
    token = _current.set(deadline)
    try:
        yield deadline
    finally:
        deadline.lift()
        _current.reset(token)


def seconds_left() -> float | None:
    """Return the seconds until the deadline, at least 0; None without a deadline."""
    deadline = _current.get()
    if deadline is None or deadline.at is None:
        return None
    return max(0.0, deadline.at - time.monotonic())


_is_repeatable: ContextVar[bool] = ContextVar("is_repeatable", default=False)


@contextmanager
def repeatable() -> Iterator[None]:
    """Mark a read that is repeated on another server if a standby does not answer soon."""
    token = _is_repeatable.set(True)
    try:
        yield
    finally:
        _is_repeatable.reset(token)


def is_repeatable() -> bool:
    """True within `repeatable`."""
    return _is_repeatable.get()
