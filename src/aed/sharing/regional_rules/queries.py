"""Read the rules of regions, and those that an agreement was made under."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import literal, select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.errors import NotFound
from aed.sharing.models import RegionRules
from aed.sharing.rules import RULES, PartyRole, SharingRules


def rules_of_region(session: Session, region_id: int) -> SharingRules:
    """Return the rules for new agreements: the region's own, or of the nearest region above that has some.

    Without any, `rules.RULES`.
    """
    here = select(Region.id, Region.parent_id, literal(0).label("steps")).where(Region.id == region_id)
    up = here.cte("up", recursive=True)
    up = up.union_all(
        select(Region.id, Region.parent_id, up.c.steps + 1).join(up, Region.id == up.c.parent_id)
    )
    found = session.scalars(
        select(RegionRules)
        .join(up, up.c.id == RegionRules.region_id)
        .order_by(up.c.steps, RegionRules.id.desc())
        .limit(1)
    ).first()
    return as_rules(found) if found is not None else RULES


def rules_of_version(session: Session, version: str) -> SharingRules:
    """Return the rules that an agreement was made under, however they were changed since. Raises NotFound."""
    return RULES if version == RULES.version else as_rules(_stored(session, version))


def origin_of(session: Session, rules: SharingRules) -> tuple[str | None, datetime | None]:
    """Return the code of the region that made the rules, and when; None for the defaults."""
    if rules.version == RULES.version:
        return None, None
    found = _stored(session, rules.version)
    return session.get_one(Region, found.region_id).code, found.created_at


def as_rules(found: RegionRules) -> SharingRules:
    numbers: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in found.numbers.items()
    }
    numbers["parties"] = tuple(PartyRole(each) for each in found.numbers["parties"])
    return replace(RULES, version=version_of(found), **numbers)


def version_of(found: RegionRules) -> str:
    return f"r{found.id}"


def _stored(session: Session, version: str) -> RegionRules:
    number = version.removeprefix("r")
    found = session.get(RegionRules, int(number)) if number.isdecimal() and len(number) < 19 else None
    if found is None or version_of(found) != version:
        raise NotFound("There are no rules of version {version}.", field="version", version=version)
    return found
