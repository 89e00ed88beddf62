"""Give tables, columns, values, constraints and indexes plain names.

A block per package. Tables and columns are keyed by their old names throughout. Constraints and indexes that are
named after a table or column follow by themselves (see `aed.migrations.renames`); NAMES lists the others.
Encrypted columns keep the text `table.column` that their values are bound to.
"""

from __future__ import annotations

from typing import Final

from alembic import op

from aed.migrations.renames import Renames, rename

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_DEVICE_FIELDS: Final = {
    "hours_as_written": "opening_hours_raw",
    "how_to_get_in_en": "access_instructions_en",
    "how_to_get_in_zh": "access_instructions_zh",
}
ACCOUNTS_AND_REGISTRY: Final = Renames(
    tables={"changes": "registry_changes", "sign_in_tries": "sign_in_attempts"},
    columns={
        "devices": _DEVICE_FIELDS,
        "holiday_calendar_notices": {"told_at": "notified_at"},
        "job_runs": {"said": "error"},
        "outbox": {"lane": "ordering_key", "why": "reason"},
    },
    values={
        "estates": {"state": {"standing": "active"}},
        "gates": {"state": {"standing": "active"}},
    },
    json_keys={
        "changes": {"fields": _DEVICE_FIELDS},
        "devices": {"origins": _DEVICE_FIELDS},
        "source_records": {"fields": _DEVICE_FIELDS},
    },
    names={
        "ck_devices_entry": "ck_devices_entrymode",
        "ck_job_runs_result": "ck_job_runs_runstate",
        "ck_people_channel": "ck_people_phonechannel",
        "ck_role_grants_heldrole": "ck_role_grants_role",
        "ck_tokens_role": "ck_tokens_tokenrole",
        "uq_role_grants_standing": "uq_role_grants_active",
    },
)

UPKEEP_AND_TRAINING: Final = Renames(
    tables={
        "call_outs": "retrievals",
        "confirmed": "confirmations",
        "errands": "confirmation_requests",
        "reminders_for": "reminder_recipients",
        "reports": "fault_reports",
    },
    columns={
        "call_outs": {"told_by": "reported_by"},
        "errands": {"call_out_id": "retrieval_id"},
        "quarantines": {"said": "note"},
        "reminders": {"matter": "due_kind"},
    },
    names={"uq_quarantines_standing": "uq_quarantines_active"},
)

INCIDENTS_AND_RESPONDERS: Final = Renames(
    columns={
        "alert_answers": {"said": "reply"},
        "alerts": {"works": "p_device_works", "saved": "seconds_saved", "stopped_because": "stop_reason"},
        "drills": {"told_at": "reported_at"},
        "incident_events": {"said": "payload"},
        "incident_messages": {"told_by": "reported_by", "told_at": "reported_at"},
        "incident_plans": {"because": "reason"},
        "incident_reports": {"told_by": "reported_by", "told_at": "reported_at"},
        "incidents": {
            "asked_again_at": "followed_up_at",
            "cared_at": "debriefed_at",
            "look_at": "replan_at",
        },
        "patient_outcomes": {"told_by": "reported_by", "told_at": "reported_at"},
    },
    names={
        "ix_incidents_cared": "ix_incidents_debriefed",
        "ix_incidents_look": "ix_incidents_replan",
        "uq_consents_standing": "uq_consents_active",
    },
)

IMPORTS: Final = Renames(
    columns={"feeds": {"last_said": "last_message", "last_taken_at": "last_imported_at"}},
)

ALL: Final = (ACCOUNTS_AND_REGISTRY, UPKEEP_AND_TRAINING, INCIDENTS_AND_RESPONDERS, IMPORTS)


def upgrade() -> None:
    for renames in ALL:
        rename(op.get_bind(), renames)


def downgrade() -> None:
    for renames in reversed(ALL):
        rename(op.get_bind(), renames.inverted())
