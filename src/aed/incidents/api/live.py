"""The record of an incident as it grows, for any number of watchers: server-sent events with resume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from aed.accounts.access import ViewerDep
from aed.db import Database, reads
from aed.errors import AedError
from aed.incidents.queries import incidents as queries
from aed.incidents.schemas.incidents import EventOut
from aed.requests import RowId

log = structlog.get_logger("aed")
router = APIRouter()

LOOK_SECONDS: Final = 0.25
"""How often new entries are asked for, once for all who watch."""
SILENT_SECONDS: Final = 15.0
"""After so long without an entry a line is sent that says nothing: proxies take silence for an end."""
MOST_WAITING: Final = 500
"""A watcher who is so many entries behind is let go, and resumes where it was."""

type _Entries = asyncio.Queue[EventOut | None]
"""None: there is no more to come here."""


class LiveRecords:
    """New entries of the records that somebody watches, read once for all who watch in this process.

    Numbers of a record have no gaps and are committed in order, so what is new is what is beyond the last.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: dict[int, set[_Entries]] = {}
        self._seen: dict[int, int] = {}
        """By incident the last entry that has been handed to its watchers."""
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, incident_id: int, after: int) -> AsyncIterator[tuple[list[EventOut], _Entries]]:
        """The entries after that number which there are, and then those that come, some of them twice."""
        entries: _Entries = asyncio.Queue(MOST_WAITING)
        self._watchers.setdefault(incident_id, set()).add(entries)
        try:
            known = await run_in_threadpool(self._after, {incident_id: after})
            last = max((each.number for _, each in known), default=after)
            self._seen.setdefault(incident_id, last)
            if self._looking is None:
                self._looking = asyncio.create_task(self._look())
            yield [each for _, each in known], entries
        finally:
            self._watchers[incident_id].discard(entries)
            if not self._watchers[incident_id]:
                del self._watchers[incident_id]
                self._seen.pop(incident_id, None)

    async def _look(self) -> None:
        """As long as somebody watches."""
        try:
            while self._watchers:
                await asyncio.sleep(LOOK_SECONDS)  # nothing tells of an entry of another process
                try:
                    found = await run_in_threadpool(self._after, dict(self._seen))
                except AedError as error:
                    log.warning("records not read", why=error.detail)
                    continue
                for incident_id, entry in found:
                    if incident_id in self._seen:
                        self._seen[incident_id] = max(self._seen[incident_id], entry.number)
                    for watcher in list(self._watchers.get(incident_id, ())):
                        self._hand(watcher, incident_id, entry)
        finally:
            self._looking = None

    def _hand(self, watcher: _Entries, incident_id: int, entry: EventOut) -> None:
        try:
            watcher.put_nowait(entry)
        except asyncio.QueueFull:
            self._watchers[incident_id].discard(watcher)
            while not watcher.empty():
                watcher.get_nowait()
            watcher.put_nowait(None)

    def _after(self, last: Mapping[int, int]) -> Sequence[tuple[int, EventOut]]:
        with reads(self._database) as session:
            found = queries.events_after(session, last)
            return [(each.incident_id, EventOut.of(each)) for each in found]


@router.get(
    "/incidents/{incident_id}/live",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Entries as they come"}},
)
async def watch_incident(
    request: Request,
    viewer: ViewerDep,
    incident_id: RowId,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=2**31 - 1, description="The last entry that you have; sent by browsers")
    ] = None,
) -> StreamingResponse:
    """The record of an incident, entry by entry as it grows: server-sent events. For dispatchers. It ends
    after a while (`AED_LIVE_SECONDS`); browsers ask again by themselves and miss nothing."""
    live: LiveRecords = request.app.state.live
    database, seconds = request.app.state.database, request.app.state.settings.live_seconds

    def find() -> None:
        with reads(database) as session:
            queries.incident(session, viewer, incident_id)

    await run_in_threadpool(find)
    stream = _stream(live, incident_id, last_event_id or 0, until=time.monotonic() + seconds)
    return StreamingResponse(
        stream,
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(live: LiveRecords, incident_id: int, last: int, *, until: float) -> AsyncIterator[bytes]:
    yield b"retry: 1000\n\n"
    async with live.watching(incident_id, last) as (known, entries):
        for entry in known:
            yield _sent(entry)
            last = entry.number
        while (left := until - time.monotonic()) > 0:
            try:
                entry_or_end = await asyncio.wait_for(entries.get(), min(left, SILENT_SECONDS))
            except TimeoutError:
                yield b": nothing new\n\n"
                continue
            if entry_or_end is None:
                return
            if entry_or_end.number > last:
                yield _sent(entry_or_end)
                last = entry_or_end.number


def _sent(entry: EventOut) -> bytes:
    lines: dict[str, Any] = {"id": entry.number, "event": entry.kind, "data": entry.model_dump_json()}
    return "".join(f"{name}: {value}\n" for name, value in lines.items()).encode() + b"\n"
