"""Who may withdraw, suspend or lower an agreement."""

from __future__ import annotations

from aed.accounts.permissions import Viewer, require_estate_manager
from aed.sharing.models import Agreement


def require_can_withdraw(viewer: Viewer, found: Agreement) -> None:
    """Require that the viewer may withdraw, suspend or lower the agreement, whose parties are loaded.

    These are the representatives of its parties, the estate's manager, and administrators of the region.
    Raises NotSignedIn, NotAllowed.
    """
    is_party = viewer.person_id is not None and any(
        each.representative_id == viewer.person_id for each in found.parties
    )
    if not is_party:
        require_estate_manager(viewer, found.estate_id, region_id=found.region_id)
