"""Roles, viewers, and the checks of who may do what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aed.errors import NotAllowed, NotSignedIn


class Role(StrEnum):
    """What a person is to an estate or a region."""

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
"""An estate manager gives these on what the manager covers; an administrator gives every role there."""


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """A role as it is held now: on one estate, on a region with all below it, or on the whole network."""

    role: Role
    estate_id: int | None = None
    region_ids: tuple[int, ...] = ()
    """The region and every region under it."""

    @property
    def is_everywhere(self) -> bool:
        return self.estate_id is None and not self.region_ids

    def covers(self, *, estate_id: int | None, region_id: int | None) -> bool:
        """Whether it reaches that estate, which lies in that region (None, None: the network itself)."""
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
    """Whether one of the roles is held on that estate or region, or above it."""
    return any(
        holding.role in roles and holding.covers(estate_id=estate_id, region_id=region_id)
        for holding in role_assignments
    )


def can_grant_role(
    role_assignments: Collection[RoleAssignment], role: Role, *, estate_id: int | None, region_id: int | None
) -> bool:
    """Whether whoever holds these may give (and take back) that role there.

    1. A covering administrator: every role.
    2. A covering estate manager: residents, keepers and leads of an estate.
    """
    if has_role(role_assignments, {Role.ADMINISTRATOR}, estate_id=estate_id, region_id=region_id):
        return True
    is_theirs = role in GRANTED_BY_MANAGERS and estate_id is not None
    return is_theirs and has_role(
        role_assignments, {Role.ESTATE_MANAGER}, estate_id=estate_id, region_id=region_id
    )


class TokenRole(StrEnum):
    """What a token stands for, and as what a person is seen by the register.

    Nobody is anonymous by a token: that is having none.
    """

    MEMBER = "member"
    """Someone of an estate."""
    DISPATCHER = "dispatcher"
    """A dispatch centre, for a region and all below it."""
    ADMINISTRATOR = "administrator"
    """Whoever runs the network."""


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking. `ANYONE` for a caller without a token who is not signed in.

    Two who see the same of the register are equal, so that the lookup's statements, which are compiled once
    for a viewer, are compiled once for all residents of an estate. What is kept by viewer must therefore not
    depend on the name, the person and what the person holds.
    """

    role: TokenRole | None = None
    name: str = field(default="anyone", compare=False)
    """For the record of changes."""
    scopes: frozenset[Scope] = field(default=frozenset({Scope.READ}))
    estate_id: int | None = None
    estate_ids: tuple[int, ...] = ()
    """The estate and those of its neighbourhood."""
    region_ids: tuple[int, ...] = ()
    """The dispatcher's region and all below it; an administrator's of a region too."""
    person_id: int | None = field(default=None, compare=False)
    """None for a token: what a person may do comes from what is held, not from the scopes."""
    other_estate_ids: tuple[int, ...] = ()
    """Further estates that a person is of."""
    managed_region_ids: tuple[int, ...] = ()
    """Regions all of whose estates the person manages."""
    role_assignments: tuple[RoleAssignment, ...] = field(default=(), compare=False)

    @property
    def is_signed_in(self) -> bool:
        return self.role is not None

    @property
    def is_administrator(self) -> bool:
        """Of the whole network; an administrator of a region is not."""
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
        """Whether the person has one of the roles on that estate or region, or above it."""
        return has_role(self.role_assignments, roles, estate_id=estate_id, region_id=region_id)


ANYONE = Viewer()
SCHEDULER: Final = Viewer(role=TokenRole.ADMINISTRATOR, name="timetable", scopes=frozenset(Scope))
"""Who does what nobody asked for at that moment."""

_AMENDS_ESTATES: Final = frozenset({Role.ESTATE_MANAGER, Role.ADMINISTRATOR})
_AMENDS_DEVICES: Final = _AMENDS_ESTATES | {Role.KEEPER}


def require_estate_manager(viewer: Viewer, estate_id: int | None, *, region_id: int | None = None) -> None:
    """Passes when the viewer may amend what belongs to that estate (None: to no estate) in that region.

    Raises NotSignedIn for anyone, NotAllowed for a token without the write scope or of another estate, and
    for a person who neither manages the estate nor administers its region.
    """
    _may_write(viewer, _AMENDS_ESTATES, estate_id=estate_id, region_id=region_id)


def require_keeper(viewer: Viewer, estate_id: int | None, *, region_id: int | None = None) -> None:
    """The same for devices and what is fitted in them: a keeper may amend those of the own estate."""
    _may_write(viewer, _AMENDS_DEVICES, estate_id=estate_id, region_id=region_id)


def _may_write(
    viewer: Viewer, roles: Collection[Role], *, estate_id: int | None, region_id: int | None
) -> None:
    if not viewer.is_signed_in:
        raise NotSignedIn("Amending the register needs a token: send Authorization: Bearer …, or sign in.")
    if Scope.WRITE not in viewer.scopes:
        raise NotAllowed("This token may read only; ask for one with the scope 'write'.")
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        # What belongs to no estate is nobody's but the region's.
        those = roles if estate_id is not None else {Role.ADMINISTRATOR}
        if viewer.has_role(those, estate_id=estate_id, region_id=region_id):
            return
        raise NotAllowed("Only the estate's manager or an administrator of its region may amend this.")
    if viewer.role is TokenRole.MEMBER and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may amend only what belongs to its own estate.")


def require_administrator(viewer: Viewer, *, region_id: int | None = None) -> None:
    """Passes for a network administrator with the write scope, and for who administers that region."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This needs a network administrator: send a token, or sign in.")
    if region_id is not None and viewer.has_role({Role.ADMINISTRATOR}, estate_id=None, region_id=region_id):
        return
    if not viewer.is_administrator or Scope.WRITE not in viewer.scopes:
        raise NotAllowed("Only a network administrator with the scope 'write' may do this.")


def require_role_granter(viewer: Viewer, role: Role, *, estate_id: int | None, region_id: int | None) -> None:
    """Passes for whoever may give that role on that estate or region, and take it back."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Giving roles needs an administrator: send a token, or sign in.")
    if viewer.is_administrator and Scope.WRITE in viewer.scopes:
        return
    if not can_grant_role(viewer.role_assignments, role, estate_id=estate_id, region_id=region_id):
        raise NotAllowed("Only an administrator who covers the place (a manager for the estate) may do this.")


class Audience(StrEnum):
    """共享范围: from the estate alone to everyone."""

    ESTATE = "estate"
    NEIGHBOURS = "neighbours"
    DISPATCH = "dispatch"
    PUBLIC = "public"


def is_insider(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Whether the viewer may know what is no stranger's business: serials, keepers, guards' phones."""
    if viewer.is_administrator:
        return True
    is_managed = estate_id is not None and region_id in viewer.managed_region_ids
    return is_managed or region_id in viewer.region_ids or viewer.belongs_to(estate_id)
