"""Roles, viewers, and the checks of who may do what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from aed.errors import NotAllowed, NotSignedIn


class HeldRole(StrEnum):
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


ON_ESTATES: Final = frozenset(HeldRole) - {HeldRole.DISPATCHER, HeldRole.ADMINISTRATOR}
ON_REGIONS: Final = frozenset(
    {
        HeldRole.RESPONDER,
        HeldRole.ESTATE_MANAGER,
        HeldRole.TRAINING_OFFICER,
        HeldRole.DISPATCHER,
        HeldRole.ADMINISTRATOR,
    }
)
ON_THE_NETWORK: Final = frozenset({HeldRole.ADMINISTRATOR})

GIVEN_BY_MANAGERS: Final = frozenset({HeldRole.RESIDENT, HeldRole.KEEPER, HeldRole.LEAD})
"""An estate manager gives these on what the manager covers; an administrator gives every role there."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A role as it is held now: on one estate, on a region with all below it, or on the whole network."""

    role: HeldRole
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


def holds(
    holdings: Collection[Holding],
    roles: Collection[HeldRole],
    *,
    estate_id: int | None,
    region_id: int | None,
) -> bool:
    """Whether one of the roles is held on that estate or region, or above it."""
    return any(
        holding.role in roles and holding.covers(estate_id=estate_id, region_id=region_id)
        for holding in holdings
    )


def may_give(
    holdings: Collection[Holding], role: HeldRole, *, estate_id: int | None, region_id: int | None
) -> bool:
    """Whether whoever holds these may give (and take back) that role there.

    1. A covering administrator: every role.
    2. A covering estate manager: residents, keepers and leads of an estate.
    """
    if holds(holdings, {HeldRole.ADMINISTRATOR}, estate_id=estate_id, region_id=region_id):
        return True
    is_theirs = role in GIVEN_BY_MANAGERS and estate_id is not None
    return is_theirs and holds(holdings, {HeldRole.ESTATE_MANAGER}, estate_id=estate_id, region_id=region_id)


class Role(StrEnum):
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

    role: Role | None = None
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
    holdings: tuple[Holding, ...] = field(default=(), compare=False)

    @property
    def is_signed_in(self) -> bool:
        return self.role is not None

    @property
    def is_administrator(self) -> bool:
        """Of the whole network; an administrator of a region is not."""
        return self.role is Role.ADMINISTRATOR

    @property
    def sees_responders(self) -> bool:
        return self.role in (Role.DISPATCHER, Role.ADMINISTRATOR)

    @property
    def own_estate_ids(self) -> tuple[int, ...]:
        return self.other_estate_ids if self.estate_id is None else (self.estate_id, *self.other_estate_ids)

    def belongs_to(self, estate_id: int | None) -> bool:
        return estate_id is not None and estate_id in self.own_estate_ids

    def holds(self, roles: Collection[HeldRole], *, estate_id: int | None, region_id: int | None) -> bool:
        """Whether the person has one of the roles on that estate or region, or above it."""
        return holds(self.holdings, roles, estate_id=estate_id, region_id=region_id)


ANYONE = Viewer()
TIMETABLE: Final = Viewer(role=Role.ADMINISTRATOR, name="timetable", scopes=frozenset(Scope))
"""Who does what nobody asked for at that moment."""

_AMENDS_ESTATES: Final = frozenset({HeldRole.ESTATE_MANAGER, HeldRole.ADMINISTRATOR})
_AMENDS_DEVICES: Final = _AMENDS_ESTATES | {HeldRole.KEEPER}


def may_write_estate(viewer: Viewer, estate_id: int | None, *, region_id: int | None = None) -> None:
    """Passes when the viewer may amend what belongs to that estate (None: to no estate) in that region.

    Raises NotSignedIn for anyone, NotAllowed for a token without the write scope or of another estate, and
    for a person who neither manages the estate nor administers its region.
    """
    _may_write(viewer, _AMENDS_ESTATES, estate_id=estate_id, region_id=region_id)


def may_keep_devices(viewer: Viewer, estate_id: int | None, *, region_id: int | None = None) -> None:
    """The same for devices and what is fitted in them: a keeper may amend those of the own estate."""
    _may_write(viewer, _AMENDS_DEVICES, estate_id=estate_id, region_id=region_id)


def _may_write(
    viewer: Viewer, roles: Collection[HeldRole], *, estate_id: int | None, region_id: int | None
) -> None:
    if not viewer.is_signed_in:
        raise NotSignedIn("Amending the register needs a token: send Authorization: Bearer …, or sign in.")
    if Scope.WRITE not in viewer.scopes:
        raise NotAllowed("This token may read only; ask for one with the scope 'write'.")
    if viewer.is_administrator:
        return
    if viewer.person_id is not None:
        # What belongs to no estate is nobody's but the region's.
        those = roles if estate_id is not None else {HeldRole.ADMINISTRATOR}
        if viewer.holds(those, estate_id=estate_id, region_id=region_id):
            return
        raise NotAllowed("Only the estate's manager or an administrator of its region may amend this.")
    if viewer.role is Role.MEMBER and estate_id is not None and estate_id == viewer.estate_id:
        return
    raise NotAllowed("This token may amend only what belongs to its own estate.")


def may_administer(viewer: Viewer, *, region_id: int | None = None) -> None:
    """Passes for a network administrator with the write scope, and for who administers that region."""
    if not viewer.is_signed_in:
        raise NotSignedIn("This needs a network administrator: send a token, or sign in.")
    if region_id is not None and viewer.holds({HeldRole.ADMINISTRATOR}, estate_id=None, region_id=region_id):
        return
    if not viewer.is_administrator or Scope.WRITE not in viewer.scopes:
        raise NotAllowed("Only a network administrator with the scope 'write' may do this.")


def may_give_role(viewer: Viewer, role: HeldRole, *, estate_id: int | None, region_id: int | None) -> None:
    """Passes for whoever may give that role on that estate or region, and take it back."""
    if not viewer.is_signed_in:
        raise NotSignedIn("Giving roles needs an administrator: send a token, or sign in.")
    if viewer.is_administrator and Scope.WRITE in viewer.scopes:
        return
    if not may_give(viewer.holdings, role, estate_id=estate_id, region_id=region_id):
        raise NotAllowed("Only an administrator who covers the place (a manager for the estate) may do this.")


class Audience(StrEnum):
    """共享范围: from the estate alone to everyone."""

    ESTATE = "estate"
    NEIGHBOURS = "neighbours"
    DISPATCH = "dispatch"
    PUBLIC = "public"


def is_of_the_house(viewer: Viewer, estate_id: int | None, region_id: int) -> bool:
    """Whether the viewer may know what is no stranger's business: serials, keepers, guards' phones."""
    if viewer.is_administrator:
        return True
    is_managed = estate_id is not None and region_id in viewer.managed_region_ids
    return is_managed or region_id in viewer.region_ids or viewer.belongs_to(estate_id)
