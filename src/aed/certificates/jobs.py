"""What the timetable runs: looking for people who may be one."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.certificates.duplicates.actions import find_pairs


def look_for_duplicates(session: Session, *, now: datetime) -> int:
    """How many pairs were found that nobody has been asked about."""
    return find_pairs(session, at=now)
