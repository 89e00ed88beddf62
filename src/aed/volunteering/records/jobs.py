"""The scheduled job of service records."""

from __future__ import annotations

from datetime import datetime

from aed.database.session import Database, transaction
from aed.volunteering.records.collecting import collect_service


def collect(database: Database, now: datetime) -> int:
    """Record the service that the program knows; return the number of new records."""
    with transaction(database) as session:
        return collect_service(session, at=now)
