"""Change responders: import lists (registering, many), and handle offers, consents and live locations."""

from __future__ import annotations

from aed.responders.actions.many import save_responders
from aed.responders.actions.registering import (
    AWARDED_BY,
    Award,
    CertificateGiven,
    PlaceGiven,
    ResponderGiven,
    award_certificate,
    confirm_certificate,
    revoke_certificate,
    save_responder,
)

__all__ = [
    "AWARDED_BY",
    "Award",
    "CertificateGiven",
    "PlaceGiven",
    "ResponderGiven",
    "award_certificate",
    "confirm_certificate",
    "revoke_certificate",
    "save_responder",
    "save_responders",
]
