"""What is known of a device's pads for children."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.incidents.rules.scene import ChildPads
from aed.registry.models import Consumable
from aed.registry.rules.device import ConsumableKind, ConsumableState


def child_pads_of(session: Session, device_id: int, *, today: date) -> ChildPads:
    """Return whether pads for children are fitted, and not expired.

    visibility: of a device that somebody fetches.
    """
    fitted, last = session.execute(
        select(func.count(), func.max(Consumable.expires_on)).where(
            Consumable.device_id == device_id,
            Consumable.kind == ConsumableKind.CHILD_PADS,
            Consumable.state == ConsumableState.FITTED,
        )
    ).one()
    if not fitted:
        return ChildPads.NOT_KNOWN
    return ChildPads.FITTED if last is None or last >= today else ChildPads.EXPIRED
