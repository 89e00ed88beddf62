"""Signal sources in the audit log."""

from __future__ import annotations

from aed.migrations.constraints import allow_values

revision = "0090"
down_revision = "0088"
branch_labels = None
depends_on = None

SUBJECTS = ("role", "person", "token", "agreement", "log")


def upgrade() -> None:
    allow_values("audit_log", "auditsubject", "subject", (*SUBJECTS, "signal_source"))


def downgrade() -> None:
    """Keep the entries: the log is one chain. The CHECK is not put back.

    visibility: it shows nothing to anybody.
    """
