"""Test concurrent lookups, and lookups that wait for the database."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session

from aed.settings import Settings
from aed.walking.file import save_network
from tests import make
from tests.apps import app_on
from tests.make import NOW, PATIENT, east_of, north_of
from tests.waiting import eventually
from tests.walking.grids import grid_position, street_grid

on_postgis = pytest.mark.parametrize("database_url", ["postgis"], indirect=True)
"""SQLite locks whole files, not tables."""
on_spatialite = pytest.mark.parametrize("database_url", ["spatialite"], indirect=True)
"""PostgreSQL has no database file that the test could lock."""

HERE = {"lat": str(PATIENT.lat), "lon": str(PATIENT.lon), "at": NOW.isoformat()}


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[httpx2.AsyncClient, FastAPI]]:
    """Run the application on the test's event loop, after a first lookup."""
    app = app_on(settings)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://aed") as client:
        try:
            assert (await client.get("/v1/nearest", params=HERE)).status_code == 200
            yield client, app
        finally:
            app.state.database.close()


def as_many_as_are_asked_for(session: Session) -> None:
    """Register enough devices that the lookup need not search the whole country."""
    for i in range(6):
        make.device(session, at=north_of(PATIENT, metres=50 * i))


@contextlib.contextmanager
def devices_locked(url: str) -> Iterator[psycopg.Connection[Any]]:
    """Lock the devices table on PostgreSQL, so that readers wait for the duration of the `with` block."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as other:
        other.execute("LOCK TABLE devices IN ACCESS EXCLUSIVE MODE")
        yield other
        other.rollback()


def waiting_for_devices(other: psycopg.Connection[Any]) -> list[int]:
    """Return the server processes that wait for the lock."""
    found = other.execute(
        "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'devices'::regclass ORDER BY pid"
    )
    return [pid for (pid,) in found]


async def so_many_wait(other: psycopg.Connection[Any], count: int, *, but: int | None = None) -> list[int]:
    """Return the waiting processes except `but`, once there are that many."""

    def others() -> list[int]:
        return [pid for pid in waiting_for_devices(other) if pid != but]

    assert await asyncio.to_thread(eventually, lambda: len(others()) >= count)
    return others()


def patiently(settings: Settings) -> Settings:
    return settings.model_copy(update={"lock_timeout_ms": 20_000, "statement_timeout_ms": 30_000})


@pytest.mark.parametrize("walking", [False, True])
def test_lookups_at_the_same_time_are_answered_as_one_after_the_other(
    session: Session, settings: Settings, *, walking: bool
) -> None:
    """Threads share the connection pool and the walking network."""
    middle = PATIENT
    if walking:
        network = street_grid(900)
        save_network(network, settings.walking_network)
        middle = grid_position(900, 0.5, 0.5)
    estate = make.estate(session, around=middle)
    for i in range(60):
        make.device(
            session,
            at=east_of(north_of(middle, metres=(i * 37) % 500 - 250), metres=(i * 61) % 500 - 250),
            of=estate if i % 5 == 0 else None,
            opening_hours=("24/7", "Mo-Fr 08:00-18:00", "Sa,Su 09:00-12:00; PH off", None)[i % 4],
        )
    if walking:
        make.gate(session, estate, at=north_of(middle, metres=90), passage="guarded")
    session.commit()
    questions = [
        {
            "lat": str(middle.lat + (i * 7 % 11 - 5) * 2e-4),
            "lon": str(middle.lon + (i * 5 % 13 - 6) * 2e-4),
            "at": f"2026-09-{20 + i % 8}T{i % 24:02}:30:00+00:00",
            "limit": "6",
        }
        for i in range(40)
    ]

    async def run() -> tuple[list[bytes], list[bytes]]:
        async with serving(settings) as (client, _app):
            alone = [(await client.get("/v1/nearest", params=each)).content for each in questions]
            at_once = await asyncio.gather(*(client.get("/v1/nearest", params=each) for each in questions))
            return alone, [each.content for each in at_once]

    alone, at_once = asyncio.run(run())
    assert at_once == alone
    assert len(set(alone)) > 30


@on_postgis
def test_a_lookup_that_waits_for_the_database_delays_no_other_request(
    session: Session, settings: Settings, database_url: str
) -> None:
    as_many_as_are_asked_for(session)
    session.commit()

    async def run() -> list[int]:
        async with serving(patiently(settings)) as (client, _app):
            with devices_locked(database_url) as other:
                lookups = [asyncio.create_task(client.get("/v1/nearest", params=HERE)) for _ in range(2)]
                await so_many_wait(other, 2)
                assert (await client.get("/healthz")).status_code == 200
                assert not any(each.done() for each in lookups)
            answers = await asyncio.gather(*lookups)
            return [len(each.json()["devices"]) for each in answers]

    assert asyncio.run(run()) == [5, 5]


@on_postgis
def test_a_lookup_that_waits_too_long_is_answered_503_and_the_next_one_is_answered(
    session: Session, settings: Settings, database_url: str
) -> None:
    as_many_as_are_asked_for(session)
    session.commit()

    async def run() -> None:
        async with serving(settings.model_copy(update={"lock_timeout_ms": 200})) as (client, _app):
            with devices_locked(database_url):
                refused = await client.get("/v1/nearest", params=HERE)
            assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
            for _ in range(2):
                assert len((await client.get("/v1/nearest", params=HERE)).json()["devices"]) == 5

    asyncio.run(run())


@on_postgis
def test_a_connection_that_dies_during_or_before_a_lookup_costs_no_answer(
    session: Session, settings: Settings, database_url: str
) -> None:
    as_many_as_are_asked_for(session)
    session.commit()

    async def run() -> None:
        async with serving(patiently(settings)) as (client, _app):
            with devices_locked(database_url) as other:
                lookup = asyncio.create_task(client.get("/v1/nearest", params=HERE))
                (pid,) = await so_many_wait(other, 1)
                other.execute("SELECT pg_terminate_backend(%s)", [pid])
                assert await so_many_wait(other, 1, but=pid), "it was tried once more on a new connection"
            assert len((await lookup).json()["devices"]) == 5
            session.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            for _ in range(3):
                assert len((await client.get("/v1/nearest", params=HERE)).json()["devices"]) == 5

    asyncio.run(run())


@on_postgis
def test_a_cancelled_lookup_does_not_disturb_the_next_one(
    session: Session, settings: Settings, database_url: str
) -> None:
    """The rows of its statement must not become those of the next lookup."""
    here, there = make.device(session), make.device(session, at=north_of(PATIENT, metres=300))
    session.commit()
    near_there = HERE | {"lat": str(PATIENT.lat + 300 / make.METRES_PER_DEGREE), "limit": "1"}

    async def run() -> list[int]:
        async with serving(patiently(settings)) as (client, _app):
            for _ in range(2):
                await client.get("/v1/nearest", params=HERE | {"limit": "1"})
                await client.get("/v1/nearest", params=near_there)
            with devices_locked(database_url) as other:
                lookup = asyncio.create_task(client.get("/v1/nearest", params=HERE | {"limit": "1"}))
                await so_many_wait(other, 1)
                lookup.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await lookup
            found = [
                await client.get("/v1/nearest", params=each)
                for each in (near_there, HERE | {"limit": "1"}, near_there)
            ]
            return [each.json()["devices"][0]["id"] for each in found]

    assert asyncio.run(run()) == [there.id, here.id, there.id]


@on_spatialite
def test_a_locked_file_delays_no_other_request(
    session: Session, settings: Settings, database_url: str
) -> None:
    """Readers can only be locked out without a write-ahead log, and wait as long as the settings say."""
    as_many_as_are_asked_for(session)
    session.commit()
    session.close()
    session.get_bind().engine.dispose()
    path = Path(make_url(database_url).database or "")

    async def run() -> None:
        async with serving(settings.model_copy(update={"lock_timeout_ms": 300})) as (client, app):
            app.state.database.engine.dispose()
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
                assert other.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
                other.execute("BEGIN EXCLUSIVE")
                lookup = asyncio.create_task(client.get("/v1/nearest", params=HERE))
                assert (await client.get("/healthz")).status_code == 200
                refused = await lookup
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
                other.execute("COMMIT")
            assert len((await client.get("/v1/nearest", params=HERE)).json()["devices"]) == 5

    asyncio.run(run())
