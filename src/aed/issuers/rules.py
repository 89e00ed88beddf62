"""Kinds of issuers of certificates, and how their certificates can be verified."""

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
    """An organisation that trains within this network; its certificates are verified by being awarded here.
    """
    OTHER = "other"


class VerifiedBy(StrEnum):
    """How a certificate of the issuer is verified."""

    NOTHING = "nothing"
    ROSTER = "roster"
    """By files of certificates that the issuer sends from time to time."""
    QUERY = "query"
    """By an HTTP request for each certificate; rosters are read too."""


class IssuerState(StrEnum):
    ACTIVE = "active"
    WITHDRAWN = "withdrawn"
    """Nothing new is linked to it; its certificates stay valid."""


def plain_name(name: str) -> str:
    """Normalise the name of an issuer for comparison: without width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
