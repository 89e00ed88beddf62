"""Read what became of patients, and what the incidents' records know."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy.orm import Session

from aed.debrief.outcomes.models import PatientOutcome
from aed.debrief.outcomes.rules import STORED_AS_GIVEN, CallCounts, CoreItems, RecordedTimes, Sex
from aed.incidents.models import Alert, Incident, IncidentEvent
from aed.incidents.rules import AlertReply, Task


def outcome_of(session: Session, incident_id: int) -> PatientOutcome | None:
    """visibility: of an incident that the caller has found for the viewer."""
    return session.get(PatientOutcome, incident_id)


def items_in(row: Any) -> CoreItems:  # Any: an outcome, or a row with its columns
    """Return the items of an outcome; all unknown if there is none (all columns empty)."""
    if row is None or row.arrest is None:
        return CoreItems()
    plain = {item: getattr(row, item) for item in STORED_AS_GIVEN}
    return CoreItems(
        **plain,
        age_years=int(row.age) if row.age is not None else None,
        sex=Sex(row.sex) if row.sex is not None else Sex.UNKNOWN,
    )


def due_for_anonymising(session: Session, *, opened_before: datetime, limit: int) -> Sequence[int]:
    """List incidents from before then that still have their patient's age or sex. visibility: for a job."""
    return session.scalars(
        select(PatientOutcome.incident_id)
        .join(Incident, Incident.id == PatientOutcome.incident_id)
        .where(
            or_(PatientOutcome.age.is_not(None), PatientOutcome.sex.is_not(None)),
            Incident.opened_at < opened_before,
        )
        .order_by(PatientOutcome.incident_id)
        .limit(limit)
    ).all()


def measured(session: Session, incident: Incident) -> RecordedTimes:
    """Return what the record of one incident knows. visibility: the caller has found it for the viewer."""
    return measured_of(session, Incident.id == incident.id)[incident.id]


def measured_of(session: Session, which: ColumnElement[bool]) -> dict[int, RecordedTimes]:
    """Return what the records of incidents know, by incident, in three statements for any number.

    visibility: the caller selects those that it may count.
    """
    calls, there = _calls(session, which)
    reported = _first_reported(session, which)
    rows = session.execute(
        select(Incident.id, Incident.collapsed_at, Incident.opened_at, Incident.ambulance_there_at).where(
            which
        )
    )
    found = {}
    for row in rows:
        first_there_at, replies = there.get(row.id), reported.get(row.id)
        known = [each for each in (first_there_at, replies and replies.compressions_at) if each is not None]
        found[row.id] = RecordedTimes(
            collapsed_at=row.collapsed_at,
            called_at=row.opened_at,
            first_there_at=first_there_at,
            compressions_at=min(known, default=None),
            attached_at=replies and replies.attached_at,
            shock_at=replies and replies.shock_at,
            ambulance_there_at=row.ambulance_there_at,
            calls=MappingProxyType(calls[row.id]) if row.id in calls else MappingProxyType({}),
        )
    return found


def _calls(
    session: Session, which: ColumnElement[bool]
) -> tuple[dict[int, dict[Task, CallCounts]], dict[int, datetime]]:
    """Return counts by incident and task, and when the first person other than a guide arrived.

    visibility: as `measured_of`.
    """
    counts: dict[int, dict[Task, CallCounts]] = defaultdict(dict)
    there: dict[int, datetime] = {}
    rows = session.execute(
        select(
            Alert.incident_id,
            Alert.task,
            func.count(),
            func.count(Alert.seen_at),
            func.count(Alert.accepted_at),
            func.count(Alert.there_at),
            func.min(Alert.there_at),
        )
        .join(Incident, Incident.id == Alert.incident_id)
        .where(which)
        .group_by(Alert.incident_id, Alert.task)
    )
    for incident_id, task, asked, seen, accepted, came, first_at in rows:
        counts[incident_id][task] = CallCounts(asked, seen, accepted, came)
        if first_at is not None and task is not Task.GUIDE:
            there[incident_id] = min(first_at, there.get(incident_id, first_at))
    return dict(counts), there


def _first_reported(session: Session, which: ColumnElement[bool]) -> dict[int, Any]:
    """Return when `compressions_at`, `attached_at` and `shock_at` were first reported, by incident.

    Payloads are JSON with sorted keys and without blanks, so that text is searched. visibility: as
    `measured_of`.
    """
    shock = _says(f'"said":"{AlertReply.SHOCK_GIVEN}"')
    attached = or_(shock, _says(f'"said":"{AlertReply.DEVICE_ATTACHED}"'))
    is_said = IncidentEvent.kind == "said"
    is_a_sign = IncidentEvent.kind.in_(("opened", "joined", "signs"))
    rows = session.execute(
        select(
            IncidentEvent.incident_id,
            func.min(case((is_a_sign & _says('"has_cpr":true'), IncidentEvent.at))).label("compressions_at"),
            func.min(case((is_said & attached, IncidentEvent.at))).label("attached_at"),
            func.min(case((is_said & shock, IncidentEvent.at))).label("shock_at"),
        )
        .join(Incident, Incident.id == IncidentEvent.incident_id)
        .where(which, is_said | is_a_sign)
        .group_by(IncidentEvent.incident_id)
    )
    return {row.incident_id: row for row in rows}


def _says(words: str) -> ColumnElement[bool]:
    return IncidentEvent.payload.contains(words, autoescape=True)
