"""What is held about a person, table by table: how a row is theirs, what they are shown, what becomes of it.

A table that refers to people and is not here fails a test, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Erasure(StrEnum):
    """What becomes of the rows when the person's data is erased."""

    DELETED = "deleted"
    BLANKED = "blanked"
    """The row stays, without what names the person."""
    KEPT = "kept"
    """Nothing in it names the person."""


@dataclass(frozen=True, slots=True)
class Held:
    """Rows of a table that are somebody's: `by` refers to the person, or to a row of `through`, which is."""

    table: str
    by: str
    erasure: Erasure
    why: str
    """For the person: what it is kept for."""
    through: str | None = None
    blank: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """What these columns hold afterwards; `MASKED`: the beginning of what they held."""
    hidden: tuple[str, ...] = ()
    """What nobody is shown: hashes of secrets."""
    shown: tuple[str, ...] | None = None
    """Of a row that is about something else: what of it is about the person; None: all."""


MASKED: Final = object()

HELD: Final = (
    Held("people", "id", Erasure.BLANKED, "who it was that the history tells of"),
    Held("accounts", "person_id", Erasure.DELETED, "signing in", hidden=("password_hash",)),
    Held("sign_ins", "person_id", Erasure.DELETED, "being signed in", hidden=("key_hash",)),
    Held("person_changes", "person_id", Erasure.BLANKED, "who changed what of a person, and when"),
    Held("role_grants", "person_id", Erasure.KEPT, "who could do what, when"),
    Held("consents", "person_id", Erasure.KEPT, "the proof that somebody agreed"),
    Held(
        "responders",
        "person_id",
        Erasure.BLANKED,
        "being called; and that a list which still tells of the person is not believed",
        blank={"availability": None, "paused_until": None},
    ),
    Held("responder_places", "responder_id", Erasure.DELETED, "being called", through="responders"),
    Held(
        "certificates",
        "responder_id",
        Erasure.BLANKED,
        "what was awarded, counted",
        through="responders",
        blank={"number": MASKED},
    ),
    Held("enrolments", "person_id", Erasure.KEPT, "who came to a training, counted"),
    Held(
        "attendances", "enrolment_id", Erasure.KEPT, "who came to a training, counted", through="enrolments"
    ),
    Held(
        "assessments",
        "enrolment_id",
        Erasure.BLANKED,
        "who passed, counted",
        through="enrolments",
        blank={"note": None},
    ),
    Held("outbox", "person_id", Erasure.DELETED, "telling the person something"),
    Held(
        "devices",
        "keeper_id",
        Erasure.BLANKED,
        "who answers for a device",
        blank={"keeper_id": None},
        shown=("id", "source", "source_id", "place_en", "place_zh"),
    ),
    Held(
        "training_sessions",
        "trainer_id",
        Erasure.KEPT,
        "that somebody taught it",
        shown=("id", "course_id", "starts_at", "place_en", "place_zh"),
    ),
)

ALSO_THEIRS: Final = frozenset({("assessments", "certificate_id"), ("enrolments", "moved_to_id")})
"""References between rows of one person, which are theirs by another column."""

DONE_BY: Final = (
    ("attendances", "marked_by"),
    ("assessments", "assessed_by"),
    ("changes", "who"),
    ("consents", "given_by"),
    ("consents", "withdrawn_by"),
    ("person_changes", "who"),
    ("reviews", "decided_by"),
    ("role_grants", "granted_by"),
    ("role_grants", "revoked_by"),
)
"""Columns that say who did something, as `person:7`. They stay: 7 tells nobody's name once it is erased."""

TELL_OF_KEEPERS: Final = (("source_records", "fields"), ("reviews", "evidence"))
"""What lists say of devices, in which a keeper may stand by name and number."""

KEEPER: Final = ("keeper_name", "keeper_phone")


def masked_number(number: str, row_id: int) -> str:
    """What is left of a certificate's number: it finds no certificate, and is no other's."""
    return f"{number[:3]}***{row_id}"


def without_keeper(value: object, *, name: str, is_phone: Callable[[str], bool]) -> object:
    """What a list says, without the keeper of that name whose number `is_phone` knows.

    A keeper of the same name with another number is somebody else.
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
