"""Read everything that an after-action report shows of one incident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.debrief.follow_up.rules import fetch_key
from aed.debrief.outcomes.queries import items_in, measured, outcome_of
from aed.debrief.outcomes.rules import CoreItems, RecordedTimes
from aed.incidents import queries as incident_queries
from aed.incidents.models import Alert, Incident
from aed.incidents.plan.rules.planner import NotAskedReason
from aed.incidents.plan.schemas import load_inputs, shown_record
from aed.incidents.record.actions import first_broken_entry
from aed.incidents.rules import Task
from aed.upkeep.models import Retrieval
from aed.upkeep.rules import RetrievalOutcome


@dataclass(frozen=True, slots=True)
class AlertWave:
    """A plan by which somebody was asked."""

    number: int
    made_at: datetime
    reason: str
    asked: Mapping[Task, int]
    left: Mapping[NotAskedReason, int]
    """Number of people who were not asked, by the reason."""


@dataclass(frozen=True, slots=True)
class ExpectedDevice:
    """What the first plan expected of the people whom it asked. None: it asked nobody for that."""

    first_there_at: datetime | None
    device_there_at: datetime | None
    ambulance_there_at: datetime


@dataclass(frozen=True, slots=True)
class AfterAction:
    """One incident as it went. People appear as numbers."""

    incident: Incident
    reports: int
    alerts: Sequence[Alert]
    plans: int
    waves: Sequence[AlertWave]
    expected: ExpectedDevice | None
    """None: nothing was planned."""
    returned: Mapping[int, RetrievalOutcome | None]
    """What became of the device, by number of the fetching alert; None: the question is open. Alerts without
    a question are left out.
    """
    measured: RecordedTimes
    items: CoreItems
    entries: int
    first_broken: int | None
    last_hash: str
    as_of: datetime
    """When the record was last added to."""


def after_action(session: Session, viewer: Viewer, incident_id: int) -> AfterAction:
    """Read the report of an incident. Raises NotFound if the viewer may not see it."""
    incident = incident_queries.incident(session, viewer, incident_id)
    alerts, events = (
        incident_queries.alerts(session, incident.id),
        incident_queries.events(session, incident.id),
    )
    plans = incident_queries.plans(session, incident.id)
    asked: dict[int, Counter[Task]] = {each.number: Counter() for each in plans}
    for alert in alerts:
        asked.setdefault(alert.plan_number, Counter())[alert.task] += 1
    waves = [
        AlertWave(
            each.number,
            each.made_at,
            each.reason,
            asked[each.number],
            Counter(left.reason for left in shown_record(each.inputs, each.outcome)[1].left),
        )
        for each in plans
        if asked[each.number]
    ]
    expected = None
    if plans:
        first = [
            each for each in alerts if each.plan_number == plans[0].number and each.task is not Task.GUIDE
        ]
        seconds = load_inputs(plans[0].inputs).case.patient.ambulance_seconds
        expected = ExpectedDevice(
            min((due for each in first if (due := each.shown_due_at)), default=None),
            min(
                (due for each in first if each.task is Task.FETCH and (due := each.shown_due_at)),
                default=None,
            ),
            plans[0].made_at + timedelta(seconds=seconds),
        )
    return AfterAction(
        incident=incident,
        reports=len(incident_queries.reports(session, incident.id)),
        alerts=alerts,
        plans=len(plans),
        waves=waves,
        expected=expected,
        returned=_return_outcomes(session, alerts),
        measured=measured(session, incident),
        items=items_in(outcome_of(session, incident.id)),
        entries=len(events),
        first_broken=first_broken_entry(events),
        last_hash=events[-1].hash if events else "",
        as_of=events[-1].at if events else incident.opened_at,
    )


def _return_outcomes(session: Session, alerts: Sequence[Alert]) -> dict[int, RetrievalOutcome | None]:
    """visibility: of an incident that the caller has found for the viewer, whose devices they sent for."""
    keys = {str(fetch_key(each.id)): each.id for each in alerts if each.task is Task.FETCH}
    rows = session.execute(select(Retrieval.key, Retrieval.outcome).where(Retrieval.key.in_(keys)))
    return {keys[row.key]: row.outcome for row in rows}
