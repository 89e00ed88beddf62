"""Scheduled job: find duplicate people."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from aed.certificates.duplicates.actions import find_pairs


def look_for_duplicates(session: Session, *, now: datetime) -> int:
    """Find new pairs of likely duplicates and return their number."""
    return find_pairs(session, at=now)
