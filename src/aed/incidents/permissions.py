"""Who may record and withdraw drills, report incidents, and dispatch them."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.errors import NotAllowed, NotSignedIn

DRILL_REPORTER_ROLES: Final = frozenset(
    {
        Role.RESIDENT,
        Role.RESPONDER,
        Role.LEAD,
        Role.KEEPER,
        Role.ESTATE_MANAGER,
        Role.ADMINISTRATOR,
    }
)
DISPATCHER_ROLES: Final = frozenset({Role.DISPATCHER, Role.ADMINISTRATOR})
DRILL_DELETER_ROLES: Final = frozenset({Role.LEAD, Role.ESTATE_MANAGER, Role.ADMINISTRATOR})


def require_drill_reporter(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Require a person of the device's estate with the scope `write`.

    Raises NotSignedIn for anonymous viewers, NotAllowed for everybody else.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Sign in or send a token to record a drill.")
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token can only read: use one with the scope 'write'.")
    if viewer.is_administrator or viewer.has_role(
        DRILL_REPORTER_ROLES, estate_id=estate_id, region_id=region_id
    ):
        return
    is_of_a_token = viewer.person_id is None and viewer.role is TokenRole.MEMBER
    if is_of_a_token and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("Only people of the device's estate can record a drill.")


def require_drill_deleter(viewer: Viewer, by_id: int | None, estate_id: int, region_id: int) -> None:
    """Require the person who recorded the drill, the estate's manager or lead, or an administrator above.

    Raises as `require_drill_reporter` does.
    """
    require_drill_reporter(viewer, estate_id, region_id)
    if viewer.is_administrator or viewer.person_id is None or viewer.person_id == by_id:
        return
    if not viewer.has_role(DRILL_DELETER_ROLES, estate_id=estate_id, region_id=region_id):
        raise NotAllowed("Only the person who recorded a drill, or the estate's manager, can withdraw it.")


# --- incidents --------------------------------------------------------------------------------------------

INCIDENT_REPORTER_ROLES: Final = DRILL_REPORTER_ROLES


def require_incident_reporter(viewer: Viewer, estate_id: int | None, region_id: int) -> None:
    """Require a dispatcher of the region, or a person of the estate where the patient is.

    Raises NotSignedIn for anonymous viewers, NotAllowed for everybody else.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Call the emergency number first; then sign in, or send a token.")
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token can only read: use one with the scope 'write'.")
    if is_dispatcher(viewer, region_id) or viewer.has_role(
        INCIDENT_REPORTER_ROLES, estate_id=estate_id, region_id=region_id
    ):
        return
    is_of_a_token = viewer.person_id is None and viewer.role is TokenRole.MEMBER
    if is_of_a_token and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed(
        "Only the region's dispatchers, and people of the estate where the patient is, can open an incident."
    )


def require_incident_viewer(viewer: Viewer) -> None:
    """Require a dispatcher or an administrator; queries limit them to their regions. Raises as the others
    do.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Incidents are visible to dispatchers: sign in, or send a token.")
    if not viewer.sees_responders:
        raise NotAllowed("Incidents are visible only to the dispatchers of their region.")


def require_dispatcher(viewer: Viewer, region_id: int) -> None:
    """Require a dispatcher or an administrator of the region, with the scope `write`.

    Raises NotSignedIn for anonymous viewers, NotAllowed for everybody else.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("This is for the region's dispatchers: sign in, or send a token.")
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token can only read: use one with the scope 'write'.")
    if not is_dispatcher(viewer, region_id):
        raise NotAllowed("Only a dispatcher of the region can change this incident.")


def is_dispatcher(viewer: Viewer, region_id: int) -> bool:
    """True if the viewer is a dispatcher or an administrator of the region."""
    if viewer.is_administrator:
        return True
    if viewer.person_id is not None:
        return viewer.has_role(DISPATCHER_ROLES, estate_id=None, region_id=region_id)
    return viewer.role is TokenRole.DISPATCHER and region_id in viewer.region_ids
