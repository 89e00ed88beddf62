"""`python -m tests.attack`: attack a served process on loopback, and print how lookups fare beside it.

1. Start `aed serve` on SQLite, then on PostGIS, each with a small register.
2. Ask the lookup at a steady rate: alone, beside each attack, each for SECONDS; that is a round.
3. Print the median over ROUNDS of each p50 and p99, and of the ratio of p99 to idle in the same round.
4. Fail where a median ratio is MAX_RATIO or more, or a lookup was not answered.

It stops by itself, and asks nothing but the process that it has started.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from aed.cli.server import bring_up_to_date
from aed.db import open_database, transaction
from aed.settings import Settings
from tests.attack.attacks import ATTACKS, Target, prepare
from tests.attack.load import percentile, running
from tests.commands import KEY
from tests.make import PATIENT
from tests.throwaway_postgres import throwaway_postgres

LOOKUPS_PER_SECOND = 20
MAX_RATIO = 5.0
NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"


@dataclass(frozen=True, slots=True)
class Measured:
    p50_ms: float
    p99_ms: float
    failed: int


def main() -> int:
    rounds, seconds = int(os.environ.get("ROUNDS", "3")), float(os.environ.get("SECONDS", "10"))
    os.environ["AED_ENCRYPTION_KEYS"] = KEY
    is_within = True
    with tempfile.TemporaryDirectory(prefix="aed-attack-") as folder:
        path = Path(folder)
        is_within &= attack(f"sqlite:///{path / 'aed.sqlite'}", "SQLite", path, rounds, seconds)
        with throwaway_postgres() as url:
            is_within &= attack(url, "PostGIS", path, rounds, seconds)
    return 0 if is_within else 1


def attack(url: str, name: str, folder: Path, rounds: int, seconds: float) -> bool:
    """Print the table of one database. True if every attack leaves the lookup within the bound."""
    settings = Settings(database_url=url, walking_network=folder / "none")
    database = open_database(settings)
    bring_up_to_date(database)
    with transaction(database) as session:
        known = prepare(session)
    database.close()
    idle: list[Measured] = []
    beside: dict[str, list[Measured]] = {attack: [] for attack in ATTACKS}
    done: dict[str, str] = {}
    with served(url, folder) as address:
        target = Target(address, known)
        measure(address, 3)  # the first questions make statements and caches ready
        for _ in range(rounds):
            idle.append(measure(address, seconds))
            for attack, senders in ATTACKS.items():
                with running(senders, target) as counts:
                    beside[attack].append(measure(address, seconds))
                done[attack] = counts()
                time.sleep(2)
    print(f"\n{name}: {LOOKUPS_PER_SECOND} lookups a second, {rounds} rounds of {seconds:g} s each")  # noqa: T201
    row = "{:24} {:>9} {:>9} {:>9} {:>7}  {}".format
    print(row("beside", "p50 ms", "p99 ms", "p99/idle", "failed", "answers to the attack"))  # noqa: T201
    print(row("idle", *shown(idle, idle), ""))  # noqa: T201
    for attack, found in beside.items():
        print(row(attack, *shown(found, idle), done[attack]), flush=True)  # noqa: T201
    return all(
        ratio(found, idle) < MAX_RATIO and not any(each.failed for each in found) for found in beside.values()
    )


def shown(found: list[Measured], idle: list[Measured]) -> tuple[str, str, str, int]:
    return (
        f"{statistics.median(each.p50_ms for each in found):.1f}",
        f"{statistics.median(each.p99_ms for each in found):.1f}",
        f"{ratio(found, idle):.2f}",
        sum(each.failed for each in found),
    )


def ratio(found: list[Measured], idle: list[Measured]) -> float:
    pairs = zip(found, idle, strict=True)
    return statistics.median(one.p99_ms / other.p99_ms for one, other in pairs)


def measure(address: str, seconds: float) -> Measured:
    """Ask at a steady rate, each question when its turn comes; what comes late counts from its turn."""
    took: list[float] = []
    failed = 0
    started = time.perf_counter()
    with httpx2.Client(base_url=address, timeout=60) as client:
        for number in range(int(seconds * LOOKUPS_PER_SECOND)):
            turn = started + number / LOOKUPS_PER_SECOND
            time.sleep(max(0.0, turn - time.perf_counter()))
            asked = time.perf_counter()
            try:
                failed += client.get(NEAREST).status_code != 200
            except httpx2.TransportError:
                failed += 1
            took.append((time.perf_counter() - asked) * 1000)
    return Measured(statistics.median(took), percentile(took, 0.99), failed)


@contextmanager
def served(url: str, folder: Path) -> Iterator[str]:
    """`aed serve` on a port of its own; its log stays in the folder."""
    environment = {
        **os.environ,
        "AED_DATABASE_URL": url,
        "AED_WALKING_NETWORK": str(folder / "none"),
        "AED_OUTBOX_SPOOL": str(folder / "outbox"),
        "AED_SIGNING_KEYS": str(folder / "signing-keys.json"),
        "AED_LOG_LEVEL": "warning",
        "AED_RUN_JOBS": "false",
    }
    port = free_port()
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aed", "serve", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        give_up_at = time.monotonic() + 120
        while True:
            try:
                httpx2.get(f"{address}/healthz", timeout=2)
                break
            except httpx2.TransportError:
                if time.monotonic() > give_up_at or process.poll() is not None:
                    raise RuntimeError((folder / "serve.log").read_text(encoding="utf-8")) from None
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
