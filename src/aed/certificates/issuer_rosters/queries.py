"""Entries of issuers' rosters, and the certificates held here that they describe."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.certificates.models import IssuerEntry
from aed.certificates.rules import Facts, Holder
from aed.database.bulk import in_array
from aed.issuers.rules import CertificateKind
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateTrust
from aed.training.models import Enrolment, TrainingSession


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


class KnownPerson(NamedTuple):
    """A person who is registered as a responder or enrolled in training here."""

    person_id: int
    name: str
    phone: str
    region_id: int
    estate_id: int | None


def people_with_phone(session: Session, names: Collection[str]) -> list[KnownPerson]:
    """Return the people of these names who have a phone number, and are responders or enrolled in training.

    Region and estate are those of their responder entry, or else of their latest enrolment.

    visibility: for those who manage the issuer; the caller checks.
    """
    is_named = in_array(session, Person.name, names)
    is_whole = and_(Person.phone.is_not(None), Person.erased_at.is_(None), Person.joined_into_id.is_(None))
    enrolled = session.execute(
        select(Person.id, Person.name, Person.phone, TrainingSession.region_id, Enrolment.estate_id)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .where(is_named, is_whole)
        .order_by(Enrolment.id)
    )
    registered = session.execute(
        select(Person.id, Person.name, Person.phone, Responder.region_id, Responder.estate_id)
        .join(Responder, Responder.person_id == Person.id)
        .where(is_named, is_whole)
        .order_by(Responder.id)
    )
    found = {row[0]: KnownPerson(*row) for row in (*enrolled, *registered)}  # a later row replaces an earlier
    return list(found.values())


def kinds_held(session: Session, person_ids: Collection[int]) -> set[tuple[int, CertificateKind]]:
    """Return the kinds of certificates that these people hold and that were not revoked.

    visibility: for those who manage the issuer; the caller checks.
    """
    found = session.execute(
        select(Responder.person_id, Certificate.kind)
        .join(Certificate, Certificate.responder_id == Responder.id)
        .where(Responder.person_id.in_(person_ids), Certificate.revoked_at.is_(None))
    )
    return {(person_id, kind) for person_id, kind in found}


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
