"""Read relatives and family accounts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session

from aed.timebank.models import FamilyMember, NamedHeir, Relative


def are_relatives(session: Session, person_id: int, other_id: int, *, confirmed_only: bool = False) -> bool:
    """Return True if one of the two has declared the other as a relative.

    visibility: for decisions about the two: who may give points to whom.
    """
    pair = or_(
        and_(Relative.person_id == person_id, Relative.relative_id == other_id),
        and_(Relative.person_id == other_id, Relative.relative_id == person_id),
    )
    found = exists().where(pair, Relative.ended_at.is_(None))
    if confirmed_only:
        found = exists().where(pair, Relative.ended_at.is_(None), Relative.confirmed_at.is_not(None))
    return bool(session.scalar(select(found)))


def were_relatives(session: Session, person_id: int, other_id: int, *, since: datetime) -> bool:
    """Return True if the two are declared relatives, or were at any time since a moment.

    Otherwise a relative could end the declaration, confirm the service, and declare again.

    visibility: for the decision who may confirm whose service.
    """
    pair = or_(
        and_(Relative.person_id == person_id, Relative.relative_id == other_id),
        and_(Relative.person_id == other_id, Relative.relative_id == person_id),
    )
    found = exists().where(pair, or_(Relative.ended_at.is_(None), Relative.ended_at > since))
    return bool(session.scalar(select(found)))


def relatives_of(session: Session, person_id: int) -> Sequence[Relative]:
    """Return the declarations by and about a person that have not ended.

    visibility: for the person themself.
    """
    return session.scalars(
        select(Relative)
        .where(
            or_(Relative.person_id == person_id, Relative.relative_id == person_id),
            Relative.ended_at.is_(None),
        )
        .order_by(Relative.id)
    ).all()


def family_account_id(session: Session, person_id: int) -> int | None:
    """Return the family account of which a person is a member.

    visibility: for the person themself.
    """
    return session.scalar(
        select(FamilyMember.account_id).where(
            FamilyMember.person_id == person_id, FamilyMember.left_at.is_(None)
        )
    )


def members_of(session: Session, account_id: int) -> Sequence[int]:
    """Return the people who are members of a family account.

    visibility: for its members.
    """
    return session.scalars(
        select(FamilyMember.person_id)
        .where(FamilyMember.account_id == account_id, FamilyMember.left_at.is_(None))
        .order_by(FamilyMember.id)
    ).all()


def named_heir_id(session: Session, person_id: int) -> int | None:
    """Return the heir whom a person has named.

    visibility: for the person themself, and the decision on their inheritance.
    """
    return session.scalar(select(NamedHeir.heir_id).where(NamedHeir.person_id == person_id))


def named_heir_ids(session: Session, person_ids: Collection[int]) -> dict[int, int]:
    """Return the heirs whom people have named, by person. visibility: as `named_heir_id`."""
    rows = session.execute(
        select(NamedHeir.person_id, NamedHeir.heir_id).where(NamedHeir.person_id.in_(person_ids))
    )
    return {row.person_id: row.heir_id for row in rows}
