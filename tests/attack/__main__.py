"""`python -m tests.attack`: attack a server process on loopback and print lookup times meanwhile.

1. Start `aed serve` on SQLite, then on PostGIS, each with a small registry.
2. Send lookups at a constant rate for SECONDS: idle, during the first attack, idle, during the second, and
   so on; this is one round.
3. Print medians over ROUNDS, and the ratios of their p95 and p99 to the medians of all idle windows.
4. Fail if a ratio of p99 is MAX_RATIO or more, or if a lookup failed.

It ends by itself and sends requests only to the process it started. Senders have the lowest priority: a real
attacker uses another machine, so their CPU time must not slow the server down.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from aed.cli.server import bring_up_to_date
from aed.database.session import open_database, transaction
from aed.settings import Settings
from tests.attack.attacks import ATTACKS, Target, prepare
from tests.attack.load import percentile, running
from tests.commands import KEY
from tests.make import PATIENT
from tests.throwaway_postgres import throwaway_postgres

LOOKUPS_PER_SECOND = 40
MAX_RATIO = 5.0
NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"


@dataclass(frozen=True, slots=True)
class Measured:
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int


def main() -> int:
    rounds, seconds = int(os.environ.get("ROUNDS", "3")), float(os.environ.get("SECONDS", "8"))
    os.environ["AED_ENCRYPTION_KEYS"] = KEY
    is_within = True
    only = os.environ.get("DATABASE")
    with tempfile.TemporaryDirectory(prefix="aed-attack-") as folder:
        path = Path(folder)
        if only != "PostGIS":
            is_within &= attack(f"sqlite:///{path / 'aed.sqlite'}", "SQLite", path, rounds, seconds)
        if only != "SQLite":
            with throwaway_postgres() as url:
                is_within &= attack(url, "PostGIS", path, rounds, seconds)
    return 0 if is_within else 1


def attack(url: str, name: str, folder: Path, rounds: int, seconds: float) -> bool:
    """Print the table of one database; return True if every attack keeps lookups within the bound."""
    settings = Settings(database_url=url, walking_network=folder / "none")
    database = open_database(settings)
    bring_up_to_date(database)
    with transaction(database) as session:
        known = prepare(session)
    database.close()
    idle: list[Measured] = []
    found: dict[str, list[Measured]] = {attack: [] for attack in ATTACKS}
    answers: dict[str, Counter[str]] = {attack: Counter() for attack in ATTACKS}
    with served(url, folder) as address:
        target = Target(address, known)
        measure(address, 3)  # the first requests fill statement caches
        for _ in range(rounds):
            idle.append(measure(address, seconds))
            for attack, senders in ATTACKS.items():
                with running(senders, target) as answered:
                    found[attack].append(measure(address, seconds))
                answers[attack] += answered
                time.sleep(2)
                idle.append(measure(address, seconds))
    asked = int(seconds * LOOKUPS_PER_SECOND)
    print(f"\n{name}: {LOOKUPS_PER_SECOND} lookups a second, {rounds} rounds of {asked} for each line")  # noqa: T201 - its output
    row = "{:22} {:>7} {:>7} {:>7} {:>9} {:>9} {:>7}  {}".format
    print(row("beside", "p50 ms", "p95 ms", "p99 ms", "p95/idle", "p99/idle", "failed", "answers"))  # noqa: T201 - its output
    print(row("idle", *shown(idle), "", "", sum(each.failed for each in idle), ""))  # noqa: T201 - its output
    for attack, beside in found.items():
        ratios = [f"{median(beside, which) / median(idle, which):.2f}" for which in ("p95_ms", "p99_ms")]
        failed = sum(each.failed for each in beside)
        what = ", ".join(f"{count} x {answer}" for answer, count in sorted(answers[attack].items()))
        print(row(attack, *shown(beside), *ratios, failed, what), flush=True)  # noqa: T201 - its output
    return all(
        median(beside, "p99_ms") < MAX_RATIO * median(idle, "p99_ms")
        and not any(each.failed for each in beside)
        for beside in found.values()
    )


def shown(found: list[Measured]) -> list[str]:
    return [f"{median(found, which):.1f}" for which in ("p50_ms", "p95_ms", "p99_ms")]


def median(found: list[Measured], which: str) -> float:
    return float(statistics.median(getattr(each, which) for each in found))


def measure(address: str, seconds: float) -> Measured:
    """Send lookups at a constant rate.

    A lookup delayed by the previous response is timed from its scheduled start; one delayed because the
    machine woke this client late is timed from its actual start.
    """
    took: list[float] = []
    failed = 0
    started = time.perf_counter()
    with httpx2.Client(base_url=address, timeout=60) as client:
        for number in range(int(seconds * LOOKUPS_PER_SECOND)):
            turn = started + number / LOOKUPS_PER_SECOND
            early = turn - time.perf_counter()
            if early > 0:
                time.sleep(early)
                turn = time.perf_counter()
            try:
                failed += client.get(NEAREST).status_code != 200
            except httpx2.TransportError:
                failed += 1
            took.append((time.perf_counter() - turn) * 1000)
    return Measured(statistics.median(took), percentile(took, 0.95), percentile(took, 0.99), failed)


@contextmanager
def served(url: str, folder: Path) -> Iterator[str]:
    """Run `aed serve` on a free port; its log stays in the folder."""
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
