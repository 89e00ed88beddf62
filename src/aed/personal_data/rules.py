"""The tables that hold personal data: how a row belongs to a person, what they see, and how it is erased.

A test fails if a table refers to people and is missing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Erasure(StrEnum):
    """What happens to the rows when the person's data is erased."""

    DELETED = "deleted"
    BLANKED = "blanked"
    """The row stays; columns that identify the person are blanked."""
    KEPT = "kept"
    """The row stays unchanged: nothing in it identifies the person."""


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """A table with rows that belong to people.

    A row belongs to a person if `by` or a column of `also_by` refers to the person, or to a row of the table
    `through` that belongs to the person.
    """

    table: str
    by: str
    erasure: Erasure
    reason: str
    """Why the data is kept, in words for the person."""
    through: str | None = None
    also_by: tuple[str, ...] = ()
    blank: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """New values of columns on erasure; `MASKED` keeps the beginning of the old value."""
    hidden: tuple[str, ...] = ()
    """Columns that are never shown: hashes of secrets, and photos, which have routes of their own."""
    shown: tuple[str, ...] | None = None
    """The columns about the person, in a row about something else; None means all columns."""


MASKED: Final = object()

PERSONAL_TABLES: Final = (
    PersonalTable("people", "id", Erasure.BLANKED, "identify the person in the history"),
    PersonalTable("accounts", "person_id", Erasure.DELETED, "sign-in", hidden=("password_hash",)),
    PersonalTable("identities", "person_id", Erasure.DELETED, "sign-in through an identity provider"),
    PersonalTable(
        "sign_ins",
        "person_id",
        Erasure.DELETED,
        "keep the person signed in",
        hidden=("key_hash", "challenge"),
    ),
    PersonalTable(
        "second_factors",
        "person_id",
        Erasure.DELETED,
        "second factor of sign-in",
        hidden=("secret", "credential_id"),
    ),
    PersonalTable(
        "recovery_codes",
        "person_id",
        Erasure.DELETED,
        "sign-in when a second factor is lost",
        hidden=("code_hash",),
    ),
    PersonalTable(
        "security_events",
        "person_id",
        Erasure.BLANKED,
        "record of sign-ins and attempts",
        blank={"account_key": None, "address": None},
        hidden=("account_key",),
    ),
    PersonalTable("person_changes", "person_id", Erasure.BLANKED, "record of changes to the person"),
    PersonalTable("role_grants", "person_id", Erasure.KEPT, "record of roles"),
    PersonalTable(
        "residence_requests", "person_id", Erasure.DELETED, "confirming that the person lives in an estate"
    ),
    PersonalTable("saved_filters", "person_id", Erasure.DELETED, "finding AEDs of an estate quickly"),
    PersonalTable("demo_people", "person_id", Erasure.KEPT, "part in the demo of an invented person"),
    PersonalTable("consents", "person_id", Erasure.KEPT, "proof of consent"),
    PersonalTable(
        "responders",
        "person_id",
        Erasure.BLANKED,
        "calling the person; correcting lists that still name the person",
        blank={"availability": None, "paused_until": None},
    ),
    PersonalTable(
        "responder_places", "responder_id", Erasure.DELETED, "calling the person", through="responders"
    ),
    PersonalTable(
        "live_places",
        "responder_id",
        Erasure.DELETED,
        "calling the person from where they are, for 15 minutes",
        through="responders",
    ),
    PersonalTable(
        "certificates",
        "responder_id",
        Erasure.BLANKED,
        "record of awarded certificates, for counts",
        through="responders",
        blank={"number": MASKED, "holder_id": None, "revoked_why": None},
    ),
    PersonalTable(
        "certificate_checks",
        "certificate_id",
        Erasure.DELETED,
        "verification of a certificate by its issuer",
        through="certificates",
    ),
    PersonalTable(
        "certificate_declarations",
        "person_id",
        Erasure.DELETED,
        "confirming a certificate that the person declared",
        hidden=("jpeg",),
    ),
    PersonalTable(
        "person_pairs",
        "first_id",
        Erasure.DELETED,
        "finding people who were entered twice",
        also_by=("second_id",),
        shown=("id", "score", "reasons", "found_at", "decision", "decided_at"),
    ),
    PersonalTable(
        "import_drafts",
        "person_id",
        Erasure.DELETED,
        "importing a list of AEDs",
        hidden=("content", "result"),
    ),
    PersonalTable("enrolments", "person_id", Erasure.KEPT, "attendance of trainings, for counts"),
    PersonalTable(
        "attendances",
        "enrolment_id",
        Erasure.KEPT,
        "attendance of trainings, for counts",
        through="enrolments",
    ),
    PersonalTable(
        "assessments",
        "enrolment_id",
        Erasure.BLANKED,
        "results of trainings, for counts",
        through="enrolments",
        blank={"note": None, "issuer_number": None},
    ),
    PersonalTable(
        "learner_identities",
        "enrolment_id",
        Erasure.DELETED,
        "applying for the card at its issuer",
        through="enrolments",
        hidden=("jpeg",),
    ),
    PersonalTable(
        "issuer_batch_rows",
        "assessment_id",
        Erasure.BLANKED,
        "which results an issuer has",
        through="assessments",
        blank={"reason": "-"},
    ),
    PersonalTable(
        "assessment_attempts",
        "enrolment_id",
        Erasure.KEPT,
        "marks of assessments, for counts",
        through="enrolments",
    ),
    PersonalTable("trainer_grades", "person_id", Erasure.DELETED, "who may train for an issuer"),
    PersonalTable(
        "presence_codes_used",
        "enrolment_id",
        Erasure.KEPT,
        "accepting a code only once",
        through="enrolments",
    ),
    PersonalTable("training_reminders", "person_id", Erasure.DELETED, "reminding of a training only once"),
    PersonalTable(
        "calendar_addresses",
        "person_id",
        Erasure.DELETED,
        "the person's private calendar",
        hidden=("key_hash",),
    ),
    PersonalTable("outbox", "person_id", Erasure.DELETED, "messages to the person"),
    PersonalTable(
        "endpoints",
        "person_id",
        Erasure.DELETED,
        "messages to the person",
        hidden=("secret", "old_secret"),
    ),
    PersonalTable(
        "wechat_consents",
        "endpoint_id",
        Erasure.DELETED,
        "consents to messages in WeChat",
        through="endpoints",
    ),
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
        "drills",
        "by_id",
        Erasure.KEPT,
        "how fast a device can be fetched",
        shown=("id", "device_id", "start_lat", "start_lon", "start_floor", "seconds", "ran_at", "note"),
    ),
    PersonalTable(
        "fault_reports",
        "by_id",
        Erasure.KEPT,
        "reports about a device",
        shown=("id", "device_id", "kind", "note", "at", "state"),
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
    PersonalTable(
        "retrievals",
        "person_id",
        Erasure.KEPT,
        "what happened to a fetched device",
        shown=("id", "device_id", "sent_at", "outcome"),
    ),
    PersonalTable(
        "devices",
        "keeper_id",
        Erasure.BLANKED,
        "who is responsible for a device",
        blank={"keeper_id": None},
        shown=("id", "source", "source_id", "place_en", "place_zh"),
    ),
    PersonalTable(
        "agreement_parties",
        "representative_id",
        Erasure.BLANKED,
        "who decides for a party of an agreement",
        blank={"representative_id": None},
        shown=("id", "agreement_id", "role", "legal_name"),
    ),
    PersonalTable("ledger_accounts", "person_id", Erasure.KEPT, "balances of the time bank, under a number"),
    PersonalTable(
        "ledger_entries",
        "to_account_id",
        Erasure.KEPT,
        "movements of the time bank, which are never changed",
        through="ledger_accounts",
        also_by=("from_account_id",),
        hidden=("hash", "key_id"),
    ),
    PersonalTable(
        "relatives",
        "person_id",
        Erasure.DELETED,
        "gifts of points between relatives",
        also_by=("relative_id",),
    ),
    PersonalTable(
        "embedded_views",
        "person_id",
        Erasure.DELETED,
        "the time bank in an app, for some minutes",
        hidden=("key_hash",),
    ),
    PersonalTable("family_members", "person_id", Erasure.DELETED, "use of a family account"),
    PersonalTable(
        "named_heirs", "person_id", Erasure.DELETED, "who is to have the points", also_by=("heir_id",)
    ),
    PersonalTable("inheritances", "person_id", Erasure.KEPT, "what became of points", also_by=("heir_id",)),
    PersonalTable("mandates", "principal_id", Erasure.KEPT, "who acted for whom", also_by=("agent_id",)),
    PersonalTable(
        "priority_members", "person_id", Erasure.DELETED, "goods that are kept for the person at first"
    ),
    PersonalTable(
        "goods_orders",
        "person_id",
        Erasure.BLANKED,
        "what points were spent on",
        blank={"address": None, "delivered_by": None},
        hidden=("code", "key"),
    ),
    PersonalTable(
        "service_offers",
        "person_id",
        Erasure.BLANKED,
        "services for others",
        blank={"title": "-", "times": None, "place": None},
    ),
    PersonalTable(
        "service_exchanges",
        "person_id",
        Erasure.BLANKED,
        "what points were spent on",
        blank={"address": None},
        hidden=("key",),
    ),
    PersonalTable(
        "expiry_notices",
        "account_id",
        Erasure.DELETED,
        "notifying the person only once that points expire",
        through="ledger_accounts",
    ),
    PersonalTable("volunteers", "person_id", Erasure.DELETED, "record of the person's service"),
    PersonalTable(
        "lead_buildings", "person_id", Erasure.DELETED, "buildings whose service the person confirms"
    ),
    PersonalTable(
        "service_records",
        "person_id",
        Erasure.BLANKED,
        "record of service, for counts and the points given for it",
        blank={"place": None},
    ),
    PersonalTable(
        "service_proofs",
        "record_id",
        Erasure.DELETED,
        "where and when service was done",
        through="service_records",
    ),
    PersonalTable(
        "service_events",
        "record_id",
        Erasure.BLANKED,
        "history of a service record",
        through="service_records",
        blank={"reason": None},
    ),
    PersonalTable(
        "service_appeals",
        "record_id",
        Erasure.BLANKED,
        "appeals about service",
        through="service_records",
        blank={"reason": None},
    ),
    PersonalTable(
        "appeal_votes",
        "person_id",
        Erasure.BLANKED,
        "decisions on appeals of others",
        blank={"reason": None},
        shown=("party", "is_granted", "reason", "voted_at"),
    ),
    PersonalTable(
        "appeal_panel_members", "person_id", Erasure.DELETED, "who decides appeals for a party of an estate"
    ),
    PersonalTable(
        "platform_rows",
        "record_id",
        Erasure.BLANKED,
        "which volunteer platform knows a service record",
        through="service_records",
        blank={"reason": None},
    ),
    PersonalTable(
        "service_certificates",
        "person_id",
        Erasure.BLANKED,
        "proofs of service that were issued, for checking them",
        blank={
            "name": None,
            "id_type": None,
            "id_number": None,
            "volunteer_number": None,
            "training": None,
            "awards": None,
            "notes": None,
        },
        hidden=("key",),
    ),
    PersonalTable(
        "proof_requests",
        "person_id",
        Erasure.DELETED,
        "requests for a proof of service",
        hidden=("key",),
    ),
    PersonalTable(
        "service_flags",
        "record_id",
        Erasure.KEPT,
        "why points of a service record were held",
        through="service_records",
    ),
    PersonalTable(
        "training_sessions",
        "trainer_id",
        Erasure.KEPT,
        "who taught a training",
        shown=("id", "course_id", "starts_at", "place_en", "place_zh"),
    ),
)

ALSO_PERSONAL: Final = frozenset(
    {
        ("appeal_votes", "appeal_id"),
        ("assessments", "certificate_id"),
        ("enrolments", "moved_to_id"),
        ("family_members", "account_id"),
        ("goods_orders", "payer_account_id"),
        ("ledger_entries", "currency"),
        ("ledger_entries", "reverses"),
        ("outbox", "endpoint_id"),
        ("people", "joined_into_id"),
        ("person_pairs", "kept_id"),
        ("reminder_recipients", "message_id"),
        ("responders", "joined_into_id"),
        ("proof_requests", "certificate_id"),
        ("service_records", "confirmed_by_id"),
        ("service_records", "corrects_id"),
        ("service_records", "recorded_by_id"),
        ("service_exchanges", "offer_id"),
        ("service_exchanges", "payer_account_id"),
        ("sponsors", "account_id"),
        ("goods", "sponsor_id"),
        ("stock_changes", "goods_id"),
        ("inspection_rounds", "repeats_id"),
        ("round_stops", "round_id"),
    }
)
"""References between rows of one person that already belong to them by another column."""

ACTOR_COLUMNS: Final = (
    ("agreements", "confirmed_by"),
    ("agreements", "created_by"),
    ("agreements", "suspended_by"),
    ("agreements", "withdrawn_by"),
    ("cost_cases", "settled_by"),
    ("party_decisions", "decided_by"),
    ("party_links", "created_by"),
    ("sharing_rules", "created_by"),
    ("attendances", "marked_by"),
    ("assessments", "assessed_by"),
    ("issuer_batches", "made_by"),
    ("learner_identities", "given_by"),
    ("assessment_attempts", "assessed_by"),
    ("audit_log", "who"),
    ("cabinet_codes", "set_by"),
    ("device_monitors", "key_made_by"),
    ("signal_sources", "created_by"),
    ("calendar_addresses", "created_by"),
    ("calendar_addresses", "revoked_by"),
    ("certificate_declarations", "decided_by"),
    ("retrievals", "closed_by"),
    ("retrievals", "reported_by"),
    ("registry_changes", "who"),
    ("consents", "given_by"),
    ("consents", "withdrawn_by"),
    ("drills", "withdrawn_by"),
    ("incident_events", "who"),
    ("incident_exclusions", "excluded_by"),
    ("incident_exclusions", "lifted_by"),
    ("incident_messages", "reported_by"),
    ("incident_reports", "reported_by"),
    ("incidents", "closed_by"),
    ("incidents", "opened_by"),
    ("patient_outcomes", "reported_by"),
    ("person_changes", "who"),
    ("person_pairs", "decided_by"),
    ("fault_reports", "closed_by"),
    ("inheritances", "recorded_by"),
    ("inheritances", "settled_by"),
    ("goods_orders", "ended_by"),
    ("goods_orders", "ordered_by"),
    ("inspection_rounds", "assigned_by"),
    ("stock_changes", "changed_by"),
    ("ledger_entries", "posted_by"),
    ("mandates", "recorded_by"),
    ("priority_members", "confirmed_by"),
    ("service_exchanges", "asked_by"),
    ("service_exchanges", "ended_by"),
    ("time_bank_rules", "created_by"),
    ("webhook_subscriptions", "created_by"),
    ("client_apps", "created_by"),
    ("place_photos", "chosen_by"),
    ("residence_requests", "answered_by"),
    ("reviews", "decided_by"),
    ("role_grants", "granted_by"),
    ("role_grants", "revoked_by"),
    ("platform_batches", "made_by"),
    ("proof_requests", "declined_by"),
    ("service_certificates", "issued_by"),
    ("service_certificates", "revoked_by"),
    ("service_issuers", "set_by"),
    ("service_events", "by"),
    ("service_flags", "cleared_by"),
    ("service_records", "confirmed_by"),
    ("service_records", "recorded_by"),
    ("volunteers", "registered_by"),
)
"""Columns that say who did something, as `person:7`. They stay: after erasure, 7 leads to no name."""

KEEPER_FIELDS: Final = (("source_records", "fields"), ("reviews", "evidence"))
"""Columns of imported lists of devices that may contain a keeper's name and phone number."""

NAMES_NO_PERSON: Final = frozenset(
    {
        ("goods_orders", "delivered_by"),
        ("centres", "endpoint_id"),
        ("consents", "stated_by"),
        ("identities", "linked_by"),
        ("issuers", "verified_by"),
        ("webhook_subscriptions", "endpoint_id"),
    }
)
"""Columns whose names look like references to people, but that refer to other things."""

OF_PATIENTS: Final = frozenset(
    {
        ("incidents", "address"),
        ("incidents", "door_code"),
        ("incidents", "hazard_note"),
        ("incident_reports", "address"),
        ("incident_reports", "door_code"),
        ("patient_outcomes", "age"),
        ("patient_outcomes", "sex"),
    }
)
"""Encrypted columns about patients, who are not people of this database."""

IMPERSONAL_TABLES: Final = frozenset(
    {("audit_keys", "secret"), ("cabinet_codes", "code"), ("signal_sources", "secret")}
)
"""Encrypted columns that are not about people."""

HOLDER_FIELDS: Final = "issuer_entries"
"""The table of issuers' rosters, whose entries are matched by certificate number."""

KEEPER: Final = ("keeper_name", "keeper_phone")


def masked_number(number: str, row_id: int) -> str:
    """Return a masked certificate number that matches no certificate and is unique to the row."""
    return f"{number[:3]}***{row_id}"


def without_keeper(value: object, *, name: str, is_phone: Callable[[str], bool]) -> object:
    """Return the content of a list without the keeper of that name whose number satisfies `is_phone`.

    A keeper of the same name with a different number stays.
    """
    if isinstance(value, Mapping):
        phone = value.get("keeper_phone")
        is_theirs = value.get("keeper_name") == name and (phone is None or is_phone(phone))
        return {
            key: without_keeper(each, name=name, is_phone=is_phone)
            for key, each in value.items()
            if not (is_theirs and key in KEEPER)
        }
    if isinstance(value, list):
        return [without_keeper(each, name=name, is_phone=is_phone) for each in value]
    return value
