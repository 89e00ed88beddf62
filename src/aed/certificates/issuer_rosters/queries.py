"""Entries of issuers' rosters, and the certificates held here that they describe."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.certificates.models import IssuerEntry
from aed.certificates.rules import Facts, Holder
from aed.database.bulk import in_array
from aed.issuers.rules import CertificateKind
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateTrust


class Known(NamedTuple):
    """A certificate held by someone here."""

    id: int
    number: str
    name: str
    phone: str | None
    kind: CertificateKind
    issued_on: date | None
    valid_until: date
    trust: CertificateTrust
    holder_id: str | None
    revoked_at: datetime | None
    revoked_why: str | None

    @property
    def holder(self) -> Holder:
        return Holder(self.name, self.phone, self.holder_id)

    @property
    def facts(self) -> Facts:
        return Facts(self.kind, self.issued_on, self.valid_until)


def held(session: Session, issuer_id: int, numbers: Collection[str]) -> Sequence[Known]:
    """Return the issuer's certificates with these numbers, including those awarded here in its name.

    The issuer's data takes precedence for those too.

    visibility: for those who manage the issuer; the caller checks.
    """
    found = session.execute(
        select(
            Certificate.id,
            Certificate.number,
            Person.name,
            Person.phone,
            Certificate.kind,
            Certificate.issued_on,
            Certificate.valid_until,
            Certificate.trust,
            Certificate.holder_id,
            Certificate.revoked_at,
            Certificate.revoked_why,
        )
        .join(Responder, Responder.id == Certificate.responder_id)
        .join(Person, Person.id == Responder.person_id)
        .where(
            Certificate.issuer_id == issuer_id,
            in_array(session, Certificate.number, numbers),
        )
    )
    return [Known._make(row) for row in found]


class RosterEntry(NamedTuple):
    """A stored roster entry."""

    id: int
    number: str
    name: str
    holder_id: str | None
    holder_id_hash: str | None
    phone: str | None
    course: str
    kind: CertificateKind
    issued_on: date | None
    valid_until: date
    is_revoked: bool
    before: list[dict[str, object]] | None


def entries(session: Session, issuer_id: int, numbers: Collection[str]) -> dict[str, RosterEntry]:
    """Return the issuer's entries with these numbers, by number.

    visibility: for those who manage the issuer; the caller checks.
    """
    table = IssuerEntry.__table__.c
    found = session.execute(
        select(*(table[name] for name in RosterEntry._fields)).where(
            IssuerEntry.issuer_id == issuer_id, in_array(session, IssuerEntry.number, numbers)
        )
    )
    return {row.number: RosterEntry(*row) for row in found}


def entries_page(session: Session, issuer_id: int, *, limit: int, after_id: int = 0) -> Sequence[IssuerEntry]:
    """Return a page of an issuer's entries in order of id.

    visibility: for those who manage the issuer; the caller checks.
    """
    return session.scalars(
        select(IssuerEntry)
        .where(IssuerEntry.issuer_id == issuer_id, IssuerEntry.id > after_id)
        .order_by(IssuerEntry.id)
        .limit(limit)
    ).all()


def not_in_the_last_roster(session: Session, issuer_id: int, *, read_at: datetime) -> int:
    """Return how many verified certificates are missing from the roster read at `read_at`.

    They stay verified, because a roster may cover only one year.

    visibility: a count, for those who manage the issuer; the caller checks.
    """
    in_it = select(IssuerEntry.number).where(
        IssuerEntry.issuer_id == issuer_id, IssuerEntry.read_at == read_at
    )
    return (
        session.scalar(
            select(func.count())
            .select_from(Certificate)
            .where(
                Certificate.issuer_id == issuer_id,
                Certificate.trust == CertificateTrust.VERIFIED,
                Certificate.revoked_at.is_(None),
                Certificate.is_awarded.is_(False),
                Certificate.number.not_in(in_it),
            )
        )
        or 0
    )
