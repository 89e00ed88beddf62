"""Who may use and see accounts of the time bank."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, exists, false, or_, true
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, Viewer, require_estate_manager
from aed.accounts.regions.queries import region_by_code, region_of_estate
from aed.accounts.visibility import ManagedTable
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
    """Require a person who has signed in, or a token. Raises NotSignedIn."""
    if not viewer.is_signed_in:
        raise NotSignedIn("The time bank is for people who have signed in.")


def require_manager_at(session: Session, viewer: Viewer, *, estate_id: int | None, region: str | None) -> int:
    """Require a manager of the estate, or an administrator of the region with this code; return its id.

    Raises NotSignedIn, NotAllowed, NotFound.
    """
    region_id = (
        region_of_estate(session, estate_id)
        if estate_id is not None
        else region_by_code(session, region or "").id
    )
    require_account_manager(viewer, estate_id=estate_id, region_id=region_id)
    return region_id


def require_any_manager(viewer: Viewer) -> None:
    """Require a manager of some estate, or an administrator. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This is for managers of estates and regions. Sign in.")
    if not viewer.is_administrator and all(each.role not in MANAGERS for each in viewer.role_assignments):
        raise NotAllowed("This is for managers of estates and regions.")


def at_managed_place(viewer: Viewer, table: type[ManagedTable]) -> ColumnElement[bool]:
    """Select what belongs to estates and regions that the viewer manages.

    visibility: it is a predicate itself.
    """
    if viewer.is_administrator:
        return true()
    places = [
        table.estate_id == held.estate_id
        if held.estate_id is not None
        else table.region_id.in_(held.region_ids)
        for held in viewer.role_assignments
        if held.role in MANAGERS
    ]
    return or_(*places) if places else false()


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
    return or_(*seen, at_managed_place(viewer, LedgerAccount))
