"""Roles in requests and responses."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from aed.accounts.fields import Code, Id
from aed.accounts.permissions import Role
from aed.accounts.role_grants import RoleGrant


class RoleIn(BaseModel):
    """A role to grant: on an estate, on a region, or (by administrators only) on the whole network."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"role": "dispatcher", "region": "CN-33"}]}
    )

    role: Role
    estate_id: Id | None = None
    region: Code | None = None


class RoleOut(BaseModel):
    """A role that a person holds, or held until `revoked_at`."""

    id: Id
    person_id: Id
    role: Role
    estate_id: Id | None
    region: str | None
    granted_at: datetime
    granted_by: str
    revoked_at: datetime | None
    revoked_by: str | None

    @classmethod
    def of(cls, grant: RoleGrant, codes: dict[int, str]) -> RoleOut:
        """Build the response. `codes`: the codes of the regions, by id."""
        return cls(
            id=grant.id,
            person_id=grant.person_id,
            role=grant.role,
            estate_id=grant.estate_id,
            region=codes[grant.region_id] if grant.region_id is not None else None,
            granted_at=grant.granted_at,
            granted_by=grant.granted_by,
            revoked_at=grant.revoked_at,
            revoked_by=grant.revoked_by,
        )


class RolesPage(BaseModel):
    """A page of roles, ordered by id; `next` is the cursor of the next page."""

    roles: list[RoleOut]
    next: str | None = None


def version_of(grant: RoleGrant) -> int:
    """Return the version of a grant, which changes once, when it is revoked."""
    return 1 if grant.revoked_at is None else 2
