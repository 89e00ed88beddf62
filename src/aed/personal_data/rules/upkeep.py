"""Personal tables of checks, reminders and reports of devices."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

UPKEEP_TABLES: Final = (
    PersonalTable("reminder_preferences", "person_id", Erasure.DELETED, "the person's reminder preferences"),
    PersonalTable(
        "reminder_messages", "person_id", Erasure.DELETED, "reminders to the person", hidden=("key_hash",)
    ),
    PersonalTable("reminder_recipients", "person_id", Erasure.DELETED, "reminders to the person"),
    PersonalTable(
        "confirmation_requests",
        "person_id",
        Erasure.KEPT,
        "confirmation of a device's data",
        hidden=("key_hash",),
    ),
    PersonalTable(
        "checks",
        "by_id",
        Erasure.KEPT,
        "proof that a device was checked",
        shown=(
            "id",
            "device_id",
            "kind",
            "answered_at",
            "answers",
            "replaced",
            "note",
            "readings",
            "is_passed",
        ),
    ),
    PersonalTable(
        "check_approvals",
        "decided_by_id",
        Erasure.KEPT,
        "proof that a second person approved or refused a check",
        shown=("check_id", "device_id", "state", "reason", "decided_at"),
    ),
    PersonalTable(
        "spare_movements",
        "by_id",
        Erasure.KEPT,
        "proof of what was done with spare pads and batteries",
        shown=("id", "stock_id", "reason", "quantity", "lot", "expires_on", "note", "at"),
    ),
    PersonalTable(
        "inspection_rounds",
        "inspector_id",
        Erasure.BLANKED,
        "record of assigned inspection rounds",
        blank={"start_lat": None, "start_lon": None, "end_lat": None, "end_lon": None},
    ),
    PersonalTable(
        "confirmations",
        "by_id",
        Erasure.KEPT,
        "when a device's data was last confirmed",
        shown=("device_id", "fact", "at"),
    ),
    PersonalTable(
        "fault_reports",
        "by_id",
        Erasure.KEPT,
        "reports about a device",
        shown=("id", "device_id", "kind", "note", "at", "state"),
    ),
    PersonalTable(
        "retrievals",
        "person_id",
        Erasure.KEPT,
        "what happened to a fetched device",
        shown=("id", "device_id", "sent_at", "outcome"),
    ),
)
