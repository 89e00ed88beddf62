"""Set the rules of a region from a moment on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.accounts.regions.queries import region_by_code
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.timebank.models import RegionalRules
from aed.timebank.regional_rules.schemas import RulesIn
from aed.timebank.rules import OF_CALLS


def set_rules(
    session: Session,
    viewer: Viewer,
    *,
    region: str,
    numbers: RulesIn,
    starts_at: datetime,
    at: datetime,
) -> RegionalRules:
    """Set the rules of a region and of those below it without rules of their own, from `starts_at` on.

    What was credited, given or spent before stays as it was. Raises NotSignedIn, NotAllowed, NotFound;
    InvalidInput for a start in the past, or points for calls; Conflict if rules start at that moment already.
    """
    found = region_by_code(session, region)
    require_administrator(viewer, region_id=found.id)
    if starts_at < at:
        raise InvalidInput("Rules start now or later: they never change the past.", field="starts_at")
    if any(numbers.services[kind].factor_tenths for kind in OF_CALLS if kind in numbers.services):
        raise InvalidInput("A call earns its minutes only: it has no points to set.", field="services")
    exclusive_lock(session, "time bank rules")
    own = select(func.count()).select_from(RegionalRules).where(RegionalRules.region_id == found.id)
    taken = own.where(RegionalRules.starts_at == starts_at)
    if session.scalar(taken):
        raise Conflict("Other rules start at that moment.", field="starts_at")
    rules = RegionalRules(
        region_id=found.id,
        starts_at=starts_at,
        version=f"{found.code}-{(session.scalar(own) or 0) + 1}",
        numbers=numbers.model_dump(mode="json"),
        created_at=at,
        created_by=viewer.name,
    )
    session.add(rules)
    session.flush()
    return rules
