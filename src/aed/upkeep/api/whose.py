"""Of which devices a route is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from aed.accounts.authentication import ViewerDep
from aed.errors import NotSignedIn
from aed.http.parameters import OfEstate, OfRegion
from aed.upkeep.queries.whose import Whose


async def _asked(
    estate_id: OfEstate = None,
    region: OfRegion = None,
    device_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
) -> Whose:
    return Whose(estate_id=estate_id, region=region, device_id=device_id)


WhoseDep = Annotated[Whose, Depends(_asked)]


async def _due(
    viewer: ViewerDep,
    whose: WhoseDep,
    mine: Annotated[bool, Query(description="Only the devices that you keep yourself")] = False,
) -> Whose:
    """Raises NotSignedIn for anyone: what is due is told to those who do it."""
    if not viewer.is_signed_in:
        raise NotSignedIn("What is due is told to a device's own people: send a token, or sign in.")
    if not mine:
        return whose
    if viewer.person_id is None:
        raise NotSignedIn("A token keeps no devices: sign in as a person, or leave out `mine`.")
    return replace(whose, keeper_id=viewer.person_id)


DueDep = Annotated[Whose, Depends(_due)]
