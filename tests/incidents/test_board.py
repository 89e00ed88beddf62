"""The live board of a dispatcher's regions: permissions, resuming a stream, one shared read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import TokenRole
from aed.database.session import Database, transaction
from aed.incidents.calls import actions as lifecycle
from aed.incidents.live.api import LiveBoard
from aed.incidents.models import Incident
from aed.incidents.rules import IncidentOutcome
from aed.incidents.schemas import BoardEntryOut
from tests import make
from tests.make import ADMINISTRATOR, PATIENT, north_of

LIVE = "/v1/incidents/live"


def events(text: str) -> list[tuple[str, str | None, Any]]:
    """Return (event, id, data) of each event in a stream, in order."""
    blocks = [block.splitlines() for block in text.split("\n\n") if "data:" in block]
    fields = [dict(line.split(": ", 1) for line in lines) for lines in blocks]
    return [(each["event"], each.get("id"), json.loads(each["data"])) for each in fields]


def in_region(session: Session, code: str, metres: float) -> Incident:
    make.region(session, code)
    return make.incident(session, at=clock.now(), where=north_of(PATIENT, metres=metres), region=code)


def test_a_dispatcher_sees_open_incidents_of_their_region_and_missed_entries(
    session: Session, client: TestClient
) -> None:
    here, elsewhere = in_region(session, "CN-33", 0), in_region(session, "CN-44", 9_000)
    over = in_region(session, "CN-33", 3_000)
    lifecycle.close_incident(
        session, ADMINISTRATOR, over.id, IncidentOutcome.FALSE_ALARM, None, at=clock.now()
    )
    centre = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    office = make.key(session, TokenRole.ADMINISTRATOR)
    member = make.key(session, TokenRole.MEMBER, estate=make.estate(session))
    session.commit()

    assert client.get(LIVE).status_code == 401
    assert client.get(LIVE, headers=member).status_code == 403
    shown = events(client.get(LIVE, headers=centre).text)
    assert [(event, id_, data["id"]) for event, id_, data in shown] == [("incident", None, here.id)]
    seen = {data["id"] for _, _, data in events(client.get(LIVE, headers=office).text)}
    assert seen == {here.id, elsewhere.id}

    last = int(here.opened_at.timestamp() * 1e6)
    missed = events(client.get(LIVE, headers={**centre, "Last-Event-ID": str(last)}).text)
    assert {data["incident"] for _, _, data in missed} == {here.id, over.id}, "closed ones too, others' not"
    assert [event for event, _, data in missed if data["incident"] == over.id] == [
        "opened",
        "planned",
        "closed",
    ]
    assert all(id_ is not None and int(id_) >= last - 10_000_000 for _, id_, _ in missed)
    later = int((clock.now() + timedelta(minutes=1)).timestamp() * 1e6)
    assert events(client.get(LIVE, headers={**centre, "Last-Event-ID": str(later)}).text) == []
    assert client.get(LIVE, headers={**centre, "Last-Event-ID": "x"}).status_code == 422


class Counting(LiveBoard):
    """Counts how often the database is read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = 0

    def _entries_since(self, since: datetime) -> list[tuple[int, BoardEntryOut]]:
        self.asked += 1
        return super()._entries_since(since)


def test_an_entry_reaches_watchers_of_its_region_once_and_is_read_once(
    session: Session, database: Database
) -> None:
    known = in_region(session, "CN-33", 0)
    of_region = make.dispatcher(make.region(session, "CN-33"))
    of_another = make.dispatcher(make.region(session, "CN-44"))
    session.commit()

    def goes_on() -> None:
        with transaction(database) as own:
            lifecycle.close_incident(
                own, ADMINISTRATOR, known.id, IncidentOutcome.HANDED_OVER, None, at=clock.now()
            )
            in_region(own, "CN-33", 6_000)

    async def run() -> tuple[list[Sequence[str]], int]:
        board = Counting(database)
        async with asyncio.TaskGroup() as tasks:
            begun = asyncio.Semaphore(0)

            async def watch(number: int) -> Sequence[str]:
                heard: list[str] = []
                viewer = of_another if number == 0 else of_region
                async with board.watching(viewer) as entries:
                    begun.release()
                    while True:
                        try:
                            data = await asyncio.wait_for(entries.get(), 1.5)
                        except TimeoutError:
                            return heard
                        assert data is not None
                        heard.append(data.entry.kind)

            watchers = [tasks.create_task(watch(number)) for number in range(200)]
            for _ in watchers:
                await begun.acquire()
            before = board.asked
            await asyncio.to_thread(goes_on)
        return [each.result() for each in watchers], board.asked - before

    heard, asked = asyncio.run(run())
    assert heard[0] == []
    assert heard[1:] == [["closed", "opened", "planned"]] * 199, "what was there before is no news"
    assert asked < 40, "not once for each who watches"
