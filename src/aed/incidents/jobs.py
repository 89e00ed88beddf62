"""Jobs of incidents: plan again where too few replied, close what has lapsed, remind dispatchers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from aed.database.session import Database, read_session, transaction
from aed.errors import AedError
from aed.incidents.alerts.actions import lock_for_planning, plan_and_alert
from aed.incidents.calls.actions import close_if_lapsed, is_over, remind_if_due
from aed.incidents.calls.queries import due_for_reminder, due_for_replanning, lapsed_incidents
from aed.incidents.drills.actions import update_estate_pace
from aed.incidents.drills.queries import estates_with_drills
from aed.incidents.models import Incident
from aed.settings import Settings
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")
_AT_ONCE = 100


def replan_due_incidents(
    database: Database, at: datetime, *, network_of: Callable[[], WalkingNetwork | None], settings: Settings
) -> tuple[int, int]:
    """Plan every open incident again whose wave is over: (incidents planned, people alerted).

    Each incident has its own transaction; a failure does not stop the others.
    """
    with read_session(database) as session:
        due = due_for_replanning(session, at, numbers=settings.planning, limit=_AT_ONCE)
    if not due:
        return 0, 0
    network, looked, called = network_of(), 0, 0
    for incident_id in due:
        try:
            with transaction(database) as session:
                incident = lock_for_planning(session, incident_id)
                is_due = incident.replan_at is not None and incident.replan_at <= at
                if not is_due or is_over(incident, at=at, numbers=settings.planning):
                    continue
                called += plan_and_alert(
                    session, incident, reason="wave is over", at=at, network=network, settings=settings
                )
                looked += 1
        except AedError as error:
            log.warning("incident not planned again", incident=incident_id, reason=error.detail)
    return looked, called


def close_lapsed_incidents(database: Database, at: datetime, *, settings: Settings) -> tuple[int, int]:
    """Close lapsed incidents, and remind dispatchers of those nobody closed: (closed, reminded).

    Each incident has its own transaction and is checked again under its lock: two workers do it once, a
    worker that dies leaves the rest to the next run, and a failure does not stop the others.
    """
    numbers = settings.planning
    with read_session(database) as session:
        over = lapsed_incidents(session, at, numbers=numbers, limit=_AT_ONCE)
        to_remind = due_for_reminder(session, at, numbers=numbers, limit=_AT_ONCE)

    def close(session: Session, incident: Incident) -> bool:
        return close_if_lapsed(session, incident, at=at, numbers=numbers)

    def remind(session: Session, incident: Incident) -> bool:
        return remind_if_due(session, incident, at=at, numbers=numbers) is not None

    return _for_each(database, over, close), _for_each(database, to_remind, remind)


def estimate_paces(database: Database, *, settings: Settings) -> int:
    """Estimate each estate's pace from its drills again, and return how many changed.

    The stored pace is updated by each drill, but not by changes of the formula or the settings: after an
    upgrade the lookup would mix an old pace with new arithmetic. Each estate has its own transaction.
    """
    with read_session(database) as session:
        estate_ids = estates_with_drills(session)
    changed = 0
    for estate_id in estate_ids:
        with transaction(database) as session:
            changed += update_estate_pace(session, estate_id, settings)
    return changed


def _for_each(
    database: Database, incident_ids: Sequence[int], done: Callable[[Session, Incident], bool]
) -> int:
    count = 0
    for incident_id in incident_ids:
        try:
            with transaction(database) as session:
                count += done(session, lock_for_planning(session, incident_id))
        except AedError as error:
            log.warning("overdue incident not processed", incident=incident_id, reason=error.detail)
    return count
