"""People by what a list or a register says of them: name and number, as written there."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.models import Person
from aed.database.encryption.columns import blind_index, keyring_of
from aed.database.encryption.keyring import EncryptedKind, normalized


def people(
    session: Session, wanted: Iterable[tuple[str, str | None]]
) -> dict[tuple[str, str | None], Person]:
    """The people with these names and phones, those added that are unknown. In few statements for many.

    visibility: whoever gives a name and a phone knows both already.
    """
    missing = dict.fromkeys(wanted)
    if not missing:
        return {}
    found: dict[tuple[str, str | None], Person] = {}
    ring = keyring_of(session.get_bind().dialect)
    phones = {phone for _, phone in missing if phone is not None}
    sealed = sorted(
        each for phone in phones for each in ring.blind_index_prefixes(phone, kind=EncryptedKind.PHONE)
    )
    for condition in (
        blind_index(Person.phone).in_(sealed),
        Person.phone.is_(None) & Person.name.in_(sorted({name for name, phone in missing if phone is None})),
    ):
        known_people = select(Person).where(condition, Person.erased_at.is_(None)).order_by(Person.id)
        for known in session.scalars(known_people).all():
            if _as_known(known.name, known.phone) not in found:
                found[_as_known(known.name, known.phone)] = _stands_for(session, known)
    made: dict[tuple[str, str | None], Person] = {}
    for name, phone in missing:
        if _as_known(name, phone) not in found:
            made.setdefault(_as_known(name, phone), Person(name=name, phone=phone, language="zh"))
    session.add_all(made.values())
    session.flush()
    found |= made
    return {(name, phone): found[_as_known(name, phone)] for name, phone in missing}


def _as_known(name: str, phone: str | None) -> tuple[str, str | None]:
    """By which people are told from each other: it does not matter how a number is written."""
    return name, normalized(phone, EncryptedKind.PHONE) if phone is not None else None


def person(session: Session, *, name: str, phone: str | None, language: str = "zh") -> Person:
    """The person with that name and phone, added when unknown.

    visibility: whoever gives a name and a phone knows both already.
    """
    known = select(Person).where(Person.name == name, Person.erased_at.is_(None))
    known = known.where(Person.phone == phone) if phone is not None else known.where(Person.phone.is_(None))
    found = session.scalars(known.limit(1)).first()
    if found is None:
        found = Person(name=name, phone=phone, language=language)
        session.add(found)
        session.flush()
    return _stands_for(session, found)


def _stands_for(session: Session, person: Person) -> Person:
    """The person, or whom a person said that this entry is the same as.

    visibility: whoever gives a name and a phone knows both already.
    """
    return person if person.joined_into_id is None else session.get_one(Person, person.joined_into_id)
