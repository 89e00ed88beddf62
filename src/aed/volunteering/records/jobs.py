"""The scheduled jobs of service records."""

from __future__ import annotations

from datetime import datetime, timedelta

from aed.database.session import Database, transaction
from aed.volunteering.records.collecting import collect_service
from aed.volunteering.rules import RULES


def collect(database: Database, now: datetime) -> int:
    """Record the service of the last days that the program knows; return the number of new records."""
    with transaction(database) as session:
        return collect_service(session, since=now - timedelta(days=RULES.collect_days), at=now)


def collect_missed(database: Database, now: datetime) -> int:
    """Record all service that is not recorded yet, however old; return the number of new records.

    It may be old because no worker ran for weeks, or because results were entered late.
    """
    made = 0
    while True:
        with transaction(database) as session:
            found = collect_service(session, since=None, at=now)
        if found == 0:
            return made
        made += found
