"""The ledger of the time bank. Triggers keep balances the sum of entries, and entries as they were written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0049"
down_revision = "0048"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
CURRENCIES = ("minutes", "points")
ACCOUNT_KINDS = (
    "person",
    "family",
    "group",
    "estate",
    "region_pool",
    "care_pool",
    "sponsor",
    "suspense",
    "issuance",
)
ENTRY_KINDS = (
    "earn",
    "spend",
    "gift",
    "donate",
    "inherit",
    "expire",
    "reverse",
    "overflow",
    "hold",
    "release",
    "transfer",
)
ONCE = (
    "(kind = 'earn' OR kind = 'spend' OR kind = 'gift' OR kind = 'donate' OR kind = 'inherit' "
    "OR kind = 'expire' OR kind = 'transfer')"
)
REGIONAL = "(kind = 'region_pool' OR kind = 'care_pool' OR kind = 'suspense' OR kind = 'issuance')"
ACTIVE = "('spend', 'gift', 'donate', 'hold', 'transfer')"
FITS = """
    /* visibility: triggers show nothing */ SELECT 1 FROM ledger_entries
    WHERE number = NEW.last_entry AND NEW.last_entry > OLD.last_entry AND (
        (from_account_id = NEW.id AND NEW.balance = OLD.balance - amount)
        OR (to_account_id = NEW.id AND NEW.balance = OLD.balance + amount)
    )
"""
"""A balance changes by the amount of one entry that is later than all that are in it."""


def _one_of(table: str, name: str, column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{each}'" for each in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=op.f(f"ck_{table}_{name}"))


def _refers(table: str, column: str, to: str, key: str = "id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{to}.{key}"], name=op.f(f"fk_{table}_{column}_{to}"))


def _unique(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(
        name, table, columns, unique=True, sqlite_where=sa.text(where), postgresql_where=sa.text(where)
    )


def _currency_account(column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column, "currency"],
        ["ledger_accounts.id", "ledger_accounts.currency"],
        name=op.f(f"fk_ledger_entries_{column}_ledger_accounts"),
    )


def upgrade() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("id", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(32), nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("estate_id", KEY, nullable=True),
        sa.Column("person_id", KEY, nullable=True),
        sa.Column("name", sa.String(200), nullable=True),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("minimum", sa.BigInteger(), nullable=True),
        sa.Column("last_entry", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active_at", MOMENT, nullable=True),
        sa.Column("opened_at", MOMENT, nullable=False),
        sa.Column("closed_at", MOMENT, nullable=True),
        _one_of("ledger_accounts", "accountkind", "kind", ACCOUNT_KINDS),
        _one_of("ledger_accounts", "currency", "currency", CURRENCIES),
        sa.CheckConstraint(
            "(kind = 'person') = (person_id IS NOT NULL)", name=op.f("ck_ledger_accounts_person")
        ),
        sa.CheckConstraint(
            "kind <> 'estate' OR estate_id IS NOT NULL", name=op.f("ck_ledger_accounts_estate")
        ),
        _refers("ledger_accounts", "region_id", "regions"),
        _refers("ledger_accounts", "estate_id", "estates"),
        _refers("ledger_accounts", "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("id", "currency", name=op.f("uq_ledger_accounts_id_currency")),
    )
    op.create_index("uq_ledger_accounts_person", "ledger_accounts", ["person_id", "currency"], unique=True)
    _unique("uq_ledger_accounts_region", "ledger_accounts", ["region_id", "kind", "currency"], REGIONAL)
    _unique("uq_ledger_accounts_estate", "ledger_accounts", ["estate_id", "currency"], "kind = 'estate'")
    op.create_index("ix_ledger_accounts_active_at", "ledger_accounts", ["active_at"])
    op.create_table(
        "ledger_entries",
        sa.Column("number", KEY, autoincrement=False, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("currency", sa.String(32), nullable=False),
        sa.Column("from_account_id", KEY, nullable=False),
        sa.Column("to_account_id", KEY, nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.String(80), nullable=False),
        sa.Column("reverses", KEY, nullable=True),
        sa.Column("subject", sa.String(64), nullable=True),
        sa.Column("served_on", sa.Date(), nullable=True),
        sa.Column("rules_version", sa.String(64), nullable=False),
        sa.Column("posted_by", sa.String(200), nullable=False),
        sa.Column("reason", sa.String(300), nullable=True),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        _one_of("ledger_entries", "ledgerkind", "kind", ENTRY_KINDS),
        _one_of("ledger_entries", "currency", "currency", CURRENCIES),
        sa.CheckConstraint("amount > 0", name=op.f("ck_ledger_entries_amount")),
        sa.CheckConstraint("from_account_id <> to_account_id", name=op.f("ck_ledger_entries_two_accounts")),
        sa.CheckConstraint(
            "(kind = 'reverse') = (reverses IS NOT NULL)", name=op.f("ck_ledger_entries_reverses")
        ),
        _currency_account("from_account_id"),
        _currency_account("to_account_id"),
        _refers("ledger_entries", "reverses", "ledger_entries", "number"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_ledger_entries")),
        sa.UniqueConstraint("reverses", name=op.f("uq_ledger_entries_reverses")),
    )
    op.create_index("ix_ledger_entries_from_account_id", "ledger_entries", ["from_account_id", "number"])
    op.create_index("ix_ledger_entries_to_account_id", "ledger_entries", ["to_account_id", "number"])
    op.create_index("ix_ledger_entries_record", "ledger_entries", ["record"])
    _unique("uq_ledger_entries_once", "ledger_entries", ["record", "kind", "currency"], ONCE)
    op.create_index(
        "ix_ledger_entries_subject",
        "ledger_entries",
        ["subject", "served_on"],
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_table(
        "time_bank_rules",
        sa.Column("id", KEY, nullable=False),
        sa.Column("region_id", KEY, nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("numbers", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("created_by", sa.String(200), nullable=False),
        _refers("time_bank_rules", "region_id", "regions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_time_bank_rules")),
        sa.UniqueConstraint("region_id", "starts_at", name=op.f("uq_time_bank_rules_region_id_starts_at")),
        sa.UniqueConstraint("version", name=op.f("uq_time_bank_rules_version")),
    )
    op.create_table(
        "expiry_notices",
        sa.Column("account_id", KEY, autoincrement=False, nullable=False),
        sa.Column("active_at", MOMENT, nullable=False),
        sa.Column("days", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sent_at", MOMENT, nullable=False),
        _refers("expiry_notices", "account_id", "ledger_accounts"),
        sa.PrimaryKeyConstraint("account_id", "active_at", "days", name=op.f("pk_expiry_notices")),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.get_bind().exec_driver_sql(statement)


_SQLITE = (
    # visibility: triggers show nothing
    f"""
    CREATE TRIGGER ledger_entries_post AFTER INSERT ON ledger_entries BEGIN
        SELECT RAISE(ABORT, 'ledger: entries are numbered without gaps') WHERE NEW.number > 1
            AND NOT EXISTS (SELECT 1 FROM ledger_entries WHERE number = NEW.number - 1);
        UPDATE ledger_accounts SET
            balance = balance - NEW.amount,
            last_entry = NEW.number,
            active_at = CASE WHEN NEW.kind IN {ACTIVE}
                THEN max(coalesce(active_at, NEW.at), NEW.at) ELSE active_at END
        WHERE id = NEW.from_account_id;
        UPDATE ledger_accounts SET
            balance = balance + NEW.amount,
            last_entry = NEW.number,
            active_at = CASE WHEN NEW.kind = 'earn' OR active_at IS NULL
                THEN max(coalesce(active_at, NEW.at), NEW.at) ELSE active_at END
        WHERE id = NEW.to_account_id;
        SELECT RAISE(ABORT, 'ledger: the balance would be below its minimum') FROM ledger_accounts
            WHERE id = NEW.from_account_id AND balance < minimum AND NEW.kind <> 'reverse';
    END
    """,  # noqa: S608 - constants
    """
    CREATE TRIGGER ledger_entries_no_update BEFORE UPDATE ON ledger_entries BEGIN
        SELECT RAISE(ABORT, 'ledger: entries are never changed');
    END
    """,
    """
    CREATE TRIGGER ledger_entries_no_delete BEFORE DELETE ON ledger_entries BEGIN
        SELECT RAISE(ABORT, 'ledger: entries are never changed');
    END
    """,
    """
    CREATE TRIGGER ledger_accounts_open BEFORE INSERT ON ledger_accounts
    WHEN NEW.balance <> 0 OR NEW.last_entry <> 0 BEGIN
        SELECT RAISE(ABORT, 'ledger: a new account is empty');
    END
    """,
    f"""
    CREATE TRIGGER ledger_accounts_balance BEFORE UPDATE OF id, balance, last_entry ON ledger_accounts
    WHEN NEW.id <> OLD.id OR NOT EXISTS ({FITS}) BEGIN
        SELECT RAISE(ABORT, 'ledger: a balance changes only by an entry');
    END
    """,
    """
    CREATE TRIGGER ledger_accounts_no_delete BEFORE DELETE ON ledger_accounts WHEN OLD.last_entry <> 0 BEGIN
        SELECT RAISE(ABORT, 'ledger: an account with entries stays');
    END
    """,
)
_POSTGRES = (
    # visibility: triggers show nothing
    f"""
    CREATE FUNCTION ledger_post_entry() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.number > 1 AND NOT EXISTS (SELECT 1 FROM ledger_entries WHERE number = NEW.number - 1) THEN
            RAISE check_violation USING MESSAGE = 'ledger: entries are numbered without gaps';
        END IF;
        UPDATE ledger_accounts SET
            balance = balance - NEW.amount,
            last_entry = NEW.number,
            active_at = CASE WHEN NEW.kind IN {ACTIVE} THEN greatest(active_at, NEW.at) ELSE active_at END
        WHERE id = NEW.from_account_id;
        UPDATE ledger_accounts SET
            balance = balance + NEW.amount,
            last_entry = NEW.number,
            active_at = CASE WHEN NEW.kind = 'earn' OR active_at IS NULL
                THEN greatest(active_at, NEW.at) ELSE active_at END
        WHERE id = NEW.to_account_id;
        IF NEW.kind <> 'reverse' AND EXISTS (
            SELECT 1 FROM ledger_accounts WHERE id = NEW.from_account_id AND balance < minimum
        ) THEN
            RAISE check_violation USING MESSAGE = 'ledger: the balance would be below its minimum';
        END IF;
        RETURN NULL;
    END $$
    """,  # noqa: S608 - constants
    """
    CREATE TRIGGER ledger_entries_post AFTER INSERT ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_post_entry()
    """,
    """
    CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE check_violation USING MESSAGE = 'ledger: entries are never changed, and accounts with entries stay';
    END $$
    """,
    """
    CREATE TRIGGER ledger_entries_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()
    """,
    """
    CREATE TRIGGER ledger_accounts_no_delete BEFORE DELETE ON ledger_accounts
    FOR EACH ROW WHEN (OLD.last_entry <> 0) EXECUTE FUNCTION ledger_refuse()
    """,
    """
    CREATE FUNCTION ledger_refuse_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE check_violation USING MESSAGE = 'ledger: a new account is empty';
    END $$
    """,
    """
    CREATE TRIGGER ledger_accounts_open BEFORE INSERT ON ledger_accounts
    FOR EACH ROW WHEN (NEW.balance <> 0 OR NEW.last_entry <> 0) EXECUTE FUNCTION ledger_refuse_balance()
    """,
    f"""
    CREATE FUNCTION ledger_check_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.id <> OLD.id OR NOT EXISTS ({FITS}) THEN
            RAISE check_violation USING MESSAGE = 'ledger: a balance changes only by an entry';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER ledger_accounts_balance BEFORE UPDATE OF id, balance, last_entry ON ledger_accounts
    FOR EACH ROW EXECUTE FUNCTION ledger_check_balance()
    """,
)


def downgrade() -> None:
    op.drop_table("expiry_notices")
    op.drop_table("time_bank_rules")
    op.drop_table("ledger_entries")
    op.drop_table("ledger_accounts")
    if op.get_bind().dialect.name == "postgresql":
        for name in ("ledger_post_entry", "ledger_refuse", "ledger_refuse_balance", "ledger_check_balance"):
            op.execute(f"DROP FUNCTION {name}")
