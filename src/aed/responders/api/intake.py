"""Batch location reports of phones, so that many are stored in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi.concurrency import run_in_threadpool

from aed import clock
from aed.database.session import Database, transaction
from aed.errors import AedError, TooBusy
from aed.responders.actions.live import LocationReport, take_live_locations

GATHER_SECONDS: Final = 0.05
"""Minimum interval between transactions, since each commit slows concurrent lookups. A report after an idle
period is stored immediately.
"""
AT_ONCE: Final = 500
MAX_WAITING: Final = 5_000
"""Maximum queue length, more than two seconds of reports from the whole network. If it is reached, the
database is overloaded."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    report: LocationReport
    answered: asyncio.Future[AedError | None]


class Intake:
    """An in-process queue, with one writer task while it is not empty. Use it in one event loop only."""

    def __init__(self, database: Database, *, resolution: int) -> None:
        self._database, self._resolution = database, resolution
        self._waiting: list[_Waiting] = []
        self._writer: asyncio.Task[None] | None = None
        self._next_at = 0.0

    async def put(self, report: LocationReport) -> None:
        """Store a location and wait for the commit.

        Raises the error with which it was refused or failed, and TooBusy if the queue is full.
        """
        if len(self._waiting) >= MAX_WAITING:
            raise TooBusy("Too many phones are sending their location right now. Try again in a few seconds.")
        waiting = _Waiting(report, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        refused = await waiting.answered
        if refused is not None:
            raise refused

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self._next_at - loop.time())  # collect a batch
            self._next_at = loop.time() + GATHER_SECONDS
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            try:
                async with self._database.write_slots:
                    answers = await run_in_threadpool(self._take, [each.report for each in batch])
            except AedError as error:
                answers = [type(error)(error.detail) for _ in batch]
            except Exception as error:  # noqa: BLE001 - re-raised in each waiting request
                for each in batch:
                    if not each.answered.done():
                        each.answered.set_exception(error)
                continue
            for each, answer in zip(batch, answers, strict=True):
                if not each.answered.done():  # the client may have disconnected
                    each.answered.set_result(answer)
        self._writer = None

    def _take(self, reports: Sequence[LocationReport]) -> list[AedError | None]:
        with transaction(self._database) as session:
            return take_live_locations(session, reports, resolution=self._resolution, at=clock.now())
