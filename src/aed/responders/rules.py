"""Decisions about responders: who may be called at a moment."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from aed.registry.rules.hours import Opening


class CertificateKind(StrEnum):
    FIRST_AID = "first_aid"
    CPR_AED = "cpr_aed"
    PROFESSIONAL = "professional"


class PlaceKind(StrEnum):
    HOME = "home"
    WORK = "work"
    OTHER = "other"


class ResponderState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


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
