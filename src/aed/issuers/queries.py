"""Queries for issuers and their courses. They are public, except for the address at which one is queried."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Role, TokenScope, Viewer
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.issuers.models import Issuer, IssuerCourse, IssuerName
from aed.issuers.rules import plain_name

MANAGING_ROLES = frozenset({Role.TRAINING_OFFICER, Role.ADMINISTRATOR})


def manages_issuer(viewer: Viewer, region_id: int | None) -> bool:
    """Return True if the viewer may amend issuers of that region (None: of the network) and read rosters."""
    if TokenScope.WRITE not in viewer.scopes:
        return False
    return viewer.is_administrator or (
        region_id is not None and viewer.has_role(MANAGING_ROLES, estate_id=None, region_id=region_id)
    )


def manages_issuers(viewer: Viewer) -> bool:
    """Return True if the viewer may amend the issuers of some region."""
    if TokenScope.WRITE not in viewer.scopes:
        return False
    held = {each.role for each in viewer.role_assignments if each.estate_id is None}
    return viewer.is_administrator or bool(held & MANAGING_ROLES)


def require_manages_issuer(viewer: Viewer, region_id: int | None) -> None:
    """Require a network administrator, or an administrator or training officer of the region.

    Raises NotSignedIn, NotAllowed.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("This requires an officer of the issuer's region. Send a token, or sign in.")
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token is read-only. Use one with the scope 'write'.")
    if not manages_issuer(viewer, region_id):
        raise NotAllowed("Only the training officer or an administrator of the issuer's region may do this.")


def issuer(session: Session, issuer_id: int) -> Issuer:
    """Return an issuer. Raises NotFound."""
    found = session.scalar(select(Issuer).options(joinedload(Issuer.region)).where(Issuer.id == issuer_id))
    if found is None:
        raise NotFound("There is no issuer {issuer_id}.", field="issuer_id", issuer_id=issuer_id)
    return found


def issuer_by_code(session: Session, code: str) -> Issuer:
    """Return the issuer with this code. Raises NotFound, which lists the existing codes if they are few."""
    found = session.scalar(select(Issuer).options(joinedload(Issuer.region)).where(Issuer.code == code))
    if found is None:
        known = list(session.scalars(select(Issuer.code).order_by(Issuer.code).limit(20)))
        raise NotFound(
            "There is no issuer '{code}'. Known issuers: {value}.",
            field="issuer",
            code=code,
            value=", ".join(known) or "none yet",
        )
    return found


def issuers(
    session: Session, *, limit: int, after_id: int = 0, region_id: int | None = None
) -> Sequence[Issuer]:
    statement = select(Issuer).options(joinedload(Issuer.region)).where(Issuer.id > after_id)
    if region_id is not None:
        statement = statement.where(Issuer.region_id == region_id)
    return session.scalars(statement.order_by(Issuer.id).limit(limit)).all()


def courses_of(session: Session, issuer_ids: Collection[int]) -> dict[int, list[IssuerCourse]]:
    """Return the courses of each issuer, ordered by code, in one statement."""
    found: dict[int, list[IssuerCourse]] = defaultdict(list)
    statement = select(IssuerCourse).where(IssuerCourse.issuer_id.in_(issuer_ids)).order_by(IssuerCourse.code)
    for course in session.scalars(statement):
        found[course.issuer_id].append(course)
    return found


def further_names_of(session: Session, issuers_: Collection[Issuer]) -> dict[int, list[str]]:
    """Return the names of each issuer besides its code and own names, in one statement."""
    own = {
        each.id: {plain_name(name) for name in (each.code, each.name_en, each.name_zh)} for each in issuers_
    }
    found: dict[int, list[str]] = defaultdict(list)
    statement = select(IssuerName).where(IssuerName.issuer_id.in_(own)).order_by(IssuerName.name)
    for name in session.scalars(statement):
        if name.plain not in own[name.issuer_id]:
            found[name.issuer_id].append(name.name)
    return found


def issuer_called(session: Session, name: str) -> Issuer | None:
    """Return the issuer that lists refer to by this name; None if there is none."""
    return session.scalar(
        select(Issuer)
        .join(IssuerName, IssuerName.issuer_id == Issuer.id)
        .where(IssuerName.plain == plain_name(name))
    )
