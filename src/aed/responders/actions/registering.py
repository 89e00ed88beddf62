"""Register responders from lists; award and revoke certificates."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import delete, or_, select, true
from sqlalchemy.orm import Session

from aed.accounts.people import actions as people_actions
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.geometry import point, position_of
from aed.errors import Conflict
from aed.geo import Position
from aed.issuers import queries as issuer_queries
from aed.issuers.rules import IssuerState
from aed.registry.changes import flush_or_conflict, record_amendment, record_creation
from aed.responders.actions.consents import record_stated_consents
from aed.responders.models import Certificate, Responder, ResponderPlace
from aed.responders.queries import offer_of, speaks_for_themselves
from aed.responders.rules import CertificateKind, CertificateTrust, PlaceKind, ResponderState, merged_trust


@dataclass(frozen=True, slots=True)
class PlaceGiven:
    """A default place of a person."""

    kind: PlaceKind
    position: Position
    floor: int
    hours: str | None


@dataclass(frozen=True, slots=True)
class CertificateGiven:
    kind: CertificateKind
    issuer: str
    number: str | None
    issued_on: date | None
    valid_until: date
    trust: CertificateTrust | None = None
    """The trust that the list claims; None means the issuer's trust in lists."""


@dataclass(frozen=True, slots=True)
class ResponderGiven:
    """A responder as described by a source. None means that the source does not give the value."""

    source: str
    source_id: str
    name: str
    phone: str | None
    language: str | None
    region_id: int
    estate_id: int | None
    availability: str | None
    paused_until: datetime | None
    certificate: CertificateGiven
    places: tuple[PlaceGiven, ...]


def save_responder(session: Session, who: Viewer, given: ResponderGiven, *, at: datetime) -> bool | None:
    """Register a responder; return True if new, False if changed, None if unchanged.

    A list states the consents of its people (`consents.record_stated_consents`). For people who gave or
    withdrew a consent themselves, it only adds or changes the certificate of their active entry. Raises
    Conflict if the person's data was erased.

    visibility: requires an administrator.
    """
    require_administrator(who)
    known = session.execute(
        select(Responder, Person.erased_at)
        .join(Person, Person.id == Responder.person_id)
        .where(Responder.source == given.source, Responder.source_id == given.source_id)
    ).first()
    found = known[0] if known is not None else None
    is_new = found is None
    if known is not None and known.erased_at is not None:
        raise Conflict(
            "The data of this person was erased at their request: remove the row from the list.",
            field="source_id",
        )
    speaks = found is not None and speaks_for_themselves(session, found.person_id)
    if found is not None and (speaks or _is_of_one_entered_twice(session, found, given)):
        person = session.get_one(Person, found.person_id)  # even if the name has changed
    else:
        person = _person(session, found, given)
    if found is None:
        found = Responder(source=given.source, source_id=given.source_id, state=ResponderState.WITHDRAWN)
        session.add(found)
    is_of_another = found.person_id != person.id
    found.person_id, found.region_id = person.id, given.region_id
    if is_of_another:
        found.joined_into_id = None
    if given.estate_id is not None:
        found.estate_id = given.estate_id
    has_changed = is_of_another or session.is_modified(found) or session.is_modified(person)
    kinds = {place.kind for place in given.places}
    if is_of_another or (PlaceKind.WORK in kinds and not speaks):
        session.flush()
        is_spoken_for = record_stated_consents(session, who, person.id, given.source, kinds, at=at)
        if is_of_another:
            found.state = ResponderState.ACTIVE if is_spoken_for else ResponderState.WITHDRAWN
    else:
        is_spoken_for = not speaks
    if is_spoken_for:
        for name in ("availability", "paused_until"):
            if getattr(given, name) is not None:
                setattr(found, name, getattr(given, name))
    has_changed |= session.is_modified(found)
    session.flush()
    of = found if is_spoken_for else offer_of(session, person.id).entry or found
    stands_for = of.joined_into_id or of.id
    has_changed |= _put_certificate(session, stands_for, given.certificate)
    if is_spoken_for and stands_for == found.id:
        has_changed |= save_places(session, found.id, given.places)
    if is_new:
        return True
    return False if has_changed else None


def _is_of_one_entered_twice(session: Session, known: Responder, given: ResponderGiven) -> bool:
    """Return whether the entry was merged into another and the list's row still describes that person.

    Compares name and telephone number with either entry, because lists reuse their ids.

    visibility: requires an administrator, see put_responder.
    """
    if known.joined_into_id is None:
        return False
    one = or_(Person.id == known.person_id, Person.joined_into_id == known.person_id)
    same = or_(Person.name == given.name, Person.phone == given.phone) if given.phone else true()
    return session.scalar(select(Person.id).where(one, same).limit(1)) is not None


def _person(session: Session, known: Responder | None, given: ResponderGiven) -> Person:
    """Return the person of an entry, unchanged if the name is and no telephone number is given.

    Otherwise find the person by name and telephone number, or add them.

    visibility: requires an administrator, see put_responder.
    """
    if known is not None and given.phone is None:
        person = session.get_one(Person, known.person_id)
        if person.name == given.name:
            person.language = given.language or person.language
            return person
    person = people_actions.find_or_add_person(
        session, name=given.name, phone=given.phone, language=given.language or "zh"
    )
    person.language = given.language or person.language
    return person


def _put_certificate(session: Session, responder_id: int, given: CertificateGiven) -> bool:
    """Add a certificate, or update the one with the same issuer and number; return whether it changed.

    visibility: requires an administrator, see put_responder.
    """
    found = session.scalar(
        select(Certificate).where(
            Certificate.responder_id == responder_id,
            Certificate.issuer == given.issuer,
            Certificate.number == given.number if given.number else Certificate.number.is_(None),
        )
    )
    issuer = issuer_queries.issuer_called(session, given.issuer)
    trust = given.trust or (issuer.trust_in_lists if issuer is not None else CertificateTrust.DOCUMENTED)
    if found is None:
        found = Certificate(
            responder_id=responder_id,
            issuer=given.issuer,
            number=given.number,
            trust=CertificateTrust.SELF_DECLARED,
        )
        session.add(found)
    believed = merged_trust(found.trust, trust)
    if believed is None:  # verified by its issuer
        return False
    if issuer is not None and issuer.state is IssuerState.ACTIVE:
        found.issuer_id = issuer.id
    found.trust = believed
    found.kind, found.issued_on, found.valid_until = given.kind, given.issued_on, given.valid_until
    has_changed = found in session.new or session.is_modified(found)
    session.flush()
    return has_changed


def save_places(session: Session, responder_id: int, given: Sequence[PlaceGiven]) -> bool:
    """Set the person's default places; return whether they changed.

    visibility: for the person or an administrator.
    """
    known = session.scalars(
        select(ResponderPlace).where(ResponderPlace.responder_id == responder_id).order_by(ResponderPlace.id)
    ).all()
    before = [
        PlaceGiven(place.kind, position_of(place.position), place.floor, place.hours) for place in known
    ]
    if before == list(given):
        return False
    session.execute(delete(ResponderPlace).where(ResponderPlace.responder_id == responder_id))
    session.add_all(
        ResponderPlace(
            responder_id=responder_id,
            kind=place.kind,
            position=point(place.position),
            floor=place.floor,
            hours=place.hours,
        )
        for place in given
    )
    session.flush()
    return True


# --- awarding -------------------------------------------------------------------------------------------

AWARDED_BY: Final = "training"
"""Source of people who were trained in this network and are not on any list."""
_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits of Crockford's base 32, which avoids similar characters."""
_RANDOM_DIGITS: Final = 10
"""Number of random digits (50 bits), so that certificate numbers cannot be guessed."""


@dataclass(frozen=True, slots=True)
class Award:
    """A certificate to award, and the person's region or estate."""

    person_id: int
    region_id: int
    estate_id: int | None
    kind: CertificateKind
    issuer: str
    issuer_id: int
    number_begins: str
    issued_on: date
    valid_until: date


def award_certificate(session: Session, who: Viewer, award: Award, *, at: datetime) -> Certificate:
    """Award a certificate with a new number. The caller must check that `who` may do so.

    A person without an entry gets an inactive one, and is only called after they offer to help.

    visibility: for the assessor, by the person's id.
    """
    responder = _entry_with_certificates(
        session, award.person_id, region_id=award.region_id, estate_id=award.estate_id
    )
    random = "".join(secrets.choice(_DIGITS) for _ in range(_RANDOM_DIGITS))
    certificate = Certificate(
        responder_id=responder.id,
        kind=award.kind,
        issuer=award.issuer,
        issuer_id=award.issuer_id,
        trust=CertificateTrust.VERIFIED,
        number=f"{award.number_begins}-{award.issued_on.year}-{random}",
        issued_on=award.issued_on,
        valid_until=award.valid_until,
        is_awarded=True,
    )
    session.add(certificate)
    flush_or_conflict(session, "A certificate with this number already exists. Try again.", None)
    record_creation(session, who, certificate, at=at)
    return certificate


def confirm_certificate(
    session: Session, person_id: int, given: CertificateGiven, *, region_id: int, estate_id: int | None
) -> None:
    """Add a certificate that a person declared. The caller must check that it was compared with the card.

    The person is only called after they offer to help, as with an awarded certificate.
    """
    responder = _entry_with_certificates(session, person_id, region_id=region_id, estate_id=estate_id)
    _put_certificate(session, responder.id, given)


def _entry_with_certificates(
    session: Session, person_id: int, *, region_id: int, estate_id: int | None
) -> Responder:
    """Return the entry that holds a person's certificates, adding an inactive one if there is none.

    visibility: for those who award or confirm a certificate, by the person's id.
    """
    responder = session.scalar(
        select(Responder)
        .where(Responder.person_id == person_id)
        .order_by(Responder.state != ResponderState.ACTIVE, Responder.id)
        .limit(1)
    )
    if responder is None:
        responder = Responder(
            source=AWARDED_BY,
            source_id=str(person_id),
            person_id=person_id,
            region_id=region_id,
            estate_id=estate_id,
            state=ResponderState.WITHDRAWN,
        )
        session.add(responder)
        flush_or_conflict(session, "Another request is adding a certificate of this person. Try again.", None)
    return responder


def revoke_certificate(
    session: Session, who: Viewer, certificate: Certificate, *, reason: str, at: datetime
) -> None:
    """Revoke a certificate. Idempotent. The caller must check that `who` may do so."""
    if certificate.revoked_at is not None:
        return
    certificate.revoked_at, certificate.revoked_why = at, reason
    record_amendment(session, who, certificate, at=at)
    session.flush()
