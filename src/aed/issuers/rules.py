"""Who issues certificates, and how what they say can be verified."""

from __future__ import annotations

import unicodedata
from enum import StrEnum


class CertificateKind(StrEnum):
    FIRST_AID = "first_aid"
    CPR_AED = "cpr_aed"
    PROFESSIONAL = "professional"


class IssuerKind(StrEnum):
    RED_CROSS = "red_cross"
    """A chapter of the Red Cross."""
    AMBULANCE_SERVICE = "ambulance_service"
    TRAINING_OFFICE = "training_office"
    """One that trains within this network: what it awards is verified by being awarded here."""
    OTHER = "other"


class VerifiedBy(StrEnum):
    """How it is found out whether the issuer stands by a certificate."""

    NOTHING = "nothing"
    ROSTER = "roster"
    """A file of certificates that the issuer sends now and then."""
    QUERY = "query"
    """A question over HTTP about each certificate; rosters are read too."""


class IssuerState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    """Nothing new is linked to it; what it issued stays."""


def plain_name(name: str) -> str:
    """For comparing names of issuers: without width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
