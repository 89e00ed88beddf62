"""Certificate checks: their state for viewers, and those that are due for the scheduler."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.certificates.models import CertificateCheck, IssuerLine
from aed.certificates.rules import CheckState
from aed.issuers.models import Issuer
from aed.issuers.rules import CertificateKind, IssuerState, VerifiedBy
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateTrust
from aed.training.queries import on_rosters_of


class CertificateCheckRow(NamedTuple):
    """A certificate and its verification state."""

    certificate_id: int
    issuer: str
    number: str | None
    name: str
    kind: CertificateKind
    valid_until: date
    trust: CertificateTrust
    state: CheckState
    said: str
    tries: int
    next_try_at: datetime | None
    changed_at: datetime


def checks(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int = 0,
    issuer_id: int | None = None,
    state: CheckState | None = None,
) -> Sequence[CertificateCheckRow]:
    """Return a page of checks visible to the viewer, in order of certificate id."""
    statement = (
        select(
            Certificate.id,
            Issuer.code,
            Certificate.number,
            Person.name,
            Certificate.kind,
            Certificate.valid_until,
            Certificate.trust,
            CertificateCheck.state,
            CertificateCheck.said,
            CertificateCheck.tries,
            CertificateCheck.next_try_at,
            CertificateCheck.changed_at,
        )
        .join(CertificateCheck, CertificateCheck.certificate_id == Certificate.id)
        .join(Issuer, Issuer.id == CertificateCheck.issuer_id)
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .where(
            Certificate.id > after_id,
            on_rosters_of(
                viewer, Responder.estate_id, region_id=Responder.region_id, person_id=Responder.person_id
            ),
        )
    )
    if issuer_id is not None:
        statement = statement.where(CertificateCheck.issuer_id == issuer_id)
    if state is not None:
        statement = statement.where(CertificateCheck.state == state)
    return [
        CertificateCheckRow._make(row)
        for row in session.execute(statement.order_by(Certificate.id).limit(limit))
    ]


class ToAsk(NamedTuple):
    """A certificate that is due for a check with its issuer."""

    certificate_id: int
    number: str
    name: str
    holder_id: str | None
    kind: CertificateKind
    tries: int


def issuers_to_ask(session: Session, now: datetime) -> Sequence[Issuer]:
    """Return the issuers that can be queried, are not paused, and have checks due.

    visibility: for the scheduler.
    """
    due = select(CertificateCheck.issuer_id).where(
        CertificateCheck.state == CheckState.WAITING, CertificateCheck.next_try_at <= now
    )
    return session.scalars(
        select(Issuer)
        .outerjoin(IssuerLine, IssuerLine.issuer_id == Issuer.id)
        .where(
            Issuer.verified_by == VerifiedBy.QUERY,
            Issuer.state == IssuerState.ACTIVE,
            Issuer.id.in_(due),
            func.coalesce(IssuerLine.closed_until, now) <= now,
        )
        .order_by(Issuer.id)
    ).all()


def to_ask(session: Session, issuer_id: int, now: datetime, *, limit: int) -> Sequence[ToAsk]:
    """Return the issuer's checks that are due, longest due first.

    visibility: for the scheduler.
    """
    found = session.execute(
        select(
            Certificate.id,
            Certificate.number,
            Person.name,
            Certificate.holder_id,
            Certificate.kind,
            CertificateCheck.tries,
        )
        .join(CertificateCheck, CertificateCheck.certificate_id == Certificate.id)
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .where(
            CertificateCheck.issuer_id == issuer_id,
            CertificateCheck.state == CheckState.WAITING,
            CertificateCheck.next_try_at <= now,
            Certificate.number.is_not(None),
        )
        .order_by(CertificateCheck.next_try_at, Certificate.id)
        .limit(limit)
    )
    return [ToAsk._make(row) for row in found]
