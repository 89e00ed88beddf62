"""Server-sent events: one incident as it goes on, and all incidents of a dispatcher's regions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Header, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from aed import clock
from aed.accounts.authentication import ViewerDep, stop_when_viewer_changes
from aed.accounts.permissions import Viewer
from aed.database.session import Database, read_session
from aed.errors import AedError
from aed.http.parameters import RowId
from aed.incidents import queries
from aed.incidents.alerts.queries import last_location_id, latest_locations, locations_after
from aed.incidents.permissions import require_incident_viewer
from aed.incidents.rules import IncidentState
from aed.incidents.schemas import AlertLocationOut, BoardEntryOut, IncidentOut, RecordEntryOut

log = structlog.get_logger("aed")
router = APIRouter(tags=["incidents"])

POLL_SECONDS: Final = 0.25
"""How often the database is polled for new entries, once for all watchers of a process."""
KEEPALIVE_SECONDS: Final = 15.0
"""A comment line is sent after this long without an event, because proxies close silent connections."""
MAX_QUEUED_EVENTS: Final = 500
"""A watcher with this many unread events is disconnected, and resumes where it was."""

EVENT_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Stream of events"}
}

type _Event = RecordEntryOut | AlertLocationOut
type _Entries = asyncio.Queue[_Event | None]
"""None marks the end of the stream."""


def enqueue_or_end[Event](entries: asyncio.Queue[Event | None], event: Event) -> bool:
    """Put an event into a watcher's queue; True if there was room. A full queue is emptied and ended."""
    try:
        entries.put_nowait(event)
    except asyncio.QueueFull:
        while not entries.empty():
            entries.get_nowait()
        entries.put_nowait(None)
        return False
    return True


class LiveRecords:
    """New record entries and locations of watched incidents, read once for all watchers of a process.

    Entry numbers have no gaps and are committed in order, so new entries are those after the last one seen.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: dict[int, set[_Entries]] = {}
        self._seen: dict[int, int] = {}
        """The last entry that was handed to watchers, by incident."""
        self._last_place = 0
        """The last location that was handed to watchers, over all incidents."""
        self._looking: asyncio.Task[None] | None = None
        self._is_closing = False

    async def close(self) -> None:
        """Stop polling, and wait until a poll under way has given back its connection."""
        self._is_closing = True
        if self._looking is not None:
            await asyncio.wait({self._looking})

    @asynccontextmanager
    async def watching(self, incident_id: int, after: int) -> AsyncIterator[tuple[list[_Event], _Entries]]:
        """Yield the entries after that number and the latest locations, and a queue of what follows.

        The queue may repeat some of them.
        """
        entries: _Entries = asyncio.Queue(MAX_QUEUED_EVENTS)
        self._watchers.setdefault(incident_id, set()).add(entries)
        try:
            known = await run_in_threadpool(self._entries_after, {incident_id: after})
            last = max((each.number for _, each in known), default=after)
            self._seen.setdefault(incident_id, last)
            if self._looking is None:
                self._last_place = await run_in_threadpool(self._last_place_now)
            if self._looking is None:
                self._looking = asyncio.create_task(self._poll())
            places = await run_in_threadpool(self._places_now, incident_id)
            yield [*(each for _, each in known), *places], entries
        finally:
            self._watchers[incident_id].discard(entries)
            if not self._watchers[incident_id]:
                del self._watchers[incident_id]
                self._seen.pop(incident_id, None)

    async def _poll(self) -> None:
        """Poll as long as anybody watches."""
        try:
            while self._watchers and not self._is_closing:
                await asyncio.sleep(POLL_SECONDS)  # other processes write entries too
                try:
                    found = await run_in_threadpool(self._entries_after, dict(self._seen))
                    places = await run_in_threadpool(self._places_after, list(self._seen), self._last_place)
                except AedError as error:
                    log.warning("incident events not read", reason=error.detail)
                    continue
                for incident_id, entry in found:
                    if incident_id in self._seen:
                        self._seen[incident_id] = max(self._seen[incident_id], entry.number)
                    self._send_to_all(incident_id, entry)
                for incident_id, place_id, place in places:
                    self._last_place = max(self._last_place, place_id)
                    self._send_to_all(incident_id, place)
        finally:
            self._looking = None

    def _send_to_all(self, incident_id: int, event: _Event) -> None:
        for watcher in list(self._watchers.get(incident_id, ())):
            self._send(watcher, incident_id, event)

    def _send(self, watcher: _Entries, incident_id: int, entry: _Event) -> None:
        if not enqueue_or_end(watcher, entry):
            self._watchers[incident_id].discard(watcher)

    def _entries_after(self, last: Mapping[int, int]) -> Sequence[tuple[int, RecordEntryOut]]:
        with read_session(self._database) as session:
            found = queries.events_after(session, last)
            return [(each.incident_id, RecordEntryOut.of(each)) for each in found]

    def _places_after(
        self, incident_ids: Collection[int], last_id: int
    ) -> Sequence[tuple[int, int, AlertLocationOut]]:
        """Return (incident, location id, location) of locations after the last one."""
        with read_session(self._database) as session:
            found = locations_after(session, incident_ids, last_id)
            return [
                (incident_id, place.id, AlertLocationOut.of(place, alert))
                for incident_id, place, alert in found
            ]

    def _places_now(self, incident_id: int) -> list[AlertLocationOut]:
        with read_session(self._database) as session:
            alerts = {each.id: each for each in queries.alerts(session, incident_id)}
            places = latest_locations(session, alerts)
            return [AlertLocationOut.of(place, alerts[alert_id]) for alert_id, place in places.items()]

    def _last_place_now(self) -> int:
        with read_session(self._database) as session:
            return last_location_id(session)


@router.get(
    "/incidents/{incident_id}/live",
    response_class=StreamingResponse,
    responses=EVENT_STREAM,
)
async def watch_incident(
    request: Request,
    viewer: ViewerDep,
    incident_id: RowId,
    last_event_id: Annotated[
        int | None,
        Header(
            ge=0,
            le=2**31 - 1,
            description="Id of the last event received; browsers send it when they reconnect",
        ),
    ] = None,
) -> StreamingResponse:
    """Follow one incident as server-sent events: record entries as they are written, and `place` events.

    For dispatchers. The stream ends after `AED_LIVE_SECONDS`; browsers reconnect by themselves and miss
    nothing.
    """
    live: LiveRecords = request.app.state.live
    database, seconds = request.app.state.database, request.app.state.settings.live_seconds

    def find() -> None:
        with read_session(database) as session:
            queries.incident(session, viewer, incident_id)

    await run_in_threadpool(find)
    stream = _stream(live, incident_id, last_event_id or 0, until=time.monotonic() + seconds)
    return StreamingResponse(
        stop_when_viewer_changes(stream, request, viewer),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(live: LiveRecords, incident_id: int, last: int, *, until: float) -> AsyncGenerator[bytes]:
    yield b"retry: 1000\n\n"
    async with live.watching(incident_id, last) as (known, entries):
        for each in known:
            yield _encoded(each)
            last = each.number if isinstance(each, RecordEntryOut) else last
        while (left := until - time.monotonic()) > 0:
            try:
                event = await asyncio.wait_for(entries.get(), min(left, KEEPALIVE_SECONDS))
            except TimeoutError:
                yield b": nothing new\n\n"
                continue
            if event is None:
                return
            if isinstance(event, AlertLocationOut):
                yield _encoded(event)
            elif event.number > last:
                yield _encoded(event)
                last = event.number


def _encoded(event: _Event) -> bytes:
    """Encode an event. Locations have no id: a client resumes by entry and gets the latest locations."""
    lines: dict[str, Any] = {"event": "place", "data": event.model_dump_json()}
    if isinstance(event, RecordEntryOut):
        lines = {"id": event.number, "event": event.kind, "data": event.model_dump_json()}
    return "".join(f"{name}: {value}\n" for name, value in lines.items()).encode() + b"\n"


COMMIT_LAG: Final = timedelta(seconds=10)
"""An entry's time is when its transaction began; others may be committed before it, but not this much
later.
"""
MAX_OPEN_INCIDENTS: Final = 200
"""How many open incidents, the newest, are sent when a watcher connects."""

type _BoardEntries = asyncio.Queue[BoardEntryOut | None]
"""None marks the end of the stream."""


@dataclass(eq=False, slots=True)
class _Watcher:
    viewer: Viewer
    entries: _BoardEntries = field(default_factory=lambda: asyncio.Queue(MAX_QUEUED_EVENTS))


class LiveBoard:
    """New entries of all records, read once for all watchers of a process, handed out by region."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._watchers: set[_Watcher] = set()
        self._handed: dict[tuple[int, int], datetime] = {}
        """When each entry that was read lately was written, by incident and number."""
        self._looking: asyncio.Task[None] | None = None
        self._is_closing = False

    async def close(self) -> None:
        """Stop polling, and wait until a poll under way has given back its connection."""
        self._is_closing = True
        if self._looking is not None:
            await asyncio.wait({self._looking})

    @asynccontextmanager
    async def watching(self, viewer: Viewer) -> AsyncIterator[_BoardEntries]:
        """Yield a queue of the entries that are written from now on."""
        watcher = _Watcher(viewer)
        if self._looking is None:
            self._handed.clear()
            await self._poll_once()  # what is there already is news to nobody
        self._watchers.add(watcher)
        if self._looking is None:
            self._looking = asyncio.create_task(self._poll())
        try:
            yield watcher.entries
        finally:
            self._watchers.discard(watcher)

    async def _poll(self) -> None:
        """Poll as long as anybody watches."""
        try:
            while self._watchers and not self._is_closing:
                await asyncio.sleep(POLL_SECONDS)  # other processes write entries too
                try:
                    new = await self._poll_once()
                except AedError as error:
                    log.warning("incident events not read", reason=error.detail)
                    continue
                for region_id, entry in new:
                    for watcher in list(self._watchers):
                        if watcher.viewer.is_administrator or region_id in watcher.viewer.region_ids:
                            self._send(watcher, entry)
        finally:
            self._looking = None

    async def _poll_once(self) -> Sequence[tuple[int, BoardEntryOut]]:
        """Return entries that were not read before, with their regions."""
        since = clock.now() - COMMIT_LAG
        found = await run_in_threadpool(self._entries_since, since)
        new = [
            (region_id, entry)
            for region_id, entry in found
            if (entry.incident, entry.entry.number) not in self._handed
        ]
        for _, entry in found:
            self._handed[entry.incident, entry.entry.number] = entry.entry.at
        self._handed = {key: at for key, at in self._handed.items() if at >= since - COMMIT_LAG}
        return new

    def _entries_since(self, since: datetime) -> list[tuple[int, BoardEntryOut]]:
        with read_session(self._database) as session:
            return [
                (incident.region_id, BoardEntryOut.of(event, incident))
                for event, incident in queries.entries_since(session, since)
            ]

    def _send(self, watcher: _Watcher, entry: BoardEntryOut) -> None:
        if not enqueue_or_end(watcher.entries, entry):
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
        int | None,
        Header(
            ge=0, le=2**53, description="Id of the last event received; browsers send it when they reconnect"
        ),
    ] = None,
) -> StreamingResponse:
    """Follow all incidents of your regions as server-sent events, for dispatchers.

    Open incidents come first, each as `incident`, then record entries as they are written. The stream ends
    after `AED_LIVE_SECONDS`; browsers reconnect by themselves and miss nothing, but an entry may then come
    twice: compare incident and number.
    """
    require_incident_viewer(viewer)
    board: LiveBoard = request.app.state.board
    until = time.monotonic() + request.app.state.settings.live_seconds
    stream = _board_stream(board, request.app.state.database, viewer, last_event_id, until=until)
    return StreamingResponse(
        stop_when_viewer_changes(stream, request, viewer),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _board_stream(
    board: LiveBoard, database: Database, viewer: Viewer, last: int | None, *, until: float
) -> AsyncGenerator[bytes]:
    yield b"retry: 1000\n\n"
    async with board.watching(viewer) as entries:
        for event in await run_in_threadpool(_at_the_beginning, database, viewer, last):
            yield event
        while (left := until - time.monotonic()) > 0:
            try:
                entry = await asyncio.wait_for(entries.get(), min(left, KEEPALIVE_SECONDS))
            except TimeoutError:
                yield b": nothing new\n\n"
                continue
            if entry is None:
                return
            yield _board_event(entry)


def _at_the_beginning(database: Database, viewer: Viewer, last: int | None) -> list[bytes]:
    """Return the open incidents or, for a watcher that resumes, the entries since its last one."""
    with read_session(database) as session:
        if last is None:
            found = queries.incidents(
                session, viewer, state=IncidentState.OPEN, kind=None, limit=MAX_OPEN_INCIDENTS
            )
            event = [IncidentOut.of(each).model_dump_json() for each in reversed(found)]
            return [f"event: incident\ndata: {each}\n\n".encode() for each in event]
        since = datetime.fromtimestamp(last / 1e6, UTC) - COMMIT_LAG
        missed = queries.entries_since(session, since, viewer=viewer)
        return [_board_event(BoardEntryOut.of(event, incident)) for event, incident in missed]


def _board_event(event: BoardEntryOut) -> bytes:
    """Encode an event. Its id is its time in microseconds since 1970: there is no number across records."""
    moment = int(event.entry.at.timestamp() * 1e6)
    return f"id: {moment}\nevent: {event.entry.kind}\ndata: {event.model_dump_json()}\n\n".encode()
