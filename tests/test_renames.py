"""Renaming tables, columns, values, constraints and indexes; the migration to plain names."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping, inspect, text

from aed import migrations
from aed.database.session import Database, open_database
from aed.database.types import Table
from aed.migrations.renames import Renames, rename
from aed.settings import Settings
from tests.throwaway_postgres import copy_database, drop_database

BEFORE = "0034"
GEOMETRIES = {"position": "POINT(120 30)", "boundary": "MULTIPOLYGON(((120 30, 121 30, 121 31, 120 30)))"}
SPECIAL: dict[str, dict[str, Any]] = {
    "alerts": {"task": "direct"},
    "calendar_addresses": {"kind": "person", "person_id": 1},
    "call_outs": {"asked": 0, "ask_at": datetime(2026, 11, 30, tzinfo=UTC)},
    "devices": {"state": "withdrawn"},
    "endpoints": {"channel": "email"},
    "errands": {"fact": None, "call_out_id": 1},
    "incident_exclusions": {"person_id": 1},
    "incidents": {"state": "open", "closed_at": None, "outcome": None},
    "issuers": {"verified_by": "roster"},
    "outbox": {"person_id": 1},
    "patient_outcomes": {"cpc": 1, "mrs": 1},
    "reports": {"state": "open", "closed_at": None, "closed_by": None},
    "role_grants": {"role": "dispatcher", "region_id": 1},
    "second_factors": {"kind": "totp"},
    "show_up_counts": {"asked": 5, "seen": 4, "accepted": 3, "due": 2, "there": 1},
    "sign_in_codes": {"tries": 1, "others_tries": 1},
    "tokens": {"role": "dispatcher", "region_id": 1},
    "training_sessions": {
        "enrolment_closes_at": datetime(2026, 11, 30, tzinfo=UTC),
        "capacity": 9,
        "minimum": 1,
        "estate_id": 1,
    },
}
"""Values for columns whose multi-column CHECK rejects the first value of their type."""
SPATIAL = ("_position", "_boundary", "_nearest")
"""Suffixes of spatial indexes, which aed.database names by dialect."""
PLAIN_NAMES: tuple[Renames, ...] = importlib.import_module("aed.migrations.versions.0035_plain_names").ALL

EXAMPLE = Renames(
    tables={"errands": "requests", "errand_notes": "request_notes"},
    columns={"errands": {"said": "note", "asked_at": "requested_at"}},
    values={"errands": {"state": {"standing": "active"}}},
    json_keys={"errands": {"fields": {"said": "note"}}},
    names={"uq_errands_standing": "uq_requests_active", "ck_errands_errandstate": "ck_requests_requeststate"},
)


@pytest.fixture(params=("spatialite", "postgis"))
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "spatialite":
        url = f"sqlite:///{tmp_path}/renames.sqlite"
    else:
        postgres = request.getfixturevalue("postgis_template")
        url = copy_database(postgres.rsplit("/", 1)[0] + "/template1", "renames")
    database = open_database(Settings(database_url=url))
    yield database
    database.close()
    if request.param == "postgis":
        drop_database(url)


def example_tables() -> sa.MetaData:
    tables = sa.MetaData(naming_convention=Table.metadata.naming_convention)
    sa.Table(
        "errands",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("said", sa.String(200), nullable=False),
        sa.Column("asked_at", sa.Integer, index=True),
        sa.Column(
            "state",
            sa.Enum("standing", "over", name="errandstate", native_enum=False, create_constraint=True),
        ),
        sa.Column("fields", sa.JSON),
        sa.UniqueConstraint("said"),
        sa.Index(
            "uq_errands_standing",
            "asked_at",
            unique=True,
            postgresql_where=sa.text("state = 'standing'"),
            sqlite_where=sa.text("state = 'standing'"),
        ),
    )
    sa.Table(
        "errand_notes",
        tables,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("errand_id", sa.ForeignKey("errands.id"), nullable=False),
    )
    return tables


def names(connection: Connection, table: str) -> set[str]:
    """Return the names of the table's constraints and indexes."""
    inspector = inspect(connection)
    found = {inspector.get_pk_constraint(table)["name"]}
    found |= {each["name"] for each in inspector.get_foreign_keys(table)}
    found |= {each["name"] for each in inspector.get_check_constraints(table)}
    if connection.dialect.name == "sqlite":
        found |= {row[1] for row in connection.exec_driver_sql(f"PRAGMA index_list('{table}')")}
        sql = connection.execute(
            text("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = :name"), {"name": table}
        ).scalar_one()
        found |= set(re.findall(r"CONSTRAINT (uq_\w+)", sql))
    else:
        found |= {each["name"] for each in inspector.get_unique_constraints(table)}
        found |= {each["name"] for each in inspector.get_indexes(table)}
    return {name for name in found if name and not name.startswith("sqlite_autoindex")}


def test_names_values_and_json_keys_are_renamed_and_restored(empty: Database) -> None:
    with empty.engine.begin() as connection:
        example_tables().create_all(connection)
        connection.execute(
            text(
                "INSERT INTO errands (id, said, asked_at, state, fields) VALUES "
                "(1, 'a', 5, 'standing', '{\"said\": 1, \"other\": 2}'), (2, 'b', 5, 'over', NULL)"
            )
        )
        connection.execute(text("INSERT INTO errand_notes (id, errand_id) VALUES (1, 1)"))
        before = (names(connection, "errands"), names(connection, "errand_notes"))

        rename(connection, EXAMPLE)

        assert names(connection, "requests") == {
            "pk_requests",
            "uq_requests_note",
            "ix_requests_requested_at",
            "uq_requests_active",
            "ck_requests_requeststate",
        }
        assert names(connection, "request_notes") == {
            "pk_request_notes",
            "fk_request_notes_errand_id_requests",
        }
        rows = connection.execute(
            sa.text("SELECT note, requested_at, state, fields FROM requests ORDER BY id").columns(
                fields=sa.JSON
            )
        ).all()
        assert [tuple(row) for row in rows] == [
            ("a", 5, "active", {"note": 1, "other": 2}),
            ("b", 5, "over", None),
        ]
        with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
            connection.execute(text("UPDATE requests SET state = 'standing' WHERE id = 2"))
        with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
            connection.execute(text("UPDATE requests SET state = 'active' WHERE id = 2"))
        (key,) = inspect(connection).get_foreign_keys("request_notes")
        assert key["referred_table"] == "requests"

        rename(connection, EXAMPLE.inverted())

        assert (names(connection, "errands"), names(connection, "errand_notes")) == before
        state = connection.execute(text("SELECT said, state FROM errands ORDER BY id")).all()
        assert [tuple(row) for row in state] == [("a", "standing"), ("b", "over")]


def test_renaming_a_missing_name_is_an_error(empty: Database) -> None:
    with empty.engine.begin() as connection:
        example_tables().create_all(connection)
        with pytest.raises(LookupError, match="ix_nothing"):
            rename(connection, Renames(names={"ix_nothing": "ix_something"}))


# --- plain names ----------------------------------------------------------------------------------------


def value_of(column: Any, checks: list[str], number: int) -> Any:
    """Return a value the column accepts: the first that a CHECK lists, or one of its type."""
    for check in checks if isinstance(column["type"], sa.String) else []:
        if re.search(rf"\b{column['name']}\b", check) and (found := re.findall(r"'([^']+)'", check)):
            return found[0]
    kind = column["type"]
    if isinstance(kind, sa.DateTime):
        return datetime(2026, 11, 30, 12, number, tzinfo=UTC)
    if isinstance(kind, sa.Date):
        return date(2026, 11, 30)
    if isinstance(kind, sa.Boolean):
        return True
    if isinstance(kind, sa.JSON):
        return {"kept": number}
    if isinstance(kind, sa.LargeBinary):
        return b"kept"
    if isinstance(kind, sa.Numeric | sa.Float | sa.Integer):
        return number
    if isinstance(kind, sa.Uuid):
        return "00000000-0000-0000-0000-000000000001"
    length = getattr(kind, "length", None) or 64
    return f"{number}{column['name']}"[:length]


def is_renamed(table: str, column: str) -> bool:
    """Return whether the migration renames the column, its values or the keys in it."""
    return any(
        column in given.get(table, {})
        for renames in PLAIN_NAMES
        for given in (renames.columns, renames.values, renames.json_keys)
    )


def fill(connection: Connection, table: str) -> dict[str, Any]:
    """Insert a row with all required and all renamed columns; return it without its geometries."""
    inspector = inspect(connection)
    checks = [str(each["sqltext"]) for each in inspector.get_check_constraints(table)]
    row: dict[str, Any] = {}
    shapes: dict[str, Any] = {}
    for number, column in enumerate(inspector.get_columns(table), 1):
        name, special = column["name"], SPECIAL.get(table, {})
        if column["nullable"] and name not in special and not is_renamed(table, name):
            continue
        if name in GEOMETRIES:
            shapes[name] = sa.func.ST_GeomFromText(GEOMETRIES[name], 4326)
        else:
            row[name] = special[name] if name in special else value_of(column, checks, number)
        for renames in PLAIN_NAMES:
            if keys := renames.json_keys.get(table, {}).get(name):
                row[name] = dict.fromkeys(keys, number)
    stored = sa.table(
        table,
        *[
            sa.column(column["name"], column["type"])
            for column in inspector.get_columns(table)
            if column["name"] in row or column["name"] in shapes
        ],
    )
    connection.execute(stored.insert().values(row | shapes))
    return row


def test_rows_of_the_last_release_are_found_under_their_new_names(empty: Database) -> None:
    migrations.upgrade(empty, BEFORE)
    old_names = {new: old for renames in PLAIN_NAMES for old, new in renames.tables.items()}
    known = {old_names.get(table, table) for table in Table.metadata.tables}
    with empty.engine.connect() as connection:
        rows = {}
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET session_replication_role = replica"))
        else:
            driver = connection.connection.driver_connection  # the pragma has no effect inside a transaction
            assert driver is not None
            driver.execute("PRAGMA foreign_keys = OFF")
        tables = sorted(known & set(inspect(connection).get_table_names()))
        for table in tables:
            rows[table] = fill(connection, table)
        connection.commit()

    migrations.upgrade(empty)

    with empty.engine.connect() as connection:
        for table, row in rows.items():
            new_table, expected = table, dict(row)
            for renames in PLAIN_NAMES:
                for column, values in renames.values.get(table, {}).items():
                    expected[column] = values.get(expected[column], expected[column])
                for column, keys in renames.json_keys.get(table, {}).items():
                    expected[column] = {keys.get(key, key): value for key, value in expected[column].items()}
                for old, new in renames.columns.get(table, {}).items():
                    expected[new] = expected.pop(old)
                new_table = renames.tables.get(table, new_table)
            columns = {each["name"]: each["type"] for each in inspect(connection).get_columns(new_table)}
            stored = sa.table(new_table, *[sa.column(name, columns[name]) for name in expected])
            found = connection.execute(sa.select(stored)).mappings().all()
            assert expected in as_inserted(found), new_table

    migrations.downgrade(empty, BEFORE)

    with empty.engine.connect() as connection:
        for table, row in rows.items():
            columns = {each["name"]: each["type"] for each in inspect(connection).get_columns(table)}
            stored = sa.table(table, *[sa.column(name, columns[name]) for name in row])
            found = connection.execute(sa.select(stored)).mappings().all()
            assert row in as_inserted(found), table


def as_inserted(rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Return rows with their timestamps in UTC, since SQLite returns them without a zone."""
    return [
        {
            name: value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
            for name, value in row.items()
        }
        for row in rows
    ]


def test_constraints_and_indexes_are_named_as_in_the_models(database: Database) -> None:
    differences = {}
    with database.engine.connect() as connection:
        preparer = connection.dialect.identifier_preparer
        for name, table in Table.metadata.tables.items():
            constraints = [preparer.format_constraint(each) for each in table.constraints]
            expected = {each.strip('"') for each in constraints if each is not None}
            expected |= {str(each.name) for each in table.indexes}
            found = {each for each in names(connection, name) if not each.endswith(SPATIAL)}
            expected = {each for each in expected if not each.endswith(SPATIAL)}
            missing = expected - found
            if connection.dialect.name == "sqlite":  # SQLite's ADD COLUMN takes an unnamed foreign key
                missing = {each for each in missing if not each.startswith("fk_")}
            if missing or found - expected:
                differences[name] = (missing, found - expected)
    assert differences == {}
