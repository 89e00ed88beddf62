"""Whose a certificate is, by the name of the issuer that was written on it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.certificates.actions.checks import Checked, put_checks
from aed.certificates.actions.rosters import Effects, follow
from aed.certificates.models import CertificateCheck
from aed.certificates.queries import rosters as queries
from aed.certificates.rules.checking import CheckState
from aed.certificates.rules.comparing import Facts, Holder, Said
from aed.issuers.models import Issuer, IssuerName
from aed.issuers.rules import IssuerState, VerifiedBy, plain_name
from aed.responders.models import Certificate
from aed.responders.rules import Trust

FOLLOWED_AT_ONCE = 500


def link_to_issuer(session: Session, issuer: Issuer) -> int:
    """The certificates on which it is written are the issuer's; how many were linked.

    An issuer may have become known, or got a further name, after they came.

    visibility: for whoever looks after the issuer, who has asked; and for the timetable.
    """
    if issuer.state is not IssuerState.ACTIVE:
        return 0
    names = set(session.scalars(select(IssuerName.plain).where(IssuerName.issuer_id == issuer.id)))
    unlinked = select(Certificate.issuer).where(Certificate.issuer_id.is_(None)).distinct()
    written = [text for text in session.scalars(unlinked) if plain_name(text) in names]
    if not written:
        return 0
    linked = session.scalars(
        update(Certificate)
        .where(Certificate.issuer_id.is_(None), Certificate.issuer.in_(written))
        .values(issuer_id=issuer.id)
        .returning(Certificate.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(linked)


def begin_checks(session: Session, now: datetime) -> int:
    """Every certificate of an issuer that can be asked or sends rosters, and that is not verified, waits for
    it; those that stand in a roster that came before are settled at once. How many began to wait.

    visibility: for the timetable.
    """
    begun = 0
    asked = select(Issuer).where(Issuer.verified_by != VerifiedBy.NOTHING, Issuer.state == IssuerState.ACTIVE)
    for issuer in session.scalars(asked.order_by(Issuer.id)).all():
        link_to_issuer(session, issuer)
        begun += _begin(session, issuer, now)
    return begun


def _begin(session: Session, issuer: Issuer, now: datetime) -> int:
    """visibility: for the timetable."""
    unchecked = (
        select(Certificate.id, Certificate.number)
        .outerjoin(CertificateCheck, CertificateCheck.certificate_id == Certificate.id)
        .where(
            Certificate.issuer_id == issuer.id,
            Certificate.trust != Trust.VERIFIED,
            Certificate.revoked_at.is_(None),
            CertificateCheck.certificate_id.is_(None),
        )
        .order_by(Certificate.id)
    )
    is_query = issuer.verified_by is VerifiedBy.QUERY
    begun = 0
    found = session.execute(unchecked).all()
    for start in range(0, len(found), FOLLOWED_AT_ONCE):
        batch = found[start : start + FOLLOWED_AT_ONCE]
        put_checks(
            session,
            [
                Checked(
                    row.id,
                    issuer.id,
                    CheckState.WAITING,
                    _waits_for(issuer, has_number=row.number is not None),
                    next_try_at=now if is_query and row.number is not None else None,
                )
                for row in batch
            ],
            at=now,
        )
        begun += len(batch)
        _settle_by_roster(session, issuer, [row.number for row in batch if row.number is not None], now)
    return begun


def _waits_for(issuer: Issuer, *, has_number: bool) -> str:
    if not has_number:
        return "It has no number, and nobody can be asked about it: give the number on the card."
    if issuer.verified_by is VerifiedBy.QUERY:
        return f"{issuer.name_en} is going to be asked."
    return f"It waits for the next roster of {issuer.name_en}."


def _settle_by_roster(session: Session, issuer: Issuer, numbers: list[str], now: datetime) -> None:
    """visibility: for the timetable."""
    entries = queries.entries(session, issuer.id, numbers)
    known = queries.held(session, issuer.id, entries)
    pairs = []
    for each in known:
        entry = entries[each.number]
        said = Said(
            Holder(entry.name, entry.phone, entry.holder_id),
            Facts(entry.kind, entry.issued_on, entry.valid_until),
            entry.is_revoked,
        )
        pairs.append((each, said))
    follow(session, SCHEDULER, issuer, pairs, Effects(), at=now)
