"""Subscribe messages in WeChat: a channel, and the consents that they use up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from aed.migrations.renames import edit_schema

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
MOMENT = sa.DateTime(timezone=True)
BEFORE = ("sms", "voice", "email", "web_push", "dingtalk", "wecom", "feishu", "webhook", "apprise")
AFTER = (*BEFORE[:7], "wechat", *BEFORE[7:])


def _channels_may_be(before: tuple[str, ...], after: tuple[str, ...]) -> None:
    was, becomes = (", ".join(f"'{each}'" for each in channels) for channels in (before, after))
    for table in ("outbox", "endpoints"):
        name = op.f(f"ck_{table}_channel")
        if op.get_bind().dialect.name == "postgresql":
            op.drop_constraint(name, table, type_="check")
            op.create_check_constraint(name, table, f"channel IN ({becomes})")
        else:
            edit_schema(op.get_bind(), table, {f"channel IN ({was})": f"channel IN ({becomes})"})


def upgrade() -> None:
    _channels_may_be(BEFORE, AFTER)
    op.create_table(
        "wechat_consents",
        sa.Column("id", KEY, nullable=False),
        sa.Column("endpoint_id", KEY, nullable=False),
        sa.Column("template_id", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("used_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["endpoint_id"], ["endpoints.id"], name=op.f("fk_wechat_consents_endpoint_id_endpoints")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wechat_consents")),
    )
    op.create_index(
        "uq_wechat_consents_key", "wechat_consents", ["endpoint_id", "template_id", "key"], unique=True
    )
    op.create_index(
        "ix_wechat_consents_left",
        "wechat_consents",
        ["endpoint_id", "template_id", "id"],
        postgresql_where=sa.text("used_at IS NULL"),
        sqlite_where=sa.text("used_at IS NULL"),
    )


def downgrade() -> None:
    """Drop the table and the channel. visibility: a schema's own step, which nobody is shown."""
    op.drop_table("wechat_consents")
    op.execute("DELETE FROM outbox WHERE channel = 'wechat'")
    op.execute("DELETE FROM endpoints WHERE channel = 'wechat'")
    _channels_may_be(AFTER, BEFORE)
