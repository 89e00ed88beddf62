"""Who may run the training of an estate or region, and who may enrol people in it."""

from __future__ import annotations

from aed.accounts.rules import Role, Scope, Viewer
from aed.errors import NotAllowed, NotSignedIn


def runs_training(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Whether the viewer runs the training of that estate (None: of the region, in no estate).

    An administrator everywhere; someone of an estate there. A token that only reads does neither: it may be
    anybody's of the estate, and a roster has names and telephones.
    """
    if Scope.WRITE not in viewer.scopes:
        return False
    if viewer.is_administrator:
        return True
    return viewer.role is Role.MEMBER and estate_id is not None and estate_id == viewer.estate_id


def may_run_training(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Passes for who runs the training there.

    Raises NotSignedIn for anyone, NotAllowed for a token that only reads or is of another place.
    """
    may_write(viewer)
    if not runs_training(viewer, estate_id, region_id):
        raise NotAllowed("This token may run only the training of its own estate.")


def may_enrol(viewer: Viewer, of_estate_id: int | None) -> None:
    """Passes for who may put people of that estate (None: of none) on a roster, and take them off it."""
    may_write(viewer)
    if viewer.is_administrator:
        return
    if viewer.role is Role.MEMBER and of_estate_id is not None and of_estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may enrol only people of its own estate.")


def may_write(viewer: Viewer) -> None:
    """Passes for whoever may write at all: nobody else has to do with rosters, which name people."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Rosters and enrolments need a token: send Authorization: Bearer ….")
    if Scope.WRITE not in viewer.scopes:
        raise NotAllowed("This token may read only; ask for one with the scope 'write'.")
