"""Asking an issuer about certificates one by one: what is due is claimed, and each answer is recorded.

The question itself is put by `aed.imports.issuer_checks`, outside of any transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.certificates.actions.checks import Checked, put_checks
from aed.certificates.actions.rosters import Effects, follow
from aed.certificates.models import CertificateCheck, IssuerLine
from aed.certificates.queries import checks as queries
from aed.certificates.queries import rosters
from aed.certificates.queries.checks import ToAsk
from aed.certificates.rules.checking import LEFT_ALONE, CheckState, is_left_alone, pause_after
from aed.certificates.rules.comparing import Said
from aed.issuers.models import Issuer

LEASE: Final = timedelta(minutes=10)
"""Whoever claimed a question and died: so long nobody else asks it."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The issuer could not be asked, or what came is no answer."""

    why: str
    """A sentence."""
    asked_to_wait: timedelta | None = None


def claim(session: Session, issuer_id: int, now: datetime, *, limit: int) -> Sequence[ToAsk]:
    """What is due of that issuer, and is now this caller's to ask: a second one finds none of it.

    visibility: for the timetable.
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
    session: Session, issuer: Issuer, asked: ToAsk, answer: Said | None, *, at: datetime
) -> CheckState:
    """The certificate is as the issuer says; None: it knows none with that number.

    visibility: for the timetable.
    """
    _line_is_good(session, issuer.id)
    if answer is None:
        said = f"{issuer.name_en} knows no certificate with this number: compare it with the card."
        put_checks(session, [Checked(asked.certificate_id, issuer.id, CheckState.UNKNOWN, said)], at=at)
        return CheckState.UNKNOWN
    effects = Effects()
    known = rosters.held(session, issuer.id, [asked.number])
    pairs = [(each, answer) for each in known if each.id == asked.certificate_id]
    follow(session, SCHEDULER, issuer, pairs, effects, at=at)
    return next(iter(effects.counts), CheckState.WAITING)


def record_no_answer(
    session: Session, issuer: Issuer, asked: ToAsk, failed: NoAnswer, *, at: datetime
) -> bool:
    """It goes on waiting, and says why. True when the issuer is left alone from now on for a while."""
    tries = asked.tries + 1
    again_at = at + pause_after(tries, failed.asked_to_wait)
    said = f"{failed.why} It is asked again at {again_at:%Y-%m-%d %H:%M} UTC."
    put_checks(
        session,
        [Checked(asked.certificate_id, issuer.id, CheckState.WAITING, said, tries, again_at)],
        at=at,
    )
    line = session.get(IssuerLine, issuer.id)
    if line is None:
        line = IssuerLine(issuer_id=issuer.id, failures=0)
        session.add(line)
    line.failures += 1
    line.said, line.changed_at = failed.why, at
    is_closed = is_left_alone(line.failures)
    wait = max(LEFT_ALONE if is_closed else timedelta(), failed.asked_to_wait or timedelta())
    line.closed_until = at + wait if wait else None
    session.flush()
    return bool(wait)


def give_back(session: Session, issuer: Issuer, asked: Sequence[ToAsk], *, at: datetime) -> None:
    """Those that were claimed and not asked wait as before, until the issuer is asked again.

    visibility: for the timetable.
    """
    line = session.get(IssuerLine, issuer.id)
    until = line.closed_until if line is not None and line.closed_until is not None else at
    why = line.said if line is not None else ""
    said = f"{issuer.name_en} is left alone until {until:%Y-%m-%d %H:%M} UTC: {why}"
    put_checks(
        session,
        [
            Checked(each.certificate_id, issuer.id, CheckState.WAITING, said, each.tries, until)
            for each in asked
        ],
        at=at,
    )


def _line_is_good(session: Session, issuer_id: int) -> None:
    session.execute(delete(IssuerLine).where(IssuerLine.issuer_id == issuer_id))
