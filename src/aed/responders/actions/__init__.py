"""Change responders: import lists (registering, many), and handle offers, consents and live locations."""

from __future__ import annotations

from aed.responders.actions.many import put_responders
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
    "put_responders",
    "revoke_certificate",
]
