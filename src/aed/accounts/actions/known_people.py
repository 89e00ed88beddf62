"""People by what a list or a register says of them: name and number, as written there."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.models import Person


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
    phones = sorted({phone for _, phone in missing if phone is not None})
    for condition in (
        Person.phone.in_(phones),
        Person.phone.is_(None) & Person.name.in_(sorted({name for name, phone in missing if phone is None})),
    ):
        for known in session.scalars(select(Person).where(condition).order_by(Person.id)).all():
            if (known.name, known.phone) not in found:
                found[known.name, known.phone] = _stands_for(session, known)
    made = [
        Person(name=name, phone=phone, language="zh") for name, phone in missing if (name, phone) not in found
    ]
    session.add_all(made)
    session.flush()
    found |= {(new.name, new.phone): new for new in made}
    return {identity: found[identity] for identity in missing}


def person(session: Session, *, name: str, phone: str | None, language: str = "zh") -> Person:
    """The person with that name and phone, added when unknown.

    visibility: whoever gives a name and a phone knows both already.
    """
    known = select(Person).where(Person.name == name)
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
