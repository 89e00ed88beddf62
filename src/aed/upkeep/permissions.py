"""Permissions of upkeep: who may check a device, report its retrieval, or edit a policy."""

from __future__ import annotations

from dataclasses import dataclass
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


def require_second_person(viewer: Viewer, *, checked_by_id: int | None) -> None:
    """Require a person who did not make the check. Raises NotAllowed.

    The caller has checked that they keep or manage its device.
    """
    if viewer.person_id is None:
        raise NotAllowed("A second person approves a check, not a token: sign in.")
    if viewer.person_id == checked_by_id:
        raise NotAllowed("You made this check yourself: another keeper or manager has to approve it.")


@dataclass(frozen=True, slots=True)
class AssignedPlaces:
    """Where a viewer assigns rounds. For an administrator of the network, who does so everywhere, empty."""

    estate_ids: tuple[int, ...]
    region_ids: tuple[int, ...]
    """Regions that the viewer administers: rounds through the region, and of each of its estates."""
    managed_region_ids: tuple[int, ...]
    """Regions of which the viewer manages every estate: rounds of the estates alone."""


def assigned_places(viewer: Viewer) -> AssignedPlaces:
    """Return where the viewer assigns rounds; `require_round_assigner` decides by the same roles."""
    estate_ids, region_ids = set[int](), set[int]()
    if viewer.person_id is None and viewer.role is TokenRole.MEMBER and viewer.estate_id is not None:
        estate_ids.add(viewer.estate_id)
    for each in viewer.role_assignments:
        if each.role is Role.ESTATE_MANAGER and each.estate_id is not None:
            estate_ids.add(each.estate_id)
        if each.role is Role.ADMINISTRATOR:
            region_ids |= set(each.region_ids)
    return AssignedPlaces(tuple(sorted(estate_ids)), tuple(sorted(region_ids)), viewer.managed_region_ids)


def require_round_assigner(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Require a manager of the estate, or for a round through a region (None) an administrator of it.

    Raises NotSignedIn or NotAllowed.
    """
    if estate_id is None:
        require_administrator(viewer, region_id=region_id)
    else:
        require_estate_manager(viewer, estate_id, region_id=region_id)
