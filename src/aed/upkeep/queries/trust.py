"""How far what the register says of a device may be trusted, since when, and by whose word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.registry.devices.models import Device
from aed.registry.devices.rules import confidence
from aed.settings import Trust
from aed.upkeep.models import Confirmed
from aed.upkeep.rules.facts import Fact, half_life_days

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Trusted:
    fact: Fact
    at: datetime | None
    """None: nobody ever confirmed it."""
    by: str | None
    """As the record of changes names them; None where it is a list's word, or nobody's."""
    confidence: float


def trust_of(session: Session, device: Device, *, at: datetime, numbers: Trust) -> list[Trusted]:
    """Position, hours and readiness of a device, each with its confidence at a moment.

    That it was checked on a day may be a list's word too: then nobody is named.
    visibility: of a device that the caller may see.
    """
    told = {each.fact: each for each in confirmations_of(session, device.id)}
    found = []
    for fact in Fact:
        row = told.get(fact)
        when, by = (row.at, row.by_name) if row is not None else (None, None)
        if fact is Fact.READINESS and device.last_checked_on is not None:
            listed = datetime.combine(device.last_checked_on, time(), UTC)
            if when is None or listed - when > _DAY:
                when, by = listed, None
        days = (at - when) / _DAY if when is not None else None
        trusted = confidence(days, half_life_days=half_life_days(fact, numbers))
        found.append(Trusted(fact, when, by, trusted))
    return found


def confirmations_of(session: Session, device_id: int) -> Sequence[Confirmed]:
    """visibility: of a device that the caller may see."""
    return session.scalars(select(Confirmed).where(Confirmed.device_id == device_id)).all()
