"""Columns that refer to people, or to rows of theirs, and that are no entry of `personal_tables`."""

from __future__ import annotations

from typing import Final

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
    ("gate_codes", "set_by"),
    ("loans", "lent_by"),
    ("loans", "returned_by"),
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
    ("check_approvals", "decided_by"),
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
    {
        ("audit_keys", "secret"),
        ("cabinet_codes", "code"),
        ("gate_codes", "code"),
        ("signal_sources", "secret"),
    }
)
"""Encrypted columns that are not about people."""

HOLDER_FIELDS: Final = "issuer_entries"
"""The table of issuers' rosters, whose entries are matched by certificate number."""
