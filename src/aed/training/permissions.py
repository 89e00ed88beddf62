"""Who can run the training of an estate or region, and who can enrol people in it."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.errors import NotAllowed, NotSignedIn

RUN_IN_REGIONS: Final = frozenset({Role.TRAINING_OFFICER, Role.ADMINISTRATOR})
"""Roles that run all training in their region, including sessions outside any estate."""
RUN_IN_ESTATES: Final = RUN_IN_REGIONS | {Role.ESTATE_MANAGER}
"""Roles that run the sessions of an estate."""
ENROL: Final = RUN_IN_ESTATES | {Role.LEAD}
"""Roles that can enrol people of an estate."""


def runs_training(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Return True if the viewer runs the training of that estate (None: the region's sessions outside
    estates).

    Administrators run all training, people run it according to their roles, and an estate's token runs it
    for that estate. Read-only tokens do not, because rosters hold names and phone numbers and such a token
    may be shared by the whole estate.
    """
    if TokenScope.WRITE not in viewer.scopes:
        return False
    if viewer.is_administrator:
        return True
    if viewer.person_id is not None:
        roles = RUN_IN_REGIONS if estate_id is None else RUN_IN_ESTATES
        return viewer.has_role(roles, estate_id=estate_id, region_id=region_id)
    return viewer.role is TokenRole.MEMBER and estate_id is not None and estate_id == viewer.estate_id


def require_trainer(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Raise unless the viewer runs the training of that estate or region.

    Raises NotSignedIn for anonymous viewers; NotAllowed for read-only tokens, tokens of other places, and
    people without a suitable role.
    """
    require_write(viewer)
    if not runs_training(viewer, estate_id, region_id):
        raise NotAllowed("Only the training officer or manager of the estate or region may do this.")


def require_enroller(
    viewer: Viewer, of_estate_id: int | None, *, region_id: int | None, is_self: bool
) -> None:
    """Raise unless the viewer may enrol and withdraw people of that estate (None: of no estate).

    Everyone may enrol themselves. `region_id` is the region of the estate. Raises NotSignedIn or NotAllowed.
    """
    require_write(viewer)
    if viewer.is_administrator or is_self:
        return
    if viewer.person_id is not None:
        if viewer.has_role(ENROL, estate_id=of_estate_id, region_id=region_id):
            return
        raise NotAllowed("Only a lead, manager or training officer of the estate may enrol others.")
    if viewer.role is TokenRole.MEMBER and of_estate_id is not None and of_estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may enrol only people of its own estate.")


def require_write(viewer: Viewer) -> None:
    """Raise unless the viewer is signed in and has the write scope.

    Rosters hold personal data, so that reading them needs that scope too. Raises NotSignedIn or NotAllowed.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Rosters and enrolments are not public. Send Authorization: Bearer …, or sign in.")
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token is read-only. Use one with the scope 'write'.")


def require_gap_viewer(viewer: Viewer) -> None:
    """Raise unless the viewer runs the training of at least one estate; queries restrict which.

    Raises NotSignedIn for anonymous viewers and NotAllowed for everyone else, because small counts can
    identify people.
    """
    require_write(viewer)
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        is_someones = any(holding.role in RUN_IN_ESTATES for holding in viewer.role_assignments)
    else:
        is_someones = viewer.role is TokenRole.MEMBER and viewer.estate_id is not None
    if not is_someones:
        raise NotAllowed("Only training officers, estate managers and administrators may see the gap table.")
