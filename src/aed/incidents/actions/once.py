"""What a program tells under an id of its own is done once, however often it is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.database.session import alone
from aed.errors import Conflict
from aed.incidents.models import Incident, IncidentMessage
from aed.incidents.queries.centres import message
from aed.incidents.schemas.incidents import IncidentOut
from aed.registry.actions.record import flush


def once(
    session: Session, who: Viewer, name: str, body: bytes, done: Callable[[], Incident], *, at: datetime
) -> IncidentOut:
    """`done` has happened once: the answer is the incident as it stood after that, this time and each other.

    1. One at a time of a teller: the same twice in one moment is done by the first.
    2. What was refused is not remembered: sent again it is tried again.

    `name`: what the program calls its message. Raises Conflict for another message of that name, and what
    `done` raises.
    """
    alone(session, f"messages of {who.name}")
    key, digest = key_of(name), hashlib.sha256(body).hexdigest()
    known = message(session, who.name, key)
    if known is not None:
        if known.digest != digest:
            raise Conflict("Another message was sent under this id: make up a new one.", field="id")
        return IncidentOut.model_validate_json(known.answer)
    incident = done()
    answer = IncidentOut.of(incident)
    session.add(
        IncidentMessage(
            incident_id=incident.id,
            told_by=who.name,
            key=key,
            digest=digest,
            answer=answer.model_dump_json(),
            told_at=at,
        )
    )
    flush(session, "This message arrived twice in the same moment: send it again.", "id")
    return answer


def forget_told(session: Session, *, before: datetime) -> int:
    """What programs told before then is done once more if it is sent again; of so many messages."""
    told = delete(IncidentMessage).where(IncidentMessage.told_at <= before)
    return session.connection().execute(told).rowcount


def key_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
