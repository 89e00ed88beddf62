"""Back up PostGIS with pg_dump on a snapshot; restore the statements of pg_restore in one transaction."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from sqlalchemy import Connection, Engine, text

from aed import migrations
from aed.backup.archive import CHUNK_BYTES, BackupContents, Manifest, Progress, Write, read_payload
from aed.backup.tables import count_rows, is_as_new, own_tables, schema_revision
from aed.database.schema import prepare_database
from aed.database.session import Database, lift_statement_timeout, translate_database_errors
from aed.errors import BackupFailed, BackupUnusable, Conflict

PROGRAMS = Path("/usr/lib/postgresql")
LOCK_SECONDS = 10
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_COPY = re.compile(rb"COPY .* FROM stdin;\n")
_FOREIGN_OBJECTS = re.compile(
    r"\d+; \d+ \d+ (SCHEMA|EXTENSION|ACL|DEFAULT ACL|COMMENT - (SCHEMA|EXTENSION)) "
)
"""Entries of a dump's table of contents that are not restored: the target database has or decides them."""
_COPY_BYTES = 1 << 18


# --- backup ---------------------------------------------------------------------------------------------


def pour(database: Database, write: Write) -> BackupContents:
    """Write a dump of the database at one moment, in pg_dump's custom format. Writers are not blocked.

    The rows are counted in the same snapshot that pg_dump reads.
    """
    engine = database.engine.execution_options(isolation_level="REPEATABLE READ")
    with translate_database_errors(), engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        _without_timeouts(connection)
        major = _server_major(connection)
        program = _program("pg_dump", major)
        tables = own_tables(connection)
        revision = schema_revision(connection, tables)
        if revision is None:
            raise BackupFailed("The database has no schema yet, so there is nothing to back up.")
        snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
        schema = connection.scalar(text("SELECT current_schema()"))
        contents = BackupContents(
            server=f"PostgreSQL {connection.scalar(text('SHOW server_version'))}",
            server_major=major,
            schema_revision=revision,
            rows=count_rows(connection, tables),
        )
        conninfo, environment = _how_to_connect(database.engine)
        command = [
            str(program),
            "--format=custom",
            "--compress=1",
            f"--schema={_exactly(schema)}",
            f"--snapshot={snapshot}",
            f"--lock-wait-timeout={LOCK_SECONDS}s",
            "--no-password",
            f"--dbname={conninfo}",
        ]
        with _running(command, environment, "The database cannot be dumped") as output:
            while chunk := output.read(CHUNK_BYTES):
                write(chunk)
    return contents


def _exactly(name: str | None) -> str:
    """Return a name quoted for pg_dump's patterns, so that it contains no wildcard."""
    doubled = (name or "public").replace('"', '""')
    return f'"{doubled}"'


# --- restore --------------------------------------------------------------------------------------------


def restore(
    database: Database, backup: Path, manifest: Manifest, *, replace: bool, progress: Progress
) -> None:
    """Replace the contents of the database with the backup, and migrate them to the current schema.

    1. Unpack the dump, and verify its checksum.
    2. In one transaction: drop the program's own tables, create and fill those of the dump, add keys and
       indexes, compare the row counts, migrate. After an error, the database is unchanged.
    3. Update the planner's statistics of the new tables.

    Raises Conflict, BackupUnusable, BackupFailed, DatabaseUnavailable.
    """
    with translate_database_errors(), database.engine.connect() as connection:
        major = _server_major(connection)
        was_new = is_as_new(connection)
    if not was_new and not replace:
        raise Conflict("The database is not empty. To replace its contents, add --replace.")
    if major < manifest.server_major:
        raise BackupUnusable(
            "{backup} was made on {server}; this server is older: PostgreSQL {major}.",
            backup=backup,
            server=manifest.server,
            major=major,
        )
    program = _program("pg_restore", max(major, manifest.server_major), newest=True)
    with _unpacked(backup, manifest, progress) as dump, translate_database_errors():
        try:
            with database.engine.begin() as connection:
                loaded = _Counting(progress, manifest.payload_bytes)
                _load_dump(connection, program, dump, loaded)
                _compare(connection, backup, manifest)
                migrations.upgrade_on(connection)
        except psycopg.errors.LockNotAvailable as error:
            raise Conflict("The database is in use. Stop the service first.") from error
        except psycopg.Error as error:
            first = str(error).strip().splitlines()[:1]
            raise BackupFailed(
                "The backup cannot be restored; the database is unchanged: {names}", names=" ".join(first)
            ) from error
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            _without_timeouts(connection)
            for name in own_tables(connection):
                connection.exec_driver_sql(f'ANALYZE "{name}"')


@contextmanager
def _unpacked(backup: Path, manifest: Manifest, progress: Progress) -> Iterator[Path]:
    """Unpack the dump to a temporary file, in which pg_restore can seek.

    It is written to TMPDIR if set, else beside the backup, else to the default directory for temporary
    files. It is removed even if the process is killed.
    """
    folder = os.environ.get("TMPDIR") or (backup.parent if os.access(backup.parent, os.W_OK) else None)
    with tempfile.TemporaryFile(dir=folder) as file:
        for chunk in read_payload(backup, manifest, progress):
            file.write(chunk)
        file.flush()
        yield Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")


@dataclass(slots=True)
class _Counting:
    """Count the bytes that are loaded, after those that were unpacked; report megabytes."""

    progress: Progress
    size: int

    def add(self, more: int) -> None:
        self.size += more
        self.progress(self.size // 1_000_000)


def _load_dump(connection: Connection, program: Path, dump: Path, loaded: _Counting) -> None:
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    lift_statement_timeout(connection)  # the lock_timeout of the settings still applies
    prepare_database(connection)
    with raw.cursor() as cursor:
        _drop_own(cursor)
        with _contents_list(program, dump) as wanted:
            for section in ("pre-data", "data", "post-data"):
                command = [
                    str(program),
                    "--file=-",
                    "--no-owner",
                    "--no-privileges",
                    f"--section={section}",
                    f"--use-list={wanted}",
                    str(dump),
                ]
                with _running(command, None, "The dump cannot be read") as statements:
                    if section == "data":
                        _load(cursor, statements, loaded)
                    else:
                        _run(cursor, statements)
        cursor.execute("RESET ALL")
    _without_timeouts(connection)


@contextmanager
def _contents_list(program: Path, dump: Path) -> Iterator[str]:
    """Yield the name of a file that lists the entries of the dump's table of contents to restore."""
    with _running([str(program), "--list", str(dump)], None, "The dump cannot be read") as output:
        lines = output.read().decode().splitlines(keepends=True)
    with tempfile.NamedTemporaryFile("w", prefix="aed-restore-", encoding="utf-8") as file:
        file.writelines(line for line in lines if not _FOREIGN_OBJECTS.match(line))
        file.flush()
        yield file.name


_OWN_OBJECTS: Mapping[str, sql.SQL] = {
    # What to drop, and how to find it. Objects that belong to an extension are left out.
    "VIEW": sql.SQL("pg_class AS own WHERE relkind = 'v' AND relnamespace"),
    "MATERIALIZED VIEW": sql.SQL("pg_class AS own WHERE relkind = 'm' AND relnamespace"),
    "TABLE": sql.SQL("pg_class AS own WHERE relkind IN ('r', 'p') AND relnamespace"),
    "SEQUENCE": sql.SQL("pg_class AS own WHERE relkind = 'S' AND relnamespace"),
    "ROUTINE": sql.SQL("pg_proc AS own WHERE pronamespace"),
    "TYPE": sql.SQL("pg_type AS own WHERE typtype IN ('e', 'd', 'r') AND typnamespace"),
}
_NAMES: Mapping[str, sql.SQL] = {
    "ROUTINE": sql.SQL("oid::regprocedure::text"),  # with its arguments, quoted
    "TYPE": sql.SQL("quote_ident(typname)"),
}


def _drop_own(cursor: psycopg.Cursor) -> None:
    for kind, found in _OWN_OBJECTS.items():
        cursor.execute(
            sql.SQL(
                "SELECT {} FROM {} = current_schema()::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_depend "
                "WHERE pg_depend.classid = own.tableoid AND pg_depend.objid = own.oid AND deptype = 'e')"
            ).format(_NAMES.get(kind, sql.SQL("quote_ident(relname)")), found)
        )
        for (name,) in cursor.fetchall():
            cursor.execute(sql.SQL("DROP {} IF EXISTS {} CASCADE").format(sql.SQL(kind), sql.SQL(name)))


def _is_for_psql(line: bytes) -> bool:
    """Return True for the psql commands that keep it from running other programs; they are skipped."""
    return line.startswith((b"\\restrict ", b"\\unrestrict "))


def _run(cursor: psycopg.Cursor, statements: Iterable[bytes]) -> None:
    cursor.execute(b"".join(line for line in statements if not _is_for_psql(line)))


def _load(cursor: psycopg.Cursor, statements: Iterable[bytes], loaded: _Counting) -> None:
    """Run statements. Each COPY is followed by its rows, up to a line of a backslash and a dot."""
    pending: list[bytes] = []
    lines = iter(statements)
    for line in lines:
        if _COPY.fullmatch(line):
            _run(cursor, pending)
            pending.clear()
            _copy_in(cursor, line.removesuffix(b";\n"), lines, loaded)
        else:
            pending.append(line)
    _run(cursor, pending)


def _copy_in(cursor: psycopg.Cursor, statement: bytes, lines: Iterator[bytes], loaded: _Counting) -> None:
    with cursor.copy(statement) as copy:
        batch: list[bytes] = []
        size = 0
        for line in takewhile(lambda line: line != b"\\.\n", lines):
            batch.append(line)
            size += len(line)
            if size > _COPY_BYTES:
                copy.write(b"".join(batch))
                loaded.add(size)
                batch.clear()
                size = 0
        copy.write(b"".join(batch))
        loaded.add(size)


def _compare(connection: Connection, backup: Path, manifest: Manifest) -> None:
    tables = own_tables(connection)
    revision = schema_revision(connection, tables)
    if count_rows(connection, tables) != manifest.rows or revision != manifest.schema_revision:
        raise BackupUnusable(
            "The contents of {backup} do not match its manifest. Use an older backup.", backup=backup
        )


# --- PostgreSQL's client programs -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class _PgDump:
    major: int
    path: Path


def _program(name: str, at_least: int, *, newest: bool = False) -> Path:
    """Return the path of pg_dump or pg_restore, of at least that version: the closest, or the newest."""
    candidates = [*PROGRAMS.glob(f"*/bin/{name}")]
    if on_path := shutil.which(name):
        candidates.append(Path(on_path))
    found = sorted(
        _PgDump(major, path)
        for path in candidates
        if (major := _major_of(path)) is not None and major >= at_least
    )
    if not found:
        raise BackupFailed(
            "{name} of PostgreSQL {at_least} or newer is not installed. Run: apt-get "
            "install postgresql-client-{at_least}.",
            name=name,
            at_least=at_least,
        )
    return (found[-1] if newest else found[0]).path


def _major_of(program: Path) -> int | None:
    try:
        answer = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = _VERSION.search(answer.stdout)
    return int(version[1]) if version and answer.returncode == 0 else None


def _server_major(connection: Connection) -> int:
    return int(connection.scalar(text("SHOW server_version_num"))) // 10_000


def _without_timeouts(connection: Connection) -> None:
    lift_statement_timeout(connection)
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        connection.exec_driver_sql(f"SET {name} = 0")


def _how_to_connect(engine: Engine) -> tuple[str, dict[str, str]]:
    """Return libpq's connection string for the command line, and the environment with the password."""
    _, given = engine.dialect.create_connect_args(engine.url)
    parameters = {name: str(value) for name, value in given.items() if name != "context"}
    environment = _environment()
    if (password := parameters.pop("password", None)) is not None:
        environment["PGPASSWORD"] = password
    return psycopg.conninfo.make_conninfo(**parameters), environment


def _environment() -> dict[str, str]:
    """Return an environment for English messages, without a database that would mislead Debian's wrapper."""
    return {**os.environ, "LC_ALL": "C"}


@contextmanager
def _running(command: list[str], environment: dict[str, str] | None, failing: str) -> Iterator[IO[bytes]]:
    """Run a program and yield its output. Raises BackupFailed if it fails."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            env=environment or _environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            bufsize=CHUNK_BYTES,
        )
        assert process.stdout is not None
        try:
            with process.stdout:
                yield process.stdout
            status = process.wait()
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if status != 0:
            output.seek(0)
            last = output.read().decode(errors="replace").strip().splitlines()[-1:]
            raise BackupFailed(
                "{failing}: {value}", failing=failing, value=" ".join(last) or f"status {status}"
            )
