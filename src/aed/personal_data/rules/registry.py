"""Personal tables of estates, devices, imports and agreements."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

REGISTRY_TABLES: Final = (
    PersonalTable(
        "residence_requests", "person_id", Erasure.DELETED, "confirming that the person lives in an estate"
    ),
    PersonalTable("saved_filters", "person_id", Erasure.DELETED, "finding AEDs of an estate quickly"),
    PersonalTable(
        "devices",
        "keeper_id",
        Erasure.BLANKED,
        "who is responsible for a device",
        blank={"keeper_id": None},
        shown=("id", "source", "source_id", "place_en", "place_zh"),
    ),
    PersonalTable(
        "loans",
        "loaner_keeper_id",
        Erasure.BLANKED,
        "who is responsible for a loaner once it is returned",
        blank={"loaner_keeper_id": None},
        shown=("id", "loaner_id"),
    ),
    PersonalTable(
        "import_drafts",
        "person_id",
        Erasure.DELETED,
        "importing a list of AEDs",
        hidden=("content", "result"),
    ),
    PersonalTable(
        "agreement_parties",
        "representative_id",
        Erasure.BLANKED,
        "who decides for a party of an agreement",
        blank={"representative_id": None},
        shown=("id", "agreement_id", "role", "legal_name"),
    ),
)
