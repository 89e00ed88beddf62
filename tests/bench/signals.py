"""Signals of 12,000 devices, each every five minutes: over HTTP, and in the batches of the MQTT bridge.

The limit is a bare INSERT of the same content with its commit, timed in the same run.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import insert, make_url, select, text

from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.cli.server import bring_up_to_date
from aed.database.session import Database, open_database, transaction
from aed.registry.devices.models import Device
from aed.settings import Settings
from aed.upkeep.jobs import look_after_signals
from aed.upkeep.signals.actions import NewSignal, receive_signal
from aed.upkeep.signals.models import DeviceMonitor
from aed.upkeep.signals.rules import ReadingKind
from tests import make
from tests.bench.client import post
from tests.bench.ratio import Ratio
from tests.bench.server import Running, serving

DEVICES = 12_000
A_SECOND = DEVICES / 300
"""40: each device once in five minutes."""
CONNECTIONS = 8
SECONDS = 10.0
BARE = 500
BATCH = 20
"""What Mosquitto sends at once before it waits for acknowledgements."""
MAX_SHARE, MAX_P99_MS, MAX_RATIO = 0.5, 250.0, 40.0


def signals(url: str, what: str) -> Iterator[Ratio]:
    """Register the devices with tokens in an empty database, and measure."""
    database = open_database(Settings(database_url=url))
    try:
        bring_up_to_date(database)
        ids = _devices(database)
        bare = _bare(url, ids)
        with serving({"AED_DATABASE_URL": url}) as server:
            yield from _over_http(server, ids, what, bare)
        yield _in_batches(database, ids, what, bare)
        yield _job(database, what)
        yield _growth(database, what)
    finally:
        database.close()


def _devices(database: Database) -> list[int]:
    table = Device.metadata.tables["devices"]
    now = datetime.now(UTC)
    with transaction(database) as session:
        first = make.device(session, serial="bench 0")
        row = dict(session.execute(select(table).where(table.c.id == first.id)).mappings().one())
        del row["id"]
        rows = [
            row | {"serial": f"bench {number}", "source_id": f"bench-{number}"}
            for number in range(1, DEVICES)
        ]
        session.execute(insert(table), rows)
        ids = list(session.scalars(select(Device.id).order_by(Device.id)))  # visibility: invented
        monitors = [
            {
                "device_id": each,
                "key_hash": hash_key(_key(each)),
                "heard_at": now,
                "is_clock_right": True,
                "last": {},
                "alarms": {},
            }
            for each in ids
        ]
        session.execute(insert(DeviceMonitor), monitors)
    if database.engine.dialect.name == "postgresql":
        with database.autocommit_engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
    return ids


def _key(device_id: int) -> str:
    return f"dev_bench_{device_id}"


def _bare(url: str, ids: list[int]) -> float:
    """Return the median seconds of an INSERT of one row of text with its commit, by the bare driver."""
    content = json.dumps({"battery_percent": 87, "door": "closed", "temperature_celsius": 21.5})
    taken = []
    for execute, commit in _connected(url):
        execute("CREATE TABLE bench_bare (device_id bigint, at text, content text)", ())
        commit()
        for number in range(BARE):
            began = time.perf_counter()
            execute(
                "INSERT INTO bench_bare VALUES (?, ?, ?)",
                (ids[number], datetime.now(UTC).isoformat(), content),
            )
            commit()
            taken.append(time.perf_counter() - began)
        execute("DROP TABLE bench_bare", ())
        commit()
    return sorted(taken)[BARE // 2]


def _connected(url: str) -> Iterator[tuple[Callable[[str, tuple[object, ...]], object], Callable[[], None]]]:
    """Yield how the bare driver executes and commits, with the durability of the program's connections."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite":
        with closing(sqlite3.connect(Path(parsed.database or ""), isolation_level="IMMEDIATE")) as lite:
            lite.execute("PRAGMA journal_mode=WAL")
            lite.execute("PRAGMA synchronous=NORMAL")
            yield lite.execute, lite.commit
        return
    plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as server:
        yield lambda sql, values: server.execute(sql.replace("?", "%s").encode(), values), server.commit


def _over_http(server: Running, ids: list[int], what: str, bare: float) -> Iterator[Ratio]:
    numbers = count()

    def message() -> bytes:
        number = next(numbers)
        device_id = ids[number % len(ids)]
        body = {
            "id": f"hb-{number}",
            "battery_percent": 87,
            "door": "closed",
            "temperature_celsius": 21 + number % 7 / 2,
        }
        return post(f"/v1/devices/{device_id}/signals", body, _key(device_id))

    _sent(server, message, rate=0, seconds=1.0)  # warm
    cpu = _cpu_seconds(server.pid)
    full = _sent(server, message, rate=0, seconds=SECONDS)
    each_cpu = (_cpu_seconds(server.pid) - cpu) / len(full)
    a_second = len(full) / SECONDS
    yield Ratio(
        f"12,000 devices every 5 minutes : one process's, {what}",
        A_SECOND / a_second,
        MAX_SHARE,
        f"{a_second:.0f} a second on {CONNECTIONS} connections; {each_cpu * 1e3:.2f} ms of CPU a signal; "
        f"p50 {full[len(full) // 2] * 1e3:.1f}, p99 {full[int(len(full) * 0.99)] * 1e3:.1f} ms",
    )
    calm = _sent(server, message, rate=A_SECOND, seconds=SECONDS)
    p99 = calm[int(len(calm) * 0.99)] * 1e3
    yield Ratio(
        f"p99 of a signal at 40 a second, ms, {what}",
        p99,
        MAX_P99_MS,
        f"p50 {calm[len(calm) // 2] * 1e3:.1f} ms, {len(calm)} signals",
    )
    yield Ratio(
        f"a signal over HTTP : INSERT and commit, {what}",
        calm[len(calm) // 2] / bare,
        MAX_RATIO,
        f"{calm[len(calm) // 2] * 1e6:.0f} us : {bare * 1e6:.0f} us",
    )


def _sent(server: Running, message: Callable[[], bytes], *, rate: float, seconds: float) -> list[float]:
    """Return the sorted durations of signals sent on some connections, at a rate or as fast as possible."""
    taken: list[float] = []
    lock = threading.Lock()
    begin = time.perf_counter()
    turns = count()

    def send() -> None:
        with closing(server.line()) as line:
            while time.perf_counter() < begin + seconds:
                with lock:
                    turn, content = next(turns), message()
                if rate:
                    time.sleep(max(0.0, begin + turn / rate - time.perf_counter()))  # a constant rate
                start = time.perf_counter()
                line.exchange(content)
                taken.append(time.perf_counter() - start)

    threads = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sorted(taken)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _in_batches(database: Database, ids: list[int], what: str, bare: float) -> Ratio:
    numbers = count()
    batches = 100
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(batches):
        with transaction(database) as session:
            for number in (next(numbers) for _ in range(BATCH)):
                device_id = ids[number % len(ids)]
                readings = {ReadingKind.BATTERY: 87.0, ReadingKind.TEMPERATURE: 21 + number % 7 / 2}
                new = NewSignal(f"mq-{number}", None, readings)
                receive_signal(session, Viewer(name="source:bench"), device_id, new, at=datetime.now(UTC))
    each = (time.perf_counter() - began) / batches / BATCH
    each_cpu = (time.process_time() - cpu) / batches / BATCH
    return Ratio(
        f"a signal of the bridge : INSERT and commit, {what}",
        each / bare,
        MAX_RATIO,
        f"{each * 1e6:.0f} us : {bare * 1e6:.0f} us in batches of {BATCH}; "
        f"{each_cpu * 1e3:.2f} ms of CPU a signal",
    )


def _job(database: Database, what: str) -> Ratio:
    with transaction(database) as session:
        session.execute(text("UPDATE device_monitors SET evaluate_at = heard_at"))
    began = time.perf_counter()
    looked_at, _ = look_after_signals(database, datetime.now(UTC))
    seconds = time.perf_counter() - began
    return Ratio(
        f"the job `signals` with all devices due, s, {what}", seconds, 60.0, f"{looked_at:,} monitors"
    )


def _growth(database: Database, what: str) -> Ratio:
    with transaction(database) as session:
        stored = session.scalar(text("SELECT count(*) FROM device_signals")) or 0
    return Ratio(f"rows in the series of signals, {what}", float(stored), None, "after all of the above")
