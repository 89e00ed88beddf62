"""An import is applied completely or not at all, despite failures and concurrent work."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from aed.database.session import Database, transaction
from aed.imports.devices.actions import import_devices
from aed.registry.changes import RegistryChange
from aed.registry.devices.models import Consumable, Device
from tests import make
from tests.commands import ROOT, environment
from tests.imports.lists import DEVICE, counts, table
from tests.make import ADMINISTRATOR, NOW

MANY = 1_100
"""More than two batches."""


def many(folder: Path) -> Path:
    row = DEVICE | {"place_en": "Hall", "pads_expire_on": "2028-05-31"}
    rows = [row | {"source_id": f"d{number}"} for number in range(MANY)]
    return table(folder, *rows, name="many.csv")


def row_counts(database: Database) -> tuple[int, int, int]:
    """Return the numbers of devices, consumables and changes in the registry."""
    of_these = RegistryChange.subject.in_(["devices", "consumables"])
    with database.read_sessions() as session:
        devices = session.scalar(select(func.count(Device.id)))
        consumables = session.scalar(select(func.count(Consumable.id)))
        changes = session.scalar(select(func.count(RegistryChange.id)).where(of_these))
    return devices or 0, consumables or 0, changes or 0


def a_few(database: Database, folder: Path) -> tuple[int, int, int]:
    """Import a few devices before the large import; return the counts."""
    rows = [DEVICE | {"source_id": f"d{n}", "pads_expire_on": "2027-01-01"} for n in range(5)]
    with transaction(database) as session:
        make.region(session)
        import_devices(session, ADMINISTRATOR, table(folder, *rows, name="few.csv"), at=NOW)
    return row_counts(database)


class Interrupted(Exception):
    pass


def interrupting(after: int) -> Callable[[int], None]:
    def progress(done: int) -> None:
        if done == after:
            raise Interrupted

    return progress


def import_many(
    session: Session, path: Path, progress: Callable[[int], None] | None = None
) -> tuple[int, ...]:
    return counts(import_devices(session, ADMINISTRATOR, path, at=NOW, progress=progress))


def test_an_exception_during_an_import_leaves_the_register_unchanged(
    database: Database, tmp_path: Path
) -> None:
    before = a_few(database, tmp_path)
    path = many(tmp_path)

    with pytest.raises(Interrupted), transaction(database) as session:
        import_many(session, path, interrupting(after=1_050))

    assert row_counts(database) == before
    with transaction(database) as session:
        assert import_many(session, path) == (MANY - 5, 5, 0, 0)


KILLED = """
import sys
from pathlib import Path
from aed.cli.context import operator, cli_transaction
from aed.imports.devices.actions import import_devices
from tests.make import NOW

def halt(done):
    if done == 1_050:
        print("in the middle", flush=True)
        sys.stdin.read()

with cli_transaction() as session:
    import_devices(session, operator(), Path(sys.argv[1]), at=NOW, progress=halt)
"""


def test_a_killed_import_leaves_the_register_unchanged(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    before = a_few(database, tmp_path)
    path = many(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        cwd=ROOT,
        env=environment(AED_DATABASE_URL=database_url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as importing:
        assert importing.stdout is not None
        assert importing.stdout.readline() == "in the middle\n"
        importing.send_signal(signal.SIGKILL)
        importing.wait(timeout=300)

    assert row_counts(database) == before
    if database.engine.dialect.name == "sqlite":
        with database.read_sessions() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
    with transaction(database) as session:
        assert import_many(session, path) == (MANY - 5, 5, 0, 0)


def test_importing_the_same_list_twice_at_once_creates_no_duplicates(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    a_few(database, tmp_path)
    path = many(tmp_path)
    command = [sys.executable, "-m", "aed", "import", "devices", str(path)]
    running = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(AED_DATABASE_URL=database_url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    output = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0, 0], output
    assert sorted(out for out, _ in output) == [
        f"many.csv: 0 new, 0 changed, {MANY} unchanged, 0 set aside.\n",
        f"many.csv: {MANY - 5} new, 5 changed, 0 unchanged, 0 set aside.\n",
    ]
    devices, consumables, changes = row_counts(database)
    assert (devices, consumables) == (MANY, MANY)
    assert changes == 2 * MANY + 2 * 5
