"""Taps on the page of a call: each one counts once, however often the phone sends it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from aed.errors import Conflict
from aed.incidents.models import AlertAnswer
from aed.incidents.rules.incident import Said


def is_repeated(session: Session, alert_id: int, key: UUID, said: Said, *, at: datetime) -> bool:
    """Return whether this tap was counted already; remember it otherwise.

    The incident is held by this transaction: the same tap twice in one moment is counted by the first.
    Raises Conflict for other words under a key that is taken. visibility: the person's own taps.
    """
    known = session.get(AlertAnswer, (alert_id, str(key)))
    if known is None:
        session.add(AlertAnswer(alert_id=alert_id, key=str(key), said=said, at=at))
        session.flush()
        return False
    if known.said is not said:
        raise Conflict("Another answer was sent under this key: make up a new one.", field="key")
    return True


def forget_taps(session: Session, *, before: datetime) -> int:
    """Delete the keys of taps from before then; return how many. visibility: for the timetable."""
    return session.connection().execute(delete(AlertAnswer).where(AlertAnswer.at <= before)).rowcount
