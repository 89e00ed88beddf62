"""Permissions of upkeep: who may check a device, report its retrieval, or edit a policy."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import (
    Role,
    TokenRole,
    TokenScope,
    Viewer,
    require_administrator,
    require_estate_manager,
)
from aed.errors import NotAllowed, NotSignedIn
from aed.upkeep.rules import CheckKind

SERVICES: Final = frozenset({Role.KEEPER, Role.ESTATE_MANAGER, Role.ADMINISTRATOR})
CHECKS: Final = SERVICES | {Role.LEAD, Role.RESPONDER}
GLANCES: Final = CHECKS | {Role.RESIDENT}


def require_policy_editor(viewer: Viewer, estate_id: int | None, region_id: int | None) -> None:
    """Require a manager of the estate or an administrator of its region.

    For a policy without an estate, require an administrator of the network. Raises NotSignedIn or
    NotAllowed.
    """
    if estate_id is None:
        require_administrator(viewer)
    else:
        require_estate_manager(viewer, estate_id, region_id=region_id)


def require_retrieval_reporter(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Require a viewer who may glance at the device, or a dispatcher of its region with the scope 'write'.

    Raises NotSignedIn for anonymous viewers and NotAllowed for others.
    """
    if (
        viewer.role is TokenRole.DISPATCHER
        and region_id in viewer.region_ids
        and TokenScope.WRITE in viewer.scopes
    ):
        return
    require_check_allowed(viewer, CheckKind.GLANCE, estate_id, region_id)


def require_check_allowed(viewer: Viewer, kind: CheckKind, estate_id: int | None, region_id: int) -> None:
    """Require a viewer who may record a check of that kind at the device.

    Residents may glance; leads and responders may also check; keepers and managers may also service. Raises
    NotSignedIn for anonymous viewers, and NotAllowed for a read-only token, a token of another estate, or a
    person without a suitable role.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Sign in to send a check. Without an account you can report a problem.")
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token can only read: use one with the scope 'write'.")
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        roles = {CheckKind.GLANCE: GLANCES, CheckKind.CHECK: CHECKS, CheckKind.SERVICE: SERVICES}[kind]
        if viewer.has_role(roles, estate_id=estate_id, region_id=region_id):
            return
        raise NotAllowed(
            "You need a role at the device's estate or in its region to send a {kind}.", kind=kind
        )
    if viewer.role is TokenRole.MEMBER and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token can check only devices of its own estate.")


def require_round_assigner(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Require a manager of the estate, or for a round through a region (None) an administrator of it.

    Raises NotSignedIn or NotAllowed.
    """
    if estate_id is None:
        require_administrator(viewer, region_id=region_id)
    else:
        require_estate_manager(viewer, estate_id, region_id=region_id)
