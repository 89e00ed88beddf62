"""Incidents that close by themselves, are confirmed by a dispatcher, and remind one; why an alert was stopped."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
BEFORE = "'handed_over', 'false_alarm', 'called_off'"
AFTER = "'handed_over', 'false_alarm', 'called_off', 'lapsed'"


def upgrade() -> None:
    _outcomes(BEFORE, AFTER)
    op.add_column("incidents", sa.Column("confirmed_at", MOMENT, nullable=True))
    op.add_column("incidents", sa.Column("reminded_at", MOMENT, nullable=True))
    # Nobody knows any more who opened them: treat all as confirmed, so that nothing takes their people away.
    op.execute("UPDATE incidents SET confirmed_at = opened_at")
    op.add_column(
        "alerts",
        sa.Column("stopped_because", sa.String(32), nullable=True),
    )


def downgrade() -> None:
    op.drop_column("alerts", "stopped_because")
    op.drop_column("incidents", "reminded_at")
    op.drop_column("incidents", "confirmed_at")
    op.execute("UPDATE incidents SET outcome = 'called_off' WHERE outcome = 'lapsed'")
    _outcomes(AFTER, BEFORE)


def _outcomes(before: str, after: str) -> None:
    """Change which outcomes the table takes.

    SQLite can only change a CHECK by making the table anew, which foreign keys that refer to it forbid within
    a transaction; its documentation has this way for a constraint that changes no stored row.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_incidents_outcome"), "incidents", type_="check")
        op.create_check_constraint(op.f("ck_incidents_outcome"), "incidents", f"outcome IN ({after})")
        return
    connection = op.get_bind()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = connection.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) "
        "WHERE type = 'table' AND name = 'incidents' AND instr(sql, ?)",
        (f"outcome IN ({before})", f"outcome IN ({after})", f"outcome IN ({before})"),
    ).rowcount
    connection.exec_driver_sql("PRAGMA writable_schema = RESET")
    if changed != 1:
        raise RuntimeError("The table 'incidents' has no CHECK of its outcomes as this migration expects.")
