"""Scheduled job: end expired offers and offer the places to the next people."""

from __future__ import annotations

from datetime import datetime

from aed.database.session import Database, transaction
from aed.training.enrolments.actions import expire_offers


def end_offers(database: Database, now: datetime) -> int:
    """End expired offers and return their number. Safe to run in several processes at once."""
    with transaction(database) as session:
        return expire_offers(session, now)
