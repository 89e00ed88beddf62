"""Personal tables of calls, alerts and drills."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

INCIDENT_TABLES: Final = (
    PersonalTable(
        "drills",
        "by_id",
        Erasure.KEPT,
        "how fast a device can be fetched",
        shown=("id", "device_id", "start_lat", "start_lon", "start_floor", "seconds", "ran_at", "note"),
    ),
    PersonalTable(
        "alerts",
        "person_id",
        Erasure.KEPT,
        "record of whom a call alerted and who came",
        hidden=("key_hash",),
    ),
    PersonalTable(
        "earlier_alert_links",
        "alert_id",
        Erasure.DELETED,
        "links of earlier messages of the same alert",
        through="alerts",
        hidden=("key_hash",),
    ),
    PersonalTable(
        "alert_answers",
        "alert_id",
        Erasure.DELETED,
        "accepting repeated submissions only once",
        through="alerts",
        hidden=("key",),
    ),
    PersonalTable(
        "alert_places",
        "alert_id",
        Erasure.DELETED,
        "estimates of arrival times",
        through="alerts",
    ),
    PersonalTable(
        "incident_exclusions",
        "person_id",
        Erasure.KEPT,
        "exclusion of the person from a call by the dispatcher",
        shown=("id", "incident_id", "excluded_at", "lifted_at"),
    ),
    PersonalTable(
        "incident_reports",
        "by_id",
        Erasure.KEPT,
        "reports about a patient",
        hidden=("key", "digest"),
    ),
)
