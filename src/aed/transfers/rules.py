"""What of an estate travels to another cell, what stays, and how values are written to the file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Any, Final

import orjson
from pydantic import BaseModel, ConfigDict

type Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CarriedTable:
    """A table whose rows travel, with its columns that need care; all others travel as they are."""

    name: str
    parents: Mapping[str, str]
    """Columns that refer to rows that travel: {column: table}."""
    left_out: frozenset[str] = frozenset()
    """Columns that the receiving cell sets itself."""
    actors: frozenset[str] = frozenset()
    """Columns that say who did something, as `person:7`: 7 is somebody else in the other cell."""
    may_vanish: bool = False
    """Rows of it are deleted in the ordinary course, so a later export may lack some."""
    extra: tuple[str, ...] = field(default=())
    """Fields of the file in place of columns: `keeper` and `recall`."""


CARRIED: Final = (
    CarriedTable("estates", {}, frozenset({"region_id"})),
    CarriedTable("estate_paces", {"estate_id": "estates"}),
    CarriedTable("buildings", {"estate_id": "estates"}, may_vanish=True),
    CarriedTable("gates", {"estate_id": "estates"}),
    CarriedTable("gate_codes", {"gate_id": "gates"}, actors=frozenset({"set_by"}), may_vanish=True),
    CarriedTable(
        "devices",
        {"estate_id": "estates"},
        frozenset(
            {
                "region_id",
                "keeper_id",
                "sharing_hours",
                "audience_outside_hours",
                "emergency_override",
                "published_position",
                "agreement_id",
                "audience_changes_at",
                "silent_since",
                "loaner_id",
                "stands_in_for_id",
            }
        ),
        extra=("keeper",),
    ),
    CarriedTable("cabinet_codes", {"device_id": "devices"}, actors=frozenset({"set_by"}), may_vanish=True),
    CarriedTable("consumables", {"device_id": "devices"}),
    CarriedTable("policies", {"estate_id": "estates"}, frozenset({"scope"})),
    CarriedTable(
        "checks",
        {"device_id": "devices", "policy_id": "policies"},
        frozenset({"by_id"}),
        actors=frozenset({"by_name"}),
    ),
    CarriedTable(
        "quarantines",
        {"device_id": "devices", "by_check_id": "checks", "lifted_by_check_id": "checks"},
        frozenset({"by_report_id", "recall_id"}),
        extra=("recall",),
    ),
)
"""The tables that travel; a table comes after those that its rows refer to."""

NOT_CARRIED: Final = frozenset({"id", "version"})
"""Columns that each cell counts itself."""

STAYS: Final[Mapping[str, str]] = {
    "agreements": "agreements are concluded again; until then the estate's own audience applies",
    "device_shares": "follow from the agreements",
    "cost_cases": "costs are settled here",
    "appeal_panel_members": "people stay",
    "calendar_addresses": "calendar addresses are made again",
    "certificate_declarations": "people stay; a certificate is verified by its signature in any cell",
    "client_apps": "apps are registered again, with a new secret",
    "coverage_previews": "previews are computed again",
    "incidents": "incidents stay where they were handled",
    "alerts": "incidents stay where they were handled",
    "incident_exclusions": "incidents stay where they were handled",
    "inspection_rounds": "rounds are planned again",
    "round_stops": "rounds are planned again",
    "ledger_accounts": "points are paid out here: see the time bank",
    "goods": "points are paid out here: see the time bank",
    "platform_batches": "service records stay with the volunteers",
    "residence_requests": "people stay",
    "responders": "people stay: each signs up in the other cell, with their consent",
    "role_grants": "people stay: roles are granted again",
    "saved_filters": "people stay",
    "saved_mappings": "mappings of lists are saved again",
    "service_certificates": "service records stay with the volunteers",
    "service_issuers": "service records stay with the volunteers",
    "service_records": "service records stay with the volunteers",
    "proof_requests": "service records stay with the volunteers",
    "volunteers": "people stay",
    "enrolments": "people stay",
    "training_sessions": "sessions stay where they are held",
    "signal_sources": "sources of signals are connected again, with a new key",
    "device_monitors": "monitors are connected again, with a new key",
    "device_signals": "signals stay with the monitor",
    "spare_stocks": "spares are counted again",
    "spare_movements": "spares are counted again",
    "tokens": "tokens are made again",
    "webhook_subscriptions": "webhooks are registered again",
    "confirmations": "facts are confirmed again",
    "confirmation_requests": "facts are confirmed again",
    "drills": "drills stay; the pace estimated from them travels",
    "fault_reports": "open reports are handled here first",
    "check_approvals": "checks that wait are approved here first",
    "loans": "ended loans stay in the history here",
    "place_photos": "photos of checks stay",
    "reminders": "reminders begin again",
    "retrievals": "retrievals are followed up here",
    "reviews": "lists are imported again",
    "source_records": "lists are imported again",
}
"""Tables that refer to an estate or a device and do not travel, and what is to be done about them."""


def actor_elsewhere(cell: str, actor: str | None) -> str | None:
    """Return an actor of another cell, such as `33/person:7`, which names nobody here."""
    return None if actor is None else f"{cell}/{actor}"[:200]


def as_json(value: object) -> Any:  # Any: JSON
    """Return a value of a column, other than a geometry, as JSON."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):  # includes datetime
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def from_json(value: Any, kind: type) -> Any:  # Any: JSON, and a value of the column
    """Return the value of a column of this Python type. Raises ValueError."""
    if value is None:
        return None
    if issubclass(kind, Enum):
        return kind(value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is date:
        return date.fromisoformat(value)
    if kind is bytes:
        return base64.b64decode(value, validate=True)
    is_right = isinstance(value, kind | int if kind is float else kind)
    if isinstance(value, bool):  # which is an int, too
        is_right = kind is bool
    if kind in (int, float, bool, str, dict, list) and not is_right:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


# --- rows of the file -------------------------------------------------------------------------------------


class EstateRows(BaseModel):
    """The content of the export: the rows of each table, with their numbers."""

    model_config = ConfigDict(extra="forbid")

    rows: dict[str, list[Row]]

    def content(self) -> bytes:
        """Return the rows as bytes, always the same for the same rows."""
        return orjson.dumps(self.model_dump(), option=orjson.OPT_SORT_KEYS)

    def digest(self) -> str:
        return sha256_of(self.content())


def row_digest(row: Row) -> str:
    """Return the hash of one row."""
    return sha256_of(orjson.dumps(row, option=orjson.OPT_SORT_KEYS))


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
