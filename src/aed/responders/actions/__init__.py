"""Writes: registering.py responders of lists, and certificates; offering.py people who offer themselves;
consents.py what they agreed to."""

from __future__ import annotations

from aed.responders.actions.registering import (
    AWARDED_BY,
    Award,
    CertificateGiven,
    PlaceGiven,
    ResponderGiven,
    award_certificate,
    put_responder,
    revoke_certificate,
)

__all__ = [
    "AWARDED_BY",
    "Award",
    "CertificateGiven",
    "PlaceGiven",
    "ResponderGiven",
    "award_certificate",
    "put_responder",
    "revoke_certificate",
]
