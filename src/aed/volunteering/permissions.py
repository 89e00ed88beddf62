"""Who may record, confirm and decide about the service of volunteers."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Role, TokenScope, Viewer
from aed.errors import NotAllowed, NotSignedIn

MANAGES: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})
"""Roles that see and decide about all service of an estate or region."""


def manages(viewer: Viewer, *, estate_id: int, region_id: int) -> bool:
    """Return True if the viewer manages the estate, or administers its region or the network."""
    is_office = viewer.is_administrator and TokenScope.WRITE in viewer.scopes
    return is_office or viewer.has_role(MANAGES, estate_id=estate_id, region_id=region_id)


def manages_any(viewer: Viewer) -> bool:
    """Return True if the viewer manages an estate, or administers a region or the network."""
    return viewer.is_administrator or any(held.role in MANAGES for held in viewer.role_assignments)


def require_signed_in(viewer: Viewer) -> None:
    if not viewer.is_signed_in:
        raise NotSignedIn("Service records are visible to volunteers and their managers. Sign in.")


def require_manager(viewer: Viewer, *, estate_id: int, region_id: int) -> None:
    """Require a manager of the estate or an administrator above. Raises NotSignedIn, NotAllowed."""
    require_signed_in(viewer)
    if not manages(viewer, estate_id=estate_id, region_id=region_id):
        raise NotAllowed("Only the estate's manager or an administrator of its region may do this.")


def require_any_manager(viewer: Viewer) -> None:
    """Require a manager of some estate or an administrator. Raises NotSignedIn, NotAllowed."""
    require_signed_in(viewer)
    if not manages_any(viewer):
        raise NotAllowed("Only an estate's manager or a region's administrator may do this.")


def require_self_or_manager(viewer: Viewer, person_id: int, *, estate_id: int, region_id: int) -> None:
    """Require the volunteer, or a manager of their estate. Raises NotSignedIn, NotAllowed."""
    require_signed_in(viewer)
    if viewer.person_id != person_id:
        require_manager(viewer, estate_id=estate_id, region_id=region_id)


def own_person_id(viewer: Viewer) -> int:
    """Return the viewer's person. Raises NotSignedIn; NotAllowed for a token, which is nobody."""
    require_signed_in(viewer)
    if viewer.person_id is None:
        raise NotAllowed("A token is not a person: sign in as the person who does this.")
    return viewer.person_id
