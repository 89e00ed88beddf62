"""Who sees what, as SQL predicates. Every read of the register carries one of these.

`tests/test_visibility.py` reads the source and fails on a select that does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from aed.accounts.permissions import Audience, TokenRole, Viewer
from aed.database.compiled import inline_ints, inline_text


class SharedTable(Protocol):
    """A table of things that are shared up the ladder."""

    audience: Any
    estate_id: Any
    region_id: Any
    state: Any


class OfAnEstate(Protocol):
    """A table of what an estate and its region's dispatchers know of."""

    state: Any


def visible_to(viewer: Viewer, device: type[SharedTable]) -> ColumnElement[bool]:
    """The devices that the viewer may know of. The one definition.

    Branches on "signed in" first: comparing with an absent estate would compile to IS NULL and leak.

    1. Anyone: public ones.
    2. A member: public ones, those of the own estates, those that neighbouring estates share with them
       (a step of the ladder includes the ones before it, so `dispatch` too).
    3. A dispatcher, and whoever administers a region: every device there, public ones elsewhere.
       Who manages a region's estates: those of the estates.
    4. An administrator of the network: all, withdrawn ones too.
    A person may be several of these, and sees what each of them sees.
    """
    if viewer.is_administrator:
        return true()
    public = device.audience == inline_text(Audience.PUBLIC)
    standing: ColumnElement[bool] = device.state != inline_text("withdrawn")
    if not viewer.is_signed_in:
        return and_(standing, public)
    seen = [public]
    if viewer.region_ids:
        seen.append(_one_of(device.region_id, viewer.region_ids))
    if viewer.managed_region_ids:
        seen.append(_one_of(device.region_id, viewer.managed_region_ids) & device.estate_id.is_not(None))
    if own := viewer.own_estate_ids:
        seen.append(_one_of(device.estate_id, own))
    if neighbours := [estate for estate in viewer.estate_ids if estate not in own]:
        steps = [inline_text(step) for step in (Audience.NEIGHBOURS, Audience.DISPATCH)]
        seen.append(device.audience.in_(steps) & _one_of(device.estate_id, neighbours))
    return and_(standing, or_(*seen))


def managed_by(viewer: Viewer, device: type[SharedTable]) -> ColumnElement[bool]:
    """The devices whose upkeep is the viewer's business: what `rules.is_of_the_house` says, in SQL."""
    if viewer.is_administrator:
        return true()
    theirs = []
    if viewer.region_ids:
        theirs.append(_one_of(device.region_id, viewer.region_ids))
    if viewer.managed_region_ids:
        theirs.append(_one_of(device.region_id, viewer.managed_region_ids) & device.estate_id.is_not(None))
    if own := viewer.own_estate_ids:
        theirs.append(_one_of(device.estate_id, own))
    return or_(*theirs) if theirs else false()


def estate_visible_to(
    viewer: Viewer,
    *,
    estate_id: InstrumentedAttribute[int],
    region_id: InstrumentedAttribute[int],
    state: InstrumentedAttribute[Any],
) -> ColumnElement[bool]:
    """Estates and their gates: a member knows those of the neighbourhood, a dispatcher those of the region,
    and so does whoever administers or manages a region.

    Guard phones and ways in are part of them, so anyone else knows none.
    """
    if viewer.is_administrator:
        return true()
    standing: ColumnElement[bool] = state != inline_text("withdrawn")
    known = []
    if regions := sorted({*viewer.region_ids, *viewer.managed_region_ids}):
        known.append(_one_of(region_id, regions))
    if viewer.estate_ids:
        known.append(_one_of(estate_id, viewer.estate_ids))
    return and_(standing, or_(*known)) if known else false()


def responder_visible_to(viewer: Viewer, *, region_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Responders: a dispatcher's of the region, all for an administrator, nobody for anyone else."""
    if viewer.is_administrator:
        return true()
    if viewer.role is TokenRole.DISPATCHER:
        return _one_of(region_id, viewer.region_ids)
    return false()


def _one_of(column: Any, keys: Sequence[int]) -> ColumnElement[bool]:
    """No key, no row: an IN without members cannot stand in a statement that is compiled once."""
    found: ColumnElement[bool] = column.in_(inline_ints(keys)) if keys else false()
    return found
