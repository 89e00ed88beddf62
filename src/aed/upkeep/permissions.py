"""Who may check a device, and who may know of it."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import (
    Role,
    Scope,
    TokenRole,
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
    """Passes for an estate's manager, or an administrator of its region; where the policy is for no estate,
    for an administrator of the network. Raises NotSignedIn and NotAllowed."""
    if estate_id is None:
        require_administrator(viewer)
    else:
        require_estate_manager(viewer, estate_id, region_id=region_id)


def require_retrieval_reporter(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Passes for whoever may glance at the device, and for a dispatcher of its region.

    Raises NotSignedIn for anyone, NotAllowed for everybody else.
    """
    if (
        viewer.role is TokenRole.DISPATCHER
        and region_id in viewer.region_ids
        and Scope.WRITE in viewer.scopes
    ):
        return
    require_check_allowed(viewer, CheckKind.GLANCE, estate_id, region_id)


def require_check_allowed(viewer: Viewer, kind: CheckKind, estate_id: int | None, region_id: int) -> None:
    """Passes for whoever may tell of a check of that kind there.

    A resident may glance, a lead or responder check, a keeper or manager service too. Raises NotSignedIn for
    anyone, NotAllowed for a token that only reads or is of another estate, and for a person without a role.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("A check needs a name: sign in. Without an account you may report what you saw.")
    if Scope.WRITE not in viewer.scopes:
        raise NotAllowed("This token may read only; ask for one with the scope 'write'.")
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        roles = {CheckKind.GLANCE: GLANCES, CheckKind.CHECK: CHECKS, CheckKind.SERVICE: SERVICES}[kind]
        if viewer.has_role(roles, estate_id=estate_id, region_id=region_id):
            return
        raise NotAllowed(f"A {kind} is told by those who have a role for it at the device's estate.")
    if viewer.role is TokenRole.MEMBER and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may check only devices of its own estate.")
