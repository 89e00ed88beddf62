"""Who may use and see accounts of the time bank."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, exists, false, or_, true

from aed.accounts.permissions import Role, Viewer, require_estate_manager
from aed.errors import NotAllowed, NotSignedIn
from aed.timebank.models import FamilyMember, LedgerAccount

MANAGERS: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})


def require_person(viewer: Viewer) -> int:
    """Return the id of the person who asks. Raises NotSignedIn; NotAllowed for a token."""
    if not viewer.is_signed_in:
        raise NotSignedIn("The time bank is for people who have signed in.")
    if viewer.person_id is None:
        raise NotAllowed("Only a person may do this, not a token.")
    return viewer.person_id


def require_account_manager(viewer: Viewer, *, estate_id: int | None, region_id: int) -> None:
    """Require a manager of the estate, or an administrator of its region. Raises NotSignedIn, NotAllowed."""
    require_estate_manager(viewer, estate_id, region_id=region_id)
    if viewer.person_id is None and not viewer.is_administrator:
        raise NotAllowed("Only a person may do this, not a token.")


def require_other_person(viewer: Viewer, person_id: int) -> None:
    """Require that the viewer does not decide for their own benefit. Raises NotAllowed."""
    if viewer.person_id == person_id:
        raise NotAllowed("This is for yourself: another manager must do it.")


def require_signed_in(viewer: Viewer) -> None:
    """Raises NotSignedIn."""
    if not viewer.is_signed_in:
        raise NotSignedIn("The time bank is for people who have signed in.")


def account_visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Select the accounts that the viewer may see: this is the only definition.

    1. A person: their own, and that of their family.
    2. A manager: those of the estate, or of the region. An administrator of the network: all.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    seen: list[ColumnElement[bool]] = []
    if viewer.person_id is not None:
        seen.append(LedgerAccount.person_id == viewer.person_id)
        seen.append(
            exists().where(
                FamilyMember.account_id == LedgerAccount.id,
                FamilyMember.person_id == viewer.person_id,
                FamilyMember.left_at.is_(None),
            )
        )
    for held in viewer.role_assignments:
        if held.role not in MANAGERS:
            continue
        if held.estate_id is not None:
            seen.append(LedgerAccount.estate_id == held.estate_id)
        else:
            seen.append(LedgerAccount.region_id.in_(held.region_ids))
    return or_(*seen) if seen else false()
