"""People's numbers are sealed; consents are kept; people whose data was erased.

The release before cannot read sealed numbers: stop it before this step. The keys come from where
`aed.database.encryption.keys` says, so they are there before a database is brought to this schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from aed.database.encryption.columns import keyring_of, map_named_texts
from aed.database.encryption.keyring import EncryptedKind

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
INDEXED = "substr(phone, 1, 33)"
BATCH = 10_000
PHONES = (
    ("people", "id", "phone", EncryptedKind.PHONE),
    ("accounts", "person_id", "phone", EncryptedKind.PHONE),
    ("outbox", "id", "recipient", None),
)
FIELDS = (("source_records", "fields"), ("reviews", "evidence"))


def upgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.drop_index("ix_people_phone", table_name="people")
    if sqlite:  # a constraint goes only with a new table; lengths mean nothing there
        with op.batch_alter_table("accounts") as table:
            table.drop_constraint("uq_accounts_phone", type_="unique")
    else:
        op.drop_constraint("uq_accounts_phone", "accounts", type_="unique")
        for table_name, _key, column, _kind in PHONES:
            op.alter_column(table_name, column, type_=sa.Text())
    _each_text(lambda ring, place, kind, text: ring.encrypt(text, place=place, kind=kind))
    _each_json(lambda ring, place, text: ring.encrypt(text, place=place))
    op.create_index("ix_people_phone", "people", [sa.text(INDEXED)], unique=False)
    op.create_index("uq_accounts_phone", "accounts", [sa.text(INDEXED)], unique=True)
    # What was counted under a hash without a key.
    op.execute("DELETE FROM sign_in_codes")
    op.execute("DELETE FROM sign_in_tries")
    op.add_column("people", sa.Column("erased_at", MOMENT, nullable=True))
    _add_consents()


def downgrade() -> None:
    op.drop_table("consents")
    op.drop_column("people", "erased_at")
    op.drop_index("uq_accounts_phone", table_name="accounts")
    op.drop_index("ix_people_phone", table_name="people")
    _each_text(lambda ring, place, _kind, text: ring.decrypt(text, place=place))
    _each_json(lambda ring, place, text: ring.decrypt(text, place=place))
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table("accounts") as table:
            table.create_unique_constraint("uq_accounts_phone", ["phone"])
    else:
        for table_name, _key, column, _kind in PHONES:
            op.alter_column(table_name, column, type_=sa.String(32))
        op.create_unique_constraint("uq_accounts_phone", "accounts", ["phone"])
    op.create_index("ix_people_phone", "people", ["phone"], unique=False)
    op.execute("DELETE FROM sign_in_codes")
    op.execute("DELETE FROM sign_in_tries")


def _each_text(change: Callable[..., str]) -> None:
    connection = op.get_bind()
    ring = keyring_of(connection.dialect)
    for name, key, column, kind in PHONES:
        table = sa.table(name, sa.column(key), sa.column(column))
        update = (
            sa.update(table)
            .where(table.c[key] == sa.bindparam("row"))
            .values({column: sa.bindparam("becomes")})
        )
        for rows in _batches(connection, table, key, column):
            connection.execute(
                update,
                [{"row": row, "becomes": change(ring, f"{name}.{column}", kind, text)} for row, text in rows],
            )


_NAMES = ("keeper_phone",)


def _each_json(change: Callable[..., str]) -> None:
    """Change the keepers' numbers in texts of lists; a sentence with a number keeps only its last digits."""
    connection = op.get_bind()
    ring = keyring_of(connection.dialect)
    for name, column in FIELDS:
        place = f"{name}.{column}"
        table = sa.table(name, sa.column("id"), sa.column(column, sa.JSON()))
        update = (
            sa.update(table)
            .where(table.c.id == sa.bindparam("row"))
            .values({column: sa.bindparam("becomes")})
        )
        for rows in _batches(connection, table, "id", column):
            becomes = [
                {"row": row, "becomes": _without_sentences(found)}
                for row, given in rows
                if "phone" in json.dumps(given)
                and (found := map_named_texts(given, _NAMES, lambda text: change(ring, place, text)))  # noqa: B023 - called at once
            ]
            if becomes:
                connection.execute(update, becomes)


def _without_sentences(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_sentences(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_sentences(each) for each in value]
    found = re.fullmatch(r"the same phone (.*)", value) if isinstance(value, str) else None
    if found is None:
        return value
    digits = "".join(character for character in found[1] if character.isdecimal())
    return f"the same phone, ending in {digits[-2:]}"


def _batches(connection: sa.Connection, table: sa.TableClause, key: str, column: str) -> Any:
    after = 0
    while True:
        rows = connection.execute(
            sa.select(table.c[key], table.c[column])
            .where(table.c[key] > after, table.c[column].is_not(None))
            .order_by(table.c[key])
            .limit(BATCH)
        ).all()
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def _add_consents() -> None:
    """visibility: a schema's own step, which nobody is shown."""
    op.create_table(
        "consents",
        sa.Column("id", KEY, nullable=False),
        sa.Column("person_id", KEY, nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "being_called",
                "place_on_duty",
                name="consentkind",
                native_enum=False,
                create_constraint=True,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("wording", sa.String(length=32), nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("given_by", sa.String(length=200), nullable=False),
        sa.Column("stated_by", sa.String(length=64), nullable=True),
        sa.Column("withdrawn_at", MOMENT, nullable=True),
        sa.Column("withdrawn_by", sa.String(length=200), nullable=True),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_consents_withdrawn_by_somebody")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_consents_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(
        "uq_consents_standing",
        "consents",
        ["person_id", "kind"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
        sqlite_where=sa.text("withdrawn_at IS NULL"),
    )
    op.create_index(op.f("ix_consents_person_id"), "consents", ["person_id"], unique=False)
    # Everyone who is called today is called because a list says that they agreed: record that.
    now = sa.bindparam("now", datetime.now(UTC), type_=MOMENT)
    for kind, also in (
        ("being_called", ""),
        (
            "place_on_duty",
            " AND EXISTS (SELECT 1 FROM responder_places p"
            " JOIN responders r2 ON r2.id = p.responder_id WHERE r2.person_id = r.person_id AND p.kind = 'work')",
        ),
    ):
        op.get_bind().execute(
            sa.text(
                "INSERT INTO consents (person_id, kind, wording, given_at, given_by, stated_by) "  # noqa: S608 - own words
                f"SELECT r.person_id, '{kind}', 'list', :now, 'migration', min(r.source) FROM responders r "
                f"WHERE r.state = 'active'{also} GROUP BY r.person_id"
            ).bindparams(now)
        )
