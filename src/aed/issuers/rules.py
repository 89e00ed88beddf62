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


class HolderIds(StrEnum):
    """How an issuer wants the identity numbers of learners in its batches."""

    NONE = "none"
    MASKED = "masked"
    WHOLE = "whole"
    """The whole number is kept, encrypted, until the issuer has issued the certificate."""


class BatchField(StrEnum):
    """What a column of an issuer's batch holds."""

    ROW = "row"
    """The number of the row in the batch, by which the answer is read."""
    REFERENCE = "reference"
    NAME = "name"
    HOLDER_ID = "holder_id"
    PHONE = "phone"
    COURSE = "course"
    PASSED_ON = "passed_on"
    THEORY = "theory"
    """The score of the theory test."""
    PLACE = "place"
    TRAINER = "trainer"
    CERTIFICATE_NUMBER = "certificate_number"
    """Empty; the issuer fills it in."""
    REASON = "reason"
    """Empty; the issuer says here why a row is rejected."""


ANSWER_FIELDS = frozenset({BatchField.ROW, BatchField.CERTIFICATE_NUMBER, BatchField.REASON})
"""The columns that a batch needs so that its answer can be read."""
DATE_FORMATS = {
    "2027-05-31": "%Y-%m-%d",
    "2027/05/31": "%Y/%m/%d",
    "2027.05.31": "%Y.%m.%d",
    "20270531": "%Y%m%d",
    "31.05.2027": "%d.%m.%Y",
    "2027年05月31日": "%Y年%m月%d日",
}
"""How dates are written, by an example."""


def plain_name(name: str) -> str:
    """Normalise the name of an issuer for comparison: without width, case and spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
