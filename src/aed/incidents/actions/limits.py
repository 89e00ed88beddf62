"""How many open reports people may have who are no dispatchers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.accounts.models import Region
from aed.accounts.rules import Viewer
from aed.errors import TooManyOpen
from aed.incidents.queries.in_force import unconfirmed
from aed.incidents.rules.incident import Kind
from aed.incidents.rules.who import dispatches
from aed.settings import Planning


def require_room(
    session: Session,
    who: Viewer,
    kind: Kind,
    *,
    estate_id: int | None,
    region_id: int,
    at: datetime,
    numbers: Planning,
) -> None:
    """Pass for dispatchers, and for others as long as they and their estate have few open reports.

    Reports that a dispatcher has confirmed do not count, and a report that joins an incident needs no room.
    The region is held by this transaction (`calling.take_turns`), so two reports in one moment cannot both
    take the last place. Raises TooManyOpen, which says to call the emergency number.
    """
    if dispatches(who, region_id):
        return
    own, in_estate = unconfirmed(session, kind, by=who.name, estate_id=estate_id, at=at, numbers=numbers)
    if own < numbers.open_per_person and in_estate < numbers.open_per_estate:
        return
    whose = "You have" if own >= numbers.open_per_person else "This estate has"
    zh = "您" if own >= numbers.open_per_person else "本园区"
    number = session.get_one(Region, region_id).emergency_number
    raise TooManyOpen(
        f"{whose} too many open reports that no dispatcher has confirmed. Call {number} now: the dispatcher "
        f"can open this one. {zh}未经调度员确认的报告过多，请立即拨打{number}，由调度员处理。"
    )
