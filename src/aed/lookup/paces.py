"""How fast people walk to a place: the pace of its estate, from drills where there are enough."""

from __future__ import annotations

from sqlalchemy.orm import Session

from aed.geo import Position
from aed.registry.estates.models import EstatePace
from aed.registry.estates.queries import estate_at
from aed.settings import Arrival
from aed.walking.travel import Pace, pace_at


def pace_to(session: Session, place: Position, numbers: Arrival) -> Pace:
    """The pace to a patient's place.

    visibility: a number of an estate, for the plan.
    """
    estate = estate_at(session, place)
    return pace_in(session, estate.id if estate is not None else None, numbers)


def pace_in(session: Session, estate_id: int | None, numbers: Arrival) -> Pace:
    """The pace to a device of that estate; None: of none.

    visibility: a number of an estate, for the plan.
    """
    learned = session.get(EstatePace, estate_id) if estate_id is not None else None
    return pace_at(
        is_in_estate=estate_id is not None,
        seconds_per_metre=learned.seconds_per_metre if learned is not None else None,
        pick_up_seconds=learned.pick_up_seconds if learned is not None else None,
        numbers=numbers,
    )
