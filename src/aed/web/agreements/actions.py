"""Put an agreement before its parties, and send each party its link."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.notifications.outbox import Notice, notify_person
from aed.notifications.short_links import short_link
from aed.sharing.agreements import actions as agreement_actions
from aed.sharing.agreements.queries import estate_row
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.schemas import LinkIn
from aed.sharing.models import Agreement, AgreementParty


@dataclass(frozen=True, slots=True)
class SentLink:
    """A party's new link: shown once, for copying."""

    party: AgreementParty
    address: str
    is_sent: bool
    """False if the party has no representative with a way to be reached."""


def propose(
    session: Session, viewer: Viewer, agreement_id: int, *, public_url: str, at: datetime
) -> list[SentLink]:
    """Put a draft before its parties, and send each of them its link. For the estate's manager."""
    found = agreement_actions.propose_agreement(session, viewer, agreement_id, at=at)
    return [send_link(session, viewer, found, party, public_url=public_url, at=at) for party in found.parties]


def send_link(
    session: Session,
    viewer: Viewer,
    found: Agreement,
    party: AgreementParty,
    *,
    public_url: str,
    at: datetime,
) -> SentLink:
    """Create a party's link, which replaces the earlier ones, and send it to the party's representative."""
    made, key = create_link(session, party, LinkIn(), by=viewer.name, at=at)
    path = f"/agreements/party/{key}"
    messages = []
    if party.representative_id is not None:
        link = public_url + short_link(session, path, made.expires_at)
        notice = _notice(session, found, party, link, expires_at=made.expires_at)
        messages = [*notify_person(session, party.representative_id, notice, at)]
    return SentLink(party, public_url + path, is_sent=bool(messages))


def _notice(
    session: Session, found: Agreement, party: AgreementParty, link: str, *, expires_at: datetime
) -> Notice:
    estate = estate_row(session, found.estate_id)
    assert estate is not None
    return Notice(
        text_en=f"{estate.name_en} asks {party.legal_name} to decide on a sharing agreement for its AEDs. "
        f"Keep this link to yourself: {link}",
        text_zh=f"{estate.name_zh}AED共享协议待{party.legal_name}决定。链接请勿转发：{link}",
        subject_en="A sharing agreement to decide on",
        subject_zh="共享协议待决定",
        expires_at=expires_at,
    )
