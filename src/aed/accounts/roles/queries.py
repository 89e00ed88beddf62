"""Queries for the roles that people hold, as far as the viewer may see them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, column, false, or_, select, table, true
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer
from aed.accounts.role_grants import RoleGrant
from aed.errors import NotFound

_estates = table("estates", column("id"), column("region_id"))


def role_grants_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the role grants, active or revoked, that the viewer may see.

    1. An administrator of the network: all.
    2. An administrator of a region: those on the region, below it, and on its estates.
    3. A manager of an estate, or of a region's estates: those on these estates.
    4. Everyone: their own.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    parts: list[ColumnElement[bool]] = []
    if viewer.person_id is not None:
        parts.append(RoleGrant.person_id == viewer.person_id)
    for holding in viewer.role_assignments:
        if holding.role not in (Role.ADMINISTRATOR, Role.ESTATE_MANAGER):
            continue
        if holding.estate_id is not None:
            parts.append(RoleGrant.estate_id == holding.estate_id)
            continue
        parts.append(
            RoleGrant.estate_id.in_(select(_estates.c.id).where(_estates.c.region_id.in_(holding.region_ids)))
        )
        if holding.role is Role.ADMINISTRATOR:
            parts.append(RoleGrant.region_id.in_(holding.region_ids))
    return or_(*parts) if parts else false()


def role_grant(session: Session, viewer: Viewer, grant_id: int) -> RoleGrant:
    """Return one role grant. Raises NotFound if there is none that the viewer may see."""
    found = session.scalar(select(RoleGrant).where(RoleGrant.id == grant_id, role_grants_visible_to(viewer)))
    if found is None:
        raise NotFound(
            "There is no role {grant_id}, or you may not see it.", field="grant_id", grant_id=grant_id
        )
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
    """Return a page of role grants, ordered by id; active ones only, unless `also_revoked`."""
    conditions = [RoleGrant.id > after_id, role_grants_visible_to(viewer)]
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
