"""Who may plan for a region, and who for an estate."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Role, Viewer
from aed.errors import NotAllowed, NotSignedIn

_REGION_PLANNERS: Final = frozenset({Role.ADMINISTRATOR, Role.ESTATE_MANAGER})


def require_region_planner(viewer: Viewer, region_id: int) -> None:
    """Require a manager or administrator of the region. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Planning requires a manager of the region. Send a token, or sign in.")
    if viewer.is_administrator or viewer.has_role(_REGION_PLANNERS, estate_id=None, region_id=region_id):
        return
    raise NotAllowed("Only a manager or an administrator of the region may plan for it.")
