"""Reading people, their accounts, and the roles that they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, column, exists, false, func, or_, select, table, true
from sqlalchemy.orm import Session

from aed.accounts.models import Account, Identity, Person, PersonChange, RoleGrant, SignIn
from aed.accounts.queries.regions import regions_below
from aed.accounts.rules import Scope, Viewer
from aed.accounts.rules.roles import HeldRole, Holding
from aed.database.session import SETTINGS
from aed.errors import NotAllowed, NotFound, NotSignedIn

_estates = table("estates", column("id"), column("region_id"))


def held_where_known_to(viewer: Viewer) -> ColumnElement[bool]:
    """The grants, standing or not, that the viewer may know of.

    1. The network's administrator: all.
    2. The administrator of a region: those on it, below it, and on the estates there.
    3. The manager of an estate, or of a region's: those on the estates alone.
    4. Everyone: the own ones.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    parts: list[ColumnElement[bool]] = []
    if viewer.person_id is not None:
        parts.append(RoleGrant.person_id == viewer.person_id)
    for holding in viewer.holdings:
        if holding.role not in (HeldRole.ADMINISTRATOR, HeldRole.ESTATE_MANAGER):
            continue
        if holding.estate_id is not None:
            parts.append(RoleGrant.estate_id == holding.estate_id)
            continue
        parts.append(
            RoleGrant.estate_id.in_(select(_estates.c.id).where(_estates.c.region_id.in_(holding.region_ids)))
        )
        if holding.role is HeldRole.ADMINISTRATOR:
            parts.append(RoleGrant.region_id.in_(holding.region_ids))
    return or_(*parts) if parts else false()


def people_known_to(viewer: Viewer) -> ColumnElement[bool]:
    """The people that the viewer may read of: oneself, and who holds or held a role that one may know of.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    if viewer.person_id is None:
        return false()
    held = exists().where(RoleGrant.person_id == Person.id, held_where_known_to(viewer))
    return or_(Person.id == viewer.person_id, held)


def person(session: Session, viewer: Viewer, person_id: int) -> tuple[Person, Account | None]:
    """One person, with the account if there is one. Raises NotFound when there is none for this viewer."""
    row = session.execute(
        select(Person, Account)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id == person_id, people_known_to(viewer))
    ).first()
    if row is None:
        raise NotFound(f"There is no person {person_id} that you may see.", field="person_id")
    return row[0], row[1]


def own_or_office(session: Session, viewer: Viewer, person_id: int) -> Person:
    """The person, for themselves and for the network's administrator.

    Raises NotSignedIn, NotAllowed, and NotFound where the viewer may not even know of the person.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Sign in: this is for the person alone.")
    found, _account = person(session, viewer, person_id)
    is_office = viewer.is_administrator and Scope.WRITE in viewer.scopes
    if viewer.person_id != person_id and not is_office:
        raise NotAllowed("This is for the person, and the network's administrator on the person's word.")
    return found


def people(
    session: Session, viewer: Viewer, *, limit: int, after_id: int = 0
) -> Sequence[tuple[Person, Account | None]]:
    """A page of people in order of id; an entry that was joined to another is not one."""
    found = session.execute(
        select(Person, Account)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(Person.id > after_id, Person.joined_into_id.is_(None), people_known_to(viewer))
        .order_by(Person.id)
        .limit(limit)
    ).all()
    return [(row[0], row[1]) for row in found]


def person_history(session: Session, person_id: int, *, limit: int = 200) -> Sequence[PersonChange]:
    """Newest first.

    visibility: the caller has made sure that the viewer may see the person.
    """
    return session.scalars(
        select(PersonChange)
        .where(PersonChange.person_id == person_id)
        .order_by(PersonChange.id.desc())
        .limit(limit)
    ).all()


def account_by_phone(session: Session, phone: str) -> tuple[Account, Person] | None:
    """The account of an E.164 number.

    visibility: whoever signs in says the number; what is answered tells no stranger whether there is one.
    """
    row = session.execute(
        select(Account, Person).join(Person, Person.id == Account.person_id).where(Account.phone == phone)
    ).first()
    return None if row is None else (row[0], row[1])


def account_by_email(session: Session, email: str) -> tuple[Account, Person] | None:
    """The account of an address, in small letters.

    visibility: an identity provider has verified that it is the asker's own.
    """
    row = session.execute(
        select(Account, Person).join(Person, Person.id == Account.person_id).where(Account.email == email)
    ).first()
    return None if row is None else (row[0], row[1])


def person_by_identity(session: Session, provider: str, subject: str) -> Person | None:
    """Who that is here to whom the provider gave that subject.

    visibility: the provider vouches that it is the asker.
    """
    return session.scalar(
        select(Person)
        .join(Identity, Identity.person_id == Person.id)
        .where(Identity.provider == provider, Identity.subject == subject)
    )


def identities_of(session: Session, viewer: Viewer, person_id: int) -> Sequence[Identity]:
    """By which providers' word the person signs in, in order of time. Raises NotFound."""
    known, _account = person(session, viewer, person_id)
    return session.scalars(select(Identity).where(Identity.person_id == known.id).order_by(Identity.id)).all()


def account_of(session: Session, person_id: int) -> Account | None:
    """visibility: for the person's own password and sign-ins, and for whoever may amend the person."""
    return session.get(Account, person_id)


def idle_since(session: Session, at: datetime) -> datetime:
    """A session that was not used since then is over."""
    hours: int = session.info[SETTINGS].sign_in_idle_hours
    return at - timedelta(hours=hours)


def signed_in(session: Session, key_hash: str, *, at: datetime) -> SignIn | None:
    """The sign-in with that hash, unless ended, over or idle for too long at `at`.

    It may be limited: then it is good for nothing but giving a second factor.
    """
    found = session.scalar(select(SignIn).where(SignIn.key_hash == key_hash))
    if found is None or found.ended_at is not None or found.expires_at <= at:
        return None
    return found if (found.last_seen_at or found.created_at) > idle_since(session, at) else None


def people_signed_in(session: Session, key_hashes: Collection[str], *, at: datetime) -> dict[str, int]:
    """The same of many: whose sign-ins these are, of those that hold at `at`."""
    found = session.execute(
        select(SignIn.key_hash, SignIn.person_id).where(
            SignIn.key_hash.in_(key_hashes),
            SignIn.ended_at.is_(None),
            SignIn.expires_at > at,
            func.coalesce(SignIn.last_seen_at, SignIn.created_at) > idle_since(session, at),
            or_(~SignIn.is_limited, SignIn.second_factor_at.is_not(None)),
        )
    )
    return {row.key_hash: row.person_id for row in found}


# --- roles ----------------------------------------------------------------------------------------------


def holdings_of(session: Session, person_id: int) -> tuple[Holding, ...]:
    """The roles that the person holds now, in the order in which they were given.

    visibility: it is what a viewer is made of.
    """
    grants = session.execute(
        select(RoleGrant.role, RoleGrant.estate_id, RoleGrant.region_id)
        .where(RoleGrant.person_id == person_id, RoleGrant.revoked_at.is_(None))
        .order_by(RoleGrant.id)
    ).all()
    below = {
        grant.region_id: regions_below(session, grant.region_id)
        for grant in grants
        if grant.region_id is not None
    }
    return tuple(
        Holding(
            role=grant.role,
            estate_id=grant.estate_id,
            region_ids=below[grant.region_id] if grant.region_id is not None else (),
        )
        for grant in grants
    )


def role_grant(session: Session, viewer: Viewer, grant_id: int) -> RoleGrant:
    """Raises NotFound when there is none, or none for this viewer."""
    found = session.scalar(select(RoleGrant).where(RoleGrant.id == grant_id, held_where_known_to(viewer)))
    if found is None:
        raise NotFound(f"There is no role {grant_id} that you may see.", field="grant_id")
    return found


def role_grants(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    after_id: int = 0,
    person_id: int | None = None,
    estate_id: int | None = None,
    region_id: int | None = None,
    also_revoked: bool = False,
) -> Sequence[RoleGrant]:
    """A page of roles in order of id; those that stand, unless the revoked ones are asked for too."""
    conditions = [RoleGrant.id > after_id, held_where_known_to(viewer)]
    if person_id is not None:
        conditions.append(RoleGrant.person_id == person_id)
    if estate_id is not None:
        conditions.append(RoleGrant.estate_id == estate_id)
    if region_id is not None:
        conditions.append(RoleGrant.region_id == region_id)
    if not also_revoked:
        conditions.append(RoleGrant.revoked_at.is_(None))
    return session.scalars(
        select(RoleGrant).where(and_(*conditions)).order_by(RoleGrant.id).limit(limit)
    ).all()
