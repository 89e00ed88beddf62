"""Queries for second factors and recovery codes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import RoleAssignment
from aed.accounts.regions import Region
from aed.accounts.roles.queries import role_assignments_of
from aed.accounts.sign_in.models import RecoveryCode, SecondFactor
from aed.accounts.sign_in.rules import ROLES_NEEDING_SECOND_FACTOR


def second_factors(session: Session, person_id: int) -> Sequence[SecondFactor]:
    """Return the confirmed second factors of a person, oldest first.

    visibility: for the person only.
    """
    return session.scalars(
        select(SecondFactor)
        .where(SecondFactor.person_id == person_id, SecondFactor.confirmed_at.is_not(None))
        .order_by(SecondFactor.id)
    ).all()


def recovery_codes_left(session: Session, person_id: int) -> int:
    """Count the unused recovery codes of a person.

    visibility: for the person; only a number.
    """
    asked = select(func.count()).where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    return session.scalar(asked) or 0


def needs_second_factor(session: Session, person_id: int) -> bool:
    """Return True if the person has a second factor, or a role for which their region requires one.

    visibility: for the person's own sign-in.
    """
    if second_factors(session, person_id):
        return True
    return is_second_factor_demanded(session, role_assignments_of(session, person_id))


def is_second_factor_demanded(session: Session, role_assignments: Collection[RoleAssignment]) -> bool:
    """Return True if the region of such a role, or one above it, requires a second factor.

    An administrator of the whole network needs one as soon as any region requires one.
    """
    held = [each for each in role_assignments if each.role in ROLES_NEEDING_SECOND_FACTOR]
    if not held:
        return False
    if any(each.is_everywhere for each in held):
        return bool(session.scalar(select(exists().where(Region.needs_second_factor))))
    here = {region_id for each in held for region_id in each.region_ids}
    up = select(Region.id, Region.parent_id).where(Region.id.in_(here)).cte("up", recursive=True)
    up = up.union(select(Region.id, Region.parent_id).join(up, Region.id == up.c.parent_id))
    demands = select(Region.id).where(Region.needs_second_factor, Region.id.in_(select(up.c.id)))
    return session.scalar(demands.limit(1)) is not None
