"""Act for another person, confirm who has priority, and find the account that pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.timebank.families.queries import family_account_id, members_of
from aed.timebank.ledger.actions import merged_person
from aed.timebank.ledger.posting import (
    find_person_account,
    own_points_account,
    regional_account,
)
from aed.timebank.ledger.queries import minutes_served
from aed.timebank.models import Mandate, PriorityMember
from aed.timebank.permissions import require_account_manager, require_other_person, require_person
from aed.timebank.regional_rules.queries import rules_at
from aed.timebank.rules import AccountKind, Currency, PaidFrom, PriorityGroup

MAX_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: a person (or a pool for them), from an account in a region."""

    person_id: int
    account_id: int
    region_id: int


def grant_mandate(
    session: Session, viewer: Viewer, *, principal_id: int, agent_id: int, days: int, at: datetime
) -> Mandate:
    """Let `agent_id` use the points of `principal_id` for them, for at most a year.

    By the person themself, or by the manager of their estate who has seen the signed mandate, and is not the
    agent. Raises NotSignedIn, NotAllowed, NotFound, InvalidInput.
    """
    caller = require_person(viewer)
    principal_id, agent_id = merged_person(session, principal_id), merged_person(session, agent_id)
    if principal_id == agent_id:
        raise InvalidInput("A mandate is for another person.", field="agent_id")
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput("A mandate lasts at most {days} days.", field="days", days=MAX_DAYS)
    if caller != principal_id:
        _require_manager_of(session, viewer, principal_id)
        require_other_person(viewer, agent_id)
    mandate = Mandate(
        principal_id=principal_id,
        agent_id=agent_id,
        starts_at=at,
        ends_at=at + timedelta(days=days),
        recorded_by=viewer.name,
    )
    session.add(mandate)
    session.flush()
    return mandate


def revoke_mandate(session: Session, viewer: Viewer, mandate_id: int, *, at: datetime) -> None:
    """Revoke a mandate, as either of the two. Raises NotSignedIn, NotAllowed, NotFound.

    visibility: one's own mandates.
    """
    person_id = require_person(viewer)
    found = session.scalar(
        select(Mandate).where(
            Mandate.id == mandate_id,
            or_(Mandate.principal_id == person_id, Mandate.agent_id == person_id),
        )
    )
    if found is None:
        raise NotFound("There is no mandate {id} of yours.", field="mandate_id", id=mandate_id)
    found.revoked_at = found.revoked_at or at
    session.flush()


def mandates_of(session: Session, person_id: int, at: datetime) -> Sequence[Mandate]:
    """Return the mandates in force by and for a person.

    visibility: for the person themself.
    """
    return session.scalars(
        select(Mandate)
        .where(
            or_(Mandate.principal_id == person_id, Mandate.agent_id == person_id),
            Mandate.revoked_at.is_(None),
            Mandate.ends_at > at,
        )
        .order_by(Mandate.id)
    ).all()


def acting_person(session: Session, viewer: Viewer, acting_for: int | None, at: datetime) -> int:
    """Return the person whose points the viewer uses. Raises NotSignedIn; NotAllowed without a mandate.

    visibility: the viewer's own mandate.
    """
    caller = require_person(viewer)
    if acting_for is None or acting_for == caller:
        return caller
    principal_id = merged_person(session, acting_for)
    in_force = exists().where(
        Mandate.principal_id == principal_id,
        Mandate.agent_id == caller,
        Mandate.revoked_at.is_(None),
        Mandate.starts_at <= at,
        Mandate.ends_at > at,
    )
    if not session.scalar(select(in_force)):
        raise NotAllowed("You need this person's mandate to use their points.")
    return principal_id


def payer(
    session: Session,
    viewer: Viewer,
    *,
    acting_for: int | None,
    paid_from: PaidFrom,
    at: datetime,
) -> Payer:
    """Return the account that pays, which may spend points. The ledger is locked.

    Raises NotSignedIn, NotAllowed, NotFound; Conflict while too few minutes were served.

    visibility: one's own account, or that of the person one acts for.
    """
    if paid_from is PaidFrom.CARE_POOL:
        if acting_for is None:
            raise InvalidInput("Name the person whom the care pool pays for.", field="acting_for")
        person_id = merged_person(session, acting_for)
        require_person(viewer)
        own = find_person_account(session, person_id, Currency.POINTS)
        if own is None:
            raise NotFound("This person has no points.", field="person_id")
        require_administrator(viewer, region_id=own.region_id)
        require_other_person(viewer, person_id)
        if not groups_of(session, person_id):
            raise NotAllowed("The care pool pays for people who are over 60, over 80 or disabled.")
        pool = regional_account(
            session, AccountKind.CARE_POOL, Currency.POINTS, region_id=own.region_id, at=at
        )
        return Payer(person_id, pool, own.region_id)
    person_id = acting_person(session, viewer, acting_for, at)
    own = own_points_account(session, person_id)
    spenders: Sequence[int] = [person_id]
    account_id = own.id
    if paid_from is PaidFrom.FAMILY:
        family_id = family_account_id(session, person_id)
        if family_id is None:
            raise NotFound("You are not a member of a family account.")
        account_id, spenders = family_id, members_of(session, family_id)
    needed = rules_at(session, own.region_id, at).spend_from_minutes
    served = max(minutes_served(session, each) for each in spenders)
    if served < needed:
        raise Conflict(
            "Points can be spent from {needed} minutes of service on; {missing} are missing.",
            needed=needed,
            missing=needed - served,
        )
    return Payer(person_id, account_id, own.region_id)


def confirm_priority(
    session: Session, viewer: Viewer, *, person_id: int, group: PriorityGroup, at: datetime
) -> PriorityMember:
    """Confirm that goods are kept for a person at first. For the manager of their estate, not for themself.

    Raises NotSignedIn, NotAllowed, NotFound.

    visibility: for those who manage the person's account.
    """
    require_person(viewer)
    person_id = merged_person(session, person_id)
    _require_manager_of(session, viewer, person_id)
    require_other_person(viewer, person_id)
    found = session.scalar(
        select(PriorityMember).where(
            PriorityMember.person_id == person_id,
            PriorityMember.priority_group == group,
            PriorityMember.ended_at.is_(None),
        )
    )
    if found is None:
        found = PriorityMember(
            person_id=person_id, priority_group=group, confirmed_at=at, confirmed_by=viewer.name
        )
        session.add(found)
        session.flush()
    return found


def groups_of(session: Session, person_id: int) -> frozenset[PriorityGroup]:
    """Return the groups of a person.

    visibility: for decisions on the person's orders.
    """
    return frozenset(
        session.scalars(
            select(PriorityMember.priority_group).where(
                PriorityMember.person_id == person_id, PriorityMember.ended_at.is_(None)
            )
        )
    )


def _require_manager_of(session: Session, viewer: Viewer, person_id: int) -> None:
    own = find_person_account(session, person_id, Currency.POINTS)
    if own is None:
        raise NotAllowed("Only the person themself may do this, until they have an account.")
    require_account_manager(viewer, estate_id=own.estate_id, region_id=own.region_id)
