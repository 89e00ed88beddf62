"""Decisions about responders: who may be called at a moment."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

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
