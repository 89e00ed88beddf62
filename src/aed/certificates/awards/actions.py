"""Revoke certificates awarded here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.certificates.awards import queries as award_queries
from aed.responders.actions import revoke_certificate
from aed.responders.models import Certificate
from aed.training.permissions import require_trainer


def revoke_awarded(session: Session, who: Viewer, number: str, *, reason: str, at: datetime) -> Certificate:
    """Revoke a certificate by its number; for those who run the training that awarded it.

    Revoking twice changes nothing. Raises NotFound, NotSignedIn or NotAllowed.
    """
    found = award_queries.awarded(session, number)
    require_trainer(who, found.estate_id, found.region_id)
    revoke_certificate(session, who, found.certificate, reason=reason, at=at)
    return found.certificate
