"""Decisions about responders: who may be called at a moment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from aed.accounts.rules.trust import Trust as Trust
from aed.issuers.rules import CertificateKind as CertificateKind
from aed.registry.rules.hours import Opening


class PlaceKind(StrEnum):
    HOME = "home"
    WORK = "work"
    OTHER = "other"


class ResponderState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


def trust_of_list(known: Trust, given: Trust) -> Trust | None:
    """How far a certificate is believed after a list told of it again; None: the list changes nothing of it.

    What its issuer has confirmed is not changed by a list that claims less; of two lists the later one holds.
    """
    return None if known is Trust.VERIFIED and given is not Trust.VERIFIED else given


class Availability(StrEnum):
    AVAILABLE = "available"
    """Their hours say so, and that they are at this place."""
    UNKNOWN = "unknown"
    """They may be called; their hours, or whether they are here, are not known."""


def availability(
    *,
    at: datetime,
    today: date,
    valid_until: date | None,
    paused_until: datetime | None,
    availability_hours: Opening,
    place_hours: Opening,
) -> Availability | None:
    """Whether a person may be called at this place now; None: no.

    1. A certificate that is valid today, its last day included.
    2. Not paused.
    3. Not outside the hours that they gave, and not elsewhere by the hours of this place.
    """
    if valid_until is None or valid_until < today:
        return None
    if paused_until is not None and paused_until > at:
        return None
    if Opening.CLOSED in (availability_hours, place_hours):
        return None
    if Opening.UNKNOWN in (availability_hours, place_hours):
        return Availability.UNKNOWN
    return Availability.AVAILABLE


# --- consents -------------------------------------------------------------------------------------------


class ConsentKind(StrEnum):
    """What a person agrees to, each for itself."""

    BEING_CALLED = "being_called"
    PLACE_ON_DUTY = "place_on_duty"
    """That the place is kept where the person is on duty (of kind `work`)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that are agreed to. Amended words are a new version; the old ones stay."""

    version: str
    en: str
    zh: str


JOINED: Final = "joined"
"""Who ended a consent where two entries of one person became one: nobody withdrew it."""
STATED_BY_A_LIST: Final = "list"
"""The version where a list says that the person agreed: whoever keeps the list has the words."""

WORDINGS: Final[Mapping[ConsentKind, tuple[Wording, ...]]] = {
    ConsentKind.BEING_CALLED: (
        Wording(
            "2026-11",
            "I may be called to a patient near the places that I gave, at the hours that I gave. Until I "
            "accept, a dispatcher sees roughly where that is, and not who I am. I come if I can; nobody "
            "obliges me to. I can pause or withdraw at any time.",
            "我同意：在我填写的时段内，可呼叫我前往所填地点附近的患者。接受任务之前，调度员只能看到大致位置，"
            "看不到我是谁。我量力而行，没有义务必须到场，可随时暂停或撤回。",
        ),
    ),
    ConsentKind.PLACE_ON_DUTY: (
        Wording(
            "2026-11",
            "The place where I am on duty may be kept, so that I can be called there. It is deleted when I "
            "withdraw this.",
            "我同意：保存我值班的地点，以便在该处呼叫我。撤回后即删除。",
        ),
    ),
}
"""The last one of each is asked for."""


def wording_in_force(kind: ConsentKind) -> Wording:
    return WORDINGS[kind][-1]


def may_keep_places(kinds: Iterable[PlaceKind], consents: Collection[ConsentKind]) -> bool:
    """A place of duty is kept only with the consent to that."""
    return PlaceKind.WORK not in kinds or ConsentKind.PLACE_ON_DUTY in consents
