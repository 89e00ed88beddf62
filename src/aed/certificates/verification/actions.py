"""Check certificates with issuers one by one: claim those that are due, and record each answer.

`aed.certificates.verification.issuer_checks` sends the requests, outside any transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.certificates.issuer_rosters import queries as issuer_roster_queries
from aed.certificates.issuer_rosters.actions import Checked, Effects, follow, link_to_issuer, save_checks
from aed.certificates.models import CertificateCheck, IssuerLine
from aed.certificates.rules import (
    PAUSED_FOR,
    CheckState,
    Facts,
    Holder,
    IssuerStatement,
    is_paused,
    pause_after,
)
from aed.certificates.verification import queries
from aed.certificates.verification.queries import ToAsk
from aed.issuers.models import Issuer
from aed.issuers.rules import IssuerState, VerifiedBy
from aed.responders.models import Certificate
from aed.responders.rules import CertificateTrust

LEASE: Final = timedelta(minutes=10)
"""How long a claim lasts: if its owner crashes, another process can claim the check after that."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A failed request, or an invalid response of the issuer."""

    reason: str
    """The reason, as a sentence."""
    asked_to_wait: timedelta | None = None
    """The delay that the server asked for."""


def claim(session: Session, issuer_id: int, now: datetime, *, limit: int) -> Sequence[ToAsk]:
    """Claim the issuer's checks that are due. Concurrent callers never claim the same check.

    visibility: for the scheduler.
    """
    due = queries.to_ask(session, issuer_id, now, limit=limit)
    claimed = set(
        session.scalars(
            update(CertificateCheck)
            .where(
                CertificateCheck.certificate_id.in_([each.certificate_id for each in due]),
                CertificateCheck.state == CheckState.WAITING,
                CertificateCheck.next_try_at <= now,
            )
            .values(next_try_at=now + LEASE)
            .returning(CertificateCheck.certificate_id)
            .execution_options(synchronize_session=False)
        )
    )
    return [each for each in due if each.certificate_id in claimed]


def record_answer(
    session: Session, issuer: Issuer, asked: ToAsk, answer: IssuerStatement | None, *, at: datetime
) -> CheckState:
    """Apply the issuer's answer to the certificate and return its new state.

    An `answer` of None means that the issuer has no certificate with that number.

    visibility: for the scheduler.
    """
    _line_is_good(session, issuer.id)
    if answer is None:
        message = f"{issuer.name_en} has no certificate with this number. Compare the number with the card."
        save_checks(session, [Checked(asked.certificate_id, issuer.id, CheckState.UNKNOWN, message)], at=at)
        return CheckState.UNKNOWN
    effects = Effects()
    known = issuer_roster_queries.held(session, issuer.id, [asked.number])
    pairs = [(each, answer) for each in known if each.id == asked.certificate_id]
    follow(session, SCHEDULER, issuer, pairs, effects, at=at)
    return next(iter(effects.counts), CheckState.WAITING)


def record_no_answer(
    session: Session, issuer: Issuer, asked: ToAsk, failed: NoAnswer, *, at: datetime
) -> bool:
    """Record a failed request and schedule the next try.

    Return True if requests to the issuer are paused from now on.
    """
    tries = asked.tries + 1
    again_at = at + pause_after(tries, failed.asked_to_wait)
    message = f"{failed.reason} The next attempt is at {again_at:%Y-%m-%d %H:%M} UTC."
    save_checks(
        session,
        [Checked(asked.certificate_id, issuer.id, CheckState.WAITING, message, tries, again_at)],
        at=at,
    )
    line = session.get(IssuerLine, issuer.id)
    if line is None:
        line = IssuerLine(issuer_id=issuer.id, failures=0)
        session.add(line)
    line.failures += 1
    line.said, line.changed_at = failed.reason, at
    is_closed = is_paused(line.failures)
    wait = max(PAUSED_FOR if is_closed else timedelta(), failed.asked_to_wait or timedelta())
    line.closed_until = at + wait if wait else None
    session.flush()
    return bool(wait)


def give_back(session: Session, issuer: Issuer, asked: Sequence[ToAsk], *, at: datetime) -> None:
    """Release claimed checks that were not sent, until requests to the issuer resume.

    visibility: for the scheduler.
    """
    line = session.get(IssuerLine, issuer.id)
    until = line.closed_until if line is not None and line.closed_until is not None else at
    reason = line.said if line is not None else ""
    message = f"{issuer.name_en} is not asked again until {until:%Y-%m-%d %H:%M} UTC: {reason}"
    save_checks(
        session,
        [
            Checked(each.certificate_id, issuer.id, CheckState.WAITING, message, each.tries, until)
            for each in asked
        ],
        at=at,
    )


def _line_is_good(session: Session, issuer_id: int) -> None:
    """Reset the failure count of the issuer."""
    session.execute(delete(IssuerLine).where(IssuerLine.issuer_id == issuer_id))


FOLLOWED_AT_ONCE = 500
"""Batch size."""


def begin_checks(session: Session, now: datetime) -> int:
    """Queue a check for every unverified certificate of an issuer that can be queried or sends rosters.

    Certificates that a past roster contains are settled at once. Return the number of checks queued.

    visibility: for the scheduler.
    """
    begun = 0
    asked = select(Issuer).where(Issuer.verified_by != VerifiedBy.NOTHING, Issuer.state == IssuerState.ACTIVE)
    for issuer in session.scalars(asked.order_by(Issuer.id)).all():
        link_to_issuer(session, issuer)
        begun += _queue_checks(session, issuer, now)
    return begun


def _queue_checks(session: Session, issuer: Issuer, now: datetime) -> int:
    """Queue checks for the unverified certificates of one issuer, and return their number.

    visibility: for the scheduler.
    """
    unchecked = (
        select(Certificate.id, Certificate.number)
        .outerjoin(CertificateCheck, CertificateCheck.certificate_id == Certificate.id)
        .where(
            Certificate.issuer_id == issuer.id,
            Certificate.trust != CertificateTrust.VERIFIED,
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
        save_checks(
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
    """Return a sentence that says what the check waits for."""
    if not has_number:
        return "The certificate has no number, so it cannot be verified. Enter the number on the card."
    if issuer.verified_by is VerifiedBy.QUERY:
        return f"Verification by {issuer.name_en} is pending."
    return f"It is verified by the next roster of {issuer.name_en}."


def _settle_by_roster(session: Session, issuer: Issuer, numbers: list[str], now: datetime) -> None:
    """Settle the certificates with these numbers that are in the issuer's stored roster.

    visibility: for the scheduler.
    """
    entries = issuer_roster_queries.entries(session, issuer.id, numbers)
    known = issuer_roster_queries.held(session, issuer.id, entries)
    pairs = []
    for each in known:
        entry = entries[each.number]
        statement = IssuerStatement(
            Holder(entry.name, entry.phone, entry.holder_id),
            Facts(entry.kind, entry.issued_on, entry.valid_until),
            entry.is_revoked,
        )
        pairs.append((each, statement))
    follow(session, SCHEDULER, issuer, pairs, Effects(), at=now)
