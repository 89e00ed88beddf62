"""What is known of an issuer's certificates: its entries, and who here holds one."""

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
from aed.responders.rules import Trust


class Known(NamedTuple):
    """A certificate that somebody here holds."""

    id: int
    number: str
    name: str
    phone: str | None
    kind: CertificateKind
    issued_on: date | None
    valid_until: date
    trust: Trust
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
    """The certificates with these numbers of that issuer; those too that were awarded here in its name, of
    which it has the last word.

    visibility: for whoever looks after the issuer, who has asked.
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
    """An entry as the roster before had it."""

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
    """By number.

    visibility: for whoever looks after the issuer, who has asked.
    """
    table = IssuerEntry.__table__.c
    found = session.execute(
        select(*(table[name] for name in RosterEntry._fields)).where(
            IssuerEntry.issuer_id == issuer_id, in_array(session, IssuerEntry.number, numbers)
        )
    )
    return {row.number: RosterEntry(*row) for row in found}


def entries_page(session: Session, issuer_id: int, *, limit: int, after_id: int = 0) -> Sequence[IssuerEntry]:
    """A page of an issuer's entries in order of id.

    visibility: for whoever looks after the issuer, who has asked.
    """
    return session.scalars(
        select(IssuerEntry)
        .where(IssuerEntry.issuer_id == issuer_id, IssuerEntry.id > after_id)
        .order_by(IssuerEntry.id)
        .limit(limit)
    ).all()


def not_in_the_last_roster(session: Session, issuer_id: int, *, read_at: datetime) -> int:
    """How many certificates that are believed verified the roster of that moment did not hold. They stay as
    they are: a roster may be of one year only.

    visibility: for whoever looks after the issuer, who has asked; a count.
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
                Certificate.trust == Trust.VERIFIED,
                Certificate.revoked_at.is_(None),
                Certificate.is_awarded.is_(False),
                Certificate.number.not_in(in_it),
            )
        )
        or 0
    )
