"""Count how many of the people who were alerted came."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from aed.database.session import exclusive_lock
from aed.incidents.models import ShowUpCount
from aed.incidents.plan.queries.show_up import past_alerts
from aed.incidents.plan.rules.show_up import ShowUpCounts, counts_of_alert, sum_counts
from aed.incidents.rules import TimeOfDay


def count_show_up(session: Session, *, at: datetime, within_days: int) -> int:
    """Recount the real calls of the last `within_days`, per region and time of day; return how many
    people.

    visibility: for a job; nobody is named.
    """
    exclusive_lock(session, "counting who came")
    found: dict[tuple[int, TimeOfDay], list[ShowUpCounts]] = defaultdict(list)
    for region_id, when, past in past_alerts(session, since=at - timedelta(days=within_days)):
        found[region_id, when].append(counts_of_alert(past))
    session.execute(delete(ShowUpCount))
    people = 0
    for (region_id, when), each in sorted(found.items()):
        counts = sum_counts(each)
        people += counts.asked
        if counts.asked:
            session.add(ShowUpCount(region_id=region_id, time_of_day=when, **counts._asdict()))
    session.flush()
    return people
