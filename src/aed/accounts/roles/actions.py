"""Grant and revoke roles. Revoked grants stay on record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditSubject, add_audit_entry
from aed.accounts.permissions import (
    ESTATE_ROLES,
    NETWORK_ROLES,
    REGION_ROLES,
    Role,
    TokenScope,
    Viewer,
    require_role_granter,
)
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, region_of_estate
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import queries as role_queries
from aed.accounts.roles.schemas import RoleIn
from aed.accounts.security_log import SecurityEventKind, log_event
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn


def require_can_grant(session: Session, who: Viewer, new: RoleIn) -> tuple[int | None, int | None]:
    """Return (estate_id, region_id) of the role's place, if the viewer may grant the role there.

    Permissions are checked before the place is looked up, so that a viewer who grants no roles cannot find
    out which estates exist. Raises InvalidInput for a role that is not held on such a place, NotFound for an
    unknown place, NotSignedIn, NotAllowed.
    """
    if not who.is_signed_in:
        raise NotSignedIn("Granting roles requires an administrator. Send a token, or sign in.")
    is_office = who.is_administrator and TokenScope.WRITE in who.scopes
    giving = {Role.ADMINISTRATOR, Role.ESTATE_MANAGER}
    if not is_office and not any(holding.role in giving for holding in who.role_assignments):
        raise NotAllowed("Only an administrator or an estate's manager can grant roles.")
    if new.estate_id is not None and new.region is not None:
        raise InvalidInput(
            "A role is granted on either an estate or a region. Leave one of them out.", field="region"
        )
    if new.estate_id is not None:
        region_id = region_of_estate(session, new.estate_id)
        require_role_granter(who, new.role, estate_id=new.estate_id, region_id=region_id)
        _require_allowed_role(new.role, ESTATE_ROLES, "an estate", field="estate_id")
        return new.estate_id, None
    if new.region is not None:
        region_id = region_by_code(session, new.region).id
        require_role_granter(who, new.role, estate_id=None, region_id=region_id)
        _require_allowed_role(new.role, REGION_ROLES, "a region", field="region")
        return None, region_id
    require_role_granter(who, new.role, estate_id=None, region_id=None)
    _require_allowed_role(
        new.role, NETWORK_ROLES, "the whole network. Name its estate or its region", field="role"
    )
    return None, None


def _require_allowed_role(role: Role, allowed: frozenset[Role], what: str, *, field: str) -> None:
    if role not in allowed:
        raise InvalidInput("The role {role} cannot be granted on {what}.", field=field, role=role, what=what)


def grant_role(session: Session, who: Viewer, person_id: int, new: RoleIn, *, at: datetime) -> RoleGrant:
    """Grant the role to the person. Raises Conflict if they hold it already."""
    estate_id, region_id = require_can_grant(session, who, new)
    grant = RoleGrant(
        person_id=person_id,
        role=new.role,
        estate_id=estate_id,
        region_id=region_id,
        granted_at=at,
        granted_by=who.name,
    )
    session.add(grant)
    try:
        session.flush()
    except IntegrityError:
        raise Conflict("The person already has this role there.", field="role") from None
    detail = f"{new.role} by {who.name}"
    log_event(session, SecurityEventKind.ROLE_GRANTED, at=at, person_id=person_id, detail=detail)
    add_audit_entry(
        session,
        who.name,
        AuditSubject.ROLE,
        grant.id,
        "granted",
        at=at,
        role=grant.role.value,
        person=person_id,
        estate=estate_id,
        region=region_id,
    )
    return grant


UNDO_FOR: Final = timedelta(minutes=15)


def undo_revocation(session: Session, who: Viewer, grant_id: int, *, at: datetime) -> None:
    """Grant a role again that the viewer revoked within UNDO_FOR; a second time changes nothing.

    Raises NotFound for a role that another person revoked, or earlier, and what `grant_role` raises.
    """
    grant = role_queries.role_grant(session, who, grant_id)
    if grant.revoked_at is None or grant.revoked_by != who.name or grant.revoked_at <= at - UNDO_FOR:
        raise NotFound("This change cannot be undone: only you can do so, for 15 minutes.", field="grant_id")
    region = session.get_one(Region, grant.region_id).code if grant.region_id is not None else None
    try:
        with session.begin_nested():
            new = RoleIn(role=grant.role, estate_id=grant.estate_id, region=region)
            grant_role(session, who, grant.person_id, new, at=at)
    except Conflict:
        return  # they hold the role again


def revoke_role(session: Session, who: Viewer, grant_id: int, *, at: datetime) -> RoleGrant:
    """Revoke a role from the next request on. Revoking twice changes nothing."""
    if not who.is_signed_in:
        raise NotSignedIn("Revoking roles requires an administrator. Send a token, or sign in.")
    grant = role_queries.role_grant(session, who, grant_id)
    region_id = grant.region_id
    if grant.estate_id is not None:
        region_id = region_of_estate(session, grant.estate_id)
    require_role_granter(who, grant.role, estate_id=grant.estate_id, region_id=region_id)
    if grant.revoked_at is None:
        grant.revoked_at, grant.revoked_by = at, who.name
        detail = f"{grant.role} by {who.name}"
        log_event(session, SecurityEventKind.ROLE_REVOKED, at=at, person_id=grant.person_id, detail=detail)
        add_audit_entry(session, who.name, AuditSubject.ROLE, grant.id, "revoked", at=at)
        session.flush()
    return grant
