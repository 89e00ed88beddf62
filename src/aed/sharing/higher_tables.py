"""Tables of higher layers, declared here with the columns that sharing reads or keeps in step.

`aed.registry.devices.models`, `aed.registry.estates.models`, `aed.incidents.models`, `aed.upkeep.models` and
`aed.planning.coverage.models` define them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import JSON, Boolean, Date, Integer, String, Text, column, table

from aed.database.types import BigIntId, UtcDateTime

DEVICES: Final = table(
    "devices",
    column("id", BigIntId),
    column("estate_id", BigIntId),
    column("region_id", BigIntId),
    column("audience", String),
    column("audience_outside_hours", String),
    column("sharing_hours", Text),
    column("emergency_override", Boolean),
    column("published_position", String),
    column("agreement_id", BigIntId),
    column("audience_changes_at", UtcDateTime),
    column("loaner_id", BigIntId),
    column("stands_in_for_id", BigIntId),
    column("opening_hours", Text),
    column("place_en", Text),
    column("place_zh", Text),
    column("state", String),
    column("last_checked_on", Date),
    column("version", Integer),
)
CONSUMABLES: Final = table(
    "consumables",
    column("device_id", BigIntId),
    column("kind", String),
    column("state", String),
    column("expires_on", Date),
)
ESTATES: Final = table(
    "estates",
    column("id", BigIntId),
    column("region_id", BigIntId),
    column("name_en", String),
    column("name_zh", String),
    column("time_zone", String),
    column("state", String),
)
ALERTS: Final = table(
    "alerts",
    column("incident_id", BigIntId),
    column("device_id", BigIntId),
    column("asked_at", UtcDateTime),
    column("there_at", UtcDateTime),
    column("out_device_id", BigIntId),
    column("device_settled_at", UtcDateTime),
)
INCIDENTS: Final = table("incidents", column("id", BigIntId), column("kind", String))
CHECKS: Final = table(
    "checks",
    column("device_id", BigIntId),
    column("kind", String),
    column("answered_at", UtcDateTime),
)
QUARANTINES: Final = table(
    "quarantines",
    column("id", BigIntId),
    column("device_id", BigIntId),
    column("reason", String),
    column("since", UtcDateTime),
)
RETRIEVALS: Final = table(
    "retrievals",
    column("device_id", BigIntId),
    column("outcome", String),
    column("sent_at", UtcDateTime),
    column("closed_at", UtcDateTime),
)
PREVIEWS: Final = table(
    "coverage_previews",
    column("id", BigIntId),
    column("estate_id", BigIntId),
    column("inputs_hash", String),
    column("inputs", JSON),
    column("result", JSON),
)
CHANGES: Final = table(
    "registry_changes",
    column("subject", String),
    column("subject_id", String),
    column("at", UtcDateTime),
    column("who", String),
    column("fields", JSON),
)
