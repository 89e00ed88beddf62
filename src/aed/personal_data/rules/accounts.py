"""Personal tables of people, their sign-in and their roles."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

ACCOUNT_TABLES: Final = (
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
    PersonalTable("linked_accounts", "person_id", Erasure.KEPT, "link to your account in another province"),
    PersonalTable("role_grants", "person_id", Erasure.KEPT, "record of roles"),
    PersonalTable("demo_people", "person_id", Erasure.KEPT, "part in the demo of an invented person"),
)
