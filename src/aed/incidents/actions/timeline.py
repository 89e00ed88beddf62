"""The record of an incident: what happened, when, by whom. Each entry holds the hash of the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.incidents.actions.telling import tell_centres
from aed.incidents.formats.plan_record import canonical
from aed.incidents.models import Incident, IncidentEvent

NOTHING_BEFORE = "0" * 64


def enter(session: Session, incident: Incident, what: str, who: str, at: datetime, **said: Any) -> None:
    """It stands in the record, and the dispatch centres of the region are told. The incident is held by this
    transaction (`queries.incidents.held`).

    visibility: the incident is the caller's.
    """
    last = session.execute(
        select(IncidentEvent.number, IncidentEvent.hash)
        .where(IncidentEvent.incident_id == incident.id)
        .order_by(IncidentEvent.number.desc())
        .limit(1)
    ).first()
    number, before = (last.number + 1, last.hash) if last is not None else (1, NOTHING_BEFORE)
    text = canonical(said)
    entry = IncidentEvent(
        incident_id=incident.id,
        number=number,
        at=at,
        kind=what,
        who=who,
        said=text,
        hash=hash_of(before, incident.id, number, at, what, who, text),
    )
    session.add(entry)
    session.flush()
    tell_centres(session, incident, entry, said)


def hash_of(before: str, incident_id: int, number: int, at: datetime, kind: str, who: str, said: str) -> str:
    """SHA-256 over the one before and all of this one, a line each."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    lines = (before, str(incident_id), str(number), moment, kind, who, said)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def first_broken(events: Iterable[IncidentEvent]) -> int | None:
    """The number of the first entry that is not what was written, or that follows a gap; None: all is whole.

    `events` are those of one incident in order. That entries are missing at the end does not show here:
    `aed audit verify` prints the last hash, to be kept elsewhere.
    """
    before, expected = NOTHING_BEFORE, 1
    for each in events:
        made = hash_of(before, each.incident_id, each.number, each.at, each.kind, each.who, each.said)
        if each.number != expected or each.hash != made:
            return expected
        before, expected = each.hash, expected + 1
    return None
