"""Who may run the training of an estate or region, and who may enrol people in it."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Role, Scope, TokenRole, Viewer
from aed.errors import NotAllowed, NotSignedIn

RUN_IN_REGIONS: Final = frozenset({Role.TRAINING_OFFICER, Role.ADMINISTRATOR})
"""Who holds one of these runs the training there, sessions outside any estate included."""
RUN_IN_ESTATES: Final = RUN_IN_REGIONS | {Role.ESTATE_MANAGER}
ENROL: Final = RUN_IN_ESTATES | {Role.LEAD}
"""And these send the people of the estate to it."""


def runs_training(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Whether the viewer runs the training of that estate (None: of the region, in no estate).

    An administrator of the network everywhere; a person by the roles that are held; an estate's token there.
    A token that only reads does not: it may be anybody's of the estate, and a roster has names and numbers.
    """
    if Scope.WRITE not in viewer.scopes:
        return False
    if viewer.is_administrator:
        return True
    if viewer.person_id is not None:
        roles = RUN_IN_REGIONS if estate_id is None else RUN_IN_ESTATES
        return viewer.has_role(roles, estate_id=estate_id, region_id=region_id)
    return viewer.role is TokenRole.MEMBER and estate_id is not None and estate_id == viewer.estate_id


def require_trainer(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Passes for who runs the training there.

    Raises NotSignedIn for anyone, NotAllowed for a token that only reads or is of another place, and for a
    person without such a role there.
    """
    require_write(viewer)
    if not runs_training(viewer, estate_id, region_id):
        raise NotAllowed("Training is run by the training officer or manager of its estate or region.")


def require_enroller(
    viewer: Viewer, of_estate_id: int | None, *, region_id: int | None, is_self: bool
) -> None:
    """Passes for who may put people of that estate (None: of none) on a roster, and take them off it.

    Everyone may enrol themselves. `region_id` is the estate's.
    """
    require_write(viewer)
    if viewer.is_administrator or is_self:
        return
    if viewer.person_id is not None:
        if viewer.has_role(ENROL, estate_id=of_estate_id, region_id=region_id):
            return
        raise NotAllowed("Others are enrolled by a lead, manager or training officer of their estate.")
    if viewer.role is TokenRole.MEMBER and of_estate_id is not None and of_estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may enrol only people of its own estate.")


def require_write(viewer: Viewer) -> None:
    """Passes for whoever may write at all: nobody else has to do with rosters, which name people."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Rosters and enrolments need a token: send Authorization: Bearer …, or sign in.")
    if Scope.WRITE not in viewer.scopes:
        raise NotAllowed("This token may read only; ask for one with the scope 'write'.")


def require_gap_viewer(viewer: Viewer) -> None:
    """Passes for who runs the training of some estate; which, the queries say.

    Raises NotSignedIn for anyone, NotAllowed for who runs none: small counts tell of people.
    """
    require_write(viewer)
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        is_someones = any(holding.role in RUN_IN_ESTATES for holding in viewer.role_assignments)
    else:
        is_someones = viewer.role is TokenRole.MEMBER and viewer.estate_id is not None
    if not is_someones:
        raise NotAllowed("The gap table is for training officers, estate managers and administrators.")
