"""Personal tables of responders, certificates and trainings."""

from __future__ import annotations

from typing import Final

from aed.personal_data.rules.erasure import MASKED, Erasure, PersonalTable

TRAINING_TABLES: Final = (
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
        "training_sessions",
        "trainer_id",
        Erasure.KEPT,
        "who taught a training",
        shown=("id", "course_id", "starts_at", "place_en", "place_zh"),
    ),
)
