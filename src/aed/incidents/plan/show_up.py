"""Count how many of the people who were alerted came in past real calls, and read these rates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from aed.accounts.regions.models import Region
from aed.database.locks import exclusive_lock
from aed.incidents.models import Alert, Incident, ShowUpCount
from aed.incidents.plan.rules.show_up import (
    PastAlert,
    ShowUpCounts,
    counts_of_alert,
    learn_rates,
    sum_counts,
    time_of_day,
)
from aed.incidents.rules import IncidentKind, IncidentState, Task, TimeOfDay
from aed.settings.planning import Planning

_AT_ONCE = 1_000


def planning_with_learned_rates(
    session: Session, incident: Incident, planning: Planning, *, at: datetime
) -> Planning:
    """Return the settings with the show-up rates of the incident's region at this time of day.

    They are stored with the plan's inputs, so that it can be planned again from the same.
    visibility: counts, for the plan.
    """
    of_region: dict[TimeOfDay, ShowUpCounts] = {}
    rows = session.execute(
        select(
            ShowUpCount.time_of_day,
            ShowUpCount.asked,
            ShowUpCount.seen,
            ShowUpCount.accepted,
            ShowUpCount.due,
            ShowUpCount.there,
        ).where(ShowUpCount.region_id == incident.region_id)
    )
    for when, *counts in rows:
        of_region[when] = ShowUpCounts(*counts)
    everywhere = session.execute(
        select(
            func.coalesce(func.sum(ShowUpCount.asked), 0),
            func.coalesce(func.sum(ShowUpCount.seen), 0),
            func.coalesce(func.sum(ShowUpCount.accepted), 0),
            func.coalesce(func.sum(ShowUpCount.due), 0),
            func.coalesce(func.sum(ShowUpCount.there), 0),
        )
    ).one()
    now = time_of_day(at.astimezone(ZoneInfo(incident.region.time_zone)))
    return learn_rates(
        planning,
        ShowUpCounts(*(int(each) for each in everywhere)),
        sum_counts(of_region.values()),
        of_region.get(now, ShowUpCounts()),
        weight=planning.show_up_prior_people,
    )


def past_alerts(session: Session, *, since: datetime) -> Iterator[tuple[int, TimeOfDay, PastAlert]]:
    """Yield (region, time of day, alert) of closed real incidents that were opened since then.

    Exercises and tests do not count: people come to them who would not come at night. Guides do not either.
    visibility: for a job, which counts them.
    """
    rows = session.execute(
        select(
            Incident.region_id,
            Region.time_zone,
            Incident.closed_at,
            Incident.ambulance_there_at,
            Alert.state,
            Alert.asked_at,
            Alert.seen_at,
            Alert.accepted_at,
            Alert.there_at,
            Alert.due_at,
            Alert.ended_at,
        )
        .join(Incident, Incident.id == Alert.incident_id)
        .join(Region, Region.id == Incident.region_id)
        .where(
            Incident.kind == IncidentKind.REAL,
            Incident.state == IncidentState.CLOSED,
            Incident.opened_at >= since,
            Alert.task != Task.GUIDE,
        )
        .execution_options(yield_per=_AT_ONCE)
    )
    for row in rows:
        past = PastAlert(
            row.state,
            row.asked_at,
            row.seen_at,
            row.accepted_at,
            row.there_at,
            row.due_at,
            row.ended_at,
            min(row.closed_at, row.ambulance_there_at or row.closed_at),
        )
        yield row.region_id, time_of_day(row.asked_at.astimezone(ZoneInfo(row.time_zone))), past


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
