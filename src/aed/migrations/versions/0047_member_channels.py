"""Channels to one member of an organisation: apps in WeCom and DingTalk."""

from __future__ import annotations

from alembic import op

from aed.migrations.renames import edit_schema

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

BEFORE = ("sms", "voice", "email", "web_push", "dingtalk", "wecom", "feishu", "wechat", "webhook", "apprise")
AFTER = (*BEFORE[:8], "wecom_app", "dingtalk_app", *BEFORE[8:])


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


def downgrade() -> None:
    """Drop the channels. visibility: a schema's own step, which nobody is shown."""
    op.execute("DELETE FROM outbox WHERE channel IN ('wecom_app', 'dingtalk_app')")
    op.execute("DELETE FROM endpoints WHERE channel IN ('wecom_app', 'dingtalk_app')")
    _channels_may_be(AFTER, BEFORE)
