"""A party's decision on the text of an agreement, its links, and a change of its representative."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.people.actions import find_or_add_person
from aed.accounts.tokens import hash_key
from aed.errors import Conflict, InvalidInput
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.agreements.actions import revoke_links
from aed.sharing.agreements.schemas import RepresentativeIn
from aed.sharing.agreements.validation import require_preview
from aed.sharing.decisions.schemas import LinkIn, PartyDecisionIn
from aed.sharing.models import Agreement, AgreementParty, PartyDecision, PartyLink
from aed.sharing.regional_rules.queries import rules_of_version
from aed.sharing.rules import (
    AgreementState,
    DecisionKind,
    DecisionMethod,
    PartyRole,
    VotesShortfall,
    votes_shortfall,
)

KEY_PREFIX: Final = "agr_"


def link_actor(party: AgreementParty) -> str:
    """Return how records name a person who acts by a party's link."""
    return f"link:{party.id}"


def decide(
    session: Session,
    party: AgreementParty,
    given: PartyDecisionIn,
    *,
    by: str,
    mandate: str | None = None,
    at: datetime,
) -> Agreement:
    """Record a party's decision. The caller has checked that `by` decides for the party.

    1. The agreement is proposed, and the party read its present text and the preview that it names.
    2. A second equal decision on the same text is refused; a different one replaces the first.
    3. A refusal has a reason. A consent of the owners has the votes that the agreement's method asks for.
    """
    found = agreement_queries.agreement_of_party(session, party, for_update=True)
    if found.state is not AgreementState.PROPOSED:
        raise Conflict(
            "Agreement {agreement_id} is {state}: there is nothing to decide.",
            agreement_id=found.id,
            state=found.state,
        )
    if given.text_hash != found.text_hash:
        raise Conflict("The text was changed after you read it. Read it again.", field="text_hash")
    decisions = agreement_queries.decisions_of(session, [found.id])[found.id]
    earlier = agreement_queries.latest_decisions(found, decisions).get(party.id)
    if earlier is not None and earlier.kind is given.kind:
        raise Conflict("This party has already decided so on this text.", field="kind")
    if given.kind is DecisionKind.REFUSAL and not given.reason:
        raise InvalidInput("Give the reason of the refusal.", field="reason")
    _require_votes(found, party, given)
    if given.preview_hash is not None and given.preview_hash != found.preview_hash:
        raise Conflict("The agreement names another preview. Look at it again.", field="preview_hash")
    require_preview(session, found.estate_id, found.preview_id, found.preview_hash, found.shares)
    session.add(
        PartyDecision(
            agreement_id=found.id,
            party_id=party.id,
            text_hash=given.text_hash,
            kind=given.kind,
            votes=given.votes.model_dump() if given.votes is not None else None,
            minutes_hash=given.minutes_hash,
            reason=given.reason,
            mandate=mandate,
            rules_version=found.rules_version,
            decided_at=at,
            decided_by=by,
        )
    )
    session.flush()
    add_audit_entry(
        session,
        by,
        AuditSubject.AGREEMENT,
        found.id,
        str(given.kind),
        at=at,
        party=str(party.role),
        text_hash=given.text_hash,
        preview_hash=found.preview_hash,
        minutes_hash=given.minutes_hash,
        by_mandate=mandate is not None,
    )
    return found


def _require_votes(found: Agreement, party: AgreementParty, given: PartyDecisionIn) -> None:
    """Raise InvalidInput if the owners consent without the votes that the method asks for."""
    is_voted = found.method in (DecisionMethod.COMMITTEE_VOTES, DecisionMethod.OWNERS_ASSEMBLY)
    if not is_voted or party.role is not PartyRole.OWNERS_COMMITTEE or given.kind is DecisionKind.REFUSAL:
        return
    if given.votes is None:
        raise InvalidInput("Give the votes of the committee or assembly.", field="votes")
    assert found.method is not None
    shortfall = votes_shortfall(
        found.method,
        entitled=given.votes.entitled,
        in_favour=given.votes.in_favour,
        against=given.votes.against,
        abstained=given.votes.abstained,
    )
    if shortfall is VotesShortfall.TOO_MANY:
        raise InvalidInput("More votes are given than people are entitled to vote.", field="votes")
    if shortfall is VotesShortfall.NO_QUORUM:
        raise InvalidInput("Fewer than two thirds of those entitled took part.", field="votes")
    if shortfall is VotesShortfall.NO_MAJORITY:
        raise InvalidInput("These votes are no majority in favour.", field="votes")


def create_link(
    session: Session, party: AgreementParty, given: LinkIn, *, by: str, at: datetime
) -> tuple[PartyLink, str]:
    """Create a secret link for a party and return it with its key, which is not stored.

    A link without a mandate replaces the party's earlier ones; a delegate's link does not.
    """
    if given.mandate is None:
        revoke_links(session, party, at=at)
    key = KEY_PREFIX + secrets.token_urlsafe(24)
    made = PartyLink(
        party_id=party.id,
        key_hash=hash_key(key),
        mandate=given.mandate,
        created_at=at,
        created_by=by,
        expires_at=at + timedelta(days=given.days or _link_days(session, party)),
    )
    session.add(made)
    session.flush()
    return made, key


def _link_days(session: Session, party: AgreementParty) -> int:
    agreement = agreement_queries.agreement_of_party(session, party)
    return rules_of_version(session, agreement.rules_version).link_days


def change_representative(
    session: Session, party: AgreementParty, given: RepresentativeIn, *, by: str, at: datetime
) -> None:
    """Let another person decide for a party. Its links stop working; its decisions stay."""
    person = find_or_add_person(session, name=given.name, phone=given.phone)
    party.representative_id = person.id
    revoke_links(session, party, at=at)
    session.flush()
    add_audit_entry(
        session,
        by,
        AuditSubject.AGREEMENT,
        party.agreement_id,
        "representative",
        at=at,
        party=str(party.role),
        person=person.id,
    )
