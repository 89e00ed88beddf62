"""What the timetable does after calls."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aed.accounts.rules.viewer import TIMETABLE
from aed.aftercare.actions.outcomes import forget_patient
from aed.aftercare.queries.outcomes import to_be_forgotten
from aed.aftercare.rules import caring
from aed.db import Database, reads, transaction
from aed.errors import AedError
from aed.incidents.actions.calling import hold
from aed.incidents.actions.timeline import enter
from aed.incidents.models import Alert, Incident
from aed.incidents.queries import incidents as queries
from aed.incidents.rules.incident import Kind
from aed.notifications import actions as outbox
from aed.notifications.actions import Notice
from aed.settings import Settings
from aed.upkeep.actions.call_outs import close_call_out, tell_of_call_out
from aed.upkeep.rules.call_out import Outcome
from aed.upkeep.schemas.call_outs import CallOutIn

log = structlog.get_logger("aed")
_AT_ONCE: Final = 100
_FORGOTTEN_AT_ONCE: Final = 1_000


def care(database: Database, at: datetime, *, settings: Settings) -> tuple[int, int]:
    """Every incident that is over has been cared for, each in a transaction of its own: (so many at the end,
    so many a day later).

    1. Every device that somebody set out to fetch is asked after; one that was used is out until a check.
    2. Whoever set out is thanked.
    3. After a night, whoever was at a real patient's side is asked how they are.
    """
    with reads(database) as session:
        over = queries.to_be_cared_for(session, limit=_AT_ONCE)
    thanked = sum(_cared_for(database, each, at, settings) for each in over)
    with reads(database) as session:
        long_over = queries.to_be_asked_again(session, closed_before=at - caring.ASKED_AFTER, limit=_AT_ONCE)
    return thanked, sum(_cared_for(database, each, at, settings) for each in long_over)


def _cared_for(database: Database, incident_id: int, at: datetime, settings: Settings) -> bool:
    """What is due of it is done, unless another has done it meanwhile."""
    try:
        with transaction(database) as session:
            incident = hold(session, incident_id)
            if incident.cared_at is None:
                _at_the_end(session, incident, at, settings)
            elif incident.asked_again_at is None and _is_a_night_ago(incident, at):
                _a_day_later(session, incident, at, settings)
            else:
                return False
    except AedError as error:
        log.warning("incident not cared for", incident=incident_id, why=error.detail)
        return False
    return True


def forget_patients(database: Database, at: datetime, *, keep_days: int) -> int:
    """Who the patients of calls so long ago were has been forgotten: of so many. Each in a transaction of its
    own, a thousand at most in one run."""
    with reads(database) as session:
        due = to_be_forgotten(session, opened_before=at - timedelta(days=keep_days), limit=_FORGOTTEN_AT_ONCE)
    forgotten = 0
    for incident_id in due:
        with transaction(database) as session:
            forgotten += forget_patient(session, hold(session, incident_id), at=at)
    return forgotten


def _is_a_night_ago(incident: Incident, at: datetime) -> bool:
    return incident.closed_at is not None and incident.closed_at <= at - caring.ASKED_AFTER


def _at_the_end(session: Session, incident: Incident, at: datetime, settings: Settings) -> None:
    """visibility: for the timetable; each hears what concerns the person alone."""
    incident.cared_at = at
    if incident.kind is Kind.TEST:
        return
    alerts = [each for each in queries.alerts(session, incident.id) if caring.is_thanked(each.accepted_at)]
    used = caring.who_used_a_device((each.kind, each.said) for each in queries.events(session, incident.id))
    for alert in alerts:
        if alert.device_id is not None:
            new = CallOutIn(
                key=caring.fetch_key(alert.id),
                device_id=alert.device_id,
                person_id=alert.person_id,
                reference=f"incident {incident.id}",
                sent_at=alert.accepted_at,
            )
            call_out = tell_of_call_out(session, TIMETABLE, new, numbers=settings.returns, at=at)
            if alert.id in used:
                close_call_out(session, TIMETABLE, call_out.id, Outcome.USED, None, at=at)
        _tell(session, incident, alert, caring.thanks(incident.kind, settings.talk_contact), at)
    enter(session, incident, "thanked", "timetable", at, people=[each.person_id for each in alerts])


def _a_day_later(session: Session, incident: Incident, at: datetime, settings: Settings) -> None:
    """visibility: for the timetable; each hears what concerns the person alone."""
    incident.asked_again_at = at
    alerts = [
        each
        for each in queries.alerts(session, incident.id)
        if caring.is_asked_again(incident.kind, each.there_at)
    ]
    for alert in alerts:
        _tell(session, incident, alert, caring.question(settings.talk_contact), at)
    enter(session, incident, "asked_again", "timetable", at, people=[each.person_id for each in alerts])


def _tell(session: Session, incident: Incident, alert: Alert, words: tuple[str, str], at: datetime) -> None:
    notice = Notice(*words)
    if not outbox.tell(session, alert.person_id, notice, at, country=incident.region.country):
        log.warning("person cannot be told", person=alert.person_id)
