"""Queries for those who decide for a party: by a secret link, or as its representative."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.tokens import hash_key
from aed.errors import NotAllowed, NotFound
from aed.sharing.models import AgreementParty, PartyLink
from aed.sharing.rules import PartyRole


def party_by_key(
    session: Session, key: str, *, at: datetime, for_update: bool = False
) -> tuple[AgreementParty, PartyLink]:
    """Return the party whose link has this key. Raises NotFound if it is unknown, expired or revoked.

    visibility: for anyone with the key.
    """
    statement = (
        select(AgreementParty, PartyLink)
        .join(PartyLink, PartyLink.party_id == AgreementParty.id)
        .where(PartyLink.key_hash == hash_key(key))
    )
    if for_update:
        statement = statement.with_for_update(of=AgreementParty)
    row = session.execute(statement).first()
    if row is None or row[1].revoked_at is not None or row[1].expires_at <= at:
        raise NotFound(
            "This link has expired or was replaced. Ask the estate's manager for a new one.", field="key"
        )
    return row[0], row[1]


def party(session: Session, agreement_id: int, role: PartyRole) -> AgreementParty:
    """Return a party of an agreement. Raises NotFound.

    visibility: of an agreement that the caller may see.
    """
    found = session.scalar(
        select(AgreementParty)
        .where(AgreementParty.agreement_id == agreement_id, AgreementParty.role == role)
        .with_for_update()
    )
    if found is None:
        raise NotFound("Agreement {agreement_id} has no such party.", agreement_id=agreement_id)
    return found


def require_representative(who: Viewer, found: AgreementParty) -> None:
    """Require that the viewer is the person who decides for the party now. Raises NotAllowed."""
    if who.person_id is None or who.person_id != found.representative_id:
        raise NotAllowed("Only the representative of the party, or somebody with its link, may do this.")
