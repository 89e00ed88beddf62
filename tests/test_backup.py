"""Backups: taken during writes, restored completely or not at all, on both databases."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from fastapi.testclient import TestClient
from geoalchemy2 import Geometry
from sqlalchemy import Connection, func, inspect, make_url, select, table, text
from sqlalchemy.orm import Session
from typer.testing import CliRunner

import aed.tables  # noqa: F401 - backups hold every table
from aed import migrations
from aed.accounts.permissions import TokenRole
from aed.backup import postgres, whole
from aed.backup.archive import MANIFEST, BackupKind, read_manifest
from aed.backup.folder import PARTIAL
from aed.cli import app as commands
from aed.database.session import Database, open_database, transaction
from aed.database.types import Table
from aed.errors import AedError, BackupFailed, BackupUnusable, Conflict, DatabaseUnavailable, InvalidInput
from aed.registry.devices.models import Device
from aed.settings import Settings
from tests import make
from tests.apps import app_on
from tests.make import NOW, PATIENT, east_of, north_of
from tests.throwaway_postgres import copy_database, drop_database

LATER = NOW + timedelta(hours=1)


def silent(_megabytes: int) -> None:
    """Ignore progress."""


@pytest.fixture
def elsewhere(
    database_url: str, request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[Settings]:
    """Yield an empty target database of the same kind: a missing file, or a database without PostGIS."""
    if database_url.startswith("sqlite"):
        yield settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/an 100% other/aed.sqlite"})
        return
    template = request.getfixturevalue("postgis_template")
    url = copy_database(template.rsplit("/", 1)[0] + "/template1", "elsewhere")
    yield settings.model_copy(update={"database_url": url, "lock_timeout_ms": 300})
    drop_database(url)


@contextlib.contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def take(database: Database, to: Path, keep: int | None = None) -> Path:
    return whole.take(database, to=to, keep=keep, at=NOW, progress=silent).path


def restore(settings: Settings, backup: Path, *, replace: bool = False) -> whole.RestoredBackup:
    with opened(settings) as database:
        return whole.restore(settings, database, backup, replace=replace, at=LATER, progress=silent)


def fill_register(session: Session) -> None:
    """Fill every table with values that are easily lost: Chinese, line breaks, quotes, SQL NULLs."""
    estate = make.estate(session, name_zh="春风里", name_en='O\'Brien "quoted" \\N Court')
    make.gate(session, estate, at=north_of(PATIENT, metres=60), opening_hours="08:00-20:00")
    for number in range(12):
        make.device(
            session,
            at=east_of(PATIENT, metres=17.123456789 * number),
            of=estate if number % 2 else None,
            pads_expire_on=date(2027, 1, 1),
            place_zh="一楼大厅\n保安亭旁\t左侧",
            access_instructions_en="\\.",
            keeper={"name": "王芳", "phone": "+86 571 0555 0100"},
        )
    make.responder(session, also_at=[north_of(PATIENT, metres=500)], estate_id=estate.id)
    make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()


def everything(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table, column by column; geometries as hexadecimal EWKB."""
    with opened(settings) as database, database.engine.connect() as connection:
        names = {*Table.metadata.tables, "alembic_version"}
        assert names <= set(inspect(connection).get_table_names())
        return {name: sorted(_rows(connection, name), key=repr) for name in sorted(names)}


def _rows(connection: Connection, name: str) -> list[tuple[object, ...]]:
    known = Table.metadata.tables.get(name)
    geometries = (
        {c.name for c in known.columns if isinstance(c.type, Geometry)} if known is not None else set()
    )
    to_hex = "hex(AsEWKB({}))" if connection.dialect.name == "sqlite" else "encode(ST_AsEWKB({}), 'hex')"
    columns = [
        text(to_hex.format(column["name"])) if column["name"] in geometries else text(column["name"])
        for column in inspect(connection).get_columns(name)
    ]
    return [tuple(row) for row in connection.execute(select(*columns).select_from(table(name)))]


def nearest(settings: Settings) -> object:
    with TestClient(app_on(settings)) as client:
        answer = client.get("/v1/nearest", params={"lat": PATIENT.lat, "lon": PATIENT.lon, "limit": 5})
    assert answer.status_code == 200
    found = answer.json()
    assert len(found["devices"]) == 5
    return [(each["id"], each["walk_metres"], each["fetch_seconds"]) for each in found["devices"]]


# --- backup and restore ---------------------------------------------------------------------------------


def test_a_backup_restored_into_an_empty_database_has_the_same_rows(
    session: Session, database: Database, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    fill_register(session)
    before = everything(settings)
    assert [name for name in Table.metadata.tables if _is_known(name) and not before[name]] == []

    backup = take(database, tmp_path / "backups")
    restored = restore(elsewhere, backup)

    after = everything(elsewhere)
    for name in before:
        assert after[name] == before[name], name
    assert restored.manifest.rows == {name: len(rows) for name, rows in before.items()}
    assert restored.set_aside is None
    assert nearest(elsewhere) == nearest(settings)


def _is_known(name: str) -> bool:
    """Return whether `fill_register` fills the tables of this context."""
    return name in {
        *("regions", "people", "tokens", "estates", "gates", "devices", "consumables", "registry_changes"),
        *("holiday_calendars", "holiday_years", "holiday_days"),
        *("responders", "certificates", "responder_places"),
    }


def test_a_restored_database_can_be_written_to(
    session: Session, database: Database, elsewhere: Settings, tmp_path: Path
) -> None:
    fill_register(session)
    last = session.scalar(select(func.max(Device.id)))
    assert last is not None
    restore(elsewhere, take(database, tmp_path / "one.zip"))

    with opened(elsewhere) as other, transaction(other) as writing:
        made = make.device(writing, at=PATIENT)
        assert made.id > last
        make.responder(writing)
    with opened(elsewhere) as other:
        again = take(other, tmp_path / "two.zip")
        with other.engine.connect() as connection:
            assert connection.scalar(select(func.count()).select_from(Device)) == 13
            assert connection.scalar(text("SELECT version_num FROM alembic_version")) == migrations.head()
    assert read_manifest(again).rows["devices"] == 13


def test_indexes_and_keys_are_restored(
    session: Session, database: Database, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    fill_register(session)
    restore(elsewhere, take(database, tmp_path))

    assert _schema(elsewhere) == _schema(settings)


def _schema(settings: Settings) -> list[tuple[object, ...]]:
    with opened(settings) as database, database.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            statement = "SELECT name, sql FROM sqlite_master ORDER BY name"
        else:
            statement = (
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL "
                "SELECT conname, CASE contype WHEN 'c' THEN 'a CHECK' ELSE pg_get_constraintdef(oid) END "
                "FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"
            )
        return [tuple(row) for row in connection.execute(text(statement))]


def test_a_backup_is_a_consistent_snapshot_under_concurrent_writes(
    session: Session, database: Database, settings: Settings, elsewhere: Settings, tmp_path: Path
) -> None:
    """Each transaction adds two devices, so a backup with an odd number is inconsistent."""
    make.region(session)
    session.commit()
    enough, pairs = threading.Event(), 0
    started = threading.Event()
    wrong: list[Exception] = []

    def write() -> None:
        nonlocal pairs
        try:
            with opened(settings) as mine:
                while not enough.is_set():
                    with transaction(mine) as writing:
                        make.device(writing, source_id=f"first {pairs}")
                        make.device(writing, source_id=f"second {pairs}")
                    pairs += 1
                    started.set()
        except AedError as error:
            wrong.append(error)
            started.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert started.wait(300)
        before = pairs
        backups = [take(database, tmp_path / f"{number}.zip") for number in range(4)]
        written_meanwhile = pairs - before
    finally:
        enough.set()
        writer.join()

    assert wrong == [], "a backup does not block writers"
    assert written_meanwhile > 0
    restore(elsewhere, backups[-1])
    devices = everything(elsewhere)["devices"]
    assert len(devices) >= 2 * before
    assert len(devices) % 2 == 0
    with opened(elsewhere) as other, other.engine.connect() as connection:
        names = set(connection.scalars(select(Device.source_id)))
        changed = connection.scalar(text("SELECT count(*) FROM registry_changes WHERE subject = 'devices'"))
    assert names == {
        f"{which} {number}" for which in ("first", "second") for number in range(len(devices) // 2)
    }
    assert changed == len(devices)


def test_a_backup_of_an_older_schema_is_migrated_when_restored(
    database: Database, elsewhere: Settings, tmp_path: Path
) -> None:
    script = ScriptDirectory.from_config(migrations.config()).get_revision("head")
    if script.down_revision is None:
        pytest.skip("the schema has one revision so far")
    migrations.downgrade(database, str(script.down_revision))
    backup = take(database, tmp_path)
    assert read_manifest(backup).schema_revision == script.down_revision

    restore(elsewhere, backup)

    with opened(elsewhere) as other, other.engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == migrations.head()


# --- the target database --------------------------------------------------------------------------------


def test_a_database_with_data_is_not_overwritten_without_the_replace_option(
    session: Session, database: Database, settings: Settings, tmp_path: Path
) -> None:
    fill_register(session)
    backup = take(database, tmp_path / "backups")
    with transaction(database) as writing:
        make.device(writing, source_id="of this afternoon")
    database.close()
    session.close()
    before = everything(settings)

    with pytest.raises(Conflict, match="--replace"):
        restore(settings, backup)
    assert everything(settings) == before

    restored = restore(settings, backup, replace=True)

    assert len(everything(settings)["devices"]) == 12
    if settings.database_url.startswith("sqlite"):
        assert restored.set_aside is not None
        aside = settings.model_copy(update={"database_url": f"sqlite:///{restored.set_aside}"})
        assert everything(aside) == before, "the replaced file is kept complete"


def test_a_new_installation_counts_as_empty(
    session: Session, database: Database, elsewhere: Settings, tmp_path: Path
) -> None:
    from aed.cli.server import bring_up_to_date

    fill_register(session)
    backup = take(database, tmp_path)
    with opened(elsewhere) as other:
        bring_up_to_date(other)

    assert restore(elsewhere, backup).set_aside is None
    assert len(everything(elsewhere)["devices"]) == 12


def test_a_database_in_use_is_not_replaced(
    session: Session, database: Database, elsewhere: Settings, tmp_path: Path
) -> None:
    fill_register(session)
    backup = take(database, tmp_path)
    restore(elsewhere, backup)
    with opened(elsewhere) as service, service.write_sessions.begin() as using:
        using.scalar(select(func.count()).select_from(Device))

        with pytest.raises(Conflict, match="Stop the service"):
            restore(elsewhere, backup, replace=True)

    assert len(everything(elsewhere)["devices"]) == 12
    restore(elsewhere, backup, replace=True)


def test_a_file_that_is_not_a_database_is_replaced_only_on_request_and_kept(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("a file is SpatiaLite's")
    backup = take(database, tmp_path / "backups")
    damaged = tmp_path / "damaged" / "aed.sqlite"
    damaged.parent.mkdir()
    damaged.write_bytes(b"no database at all " * 1000)
    damaged.with_name("aed.sqlite-wal").write_bytes(b"the log of another")
    there = settings.model_copy(update={"database_url": f"sqlite:///{damaged}"})
    with pytest.raises(Conflict, match="not empty"):
        restore(there, backup)

    restored = restore(there, backup, replace=True)

    assert restored.set_aside is not None
    assert restored.set_aside.read_bytes().startswith(b"no database at all")
    assert restored.set_aside.with_name(restored.set_aside.name + "-wal").exists()
    assert everything(there) == everything(settings)


def test_a_leftover_write_ahead_log_is_not_applied_to_the_restored_database(
    settings: Settings, session: Session, database: Database, tmp_path: Path
) -> None:
    """The database file was lost but its write-ahead log remained."""
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("a log beside the file is SQLite's")
    fill_register(session)
    backup = take(database, tmp_path / "backups")
    file = Path(make_url(settings.database_url).database or "")
    before = everything(settings)
    with transaction(database) as writing:
        make.device(writing)
    lost = tmp_path / "lost"
    lost.mkdir()
    shutil.copy(file.with_name(file.name + "-wal"), lost / "aed.sqlite-wal")
    there = settings.model_copy(update={"database_url": f"sqlite:///{lost}/aed.sqlite"})

    restore(there, backup)

    assert everything(there) == before


def test_leftovers_of_a_killed_restore_do_not_block_the_next_one(
    session: Session, database: Database, settings: Settings, tmp_path: Path
) -> None:
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL rolls back")
    fill_register(session)
    backup = take(database, tmp_path / "backups")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    there = settings.model_copy(update={"database_url": f"sqlite:///{folder}/aed.sqlite"})
    left = folder / ".aed.sqlite.restoring"
    left.write_bytes(bytes(10_000_000))
    with left.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="in progress"):
            restore(there, backup)

    restore(there, backup)

    assert everything(there) == everything(settings)
    assert not left.exists()


# --- untrusted files --------------------------------------------------------------------------------------


@pytest.fixture
def backup(session: Session, database: Database, tmp_path: Path) -> Path:
    fill_register(session)
    return take(database, tmp_path / "good.zip")


def is_untouched(settings: Settings) -> bool:
    with opened(settings) as database:
        if settings.database_url.startswith("sqlite"):
            file = Path(make_url(settings.database_url).database or "")
            return list(file.parent.iterdir()) == []
        with database.engine.connect() as connection:
            return inspect(connection).get_table_names() == []


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.99, 0.9999])
def test_a_truncated_backup_is_refused(
    backup: Path, elsewhere: Settings, tmp_path: Path, part: float
) -> None:
    short = tmp_path / "short.zip"
    whole_file = backup.read_bytes()
    short.write_bytes(whole_file[: int(len(whole_file) * part)])

    with pytest.raises(BackupUnusable, match="damaged"):
        restore(elsewhere, short)
    assert is_untouched(elsewhere)


def test_a_backup_with_a_flipped_bit_is_refused(backup: Path, tmp_path: Path) -> None:
    """The backup is refused, or the bit was in a place that doesn't affect its contents."""
    good = backup.read_bytes()
    expected = read_manifest(backup)
    rng = random.Random(7)
    places = [rng.randrange(len(good)) for _ in range(120)]
    places += [*range(60), *range(len(good) - 200, len(good))]
    flipped = tmp_path / "flipped.zip"
    refused = 0
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 1 << rng.randrange(8)
        flipped.write_bytes(bad)
        try:
            assert whole.check(flipped, progress=silent) == expected, place
        except BackupUnusable:
            refused += 1
    assert refused > 200


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", b"SQLite format 3\x00" + bytes(5000), b"PGDMP\x01\x0e" + bytes(500), b"PK\x03\x04"],
    ids=["empty", "text", "a database", "a dump", "almost"],
)
def test_a_file_that_is_not_a_backup_is_refused(elsewhere: Settings, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.zip"
    file.write_bytes(content)

    with pytest.raises(BackupUnusable, match="not a backup"):
        restore(elsewhere, file)
    with pytest.raises(BackupUnusable, match="no file"):
        restore(elsewhere, tmp_path / "nothing.zip")
    with pytest.raises(BackupUnusable, match="no file"):
        restore(elsewhere, tmp_path)
    assert is_untouched(elsewhere)


def rewritten(backup: Path, to: Path, **changed: object) -> Path:
    """Copy the backup with a changed manifest to `to`."""
    with zipfile.ZipFile(backup) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == MANIFEST:
                content = json.dumps({**json.loads(content), **changed}).encode()
            new.writestr(name, content)
    return to


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"format": 2}, "newer version of this program"),
        ({"format": "1"}, "format"),
        ({"schema_revision": "9999"}, "9999"),
        ({"kind": "oracle"}, "kind"),
        ({"payload_sha256": "0" * 64}, "damaged"),
        ({"payload_bytes": 1}, "damaged"),
        ({"rows": {"devices": 11}}, "do not match its manifest"),
        ({"rows": None}, "rows"),
    ],
)
def test_a_backup_whose_manifest_differs_from_its_content_is_refused(
    backup: Path, elsewhere: Settings, tmp_path: Path, changed: dict[str, object], reason: str
) -> None:
    wrong = rewritten(backup, tmp_path / "wrong.zip", **changed)

    with pytest.raises(BackupUnusable, match=reason):
        restore(elsewhere, wrong)
    assert is_untouched(elsewhere)


def test_a_foreign_archive_is_refused(elsewhere: Settings, tmp_path: Path, backup: Path) -> None:
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("holiday.txt", "not a backup")
    with pytest.raises(BackupUnusable, match="not a backup"):
        restore(elsewhere, foreign)

    with zipfile.ZipFile(backup, "a") as archive:
        archive.writestr("../../etc/passwd", "root")
    with pytest.raises(BackupUnusable, match="is incomplete"):
        restore(elsewhere, backup)
    assert is_untouched(elsewhere)


def test_a_backup_of_the_other_database_kind_is_refused(
    backup: Path, tmp_path: Path, settings: Settings
) -> None:
    other = (
        "postgresql+psycopg://aed@127.0.0.1:1/aed"
        if read_manifest(backup).kind is BackupKind.SPATIALITE
        else f"sqlite:///{tmp_path}/other.sqlite"
    )

    with pytest.raises(BackupUnusable, match="AED_DATABASE_URL names a"):
        restore(settings.model_copy(update={"database_url": other}), backup)


def test_a_restore_that_fails_half_way_leaves_the_database_unchanged(
    backup: Path, session: Session, database: Database, settings: Settings, tmp_path: Path
) -> None:
    """The file's checksum is correct, but it contains half a dump or no database."""
    with zipfile.ZipFile(backup) as archive:
        manifest = read_manifest(backup)
        name = next(name for name in archive.namelist() if name != MANIFEST)
        half = archive.read(name)
    half = half[: int(len(half) * 0.6)]

    bad = tmp_path / "half.zip"
    stated = manifest.model_copy(
        update={"payload_bytes": len(half), "payload_sha256": hashlib.sha256(half).hexdigest()}
    )
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr(name, half)
        archive.writestr(MANIFEST, stated.model_dump_json())
    session.close()
    database.close()
    before = everything(settings)

    with pytest.raises((BackupFailed, BackupUnusable)):
        restore(settings, bad, replace=True)

    assert everything(settings) == before
    assert nearest(settings)


# --- the folder -------------------------------------------------------------------------------------------


def test_a_backup_is_never_overwritten_and_only_its_owner_can_read_it(
    database: Database, tmp_path: Path
) -> None:
    made = take(database, tmp_path / "new" / "folder")

    assert made.name.endswith("-20260922T020000Z.zip")
    assert made.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in made.parent.iterdir()] == [made.name]
    content = made.read_bytes()
    with pytest.raises(Conflict, match="already exists"):
        take(database, tmp_path / "new" / "folder")
    assert made.read_bytes() == content


def test_only_the_newest_backups_of_this_database_are_kept(database: Database, tmp_path: Path) -> None:
    name = take(database, tmp_path / "first").name.partition("-")[0]
    folder = tmp_path / "backups"
    folder.mkdir()
    strangers = {f"{name}.zip", f"{name}-notes.zip", f"another-{name}-20200101T000000Z.zip", "photo.jpg"}
    for stranger in strangers:
        (folder / stranger).touch()
    for day in range(1, 5):
        whole.take(database, to=folder, keep=None, at=NOW - timedelta(days=day), progress=silent)

    taken = whole.take(database, to=folder, keep=3, at=NOW, progress=silent)

    assert [path.name for path in taken.removed] == [
        f"{name}-20260918T020000Z.zip",
        f"{name}-20260919T020000Z.zip",
    ]
    assert {path.name for path in folder.iterdir()} == strangers | {
        f"{name}-202609{day}T020000Z.zip" for day in (20, 21, 22)
    }
    with pytest.raises(InvalidInput, match="--keep"):
        take(database, tmp_path / "one.zip", keep=3)


def test_leftovers_of_a_killed_backup_are_removed_and_a_running_backup_is_not(
    database: Database, tmp_path: Path
) -> None:
    left = tmp_path / f".aed-20260101T000000Z.zip{PARTIAL}"
    left.write_bytes(b"half")
    left.with_name(left.name + ".sqlite").write_bytes(b"half")
    under_way = tmp_path / f".aed-20260102T000000Z.zip{PARTIAL}"
    with under_way.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        made = take(database, tmp_path)

        kept = {path.name for path in tmp_path.glob("*.zip*")} | {path.name for path in tmp_path.glob(".*")}
        assert kept == {made.name, under_way.name}


def test_a_backup_that_fails_leaves_nothing_behind(
    database_url: str, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    bare = settings.model_copy(
        update={
            "database_url": f"sqlite:///{tmp_path}/nothing.sqlite"
            if database_url.startswith("sqlite")
            else make_url(database_url).set(database="postgres").render_as_string(hide_password=False)
        }
    )
    with opened(bare) as database, pytest.raises(BackupFailed, match=r"no (database|schema)"):
        take(database, folder)

    assert list(folder.iterdir()) == []
    assert not (tmp_path / "nothing.sqlite").exists()


def test_an_unwritable_folder_is_reported_in_a_sentence(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(BackupFailed, match=r"[Nn]ot a directory"):
        take(database, file / "folder")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 64 kB."""
    mountpoint = tmp_path / "disk"
    mountpoint.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mountpoint], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    yield mountpoint
    subprocess.run(["umount", mountpoint], check=True)


def test_a_full_disk_is_reported_in_a_sentence_and_leaves_nothing_behind(
    session: Session, database: Database, settings: Settings, small_disk: Path, tmp_path: Path
) -> None:
    fill_register(session)

    with pytest.raises(BackupFailed, match=r"no space left|disk is full"):
        take(database, small_disk)
    assert list(small_disk.iterdir()) == []

    if settings.database_url.startswith("sqlite"):
        backup = take(database, tmp_path / "backups")
        there = settings.model_copy(update={"database_url": f"sqlite:///{small_disk}/aed.sqlite"})
        with pytest.raises(BackupFailed, match="no space left"):
            restore(there, backup)
        assert list(small_disk.iterdir()) == []


def test_a_damaged_database_is_detected_by_a_backup(
    session: Session, database: Database, settings: Settings, tmp_path: Path
) -> None:
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL looks after its own pages")
    fill_register(session)
    session.close()
    database.close()
    file = Path(make_url(settings.database_url).database or "")
    with contextlib.closing(sqlite3.connect(file)) as raw:
        page = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'devices'").fetchone()[0]
        size = raw.execute("PRAGMA page_size").fetchone()[0]
        raw.execute("PRAGMA journal_mode = DELETE")
    with file.open("r+b") as raw_file:
        raw_file.seek((page - 1) * size)
        raw_file.write(os.urandom(size))

    with opened(settings) as damaged, pytest.raises(BackupFailed, match="damaged"):
        take(damaged, tmp_path / "backups")


# --- PostgreSQL's own programs ----------------------------------------------------------------------------


def test_the_password_appears_on_no_command_line_and_in_no_message(
    database_url: str, database: Database, session: Session
) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("a file has no password")
    # Enough that pg_dump is still writing when the test looks.
    session.execute(
        text(
            "INSERT INTO people (name, language) "
            "SELECT md5(i::text) || md5((-i)::text), 'zh' FROM generate_series(1, 90000) AS i"
        )
    )
    session.commit()
    password = make_url(database_url).password
    assert password
    lines: list[str] = []

    def look(_chunk: bytes) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                lines.append(
                    (process / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
                )

    postgres.pour(database, look)

    assert any("pg_dump" in line and "--format=custom" in line for line in lines)
    assert [line for line in lines if password in line] == []


def test_an_unreachable_server_is_reported_without_its_password(settings: Settings, tmp_path: Path) -> None:
    gone = settings.model_copy(update={"database_url": "postgresql+psycopg://aed:hunter2@127.0.0.1:1/aed"})

    with opened(gone) as database, pytest.raises(DatabaseUnavailable) as raised:
        take(database, tmp_path / "backups")
    assert "hunter2" not in raised.value.detail


def test_without_the_postgresql_client_programs_the_error_says_what_to_install(
    database_url: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite needs none")
    monkeypatch.setattr(postgres, "PROGRAMS", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BackupFailed, match=r"apt-get install postgresql-client-17"):
        take(database, tmp_path / "backups")


# --- the commands -----------------------------------------------------------------------------------------


def test_the_backup_commands_report_what_they_did(
    session: Session,
    settings: Settings,
    elsewhere: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fill_register(session)
    monkeypatch.setenv("AED_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("AED_BACKUPS", str(tmp_path / "backups"))
    runner = CliRunner()

    output = runner.invoke(commands, ["backup", "--keep", "14"]).output
    (made,) = (tmp_path / "backups").iterdir()
    assert str(made) in output
    assert "12 devices" in runner.invoke(commands, ["restore", str(made), "--check"]).output

    monkeypatch.setenv("AED_DATABASE_URL", elsewhere.database_url)
    assert "Restored" in runner.invoke(commands, ["restore", str(made)]).output
    again = runner.invoke(commands, ["restore", str(made)])
    assert again.exit_code == 1
    assert isinstance(again.exception, Conflict)
