"""Personal tables of volunteer service."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import Erasure, PersonalTable

VOLUNTEERING_TABLES: Final = (
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
)
