"""Reading quarantines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import batched

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.visibility import managed_by, visible_to
from aed.registry.devices.models import Device
from aed.upkeep.models import Check, Quarantine
from aed.upkeep.queries.whose import Whose, narrowed
from aed.upkeep.rules.policy import CheckKind
from aed.upkeep.rules.quarantine import Reason

_AT_ONCE = 1_000


def standing_quarantines(session: Session, device_id: int) -> Sequence[Quarantine]:
    """Why a device is not offered now, the oldest reason first.

    visibility: of a device that the viewer may see; that it must not be used is for everyone to know.
    """
    return session.scalars(
        select(Quarantine)
        .where(Quarantine.device_id == device_id, Quarantine.lifted_at.is_(None))
        .order_by(Quarantine.since, Quarantine.id)
    ).all()


def standing_of(session: Session, device_ids: Sequence[int]) -> dict[int, list[Quarantine]]:
    """The same of many.

    visibility: for actions on devices that are theirs to quarantine.
    """
    found: dict[int, list[Quarantine]] = defaultdict(list)
    for some in batched(device_ids, _AT_ONCE):
        rows = session.scalars(
            select(Quarantine)
            .where(Quarantine.device_id.in_(some), Quarantine.lifted_at.is_(None))
            .order_by(Quarantine.since, Quarantine.id)
        )
        for each in rows:
            found[each.device_id].append(each)
    return found


def quarantines(
    session: Session,
    viewer: Viewer,
    whose: Whose,
    *,
    limit: int,
    after_id: int = 0,
    reason: Reason | None = None,
    also_lifted: bool = False,
) -> Sequence[Quarantine]:
    """A page of quarantines in order of id, of devices whose upkeep is the viewer's business."""
    statement = (
        select(Quarantine)
        .join(Device, Device.id == Quarantine.device_id)
        .where(visible_to(viewer, Device), managed_by(viewer, Device), *narrowed(session, whose))
        .where(Quarantine.id > after_id)
        .order_by(Quarantine.id)
        .limit(limit)
    )
    if reason is not None:
        statement = statement.where(Quarantine.reason == reason)
    if not also_lifted:
        statement = statement.where(Quarantine.lifted_at.is_(None))
    return session.scalars(statement).all()


def pads_are_new_since(session: Session, device_id: int, since: datetime) -> bool:
    """Whether a check told of new pads, as of that moment or later.

    visibility: for a check of a device that the viewer may check.
    """
    told = session.execute(
        select(Check.replaced).where(
            Check.device_id == device_id, Check.answered_at >= since, Check.kind != CheckKind.GLANCE
        )
    )
    return any("pads" in replaced for (replaced,) in told)
