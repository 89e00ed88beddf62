"""Putting policies into force, amending and withdrawing them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_estate_manager
from aed.registry.changes import (
    flush_or_conflict,
    record_amendment,
    record_creation,
    require_not_null,
    require_version,
)
from aed.registry.estates import queries as estate_queries
from aed.upkeep.models import Policy
from aed.upkeep.queries import policies as queries
from aed.upkeep.rules.states import PolicyState
from aed.upkeep.rules.who import may_decide_policy
from aed.upkeep.schemas.policies import PolicyAmend, PolicyIn


def create_policy(session: Session, who: Viewer, new: PolicyIn, *, at: datetime) -> Policy:
    """It is in force from now on. An estate's own is its manager's to make, any other an administrator's.

    Raises Conflict where one is in force for the same already.
    """
    _may_decide(session, who, new.estate_id)
    policy = Policy(
        **new.model_dump(),
        scope=_scope(new.estate_id, new.maker, new.model),
        state=PolicyState.IN_FORCE,
    )
    session.add(policy)
    flush_or_conflict(
        session, "A policy for the same is in force already: amend or withdraw that one.", "model"
    )
    record_creation(session, who, policy, at=at)
    return policy


def amend_policy(
    session: Session, who: Viewer, policy_id: int, change: PolicyAmend, *, version: int, at: datetime
) -> Policy:
    policy = queries.policy(session, who, policy_id)
    _may_decide(session, who, policy.estate_id)
    require_version(policy, version)
    require_not_null(policy, change, change.model_fields_set)
    for name in change.model_fields_set:
        setattr(policy, name, getattr(change, name))
    record_amendment(session, who, policy, at=at)
    flush_or_conflict(session, "The policy cannot be amended so.", None)
    return policy


def withdraw_policy(session: Session, who: Viewer, policy_id: int, *, version: int, at: datetime) -> Policy:
    """The next wider policy holds from now on, or the default."""
    policy = queries.policy(session, who, policy_id)
    _may_decide(session, who, policy.estate_id)
    require_version(policy, version)
    policy.state = PolicyState.WITHDRAWN
    record_amendment(session, who, policy, at=at)
    flush_or_conflict(session, "The policy cannot be withdrawn.", None)
    return policy


def _may_decide(session: Session, who: Viewer, estate_id: int | None) -> None:
    region_id = None
    if estate_id is not None:
        if who.person_id is None:
            require_estate_manager(who, estate_id)  # before a stranger learns which estates there are
        region_id = estate_queries.estate(session, who, estate_id).region_id
    may_decide_policy(who, estate_id, region_id)


def _scope(estate_id: int | None, maker: str | None, model: str | None) -> str:
    """One word for what a policy is for, whatever the case of maker and model."""
    return "|".join((str(estate_id or ""), (maker or "").casefold(), (model or "").casefold()))
