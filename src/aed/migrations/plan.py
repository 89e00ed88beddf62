"""What an upgrade does to PostgreSQL: which tables its statements lock, for how long, on how many rows.

Nothing is executed: the migrations are run against a recorder of statements.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine.mock import MockConnection

from aed.migrations import config, head


class Lock(StrEnum):
    """A table lock of PostgreSQL."""

    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def blocks(self) -> str:
        """Which requests wait for the lock."""
        if self is Lock.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self in (Lock.SHARE, Lock.SHARE_ROW_EXCLUSIVE) else "nothing"


class Work(StrEnum):
    """What a statement does with the rows of its table."""

    NONE = "only the catalogue"
    SCAN = "reads every row"
    INDEX = "builds an index"
    REWRITE = "rewrites the table"
    ROWS = "changes rows"


ROWS_PER_SECOND: Final[Mapping[Work, float]] = {
    Work.SCAN: 2_000_000,
    Work.INDEX: 500_000,
    Work.REWRITE: 250_000,
    Work.ROWS: 35_000,
}
"""Measured with 1,000,000 rows of 220 bytes on one busy core."""

BIG_TABLES: Final = frozenset(
    {
        "alert_answers",
        "alerts",
        "attendances",
        "audit_log",
        "buildings",
        "certificates",
        "checks",
        "consents",
        "consumables",
        "devices",
        "enrolments",
        "incident_events",
        "ledger_accounts",
        "ledger_entries",
        "live_places",
        "outbox",
        "people",
        "person_pairs",
        "photos",
        "registry_changes",
        "reminder_recipients",
        "reminders",
        "responder_places",
        "responders",
        "role_grants",
        "security_events",
        "service_records",
        "sign_ins",
        "source_records",
    }
)
"""Tables that grow with people, devices or events. From revision `ONLINE_FROM` on, migrations build their
indexes concurrently (`aed.migrations.indexes`) and do not rewrite them."""
ONLINE_FROM: Final = "0060"

_ADD_CONSTRAINT: Final = r"ALTER TABLE (\w+) ADD CONSTRAINT \w+ "
_RULES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), lock, work)
    for pattern, lock, work in (
        (r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY .*? ON (\w+)", Lock.SHARE_UPDATE_EXCLUSIVE, Work.INDEX),
        (r"CREATE (?:UNIQUE )?INDEX .*? ON (\w+)", Lock.SHARE, Work.INDEX),
        (
            r"ALTER TABLE (\w+) ADD COLUMN .*(?:\) STORED|SERIAL|AS IDENTITY"
            r"|DEFAULT .*(?:clock_timestamp|random|uuid|nextval))",
            Lock.ACCESS_EXCLUSIVE,
            Work.REWRITE,
        ),
        (r"ALTER TABLE (\w+) ALTER COLUMN \w+ (?:SET DATA )?TYPE", Lock.ACCESS_EXCLUSIVE, Work.REWRITE),
        (r"ALTER TABLE (\w+) ALTER COLUMN \w+ SET NOT NULL", Lock.ACCESS_EXCLUSIVE, Work.SCAN),
        (_ADD_CONSTRAINT + r"FOREIGN KEY.*NOT VALID", Lock.SHARE_ROW_EXCLUSIVE, Work.NONE),
        (_ADD_CONSTRAINT + r"FOREIGN KEY", Lock.SHARE_ROW_EXCLUSIVE, Work.SCAN),
        (_ADD_CONSTRAINT + r".*(?:NOT VALID|USING INDEX)", Lock.ACCESS_EXCLUSIVE, Work.NONE),
        (_ADD_CONSTRAINT + r"CHECK", Lock.ACCESS_EXCLUSIVE, Work.SCAN),
        (_ADD_CONSTRAINT, Lock.ACCESS_EXCLUSIVE, Work.INDEX),
        (r"ALTER TABLE (\w+) VALIDATE CONSTRAINT", Lock.SHARE_UPDATE_EXCLUSIVE, Work.SCAN),
        (r"(?:ALTER|DROP) TABLE (\w+)", Lock.ACCESS_EXCLUSIVE, Work.NONE),
        (r"DROP INDEX (?:CONCURRENTLY )?(?:IF EXISTS )?(\w+)", Lock.ACCESS_EXCLUSIVE, Work.NONE),
        (r"CREATE (?:CONSTRAINT )?TRIGGER .*? ON (\w+)", Lock.SHARE_ROW_EXCLUSIVE, Work.NONE),
        (r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", Lock.ROW_EXCLUSIVE, Work.ROWS),
    )
)
_REFERENCES: Final = re.compile(r"\bREFERENCES (\w+)", re.IGNORECASE)
_CREATES: Final = re.compile(r"CREATE TABLE (\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableLock:
    """The lock that a statement takes on a table which was there before the migration."""

    table: str
    lock: Lock
    work: Work

    def seconds(self, rows: int) -> float:
        """Return roughly how long the statement takes with so many rows."""
        return rows / ROWS_PER_SECOND[self.work] if self.work in ROWS_PER_SECOND else 0.0


@dataclass(frozen=True, slots=True)
class PlannedMigration:
    """A migration with the locks it takes, each held until its transaction ends."""

    revision: str
    title: str
    locks: tuple[TableLock, ...]
    is_complete: bool
    """False if the migration reads data first, so that its other statements are not known before."""


def plan(connection: Connection, revision: str = "head") -> list[PlannedMigration]:
    """Return the migrations that an upgrade of the database to `revision` would run."""
    current = None
    if connection.dialect.has_table(connection, "alembic_version"):
        current = connection.scalar(text("SELECT version_num FROM alembic_version"))
    target = head() if revision == "head" else revision
    scripts = ScriptDirectory.from_config(config()).iterate_revisions(target, current or "base")
    return [planned(each) for each in reversed([*scripts])]


def row_counts(connection: Connection) -> dict[str, int]:
    """Return about how many rows each table has; PostgreSQL only."""
    counts = text(
        "SELECT c.relname, greatest(reltuples, n_live_tup, 0)::bigint AS rows FROM pg_class c "
        "JOIN pg_stat_user_tables ON relid = c.oid"
    )
    return {row.relname: row.rows for row in connection.execute(counts)}


def planned(script: Script) -> PlannedMigration:
    """Return a migration with the locks of its statements on PostgreSQL."""
    statements, is_complete = recorded_statements(script)
    created: set[str] = set()
    locks: dict[TableLock, None] = {}
    for each in statements:
        created |= set(_CREATES.findall(each))
        locks.update((lock, None) for lock in locks_of(each) if lock.table not in created)
    title = (script.doc or "").strip()
    return PlannedMigration(script.revision, title, tuple(locks), is_complete)


def locks_of(statement: str) -> Iterator[TableLock]:
    """Yield the locks of a statement on PostgreSQL: on its table, and on those it refers to."""
    for pattern, lock, work in _RULES:
        found = pattern.match(statement)
        if found:
            yield TableLock(found.group(1), lock, work)
            break
    if re.match("CREATE TABLE|ALTER TABLE", statement, re.IGNORECASE):
        for table in _REFERENCES.findall(statement):
            yield TableLock(table, Lock.SHARE_ROW_EXCLUSIVE, Work.NONE)


class _Recorder(io.StringIO):
    """Keeps the statements that alembic writes, one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.statements: list[str] = []

    def write(self, written: str) -> int:
        self.statements.append(written.strip().removesuffix(";"))
        return len(written)


class _RecordingConnection(MockConnection):
    """A connection that only records, also the statements in SQL.

    SQLAlchemy's name is not of a test: its `MockConnection` passes each construct on instead of running it.
    """

    def exec_driver_sql(self, statement: str) -> None:
        self.execute(text(statement.replace(":", r"\:")))


def recorded_statements(script: Script) -> tuple[list[str], bool]:
    """Return the statements of a migration on PostgreSQL, and whether these are all.

    A migration that reads the database, or changes rows one by one, ends the recording.
    """
    recorder = _Recorder()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": recorder}
    )

    def record(construct: Any, *_parameters: Any, **_more: Any) -> None:
        context.impl._exec(construct)

    recording: Any = _RecordingConnection(context.dialect, record)
    context.connection = context.impl.connection = recording
    try:
        with Operations.context(context):
            script.module.upgrade()
    except (AttributeError, KeyError, TypeError):  # it used an answer of the database, and there is none
        return recorder.statements, False
    return recorder.statements, True
