"""Read the rules of regions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.timebank.models import RegionalRules
from aed.timebank.regional_rules.schemas import RulesIn
from aed.timebank.rules import DEFAULT_RULES, TimeBankRules


def rules_at(session: Session, region_id: int, at: datetime) -> TimeBankRules:
    """Return the rules in force at a moment: the region's own, or of the nearest region above that has some.

    Without any, `rules.DEFAULT_RULES`.
    """
    here = select(Region.id, Region.parent_id, literal(0).label("steps")).where(Region.id == region_id)
    up = here.cte("up", recursive=True)
    up = up.union_all(
        select(Region.id, Region.parent_id, up.c.steps + 1).join(up, Region.id == up.c.parent_id)
    )
    found = session.execute(
        select(RegionalRules.numbers, RegionalRules.version)
        .join(up, up.c.id == RegionalRules.region_id)
        .where(RegionalRules.starts_at <= at)
        .order_by(up.c.steps, RegionalRules.starts_at.desc())
        .limit(1)
    ).first()
    return RulesIn.model_validate(found.numbers).rules(found.version) if found else DEFAULT_RULES


def versions(session: Session, region_id: int) -> Sequence[RegionalRules]:
    """Return the rules that were set for a region, the latest start first.

    visibility: rules are public.
    """
    return session.scalars(
        select(RegionalRules)
        .where(RegionalRules.region_id == region_id)
        .order_by(RegionalRules.starts_at.desc())
    ).all()


def zone_of_region(session: Session, region_id: int) -> ZoneInfo:
    """Return the time zone in which the region's days and years begin."""
    return ZoneInfo(session.execute(select(Region.time_zone).where(Region.id == region_id)).scalar_one())
