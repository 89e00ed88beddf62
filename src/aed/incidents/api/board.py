"""All incidents of a dispatcher's regions as they go on, for any number of watchers: server-sent events with
resume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from aed import clock
from aed.accounts.access import ViewerDep, while_unchanged
from aed.accounts.rules import Viewer
from aed.database.session import Database, reads
from aed.errors import AedError
from aed.incidents.api.live import EVENT_STREAM, LOOK_SECONDS, MOST_WAITING, SILENT_SECONDS, put_or_end
from aed.incidents.queries import incidents as queries
from aed.incidents.rules.incident import State
from aed.incidents.rules.who import may_list_incidents
from aed.incidents.schemas.incidents import BoardEntryOut, IncidentOut

log = structlog.get_logger("aed")
router = APIRouter()

STILL_COMING: Final = timedelta(seconds=10)
"""An entry bears the moment at which it began: others may be committed before it, but none so much later."""
MOST_OPEN: Final = 200
"""So many open incidents, the newest, are told at the beginning."""

type _Entries = asyncio.Queue[BoardEntryOut | None]
"""None: there is no more to come here."""


@dataclass(eq=False, slots=True)
class _Watcher:
    viewer: Viewer
    entries: _Entries = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))


class LiveBoard:
    """New entries of all records, read once for all who watch in this process, handed to those whose regions
    they are of."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: set[_Watcher] = set()
        self._handed: dict[tuple[int, int], datetime] = {}
        """What was read lately, by incident and number."""
        self._looking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watching(self, viewer: Viewer) -> AsyncIterator[_Entries]:
        """What comes from now on."""
        watcher = _Watcher(viewer)
        if self._looking is None:
            self._handed.clear()
            await self._look_once()  # what is there already is news to nobody
        self._watchers.add(watcher)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        try:
            yield watcher.entries
        finally:
            self._watchers.discard(watcher)

    async def _look(self) -> None:
        """As long as somebody watches."""
        try:
            while self._watchers:
                await asyncio.sleep(LOOK_SECONDS)  # nothing tells of an entry of another process
                try:
                    new = await self._look_once()
                except AedError as error:
                    log.warning("records not read", why=error.detail)
                    continue
                for region_id, entry in new:
                    for watcher in list(self._watchers):
                        if watcher.viewer.is_administrator or region_id in watcher.viewer.region_ids:
                            self._hand(watcher, entry)
        finally:
            self._looking = None

    async def _look_once(self) -> Sequence[tuple[int, BoardEntryOut]]:
        """What was not read before, by region."""
        since = clock.now() - STILL_COMING
        found = await run_in_threadpool(self._since, since)
        new = [
            (region_id, entry)
            for region_id, entry in found
            if (entry.incident, entry.entry.number) not in self._handed
        ]
        for _, entry in found:
            self._handed[entry.incident, entry.entry.number] = entry.entry.at
        self._handed = {key: at for key, at in self._handed.items() if at >= since - STILL_COMING}
        return new

    def _since(self, since: datetime) -> list[tuple[int, BoardEntryOut]]:
        with reads(self._database) as session:
            return [
                (incident.region_id, BoardEntryOut.of(event, incident))
                for event, incident in queries.entries_since(session, since)
            ]

    def _hand(self, watcher: _Watcher, entry: BoardEntryOut) -> None:
        if not put_or_end(watcher.entries, entry):
            self._watchers.discard(watcher)


@router.get(
    "/incidents/live",
    response_class=StreamingResponse,
    responses=EVENT_STREAM,
)
async def watch_incidents(
    request: Request,
    viewer: ViewerDep,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=2**53, description="The last event that you have; sent by browsers")
    ] = None,
) -> StreamingResponse:
    """Every incident of your regions as it goes on: at the beginning the open ones, each as `incident`, then
    the entries of their records as they come; server-sent events, for dispatchers. It ends after a while
    (`AED_LIVE_SECONDS`); browsers ask again by themselves and miss nothing: after that an entry may come
    twice, and is known by its incident and number."""
    may_list_incidents(viewer)
    board: LiveBoard = request.app.state.board
    until = time.monotonic() + request.app.state.settings.live_seconds
    stream = _stream(board, request.app.state.database, viewer, last_event_id, until=until)
    return StreamingResponse(
        while_unchanged(stream, request, viewer),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(
    board: LiveBoard, database: Database, viewer: Viewer, last: int | None, *, until: float
) -> AsyncGenerator[bytes]:
    yield b"retry: 1000\n\n"
    async with board.watching(viewer) as entries:
        for event in await run_in_threadpool(_at_the_beginning, database, viewer, last):
            yield event
        while (left := until - time.monotonic()) > 0:
            try:
                entry = await asyncio.wait_for(entries.get(), min(left, SILENT_SECONDS))
            except TimeoutError:
                yield b": nothing new\n\n"
                continue
            if entry is None:
                return
            yield _sent(entry)


def _at_the_beginning(database: Database, viewer: Viewer, last: int | None) -> list[bytes]:
    """The open incidents; for who resumes, the entries since then."""
    with reads(database) as session:
        if last is None:
            found = queries.incidents(session, viewer, state=State.OPEN, kind=None, limit=MOST_OPEN)
            told = [IncidentOut.of(each).model_dump_json() for each in reversed(found)]
            return [f"event: incident\ndata: {each}\n\n".encode() for each in told]
        since = datetime.fromtimestamp(last / 1e6, UTC) - STILL_COMING
        missed = queries.entries_since(session, since, viewer=viewer)
        return [_sent(BoardEntryOut.of(event, incident)) for event, incident in missed]


def _sent(told: BoardEntryOut) -> bytes:
    """Its id is its moment, in microseconds since 1970: there is no number over all records."""
    moment = int(told.entry.at.timestamp() * 1e6)
    return f"id: {moment}\nevent: {told.entry.kind}\ndata: {told.model_dump_json()}\n\n".encode()
