"""Queries for people, accounts and identities that the viewer may see."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import ColumnElement, exists, false, or_, select, true
from sqlalchemy.orm import Session

from aed.accounts.people.models import Account, Identity, Person, PersonChange
from aed.accounts.people.rules import e164, spellings
from aed.accounts.permissions import TokenScope, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles.queries import role_grants_visible_to
from aed.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn


def people_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the people that the viewer may see: themselves, and holders of roles that the viewer may see.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    if viewer.person_id is None:
        return false()
    held = exists().where(RoleGrant.person_id == Person.id, role_grants_visible_to(viewer))
    return or_(Person.id == viewer.person_id, held)


def names_of(session: Session, person_ids: Collection[int]) -> dict[int, str]:
    """Return the names of people by id. visibility: of rows that the caller found for the viewer."""
    rows = session.execute(select(Person.id, Person.name).where(Person.id.in_(person_ids)))
    return {row.id: row.name for row in rows}


def names_by_actor(session: Session, actors: Iterable[str]) -> dict[str, str]:
    """Return the names of people by how histories name them, such as `person:7`; leave out programs.

    visibility: of a history that the caller found for the viewer.
    """
    kind = "person:"
    ids = {int(each.removeprefix(kind)) for each in actors if each.startswith(kind)}
    return {f"{kind}{person_id}": name for person_id, name in names_of(session, ids).items()}


def person(session: Session, viewer: Viewer, person_id: int) -> tuple[Person, Account | None]:
    """Return one person, and their account if any. Raises NotFound if the viewer may not see them."""
    row = session.execute(
        select(Person, Account)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id == person_id, people_visible_to(viewer))
    ).first()
    if row is None:
        raise NotFound(
            "There is no person {person_id}, or you may not see them.", field="person_id", person_id=person_id
        )
    return row[0], row[1]


def require_self_or_administrator(session: Session, viewer: Viewer, person_id: int) -> Person:
    """Return the person, if the viewer is that person or an administrator of the network.

    Raises NotSignedIn, NotAllowed; NotFound if the viewer may not see the person at all.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Only the person may see this. Sign in.")
    found, _account = person(session, viewer, person_id)
    is_office = viewer.is_administrator and TokenScope.WRITE in viewer.scopes
    if viewer.person_id != person_id and not is_office:
        raise NotAllowed("Only the person may see this, or a network administrator at the person's request.")
    return found


def people(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0, name: str = ""
) -> Sequence[tuple[Person, Account | None]]:
    """Return a page of people, ordered by id, without those merged into another person.

    `name`: only people whose name contains it.
    """
    asked = (
        select(Person, Account)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id > after_id, Person.joined_into_id.is_(None), people_visible_to(viewer))
        .order_by(Person.id)
        .limit(limit)
    )
    if name:
        asked = asked.where(Person.name.icontains(name, autoescape=True))
    found = session.execute(asked).all()
    return [(row[0], row[1]) for row in found]


def person_history(session: Session, person_id: int, *, limit: int = 200) -> Sequence[PersonChange]:
    """Return the changes of a person, newest first.

    visibility: the caller has checked that the viewer may see the person.
    """
    return session.scalars(
        select(PersonChange)
        .where(PersonChange.person_id == person_id)
        .order_by(PersonChange.id.desc())
        .limit(limit)
    ).all()


def account_by_phone(session: Session, phone: str) -> tuple[Account, Person] | None:
    """Return the account of an E.164 number, and its person.

    visibility: used by sign-in, whose responses never reveal whether an account exists.
    """
    row = session.execute(
        select(Account, Person).join(Person, Person.id == Account.person_id).where(Account.phone == phone)
    ).first()
    return None if row is None else (row[0], row[1])


def people_by_phone(session: Session, phone: str, *, country: str) -> list[Person]:
    """Return the people whose number in a list is this E.164 number, oldest first.

    `country`: the country of numbers without a country code.

    visibility: used for the holder of the number, who has received a code, and to decide whether to send it.
    """
    found = session.scalars(
        select(Person)
        .where(
            Person.phone.in_(spellings(phone)), Person.erased_at.is_(None), Person.joined_into_id.is_(None)
        )
        .order_by(Person.id)
    )
    return [each for each in found if _is_number(each.phone, phone, country=country)]


def _is_number(written: str | None, phone: str, *, country: str) -> bool:
    try:
        return e164(written or "", country=country) == phone
    except InvalidInput:
        return False


def account_by_email(session: Session, email: str) -> tuple[Account, Person] | None:
    """Return the account of an e-mail address in lower case, and its person.

    visibility: an identity provider has verified that the address is the caller's own.
    """
    row = session.execute(
        select(Account, Person).join(Person, Person.id == Account.person_id).where(Account.email == email)
    ).first()
    return None if row is None else (row[0], row[1])


def person_by_identity(session: Session, provider: str, subject: str) -> Person | None:
    """Return the person linked to a provider's subject.

    visibility: the provider has authenticated the caller.
    """
    return session.scalar(
        select(Person)
        .join(Identity, Identity.person_id == Person.id)
        .where(Identity.provider == provider, Identity.subject == subject)
    )


def identities_of(session: Session, viewer: Viewer, person_id: int) -> Sequence[Identity]:
    """Return the linked identity-provider accounts of a person, oldest first. Raises NotFound."""
    known, _account = person(session, viewer, person_id)
    return session.scalars(select(Identity).where(Identity.person_id == known.id).order_by(Identity.id)).all()


def account_of(session: Session, person_id: int) -> Account | None:
    """Return the account of a person.

    visibility: for the person's own password and sessions, and for those who may amend the person.
    """
    return session.get(Account, person_id)
