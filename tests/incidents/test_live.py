"""The live record of an incident: resumed from an event, read once for any number of watchers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.session import Database, transaction
from aed.errors import DatabaseUnavailable
from aed.incidents.calls import actions as lifecycle
from aed.incidents.live import api as live_api
from aed.incidents.live.api import LiveRecords
from aed.incidents.rules import IncidentOutcome
from aed.incidents.schemas import RecordEntryOut
from tests import make
from tests.make import ADMINISTRATOR, NOW


def entries(text: str) -> list[dict[str, str]]:
    """Return the fields of each event in a stream, without keep-alives."""
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("id:")]
    return [dict(line.split(": ", 1) for line in lines) for lines in blocks]


def test_a_watcher_gets_existing_entries_and_resumes_where_it_was(
    session: Session, client: TestClient
) -> None:
    incident = make.incident(session)
    centre = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    elsewhere = make.key(session, TokenRole.DISPATCHER, region=make.region(session, "CN-44"))
    session.commit()
    path = f"/v1/incidents/{incident.id}/live"

    assert client.get(path).status_code == 404
    assert client.get(path, headers=elsewhere).status_code == 404
    answer = client.get(path, headers=centre)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [(each["id"], each["event"]) for each in entries(answer.text)] == [
        ("1", "opened"),
        ("2", "planned"),
    ]
    again = client.get(path, headers={**centre, "Last-Event-ID": "1"})
    assert [each["id"] for each in entries(again.text)] == ["2"]
    assert entries(client.get(path, headers={**centre, "Last-Event-ID": "2"}).text) == []
    assert client.get(path, headers={**centre, "Last-Event-ID": "x"}).status_code == 422


class Counting(LiveRecords):
    """Counts how often the database is read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = 0

    def _entries_after(self, last: Mapping[int, int]) -> Sequence[tuple[int, RecordEntryOut]]:
        self.asked += 1
        return super()._entries_after(last)


def test_an_entry_reaches_hundreds_of_watchers_within_a_second_and_is_read_once(
    session: Session, database: Database
) -> None:
    incident_id = make.incident(session).id
    session.commit()
    watchers = 300

    async def watch(records: LiveRecords, begun: asyncio.Semaphore) -> list[int]:
        async with records.watching(incident_id, 0) as (known, coming):
            begun.release()
            entry = await asyncio.wait_for(coming.get(), 5)
            assert isinstance(entry, RecordEntryOut)
            return [*(each.number for each in known if isinstance(each, RecordEntryOut)), entry.number]

    async def all_of_them() -> tuple[list[list[int]], int]:
        records, begun = Counting(database), asyncio.Semaphore(0)
        tasks = [asyncio.create_task(watch(records, begun)) for _ in range(watchers)]
        for _ in range(watchers):
            await begun.acquire()
        before = records.asked

        def close() -> None:
            with transaction(database) as own:
                lifecycle.close_incident(
                    own, ADMINISTRATOR, incident_id, IncidentOutcome.HANDED_OVER, None, at=NOW
                )

        await asyncio.to_thread(close)
        got = await asyncio.wait_for(asyncio.gather(*tasks), 10)
        return got, records.asked - before

    got, asked = asyncio.run(all_of_them())
    assert got == [[1, 2, 3]] * watchers
    assert asked < 40, "not once for each who watches"


def test_a_watcher_that_reads_nothing_is_disconnected(
    session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_api, "MAX_QUEUED_EVENTS", 3)  # the default of 500 would take longer to reach
    incident_id = make.incident(session).id
    session.commit()

    async def watch() -> Any:
        records = LiveRecords(database)
        async with records.watching(incident_id, 0) as (known, coming):
            for number in range(5):
                for entry in known:
                    records._send(coming, incident_id, entry.model_copy(update={"number": 3 + number}))
            return await asyncio.wait_for(coming.get(), 5)

    assert asyncio.run(watch()) is None


def test_a_database_outage_ends_no_stream(session: Session, database: Database) -> None:
    """One read fails; the next one finds the entries since then."""
    incident_id = make.incident(session).id
    session.commit()

    class Failing(Counting):
        def _entries_after(self, last: Mapping[int, int]) -> Sequence[tuple[int, RecordEntryOut]]:
            if self.asked == 1:
                self.asked += 1
                raise DatabaseUnavailable("gone for a moment")
            return super()._entries_after(last)

    async def watch() -> int:
        records = Failing(database)
        async with records.watching(incident_id, 0) as (_, coming):

            def close() -> None:
                with transaction(database) as own:
                    lifecycle.close_incident(
                        own, ADMINISTRATOR, incident_id, IncidentOutcome.FALSE_ALARM, None, at=NOW
                    )

            await asyncio.to_thread(close)
            entry = await asyncio.wait_for(coming.get(), 5)
            assert isinstance(entry, RecordEntryOut)
            return entry.number

    assert asyncio.run(watch()) == 3
