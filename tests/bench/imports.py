"""Importing a list of devices: time relative to COPY of the same rows, and memory."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import psycopg
import xlsxwriter
from psycopg import sql
from sqlalchemy import make_url

from aed.database.session import open_database
from aed.imports.devices.preview import preview_devices
from aed.imports.schemas import DeviceRow
from aed.settings import Settings
from tests.bench.filling import copy_rows, fill_some_on_spatialite, make_schema
from tests.bench.population import COLUMNS, Population
from tests.bench.ratio import Ratio
from tests.make import ADMINISTRATOR

MAX_TIMES_COPY = 20.0
MAX_MEGABYTES = 400.0
MAX_SECONDS_ON_SPATIALITE = 15.0
MAX_SECONDS_OF_PREVIEW = 3.0
ROWS_OF_PREVIEW = 10_000
HEADINGS = {
    "place_zh": "安装位置",
    "lon": "经度",
    "lat": "纬度",
    "keeper_name": "负责人",
    "keeper_phone": "电话",
    "pads_expire_on": "电极片有效期",
    "battery_expires_on": "电池有效期",
    "opening_hours": "开放时间",
}
"""The columns of a company's workbook, by the field that they are guessed to hold."""
SECONDS_BETWEEN_SAMPLES = 0.02
BEFORE = ("regions", "estates", "people")
"""Tables that are filled before the devices."""
HEADER = [
    name for name in DeviceRow.model_fields if name not in ("datum", "opening_hours_raw", "estate_source")
]


def write_list(path: Path, population: Population) -> None:
    """Write the population's devices, with their parts, as the project's own CSV."""
    columns = COLUMNS["devices"].split(",")
    fitted = (row for rows in population.rows("consumables") for row in rows)
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, HEADER, extrasaction="ignore")
        writer.writeheader()
        for devices, people in zip(population.rows("devices"), population.rows("people"), strict=True):
            names = {row[0]: row[1:3] for row in people}  # of one city, whose keepers are its own people
            for row in devices:
                device = dict(zip(columns, row, strict=True))
                name, phone = names[device["keeper_id"]]
                pads, battery = next(fitted), next(fitted)
                estate = device["estate_id"]
                writer.writerow(
                    device
                    | {
                        "lat": device["origin_lat"],
                        "lon": device["origin_lon"],
                        "estate": f"e{estate}" if estate is not None else "",
                        "region": f"CN-{device['region_id']:03}",
                        "keeper_name": name,
                        "keeper_phone": phone,
                        "pads_expire_on": pads[4],
                        "battery_expires_on": battery[4],
                    }
                )


@dataclass(frozen=True)
class Run:
    """The result of a command such as `aed import` in a separate process."""

    seconds: float
    megabytes: float
    """Peak resident memory."""
    output: str


def run_import(url: str, path: Path, what: str = "devices") -> Run:
    return run_command(url, "import", what, str(path))


def run_command(url: str, *words: str) -> Run:
    """Run a command and measure its time and peak memory.

    Memory is read from the process's own high-water mark: a child created by vfork would inherit this
    process's mark in wait4.
    """
    started = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "aed", *words],
            env={**os.environ, "AED_DATABASE_URL": url, "LC_ALL": "C.UTF-8"},
            stdout=output,
            text=True,
        )
        most = 0
        while process.poll() is None:
            most = max(most, _most_resident(process.pid))
            time.sleep(SECONDS_BETWEEN_SAMPLES)
        seconds = time.monotonic() - started
        output.seek(0)
        printed = output.read().strip()
    if process.returncode:
        raise RuntimeError(f"aed {' '.join(words)} failed: {printed}")
    return Run(seconds, most / 1000, printed)


def _most_resident(pid: int) -> int:
    """Return the peak resident kilobytes of the program `pid`; 0 before it starts or after it ends."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
        started_as = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"^VmHWM:\s+([0-9]+) kB", status, re.MULTILINE)
    return int(found[1]) if found and b"\0aed\0" in started_as else 0


def imports(server_url: str, folder: Path, population: Population, few: Population) -> Iterator[Ratio]:
    """Measure `population` on PostGIS and `few` on SpatiaLite; once each, since it takes minutes."""
    population, few = replace(population, responders=0), replace(few, responders=0)
    path = folder / "devices.csv"
    write_list(path, population)
    url = make_url(server_url).set(database="aed_bench_import").render_as_string(hide_password=False)
    copied, first, again = _on_postgis(server_url, url, path, population)
    yield Ratio(
        f"import of {population.devices:,} devices, PostGIS : COPY",
        first.seconds / copied,
        MAX_TIMES_COPY,
        f"{first.seconds:.0f} s : {copied:.1f} s for the bare rows of the table; the same file again "
        f"{again.seconds:.0f} s",
    )
    yield Ratio(
        f"its memory, {path.stat().st_size / 1e6:.0f} MB of file : {MAX_MEGABYTES:.0f} MB",
        first.megabytes / MAX_MEGABYTES,
        1.0,
        f"{first.megabytes:.0f} MB resident at most; the same file again {again.megabytes:.0f} MB",
    )
    path.unlink()
    write_list(path, few)
    register = folder / "import.sqlite"
    fill_some_on_spatialite(register, few, BEFORE)
    yield _preview(register, path, folder / "台账.xlsx")
    on_file = run_import(f"sqlite:///{register}", path)
    yield Ratio(
        f"import of {few.devices:,} devices, SpatiaLite : {MAX_SECONDS_ON_SPATIALITE:.0f} s",
        on_file.seconds / MAX_SECONDS_ON_SPATIALITE,
        1.0,
        f"{on_file.seconds:.1f} s, {on_file.megabytes:.0f} MB resident at most",
    )


def _preview(register: Path, devices: Path, workbook: Path) -> Ratio:
    """Measure how a workbook with the first devices of a list is previewed, whose mapping is guessed."""
    with (
        devices.open(encoding="utf-8", newline="") as opened,
        xlsxwriter.Workbook(workbook, {"constant_memory": True}) as book,
    ):
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, list(HEADINGS.values()))
        for number, row in enumerate(islice(csv.DictReader(opened), ROWS_OF_PREVIEW), start=1):
            sheet.write_row(number, 0, [row[name] for name in HEADINGS])
    database = open_database(Settings(database_url=f"sqlite:///{register}"))
    with database.read_sessions() as session:
        began = time.process_time()
        found = preview_devices(session, ADMINISTRATOR, workbook, region=f"CN-{1:03}")
        seconds = time.process_time() - began
    database.close()
    return Ratio(
        f"preview of a workbook, {ROWS_OF_PREVIEW:,} rows : {MAX_SECONDS_OF_PREVIEW:.0f} s",
        seconds / found.rows * ROWS_OF_PREVIEW / MAX_SECONDS_OF_PREVIEW,
        1.0,
        f"{seconds:.1f} s of CPU for {found.rows:,} rows, of which {found.good:,} can be imported",
    )


def _on_postgis(server_url: str, url: str, path: Path, population: Population) -> tuple[float, Run, Run]:
    """Return the seconds of the COPY, and two runs of the import of the same rows into the emptied table."""
    database = sql.Identifier("aed_bench_import")
    with psycopg.connect(_plain(server_url), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} (FORCE)").format(database))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(database))
        try:
            make_schema(url)
            with psycopg.connect(_plain(url)) as filling:
                for table in BEFORE:
                    copy_rows(filling, table, population)
                    filling.execute(
                        sql.SQL("SELECT setval(pg_get_serial_sequence({}, 'id'), max(id)) FROM {}").format(
                            sql.Literal(table), sql.Identifier(table)
                        )
                    )
                filling.commit()
                copied = _timed_copy(filling, population)
                filling.execute("TRUNCATE devices CASCADE")
                filling.commit()
            with psycopg.connect(_plain(url), autocommit=True) as cleaning:
                cleaning.execute("VACUUM ANALYZE")
            first, again = run_import(url, path), run_import(url, path)
            if f"{population.devices} new, 0 changed, 0 unchanged, 0 set aside" not in first.output:
                raise RuntimeError(first.output)
            if f"0 new, 0 changed, {population.devices} unchanged, 0 set aside" not in again.output:
                raise RuntimeError(again.output)
            return copied, first, again
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(database))


def _timed_copy(connection: psycopg.Connection, population: Population) -> float:
    """Return the server's time for prepared rows, without the time to generate them."""
    columns = sql.SQL(",").join(map(sql.Identifier, COLUMNS["devices"].split(",")))
    statement = sql.SQL("COPY devices ({}) FROM STDIN").format(columns)
    taken = 0.0
    for rows in population.rows("devices"):
        started = time.perf_counter()
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
        taken += time.perf_counter() - started
    started = time.perf_counter()
    connection.commit()
    return taken + time.perf_counter() - started


def _plain(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
