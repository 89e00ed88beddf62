"""People and training in a full-size network: 1,200 estates, 275,707 people, 300,000 certificates.

Measures the search for responders within 1 km against the same statement on the bare driver, the weekly gap
table, and rosters of people and of certificates. AED_BENCH_SIZE=small uses a tenth, for a quick trial.
"""

from __future__ import annotations

import csv
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np
import psycopg
from sqlalchemy import Dialect, make_url

from aed.accounts.permissions import TokenRole, Viewer
from aed.database.compiled import bind_moment
from aed.database.session import open_database
from aed.geo import Position, distances_metres, mercator_degrees
from aed.lookup.question import LookupQuestion
from aed.lookup.responders import nearest_responders
from aed.responders import queries as responder_queries
from aed.settings import Settings
from aed.walking.file import save_network
from tests.bench.bare import _window
from tests.bench.filling import copy_rows, fill_some_on_spatialite, make_schema
from tests.bench.imports import Run, run_command, run_import
from tests.bench.population import ALWAYS, DAY_HOURS, SEED, Row, point, square
from tests.bench.ratio import Ratio
from tests.bench.rounds import by_turns
from tests.walking.grids import grid_position, street_grid

AT = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
"""Tuesday, 10:00 in China; not a holiday."""
NODES = 1_000_000
NEIGHBOURHOODS, ESTATES_EACH, BUILDINGS_EACH = 300, 4, 20
PEOPLE, CERTIFICATES = 275_707, 300_000
REGIONS = 30
RADIUS_METRES = 1_000.0
QUESTIONS, ROUNDS, A_ROUND = 200, 9, 20
MAX_SECONDS = 60.0
ROSTER_ROWS, ROSTER_MEGABYTES = 100_000, 300.0
ISSUER, ISSUER_CODE = "Red Cross", "red-cross"
TABLES = ("regions", "estates", "buildings", "people", "responders", "certificates", "responder_places")
HOURS = (None, None, ALWAYS, ALWAYS, "Mo-Su 07:00-22:00", "Mo-Fr 18:00-23:00; Sa,Su 08:00-22:00", *DAY_HOURS)


@dataclass(frozen=True)
class TrainingNetwork:
    """Neighbourhoods of four estates on one 60 km street grid; everyone lives in a building."""

    today: datetime = AT
    neighbourhoods: int = NEIGHBOURHOODS
    people_count: int = PEOPLE
    certificate_count: int = CERTIFICATES

    @property
    def estate_count(self) -> int:
        return self.neighbourhoods * ESTATES_EACH

    @cached_property
    def _places(self) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        """Return latitudes and longitudes of estates, then of buildings."""
        random = np.random.default_rng([SEED, 4])
        side = int(np.ceil(np.sqrt(NEIGHBOURHOODS)))
        number = np.arange(self.estate_count)
        of, within = number // ESTATES_EACH, number % ESTATES_EACH
        metres = 60.0 * (int(np.sqrt(NODES)) - 1)
        north = (of // side + 0.5) / side + (within // 2) * 350.0 / metres
        east = (of % side + 0.5) / side + (within % 2) * 350.0 / metres
        building_north = (
            np.repeat(north, BUILDINGS_EACH)
            + random.uniform(-110, 110, self.estate_count * BUILDINGS_EACH) / metres
        )
        building_east = (
            np.repeat(east, BUILDINGS_EACH)
            + random.uniform(-110, 110, self.estate_count * BUILDINGS_EACH) / metres
        )
        south_west, north_east = grid_position(NODES, 0.0, 0.0), grid_position(NODES, 1.0, 1.0)
        lat = south_west.lat, north_east.lat - south_west.lat
        lon = south_west.lon, north_east.lon - south_west.lon
        return {
            "estate_lat": lat[0] + lat[1] * north,
            "estate_lon": lon[0] + lon[1] * east,
            "lat": np.round(lat[0] + lat[1] * building_north, 7),
            "lon": np.round(lon[0] + lon[1] * building_east, 7),
        }

    def questions(self, count: int) -> list[Position]:
        """Return positions of patients, at a building or on the way to one."""
        random = np.random.default_rng([SEED, 5])
        building = random.integers(0, len(self._places["lat"]), count)
        shift = random.normal(0.0, 0.001, (2, count))
        return [
            Position(float(self._places["lat"][b] + n), float(self._places["lon"][b] + e))
            for b, n, e in zip(building, *shift, strict=True)
        ]

    def rows(self, table: str) -> Iterator[list[Row]]:
        yield list(getattr(self, f"_{table}")())

    def _regions(self) -> Iterator[Row]:
        for n in range(1, REGIONS + 1):
            yield n, f"CN-{n:03}", f"Province {n}", f"第{n}省", "CN", "Asia/Shanghai", "120", "CN", 1

    def _region(self, estate: int) -> int:
        return 1 + (estate * REGIONS) // self.estate_count

    def _estates(self) -> Iterator[Row]:
        lats, lons = self._places["estate_lat"].tolist(), self._places["estate_lon"].tolist()
        for i, (lat, lon) in enumerate(zip(lats, lons, strict=True)):
            boundary = square(lat - 0.0012, lat + 0.0012, lon - 0.0014, lon + 0.0014)
            yield (
                *(i + 1, self._region(i), "bench", f"e{i + 1}", f"Garden Estate {i + 1}", f"花园小区{i + 1}"),
                *(f"n{i // ESTATES_EACH}", f"0571-8{i:07}", "active", 1, boundary),
            )

    def _buildings(self) -> Iterator[Row]:
        lats, lons = self._places["lat"].tolist(), self._places["lon"].tolist()
        for i, (lat, lon) in enumerate(zip(lats, lons, strict=True)):
            number = 1 + i % BUILDINGS_EACH
            yield (
                *(i + 1, 1 + i // BUILDINGS_EACH, "bench", f"b{i}", f"Building {number}", f"{number}幢", 18),
                point(lat, lon),
            )

    def _people(self) -> Iterator[Row]:
        for n in range(1, self.people_count + 1):
            yield n, f"居民{n}", f"1{n:010}", "zh"

    @cached_property
    def _home(self) -> list[int]:
        random = np.random.default_rng([SEED, 6])
        homes: list[int] = random.integers(0, len(self._places["lat"]), self.people_count).tolist()
        return homes

    def _responders(self) -> Iterator[Row]:
        random = np.random.default_rng([SEED, 7])
        kind = random.integers(0, len(HOURS), self.people_count).tolist()
        for i, home in enumerate(self._home):
            estate = home // BUILDINGS_EACH
            yield (
                *(i + 1, i + 1, self._region(estate), estate + 1, "bench", f"r{i + 1}"),
                *(HOURS[kind[i]], "active"),
            )

    def _certificates(self) -> Iterator[Row]:
        """Yield certificates valid for three years, one in twenty expired; the last are second ones."""
        random = np.random.default_rng([SEED, 8])
        left = np.where(
            random.random(self.certificate_count) < 0.05,
            random.integers(-400, 0, self.certificate_count),
            random.integers(0, 1095, self.certificate_count),
        ).tolist()
        kind = random.choice(["first_aid", "cpr_aed", "professional"], self.certificate_count).tolist()
        for i in range(self.certificate_count):
            until = self.today.date() + timedelta(days=left[i])
            of = 1 + i % self.people_count
            yield i + 1, of, kind[i], ISSUER, f"C{i}", until - timedelta(days=1095), until, "verified"

    def _responder_places(self) -> Iterator[Row]:
        """Yield everyone's home; one in ten also has a workplace, in another estate."""
        random = np.random.default_rng([SEED, 9])
        lats, lons = self._places["lat"].tolist(), self._places["lon"].tolist()
        floors = random.integers(0, 18, self.people_count).tolist()
        works_at = random.integers(0, len(lats), self.people_count).tolist()
        for i, home in enumerate(self._home):
            yield i + 1, i + 1, "home", floors[i], None if i % 3 else ALWAYS, point(lats[home], lons[home])
        for i in range(0, self.people_count, 10):
            work = point(lats[works_at[i]], lons[works_at[i]])
            yield self.people_count + i + 1, i + 1, "work", 0, "Mo-Fr 09:00-17:30; PH off", work


def training(server_url: str, folder: Path, say: Callable[[str], None]) -> Iterator[Ratio]:
    is_small = os.environ.get("AED_BENCH_SIZE") == "small"
    network = TrainingNetwork(AT, 30, PEOPLE // 10, CERTIFICATES // 10) if is_small else TrainingNetwork()
    streets = folder / "streets.network"
    save_network(street_grid(NODES), streets)
    url = _on_postgis(server_url, network)
    path = folder / "training.sqlite"
    fill_some_on_spatialite(path, network, TABLES)
    say(f"{network.people_count:,} people of {network.estate_count:,} estates on both databases")
    for what, each in (("PostGIS", url), ("SpatiaLite", f"sqlite:///{path}")):
        yield _who_may_be_called(what, each, network.questions(QUESTIONS))
        yield _gap_table(what, each, streets, folder, network.estate_count)
    rows = ROSTER_ROWS // 10 if is_small else ROSTER_ROWS
    for what, each in (("PostGIS", url), ("SpatiaLite", f"sqlite:///{path}")):
        yield from _rosters(what, each, folder, network.rows("certificates"), rows)


def _on_postgis(server_url: str, network: TrainingNetwork) -> str:
    name = "aed_bench_training"
    plain = make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)
    url = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    make_schema(url)
    filling = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(filling) as connection:
        for table in TABLES:
            copy_rows(connection, table, network)
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"  # noqa: S608 - own words
            )
    with psycopg.connect(filling, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return url


# --- available responders -------------------------------------------------------------------------------


def _who_may_be_called(what: str, url: str, places: Sequence[Position]) -> Ratio:
    """Find all responders within 1 km in this process, and run the same statement on the bare driver."""
    settings = Settings(database_url=url, responder_radius_metres=RADIUS_METRES)
    viewer = Viewer(role=TokenRole.DISPATCHER, name="bench", region_ids=tuple(range(1, REGIONS + 1)))
    database = open_database(settings)
    try:
        with database.autocommit_engine.connect() as connection:

            def ask(here: Position) -> int:
                question = LookupQuestion(here, AT, responders=10_000)
                return len(nearest_responders(connection, viewer, question, None, settings=settings))

            bare = _bare(connection.dialect, url, viewer)
            steps = [bare(here) for here in places]
            met = sorted(ask(here) for here in places)
            timings = by_turns(
                {"who may be called": (ask, places), "bare": (lambda step: step(), steps)},
                rounds=ROUNDS,
                a_round=A_ROUND,
            )
    finally:
        database.close()
    asked, alone = timings["who may be called"].percentile(0.5), timings["bare"].percentile(0.5)
    return Ratio(
        f"who may be called within 1 km, {what}",
        asked / alone,
        2.0,
        f"p50 {asked:.0f} us : {alone:.0f} us for the bare statement; {met[len(met) // 2]} people",
    )


def _bare(dialect: Dialect, url: str, viewer: Viewer) -> Callable[[Position], Callable[[], object]]:
    """Return a function that prepares the statement at a position, limited to the rows within the radius."""
    at = {"live_at": bind_moment(AT)}
    nearest = responder_queries.nearest_places(dialect, viewer)
    if url.startswith("sqlite"):
        database = open_database(Settings(database_url=url))
        pooled = database.engine.raw_connection()
        raw = pooled.driver_connection
        assert isinstance(raw, sqlite3.Connection)

        def on_sqlite(here: Position) -> Callable[[], object]:
            parameters = {**nearest.constants, **at, **_window(here, RADIUS_METRES)}
            return lambda: (raw.execute(nearest.sql, parameters).fetchall(), pooled)

        return on_sqlite
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True, options="-c jit=off -c timezone=UTC")
    lat, lon = (responder_queries.PlaceNearby._fields.index(name) for name in ("lat", "lon"))

    @cache
    def limited(rows: int) -> bytes:
        return nearest.sql.replace("nearest_limit", str(rows)).encode()

    def on_postgres(here: Position) -> Callable[[], object]:
        x, y = mercator_degrees(here)
        parameters = {**nearest.constants, **at, "nearest_x": x, "nearest_y": y}
        rows = connection.execute(limited(3_000), parameters).fetchall()
        away = distances_metres(here, np.array([r[lat] for r in rows]), np.array([r[lon] for r in rows]))
        count = int((away <= RADIUS_METRES).sum())
        statement = limited(count)
        return lambda: connection.execute(statement, parameters).fetchall()

    return on_postgres


# --- the weekly gap table -------------------------------------------------------------------------------


def _gap_table(what: str, url: str, streets: Path, folder: Path, estates: int) -> Ratio:
    """Run `aed gaps --output FILE.csv` in a process, for every building and hour of all estates."""
    to = folder / "gaps.csv"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "aed", "gaps", "--output", str(to)],
        env={
            **os.environ,
            "AED_DATABASE_URL": url,
            "AED_WALKING_NETWORK": str(streets),
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode or not re.search(rf"estates {estates}, buildings", done.stderr):
        raise RuntimeError(done.stderr)
    return Ratio(
        f"weekly gap table of {estates:,} estates, {what} : {MAX_SECONDS:.0f} s",
        seconds / MAX_SECONDS,
        1.0,
        f"{seconds:.1f} s for {estates * BUILDINGS_EACH:,} buildings of 168 hours, "
        f"{to.stat().st_size / 1e6:.0f} MB",
    )


# --- rosters -------------------------------------------------------------------------------------------


def write_people(path: Path, rows: int) -> None:
    """Write people who are not in the registry yet, with a certificate each."""
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(
            [
                *("source", "source_id", "name", "phone", "language", "region"),
                *("certificate_kind", "certificate_issuer", "certificate_number", "certificate_issued_on"),
                *("certificate_valid_until", "availability", "place", "lat", "lon", "floor"),
            ]
        )
        for n in range(rows):
            writer.writerow(
                [
                    *("red-cross", f"n{n}", f"学员{n}", f"2{n:010}", "zh", f"CN-{1 + n % REGIONS:03}"),
                    *("first_aid", ISSUER, f"R{n}", "2026-01-01", "2028-12-31"),
                    *("Mo-Su 07:00-22:00", "home", 30.1 + n % 1000 * 1e-5, 119.6 + n // 1000 * 1e-5, 3),
                ]
            )


def write_certificates(path: Path, certificates: Iterator[list[Row]], rows: int) -> None:
    """Write a chapter's list of the certificates it issued; one in twenty has another expiry date."""
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["姓名", "证书编号", "培训课程", "发证日期", "有效期至", "状态"])
        for _, of, kind, _, number, issued_on, until, _ in islice(chain.from_iterable(certificates), rows):
            assert isinstance(until, date)
            last = until if int(str(of)) % 20 else until + timedelta(days=365)
            writer.writerow([f"居民{of}", number, kind, issued_on, last, "有效"])


def _rosters(
    on: str, url: str, folder: Path, certificates: Iterator[list[Row]], rows: int
) -> Iterator[Ratio]:
    """Import rosters as CSV in a process; report its peak resident memory.

    Each import is repeated, since a monthly list mostly contains what is already stored.
    """
    people, cards = folder / "people.csv", folder / "certificates.csv"
    write_people(people, rows)
    write_certificates(cards, certificates, rows)
    named = (f"name_en={ISSUER}", "name_zh=红十字会", "kind=red_cross", "verified_by=roster")
    run_command(url, "issuers", "add", f"code={ISSUER_CODE}", *named)
    takings: dict[str, Callable[[], Run]] = {
        "aed import responders": lambda: run_import(url, people, "responders"),
        "aed issuers import-roster": lambda: run_command(
            url, "issuers", "import-roster", ISSUER_CODE, str(cards)
        ),
    }
    for what, take in takings.items():
        run = take()
        if not re.search(
            r"^[^:]+: \d+ new( rows)?, 0 changed, 0 unchanged, 0 set aside", run.output, re.MULTILINE
        ):
            raise RuntimeError(run.output)
        again = take()
        if not re.search(
            r"^[^:]+: 0 new( rows)?, 0 changed, \d+ unchanged, 0 set aside", again.output, re.MULTILINE
        ):
            raise RuntimeError(again.output)
        yield Ratio(
            f"{what}, {rows:,} rows, {on} : {MAX_SECONDS:.0f} s",
            max(run.seconds, again.seconds) / MAX_SECONDS,
            1.0,
            f"{run.seconds:.1f} s; the same file again {again.seconds:.1f} s",
        )
        most = max(run.megabytes, again.megabytes)
        yield Ratio(
            f"its memory : {ROSTER_MEGABYTES:.0f} MB",
            most / ROSTER_MEGABYTES,
            1.0,
            f"{most:.0f} MB resident at most",
        )
