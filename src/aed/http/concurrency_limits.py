"""Queues for expensive work, so that lookups always have a thread and the processor.

Signing in, reports of strangers and photos take the processor, or the database's lock, for tens of
milliseconds and more. However many requests arrive, only a few run at once; a few more wait without a thread;
the rest are refused at once with the time after which to try again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio
from fastapi import Request

from aed.errors import TooBusy

RETRY_AFTER_SECONDS: Final = 2
"""A queue is processed within a second or two."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many requests of one kind run at once, and how many may wait.

    `each` is how much of either one caller may have: one who floods is refused, and others find room.
    """

    name: str
    at_once: int
    waiting: int
    each: int
    otherwise: str
    """The message of TooBusy when the queue is full."""


@dataclass
class Queue:
    """The requests that run or wait in this process. Used from one event loop."""

    places: anyio.Semaphore
    callers: Counter[str] = field(default_factory=Counter)


@asynccontextmanager
async def wait_for_turn(request: Request, turns: QueueLimits, caller: str) -> AsyncIterator[None]:
    """Wait for a turn and hold it for the block. Raises TooBusy at once if the queue is full."""
    held: dict[str, Queue] = request.app.state.queues
    queue = held.setdefault(turns.name, Queue(anyio.Semaphore(turns.at_once)))
    if queue.callers[caller] >= turns.each or queue.callers.total() >= turns.at_once + turns.waiting:
        raise TooBusy(turns.otherwise, retry_after_seconds=RETRY_AFTER_SECONDS)
    queue.callers[caller] += 1
    try:
        async with queue.places:
            yield
    finally:
        queue.callers[caller] -= 1
        if not queue.callers[caller]:
            del queue.callers[caller]
