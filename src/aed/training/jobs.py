"""What the timetable runs: offered places that nobody took go to the next."""

from __future__ import annotations

from datetime import datetime

from aed.database.session import Database, transaction
from aed.training.enrolments.actions import expire_offers


def end_offers(database: Database, now: datetime) -> int:
    """How many offers were over. It may run in several processes: each offer ends once."""
    with transaction(database) as session:
        return expire_offers(session, now)
