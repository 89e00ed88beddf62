"""Who may plan for a region, and who for an estate."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Role, TokenScope, Viewer, is_insider
from aed.errors import NotAllowed, NotSignedIn

_REGION_PLANNERS: Final = frozenset({Role.ADMINISTRATOR, Role.ESTATE_MANAGER})


def require_region_planner(viewer: Viewer, region_id: int, *, writes: bool = False) -> None:
    """Require a manager or administrator of the region, and the write scope of a token that writes.

    Raises NotSignedIn, NotAllowed.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Planning requires a manager of the region. Send a token, or sign in.")
    if writes and TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token is read-only. Use one with the scope 'write'.")
    if viewer.is_administrator or viewer.has_role(_REGION_PLANNERS, estate_id=None, region_id=region_id):
        return
    raise NotAllowed("Only a manager or an administrator of the region may plan for it.")


def require_estate_reader(viewer: Viewer, estate_id: int, region_id: int) -> None:
    """Require a member of the estate or of its region. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Previews are for people of the estate. Send a token, or sign in.")
    if not is_insider(viewer, estate_id, region_id):
        raise NotAllowed("Only people of the estate and of its region may read its previews.")
