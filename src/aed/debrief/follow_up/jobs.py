"""Jobs after incidents: debrief, follow up, settle devices, anonymise patients."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.database.session import Database, read_session, transaction
from aed.debrief.follow_up import rules as follow_up_rules
from aed.debrief.follow_up.actions import open_device_question, settle_device
from aed.debrief.outcomes.actions import anonymise_patient
from aed.debrief.outcomes.queries import due_for_anonymising
from aed.errors import AedError
from aed.incidents import queries
from aed.incidents.alerts import queries as alert_queries
from aed.incidents.alerts.actions import lock_for_planning
from aed.incidents.drills.actions import time_exercise
from aed.incidents.models import Alert, Incident
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import IncidentKind
from aed.notifications import outbox
from aed.notifications.outbox import Notice
from aed.notifications.rules import MessageTopic
from aed.settings import Settings
from aed.upkeep.retrievals.actions import close_retrieval
from aed.upkeep.rules import RetrievalOutcome
from aed.walking.network import WalkingNetwork

log = structlog.get_logger("aed")
_AT_ONCE: Final = 100
_FORGOTTEN_AT_ONCE: Final = 1_000


def debrief_incidents(
    database: Database,
    at: datetime,
    *,
    network_of: Callable[[], WalkingNetwork | None],
    settings: Settings,
) -> tuple[int, int]:
    """Debrief incidents that are over, and follow up a day later: (debriefed, followed up).

    1. Open a question about every device that a person set out to fetch; a used one is out until it is
       checked.
    2. Record the fetches of exercises as drills.
    3. Thank everybody who was alerted.
    4. After a night, ask people who were at a real patient's side how they are.

    Each incident has its own transaction.
    """
    with read_session(database) as session:
        over = queries.due_for_debriefing(session, limit=_AT_ONCE)
        long_over = queries.due_for_follow_up(
            session, debriefed_before=at - follow_up_rules.FOLLOW_UP_AFTER, limit=_AT_ONCE
        )
    network = network_of() if over else None
    thanked = sum(_debrief_one(database, each, at, network, settings) for each in over)
    return thanked, sum(_debrief_one(database, each, at, None, settings) for each in long_over)


def _debrief_one(
    database: Database,
    incident_id: int,
    at: datetime,
    network: WalkingNetwork | None,
    settings: Settings,
) -> bool:
    """Do what is due for the incident, unless another worker has done it."""
    try:
        with transaction(database) as session:
            incident = lock_for_planning(session, incident_id)
            if incident.debriefed_at is None:
                _debrief(session, incident, at, network, settings)
            elif (
                incident.followed_up_at is None
                and incident.debriefed_at <= at - follow_up_rules.FOLLOW_UP_AFTER
            ):
                _follow_up(session, incident, at, settings)
            else:
                return False
    except AedError as error:
        log.warning("incident not followed up", incident=incident_id, reason=error.detail)
        return False
    return True


def settle_devices(database: Database, at: datetime, *, settings: Settings) -> int:
    """Hand over to upkeep what calls did with devices; return how many are settled now.

    Each device has its own transaction; a failure does not stop the others.
    """
    settled = last_id = 0
    while True:
        with read_session(database) as session:
            waiting = alert_queries.unsettled_devices(session, after_id=last_id, limit=_AT_ONCE)
        if not waiting:
            return settled
        for last_id, incident_id in waiting:
            try:
                with transaction(database) as session:
                    incident = lock_for_planning(session, incident_id)
                    alert = queries.alert_by_id(session, last_id)
                    if alert.out_device_id is not None and alert.device_settled_at is None:
                        settled += settle_device(session, incident, alert, settings=settings, at=at)
            except AedError as error:
                log.warning("device of an alert not followed up", alert=last_id, reason=error.detail)


def anonymise_patients(database: Database, at: datetime, *, keep_days: int) -> int:
    """Delete age and sex of patients of old incidents; return of how many.

    Each has its own transaction, at most 1,000 in one run.
    """
    with read_session(database) as session:
        due = due_for_anonymising(
            session, opened_before=at - timedelta(days=keep_days), limit=_FORGOTTEN_AT_ONCE
        )
    forgotten = 0
    for incident_id in due:
        with transaction(database) as session:
            forgotten += anonymise_patient(session, lock_for_planning(session, incident_id), at=at)
    return forgotten


def _debrief(
    session: Session, incident: Incident, at: datetime, network: WalkingNetwork | None, settings: Settings
) -> None:
    """visibility: for a job; each person is sent only what concerns them."""
    incident.debriefed_at = at
    if incident.kind is IncidentKind.TEST:
        return
    called = queries.alerts(session, incident.id)
    alerts = [each for each in called if each.accepted_at is not None]
    used = follow_up_rules.alerts_that_used_a_device(
        (each.kind, each.payload) for each in queries.events(session, incident.id)
    )
    for alert in alerts:
        if alert.device_id is not None:
            if alert.id in used or follow_up_rules.may_have_fetched_device(alert, incident.kind):
                question = open_device_question(session, incident, alert, settings=settings, at=at)
                if alert.id in used and question.outcome is None:
                    close_retrieval(session, SCHEDULER, question.id, RetrievalOutcome.USED, None, at=at)
            if incident.kind is IncidentKind.EXERCISE:
                time_exercise(session, incident, alert, network=network, settings=settings, at=at)
    thanked = called if incident.kind is IncidentKind.REAL else alerts
    for alert in thanked:
        words = follow_up_rules.thank_you_text(
            incident.kind,
            incident.outcome,
            settings.support_contact,
            set_out=alert.accepted_at is not None,
        )
        _send(session, incident, alert, words, at)
    append_entry(session, incident, "thanked", "timetable", at, people=[each.person_id for each in thanked])


def _follow_up(session: Session, incident: Incident, at: datetime, settings: Settings) -> None:
    """visibility: for a job; each person is sent only what concerns them."""
    incident.followed_up_at = at
    alerts = [
        each
        for each in queries.alerts(session, incident.id)
        if follow_up_rules.needs_follow_up(incident.kind, each.there_at)
    ]
    for alert in alerts:
        _send(session, incident, alert, follow_up_rules.follow_up_text(settings.support_contact), at)
    append_entry(
        session, incident, "asked_again", "timetable", at, people=[each.person_id for each in alerts]
    )


def _send(session: Session, incident: Incident, alert: Alert, words: tuple[str, str], at: datetime) -> None:
    notice = Notice(*words, topic=MessageTopic.CALL)
    if not outbox.notify_person(session, alert.person_id, notice, at, country=incident.region.country):
        log.warning("person cannot be notified", person=alert.person_id)
