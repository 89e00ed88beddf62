"""Routes of the roles that people hold."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.regions.queries import codes_of_regions, region_by_code
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import actions
from aed.accounts.roles import queries as role_queries
from aed.accounts.roles.schemas import RoleOut, RolesPage, version_of
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotSignedIn
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor, set_etag

router = APIRouter(tags=["accounts"])

GrantId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


def _out(session: Session, *grants: RoleGrant) -> list[RoleOut]:
    codes = codes_of_regions(session, (each.region_id for each in grants if each.region_id))
    return [RoleOut.of(each, codes) for each in grants]


@router.get("/roles")
def list_roles(
    session: ReadSession,
    viewer: ViewerDep,
    person_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    estate_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    region: Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9._:-]+$")] = None,
    also_revoked: Annotated[bool, Query(description="Include revoked roles")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> RolesPage:
    """List the roles that you administer or manage, and your own."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Roles are visible only to those responsible for them. Send a token, or sign in.")
    region_id = region_by_code(session, region).id if region is not None else None
    found = role_queries.role_grants(
        session,
        viewer,
        limit=limit + 1,
        after_id=cursor_id(cursor),
        person_id=person_id,
        estate_id=estate_id,
        region_id=region_id,
        also_revoked=also_revoked,
    )
    return RolesPage(roles=_out(session, *found[:limit]), next=next_cursor(found, limit))


@router.get("/roles/{grant_id}")
def get_role(session: ReadSession, viewer: ViewerDep, grant_id: GrantId, response: Response) -> RoleOut:
    """Get one role grant, active or revoked."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Roles are visible only to those responsible for them. Send a token, or sign in.")
    grant = role_queries.role_grant(session, viewer, grant_id)
    set_etag(response, version_of(grant))
    return _out(session, grant)[0]


@router.delete("/roles/{grant_id}", status_code=204)
def revoke_role(session: WriteSession, viewer: ViewerDep, grant_id: GrantId) -> None:
    """Revoke a role; the grant stays on record."""
    actions.revoke_role(session, viewer, grant_id, at=clock.now())
