"""Reading second factors, sessions and security events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from aed.accounts.models import RecoveryCode, Region, SecondFactor, SecurityEvent, SignIn
from aed.accounts.queries.people import holdings_of, idle_since
from aed.accounts.rules import Viewer
from aed.accounts.rules.roles import Holding
from aed.accounts.rules.security import NEED_A_SECOND_FACTOR, SecurityEventKind
from aed.errors import NotAllowed, NotSignedIn


def second_factors(session: Session, person_id: int) -> Sequence[SecondFactor]:
    """The confirmed ones, in order of time.

    visibility: for the person alone.
    """
    return session.scalars(
        select(SecondFactor)
        .where(SecondFactor.person_id == person_id, SecondFactor.confirmed_at.is_not(None))
        .order_by(SecondFactor.id)
    ).all()


def recovery_codes_left(session: Session, person_id: int) -> int:
    """visibility: for the person alone; a number."""
    asked = select(func.count()).where(RecoveryCode.person_id == person_id, RecoveryCode.used_at.is_(None))
    return session.scalar(asked) or 0


def must_give_second_factor(session: Session, person_id: int) -> bool:
    """True for who has a second factor, and for who holds a role that needs one where it is demanded.

    visibility: for the person's own sign-in.
    """
    if second_factors(session, person_id):
        return True
    return is_second_factor_demanded(session, holdings_of(session, person_id))


def is_second_factor_demanded(session: Session, holdings: Collection[Holding]) -> bool:
    """Whether a region in which such a role is held, or one above it, demands a second factor.

    Who administers the whole network needs one as soon as any region does.
    """
    held = [each for each in holdings if each.role in NEED_A_SECOND_FACTOR]
    if not held:
        return False
    if any(each.is_everywhere for each in held):
        return bool(session.scalar(select(exists().where(Region.needs_second_factor))))
    here = {region_id for each in held for region_id in each.region_ids}
    up = select(Region.id, Region.parent_id).where(Region.id.in_(here)).cte("up", recursive=True)
    up = up.union(select(Region.id, Region.parent_id).join(up, Region.id == up.c.parent_id))
    demands = select(Region.id).where(Region.needs_second_factor, Region.id.in_(select(up.c.id)))
    return session.scalar(demands.limit(1)) is not None


def open_sessions(session: Session, person_id: int, *, at: datetime) -> Sequence[SignIn]:
    """The person's sessions that are neither ended nor over, the newest first.

    visibility: for the person, and for who may administer.
    """
    return session.scalars(
        select(SignIn).where(SignIn.person_id == person_id, *is_open(session, at)).order_by(SignIn.id.desc())
    ).all()


def is_open(session: Session, at: datetime) -> tuple[ColumnElement[bool], ...]:
    """visibility: it is a predicate itself."""
    return (
        SignIn.ended_at.is_(None),
        SignIn.expires_at > at,
        func.coalesce(SignIn.last_seen_at, SignIn.created_at) > idle_since(session, at),
    )


def security_events(
    session: Session,
    viewer: Viewer,
    *,
    limit: int,
    before_id: int | None = None,
    kind: SecurityEventKind | None = None,
    person_id: int | None = None,
) -> Sequence[SecurityEvent]:
    """A page of the log, the newest first. Raises NotSignedIn, NotAllowed.

    visibility: only for a network administrator.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("This is for network administrators: send a token, or sign in.")
    if not viewer.is_administrator:
        raise NotAllowed("Only a network administrator reads security events.")
    asked = select(SecurityEvent)
    if before_id is not None:
        asked = asked.where(SecurityEvent.id < before_id)
    if kind is not None:
        asked = asked.where(SecurityEvent.kind == kind)
    if person_id is not None:
        asked = asked.where(SecurityEvent.person_id == person_id)
    return session.scalars(asked.order_by(SecurityEvent.id.desc()).limit(limit)).all()
