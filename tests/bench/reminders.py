"""The nightly job: from installed parts to stored reminders, relative to the bare SQL that finds them."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from sqlalchemy import make_url, text

from aed.database.session import Database, open_database
from aed.settings import Settings
from aed.settings.upkeep import Reminding
from aed.upkeep.jobs import remind_of_checks, remind_of_expiry
from tests.bench.ratio import Ratio

NIGHTS: Final = 5
BY: Final = Reminding()
SECONDS_ON_SPATIALITE: Final = 5.0

CHILD_PADS: Final = """
INSERT INTO consumables (id, device_id, kind, lot, expires_on, state, version)
SELECT id + 10000000, id, 'child_pads', 'C', {day}, 'fitted', 1 FROM devices
"""
"""Adds a third part to each device; all expire evenly over four years."""

BARE: Final = """
WITH near AS (
    SELECT c.device_id, c.kind, min(c.expires_on) AS due_on
    FROM consumables c JOIN devices d ON d.id = c.device_id
    WHERE c.state = 'fitted' AND c.expires_on <= %(today)s + 90 AND d.state <> 'withdrawn'
      AND (d.keeper_id IS NOT NULL OR d.estate_id IS NOT NULL)
    GROUP BY c.device_id, c.kind
), passed AS (
    SELECT *, CASE WHEN due_on < %(today)s THEN -((%(today)s - due_on) / 7 * 7)
      WHEN due_on <= %(today)s THEN 0 WHEN due_on <= %(today)s + 7 THEN 7
      WHEN due_on <= %(today)s + 30 THEN 30 WHEN due_on <= %(today)s + 60 THEN 60 ELSE 90 END AS days
    FROM near
)
SELECT * FROM passed p WHERE NOT EXISTS (
    SELECT FROM reminders r WHERE r.device_id = p.device_id AND r.due_kind = p.kind
      AND r.due_on = p.due_on AND r.threshold_days = p.days)
"""


def reminders(server_url: str, filled: str, small: Path, folder: Path, *, at: datetime) -> Iterator[Ratio]:
    """Measure the job on copies of the filled PostGIS database and of the small file."""
    with _copied(server_url, filled) as url:
        yield _on_postgis(url, at)
    copy = folder / "reminders.sqlite"
    shutil.copyfile(small, copy)
    yield _on_spatialite(f"sqlite:///{copy}", at)


@contextmanager
def _copied(server_url: str, filled: str) -> Iterator[str]:
    plain = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    template, name = sql.Identifier(make_url(filled).database or ""), sql.Identifier("aed_bench_reminders")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(name, template)
        )
        yield make_url(filled).set(database="aed_bench_reminders").render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP DATABASE {}").format(name))


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = open_database(
        Settings(database_url=url, lock_timeout_ms=600_000, statement_timeout_ms=600_000)
    )
    try:
        yield database
    finally:
        database.close()


def _on_postgis(url: str, at: datetime) -> Ratio:
    """Measure later nights (medians); the first one also writes everything already near or past its date."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    day = f"DATE '{at:%Y-%m-%d}' + (10 + id * 7919 %% 1490)::int".replace("%%", "%")
    with psycopg.connect(plain, autocommit=True) as bare, _opened(url) as database:
        bare.execute(CHILD_PADS.format(day=day).encode())
        bare.execute("VACUUM ANALYZE consumables")
        first, first_found = _timed(_swept, database, at)
        bare.execute("VACUUM ANALYZE reminders")
        finding, sweeping, found = [], [], []
        for night in range(1, NIGHTS + 1):
            then = at + timedelta(days=night)
            seconds, rows = _timed(_found, bare, then)
            finding.append(seconds)
            seconds, written = _timed(_swept, database, then)
            sweeping.append(seconds)
            found.append(written)
            if rows != written:
                raise RuntimeError(f"the sweep wrote {written} reminders where SQL finds {rows}")
        devices = bare.execute("SELECT count(*) FROM devices").fetchone()
    sweep, least = statistics.median(sweeping), statistics.median(finding)
    return Ratio(
        "nightly sweep, to reminders written, PostGIS",
        sweep / least,
        1.5,
        f"{sweep:.2f} s : {least:.2f} s to find them in bare SQL; {devices[0] if devices else 0:,} devices "
        f"with 3 consumables each, {statistics.median(found):,.0f} new reminders a night "
        f"(the first night {first_found:,} in {first:.1f} s)",
    )


def _on_spatialite(url: str, at: datetime) -> Ratio:
    """Measure the whole night: expiry dates, checks and services."""
    with _opened(url) as database:
        with database.engine.begin() as connection:
            day = f"date('{at:%Y-%m-%d}', '+' || (10 + id * 7919 % 1490) || ' days')"
            connection.execute(text(CHILD_PADS.format(day=day)))
        nights = [at + timedelta(days=night) for night in range(NIGHTS)]
        expiring = [_timed(_swept, database, night) for night in nights]
        checks = [_timed(_checked, database, night) for night in nights]
    worst = max(one + other for (one, _), (other, _) in zip(expiring, checks, strict=True))
    return Ratio(
        "whole night's sweep, 12,000 on SpatiaLite : 5 s",
        worst / SECONDS_ON_SPATIALITE,
        1.0,
        f"the slowest of {NIGHTS} nights {worst:.2f} s; what expires {max(each for each, _ in expiring):.2f},"
        f" checks and services {max(each for each, _ in checks):.2f} s; the first night "
        f"{expiring[0][1]:,} + {checks[0][1]:,} reminders",
    )


def _found(bare: psycopg.Connection, at: datetime) -> int:
    return len(bare.execute(BARE, {"today": at.date()}).fetchall())


def _swept(database: Database, at: datetime) -> int:
    return remind_of_expiry(database, at, by=BY)


def _checked(database: Database, at: datetime) -> int:
    return remind_of_checks(database, at, by=BY)


def _timed[T](step: Callable[[T, datetime], int], on: T, at: datetime) -> tuple[float, int]:
    started = time.perf_counter()
    result = step(on, at)
    return time.perf_counter() - started, result
