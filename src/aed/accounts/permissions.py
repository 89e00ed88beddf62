"""Roles, viewers, and the checks of who may do what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from aed.errors import NotAllowed, NotSignedIn


class Role(StrEnum):
    """A role that a person holds on an estate, on a region, or on the whole network."""

    RESIDENT = "resident"
    RESPONDER = "responder"
    KEEPER = "keeper"
    LEAD = "lead"
    """A neighbourhood lead 楼组长: knows the neighbours by name."""
    ESTATE_MANAGER = "estate_manager"
    TRAINING_OFFICER = "training_officer"
    DISPATCHER = "dispatcher"
    ADMINISTRATOR = "administrator"


ESTATE_ROLES: Final = frozenset(Role) - {Role.DISPATCHER, Role.ADMINISTRATOR}
ROLES_NEEDING_SECOND_FACTOR: Final = frozenset({Role.ADMINISTRATOR, Role.DISPATCHER})
"""Roles that need a second factor in regions that require one."""
REGION_ROLES: Final = frozenset(
    {
        Role.RESPONDER,
        Role.ESTATE_MANAGER,
        Role.TRAINING_OFFICER,
        Role.DISPATCHER,
        Role.ADMINISTRATOR,
    }
)
NETWORK_ROLES: Final = frozenset({Role.ADMINISTRATOR})

GRANTED_BY_MANAGERS: Final = frozenset({Role.RESIDENT, Role.KEEPER, Role.LEAD})
"""Roles that an estate manager may grant on their estates. An administrator may grant any role."""


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role that a person holds now: on an estate, a region with all below it, or the whole network."""

    role: Role
    estate_id: int | None = None
    region_ids: tuple[int, ...] = ()
    """The region and every region under it."""

    @property
    def is_everywhere(self) -> bool:
        return self.estate_id is None and not self.region_ids

    def covers(self, *, estate_id: int | None, region_id: int | None) -> bool:
        """Return True if the role covers the estate, which lies in the region (None, None: the network)."""
        if self.is_everywhere:
            return True
        if self.estate_id is not None:
            return estate_id == self.estate_id
        return region_id is not None and region_id in self.region_ids


def has_role(
    role_assignments: Collection[RoleAssignment],
    roles: Collection[Role],
    *,
    estate_id: int | None,
    region_id: int | None,
) -> bool:
    """Return True if one of the roles is held on that estate or region, or above it."""
    return any(
        holding.role in roles and holding.covers(estate_id=estate_id, region_id=region_id)
        for holding in role_assignments
    )


def can_grant_role(
    role_assignments: Collection[RoleAssignment], role: Role, *, estate_id: int | None, region_id: int | None
) -> bool:
    """Return True if a person with these roles may grant and revoke `role` there.

    1. An administrator whose role covers the place: every role.
    2. An estate manager whose role covers the estate: resident, keeper and lead.
    """
    if has_role(role_assignments, {Role.ADMINISTRATOR}, estate_id=estate_id, region_id=region_id):
        return True
    is_theirs = role in GRANTED_BY_MANAGERS and estate_id is not None
    return is_theirs and has_role(
        role_assignments, {Role.ESTATE_MANAGER}, estate_id=estate_id, region_id=region_id
    )


class TokenRole(StrEnum):
    """The role of a token. People are mapped to one of these too, by the roles that they hold."""

    MEMBER = "member"
    """Belongs to one estate."""
    DISPATCHER = "dispatcher"
    """A dispatch centre, for a region and all below it."""
    ADMINISTRATOR = "administrator"
    """Runs the network."""


class TokenScope(StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The caller of a request; `ANYONE` without a token or a session.

    Viewers with the same permissions are equal: name, person and role assignments are left out of the
    comparison. So statements that are cached by viewer are compiled once for all residents of an estate.
    """

    role: TokenRole | None = None
    name: str = field(default="anyone", compare=False)
    """Written into histories and logs."""
    scopes: frozenset[TokenScope] = field(default=frozenset({TokenScope.READ}))
    estate_id: int | None = None
    estate_ids: tuple[int, ...] = ()
    """The viewer's estate, and the other estates of its neighbourhood."""
    region_ids: tuple[int, ...] = ()
    """Regions of a dispatcher or of a region's administrator, with all below them."""
    person_id: int | None = field(default=None, compare=False)
    """None for a token. A person's permissions follow from their roles, not from scopes."""
    other_estate_ids: tuple[int, ...] = ()
    """Further estates on which the person holds a role."""
    managed_region_ids: tuple[int, ...] = ()
    """Regions in which the person manages every estate."""
    role_assignments: tuple[RoleAssignment, ...] = field(default=(), compare=False)

    @property
    def is_signed_in(self) -> bool:
        return self.role is not None

    @property
    def is_administrator(self) -> bool:
        """True for an administrator of the whole network, not for one of a region."""
        return self.role is TokenRole.ADMINISTRATOR

    @property
    def sees_responders(self) -> bool:
        return self.role in (TokenRole.DISPATCHER, TokenRole.ADMINISTRATOR)

    @property
    def own_estate_ids(self) -> tuple[int, ...]:
        return self.other_estate_ids if self.estate_id is None else (self.estate_id, *self.other_estate_ids)

    def belongs_to(self, estate_id: int | None) -> bool:
        return estate_id is not None and estate_id in self.own_estate_ids

    def has_role(self, roles: Collection[Role], *, estate_id: int | None, region_id: int | None) -> bool:
        """Return True if the person holds one of the roles on that estate or region, or above it."""
        return has_role(self.role_assignments, roles, estate_id=estate_id, region_id=region_id)


ANYONE = Viewer()
SCHEDULER: Final = Viewer(role=TokenRole.ADMINISTRATOR, name="timetable", scopes=frozenset(TokenScope))
"""The viewer of scheduled jobs."""

_AMENDS_ESTATES: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})
_AMENDS_DEVICES: Final = _AMENDS_ESTATES | {Role.KEEPER}


def require_estate_manager(viewer: Viewer, estate_id: int | None, *, region_id: int | None = None) -> None:
    """Require that the viewer may amend what belongs to the estate (None: to no estate) in the region.

    Raises NotSignedIn without a token or session. Raises NotAllowed for a token without the write scope or of
    another estate, and for a person who neither manages the estate nor administers its region.
    """
    _require_writer(viewer, _AMENDS_ESTATES, estate_id=estate_id, region_id=region_id)


def require_keeper(viewer: Viewer, estate_id: int | None, *, region_id: int | None = None) -> None:
    """Require that the viewer may amend devices and consumables there: also the keepers of the estate.

    Raises NotSignedIn and NotAllowed, as `require_estate_manager` does.
    """
    _require_writer(viewer, _AMENDS_DEVICES, estate_id=estate_id, region_id=region_id)


def _require_writer(
    viewer: Viewer, roles: Collection[Role], *, estate_id: int | None, region_id: int | None
) -> None:
    if not viewer.is_signed_in:
        raise NotSignedIn(
            "Changing the register requires a token or a session. Send Authorization: Bearer …, or sign in."
        )
    if TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("This token is read-only. Use one with the scope 'write'.")
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        # Without an estate, only the administrators of the region may amend it.
        those = roles if estate_id is not None else {Role.ADMINISTRATOR}
        if viewer.has_role(those, estate_id=estate_id, region_id=region_id):
            return
        raise NotAllowed("Only the estate's manager or an administrator of its region may change this.")
    if viewer.role is TokenRole.MEMBER and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may change only what belongs to its own estate.")


def require_administrator(viewer: Viewer, *, region_id: int | None = None) -> None:
    """Require a network administrator with the write scope, or an administrator of the region.

    Raises NotSignedIn, NotAllowed.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("This requires a network administrator. Send a token, or sign in.")
    if region_id is not None and viewer.has_role({Role.ADMINISTRATOR}, estate_id=None, region_id=region_id):
        return
    if not viewer.is_administrator or TokenScope.WRITE not in viewer.scopes:
        raise NotAllowed("Only a network administrator with the scope 'write' may do this.")


def require_role_granter(viewer: Viewer, role: Role, *, estate_id: int | None, region_id: int | None) -> None:
    """Require that the viewer may grant and revoke the role there. Raises NotSignedIn, NotAllowed."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Granting roles requires an administrator. Send a token, or sign in.")
    if viewer.is_administrator and TokenScope.WRITE in viewer.scopes:
        return
    if not can_grant_role(viewer.role_assignments, role, estate_id=estate_id, region_id=region_id):
        raise NotAllowed("Only an administrator of the place (or a manager of the estate) may do this.")


class Audience(StrEnum):
    """Who may see a device (共享范围): each step of the sharing ladder includes the ones before it."""

    ESTATE = "estate"
    NEIGHBOURS = "neighbours"
    DISPATCH = "dispatch"
    PUBLIC = "public"


def is_insider(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Return True if the viewer may read internal data: serial numbers, keepers, guards' phones."""
    if viewer.is_administrator:
        return True
    is_managed = estate_id is not None and region_id in viewer.managed_region_ids
    return is_managed or region_id in viewer.region_ids or viewer.belongs_to(estate_id)


def require_can_see_history(
    may_amend: Callable[..., None], viewer: Viewer, estate_id: int | None, *, region_id: int
) -> None:
    """Require that `may_amend` permits the viewer; the write scope is not needed to see a history."""
    if not viewer.is_signed_in:
        raise NotSignedIn(
            "The history is visible only to people who can change it: sign in, or send a token."
        )
    may_amend(replace(viewer, scopes=frozenset(TokenScope)), estate_id, region_id=region_id)
