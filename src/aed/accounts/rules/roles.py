"""Roles that people hold on an estate or a region, what each covers, and who may give which."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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
