"""Who may see what, as SQL predicates. Every query of the register uses one of these.

`tests/test_visibility.py` reads the source and fails on a query without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, false, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from aed.accounts.permissions import Audience, TokenRole, Viewer
from aed.database.compiled import inline_ints, inline_text


class SharedTable(Protocol):
    """A table whose rows have an audience."""

    audience: Any
    audience_outside_hours: Any
    estate_id: Any
    region_id: Any
    state: Any


class ManagedTable(Protocol):
    """A table whose rows belong to an estate and a region."""

    estate_id: Any
    region_id: Any


def visible_to(
    viewer: Viewer, device: type[SharedTable], *, outside_sharing_hours: bool = False
) -> ColumnElement[bool]:
    """Select the devices that the viewer may see. This is the only definition.

    1. Everyone: public devices.
    2. A member: also those of their own estates, and those that neighbouring estates share with them
       (audience `neighbours` or `dispatch`).
    3. A dispatcher, or the administrator of a region: also every device of the region. The manager of a
       region's estates: also every device of those estates.
    4. An administrator of the network: all, including withdrawn ones.

    A person with several roles sees what each of these roles may see. Anonymous callers are handled first,
    since a comparison with no estate would compile to IS NULL and match.

    A device that is shared at some hours only is visible at any hour; where its access is evaluated, viewers
    who may not see it outside these hours get none: see `hours_of_sharing`. `outside_sharing_hours` selects
    the devices that the viewer may see at every hour.
    """
    if viewer.is_administrator:
        return true()
    public = has_audience(device, [Audience.PUBLIC], outside_sharing_hours=outside_sharing_hours)
    active: ColumnElement[bool] = device.state != inline_text("withdrawn")
    if not viewer.is_signed_in:
        return and_(active, public)
    seen = [public]
    if viewer.region_ids:
        seen.append(_one_of(device.region_id, viewer.region_ids))
    if viewer.managed_region_ids:
        seen.append(_one_of(device.region_id, viewer.managed_region_ids) & device.estate_id.is_not(None))
    if own := viewer.own_estate_ids:
        seen.append(_one_of(device.estate_id, own))
    if neighbours := [estate for estate in viewer.estate_ids if estate not in own]:
        shared = has_audience(
            device, [Audience.NEIGHBOURS, Audience.DISPATCH], outside_sharing_hours=outside_sharing_hours
        )
        seen.append(shared & _one_of(device.estate_id, neighbours))
    return and_(active, or_(*seen))


def has_audience(
    device: type[SharedTable], audiences: Sequence[Audience], *, outside_sharing_hours: bool
) -> ColumnElement[bool]:
    """Select the devices with one of the audiences: within the hours of sharing, or outside them.

    Not written as `coalesce`, whose share of the rows PostgreSQL cannot estimate: it would sort every device
    out of service instead of reading the nearest from the index.
    """
    words = [inline_text(each) for each in audiences]
    within = or_(*(device.audience == word for word in words))
    if not outside_sharing_hours:
        return within
    always = device.audience_outside_hours.is_(None) & within
    return or_(always, *(device.audience_outside_hours == word for word in words))


def managed_by(viewer: Viewer, device: type[ManagedTable]) -> ColumnElement[bool]:
    """Select the devices (or agreements) whose internal data the viewer may read.

    This is `permissions.is_insider` in SQL.
    """
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
    """Select the estates or gates that the viewer may see.

    A member sees those of the neighbourhood; dispatchers, administrators and managers of a region those of
    the region. They include guards' phone numbers and ways in, so nobody else sees any.
    """
    if viewer.is_administrator:
        return true()
    active: ColumnElement[bool] = state != inline_text("withdrawn")
    known = []
    if regions := sorted({*viewer.region_ids, *viewer.managed_region_ids}):
        known.append(_one_of(region_id, regions))
    if viewer.estate_ids:
        known.append(_one_of(estate_id, viewer.estate_ids))
    return and_(active, or_(*known)) if known else false()


def responder_visible_to(viewer: Viewer, *, region_id: InstrumentedAttribute[int]) -> ColumnElement[bool]:
    """Select the responders that the viewer may see: a dispatcher's region; all for administrators."""
    if viewer.is_administrator:
        return true()
    if viewer.role is TokenRole.DISPATCHER:
        return _one_of(region_id, viewer.region_ids)
    return false()


def _one_of(column: Any, keys: Sequence[int]) -> ColumnElement[bool]:
    """Return `column IN keys`, or false without keys: a cached statement cannot hold an empty IN."""
    found: ColumnElement[bool] = column.in_(inline_ints(keys)) if keys else false()
    return found
