"""What an upgrade locks is known before, and the release before goes on working beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text

from aed import migrations
from aed.database.session import Database, open_database
from aed.database.types import Table
from aed.migrations.indexes import create_index_online
from aed.migrations.plan import BIG_TABLES, ONLINE_FROM, Lock, TableLock, Work, locks_of, planned
from aed.settings import Settings
from tests.throwaway_postgres import copy_database, drop_database

LAST_RELEASE = "0.1.0"
COMPATIBLE_FROM = "0059"
"""Programs made for this schema must work at the newest one. At each release it becomes the release's own."""


def scripts() -> dict[str, Script]:
    found = ScriptDirectory.from_config(migrations.config()).walk_revisions()
    return {each.revision: each for each in found}


# --- the plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "lock", "work"),
    [
        ("CREATE INDEX ix_a ON people (a)", Lock.SHARE, Work.INDEX),
        (
            "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix_a ON people (a)",
            Lock.SHARE_UPDATE_EXCLUSIVE,
            Work.INDEX,
        ),
        ("ALTER TABLE people ADD COLUMN a INTEGER DEFAULT 1 NOT NULL", Lock.ACCESS_EXCLUSIVE, Work.NONE),
        (
            "ALTER TABLE people ADD COLUMN a UUID DEFAULT gen_random_uuid()",
            Lock.ACCESS_EXCLUSIVE,
            Work.REWRITE,
        ),
        ("ALTER TABLE people ALTER COLUMN a TYPE BIGINT", Lock.ACCESS_EXCLUSIVE, Work.REWRITE),
        ("ALTER TABLE people ALTER COLUMN a SET NOT NULL", Lock.ACCESS_EXCLUSIVE, Work.SCAN),
        ("ALTER TABLE people ADD CONSTRAINT c CHECK (a > 0)", Lock.ACCESS_EXCLUSIVE, Work.SCAN),
        ("ALTER TABLE people ADD CONSTRAINT c CHECK (a > 0) NOT VALID", Lock.ACCESS_EXCLUSIVE, Work.NONE),
        ("ALTER TABLE people VALIDATE CONSTRAINT c", Lock.SHARE_UPDATE_EXCLUSIVE, Work.SCAN),
        ("ALTER TABLE people ADD CONSTRAINT c UNIQUE (a)", Lock.ACCESS_EXCLUSIVE, Work.INDEX),
        ("ALTER TABLE people RENAME COLUMN a TO b", Lock.ACCESS_EXCLUSIVE, Work.NONE),
        ("UPDATE people SET a = 1", Lock.ROW_EXCLUSIVE, Work.ROWS),
        ("CREATE TABLE x (a BIGINT REFERENCES people (id))", Lock.SHARE_ROW_EXCLUSIVE, Work.NONE),
    ],
)
def test_a_statement_says_what_it_locks(statement: str, lock: Lock, work: Work) -> None:
    assert [*locks_of(statement)] == [TableLock("people", lock, work)]


def test_a_migration_says_what_it_locks_of_what_is_there_before() -> None:
    shares = planned(scripts()["0045"])
    assert TableLock("devices", Lock.SHARE, Work.INDEX) in shares.locks
    assert "agreements" not in {each.table for each in shares.locks}, "it creates them"
    assert shares.is_complete
    assert planned(scripts()["0049"]).is_complete, "with its functions and triggers"
    assert not planned(scripts()["0009"]).is_complete, "which reads rows"


def offline_problems(script: Script) -> list[TableLock]:
    """Return the locks by which a migration would stop requests to a big table for long."""
    return [
        each
        for each in planned(script).locks
        if each.table in BIG_TABLES
        and each.lock is not Lock.SHARE_UPDATE_EXCLUSIVE
        and each.work in (Work.INDEX, Work.REWRITE)
    ]


def test_new_migrations_build_the_indexes_of_big_tables_concurrently() -> None:
    assert set(Table.metadata.tables) >= BIG_TABLES
    assert offline_problems(scripts()["0045"]), "what the test would find"
    found = {
        each.revision: offline_problems(each)
        for each in scripts().values()
        if each.revision >= ONLINE_FROM and offline_problems(each)
    }
    assert found == {}, "use aed.migrations.indexes.create_index_online, and do not rewrite the table"


def test_an_index_is_built_while_rows_are_written_and_again_after_an_interruption(
    database: Database,
) -> None:
    def build(connection: Connection) -> None:
        context = MigrationContext.configure(connection)
        with context.begin_transaction(), Operations.context(context):
            create_index_online("ix_people_tried", "people", ["name"])

    with database.engine.connect() as connection:
        build(connection)
        if connection.dialect.name != "postgresql":
            return
        index = {"name": "ix_people_tried"}
        is_valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
        connection.execute(
            text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)"), index
        )
        connection.commit()
        build(connection)
        assert connection.scalar(is_valid, index) is True


# --- the release before ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Column:
    type: str
    is_required: bool
    """NOT NULL."""
    has_default: bool


@dataclass(frozen=True)
class Schema:
    """What the statements of a program depend on, by table."""

    columns: dict[str, dict[str, Column]]
    checks: dict[str, dict[str, str]] = field(default_factory=dict)
    unique: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)


def schema_of(connection: Connection) -> Schema:
    schema = Schema(columns={}, checks={}, unique={})
    columns = """
        SELECT relname, attname, format_type(atttypid, atttypmod), attnotnull,
            atthasdef OR attidentity <> '' FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
    """
    for table, name, kind, is_required, has_default in connection.execute(text(columns)):
        schema.columns.setdefault(table, {})[name] = Column(kind, is_required, has_default)
    checks = """
        SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid) FROM pg_constraint
        JOIN pg_class ON pg_class.oid = conrelid WHERE contype = 'c'
    """
    for table, name, definition in connection.execute(text(checks)):
        schema.checks.setdefault(table, {})[name] = definition
    unique = """
        SELECT t.relname, i.relname, array(
            SELECT attname FROM pg_attribute WHERE attrelid = t.oid AND attnum = ANY (indkey)
        ) FROM pg_index JOIN pg_class t ON t.oid = indrelid JOIN pg_class i ON i.oid = indexrelid
        WHERE indisunique AND t.relnamespace = 'public'::regnamespace
    """
    for table, name, names in connection.execute(text(unique)):
        schema.unique.setdefault(table, {})[name] = tuple(names)
    return schema


def incompatibilities(before: Schema, after: Schema) -> Iterator[str]:
    """Yield what would fail in a program made for `before` that reads and writes at `after`."""
    for table, columns in before.columns.items():
        now = after.columns.get(table)
        if now is None:
            yield f"{table} is gone"
            continue
        for name, column in columns.items():
            if name not in now:
                yield f"{table}.{name} is gone"
            elif now[name].type != column.type:
                yield f"{table}.{name} is {now[name].type}, was {column.type}"
            elif now[name].is_required and not column.is_required:
                yield f"{table}.{name} has become NOT NULL"
        for name in now.keys() - columns.keys():
            if now[name].is_required and not now[name].has_default:
                yield f"{table}.{name} is new, NOT NULL, and has no default"
        old_checks = before.checks.get(table, {})
        for name, check in after.checks.get(table, {}).items():
            concerns = {each for each in columns if re.search(rf"\b{each}\b", check)}
            if check not in old_checks.values() and concerns and not _widens(old_checks.get(name), check):
                yield f"{table}: CHECK {name} is new or narrower"
        for name, names in after.unique.get(table, {}).items():
            if set(names) <= columns.keys() and names not in before.unique.get(table, {}).values():
                yield f"{table}: UNIQUE {name} is new"


def _widens(before: str | None, after: str) -> bool:
    """True if a CHECK differs only by more values in its list."""
    if before is None:
        return False
    value = re.compile(r"'[^']*'::[a-z ]+")
    return set(value.findall(before)) <= set(value.findall(after)) and (
        re.sub(r"\[.*?\]", "[]", value.sub("", before)) == re.sub(r"\[.*?\]", "[]", value.sub("", after))
    )


OLD = Schema(
    columns={"people": {"name": Column("text", is_required=True, has_default=False)}},
    checks={"people": {"ck_state": "CHECK (name = ANY (ARRAY['a'::text, 'b'::text]))"}},
)
NAME = OLD.columns["people"]["name"]
MORE = {"people": {"ck_state": "CHECK (name = ANY (ARRAY['a'::text, 'b'::text, 'c'::text]))"}}
LESS = {"people": {"ck_state": "CHECK (name = ANY (ARRAY['a'::text]))"}}


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        (Schema({"people": {"name": NAME, "age": replace(NAME, has_default=True)}}), None),
        (Schema({"people": {"name": NAME, "age": replace(NAME, is_required=False)}, "more": {}}), None),
        (replace(OLD, checks=MORE), None),
        (Schema({}), "people is gone"),
        (Schema({"people": {"called": NAME}}), "people.name is gone"),
        (Schema({"people": {"name": replace(NAME, type="integer")}}), "people.name is integer, was text"),
        (Schema({"people": {"name": NAME, "age": NAME}}), "people.age is new, NOT NULL, and has no default"),
        (replace(OLD, checks=LESS), "people: CHECK ck_state is new or narrower"),
        (replace(OLD, unique={"people": {"uq": ("name",)}}), "people: UNIQUE uq is new"),
    ],
)
def test_migrations_keep_what_the_previous_release_needs(new: Schema, problem: str | None) -> None:
    found = [*incompatibilities(OLD, new)]
    assert problem in found if problem else found == []


def test_the_last_release_is_the_one_whose_schema_is_kept() -> None:
    changelog = (Path(__file__).parent.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(r"^## \[([\d.]+)\]", changelog, re.MULTILINE)
    assert found is not None
    assert found.group(1) == LAST_RELEASE, "set COMPATIBLE_FROM to its schema, and LAST_RELEASE"


def test_a_program_of_the_release_before_reads_and_writes_at_the_newest_schema(postgis_template: str) -> None:
    """Compare the tables, columns, CHECKs and unique keys that every statement of that program names.

    Not covered: triggers, foreign keys, and values with a new meaning.
    """
    url = copy_database(postgis_template.rsplit("/", 1)[0] + "/template1", "compatible")
    database = open_database(Settings(database_url=url))
    try:
        migrations.upgrade(database, COMPATIBLE_FROM)
        with database.engine.connect() as connection:
            before = schema_of(connection)
        migrations.upgrade(database)
        with database.engine.connect() as connection:
            after = schema_of(connection)
    finally:
        database.close()
        drop_database(url)

    assert before.columns.keys() > {"people", "devices", "replication_heartbeat"}
    assert before.checks["people"] or before.unique["people"]
    assert [*incompatibilities(before, after)] == []
