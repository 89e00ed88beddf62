"""Record the service that the program knows: checks, drills, sessions taught, and calls.

It reads what upkeep, training and incidents have stored, some time later. Nothing of these waits for it or
knows of it. Each source gives one record per person, however often this runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, exists, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from aed.accounts.people.models import Person
from aed.database.session import Database, transaction
from aed.incidents.models import Alert, Drill, Incident
from aed.incidents.rules import IncidentKind, IncidentState, Task
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate
from aed.training.models import Attendance, Course, Enrolment, TrainingSession
from aed.training.rules import AttendanceState, SessionState
from aed.upkeep.checks.queries import has_no_approval
from aed.upkeep.models import Check
from aed.upkeep.rules import ApprovalState
from aed.volunteering import rules
from aed.volunteering.models import ServiceRecord, Volunteer
from aed.volunteering.records import queries
from aed.volunteering.records.actions import add_record, confirm_by_program, lock_service_of
from aed.volunteering.records.flags import PROGRAM
from aed.volunteering.rules import CHECK_MINUTES, OF_CALLS, RULES, Period, ServiceSource

MAX_AT_ONCE = 2_000
"""Records of one run; the next run makes the others."""


def collect_service(session: Session, *, since: datetime | None, at: datetime) -> int:
    """Record service of registered volunteers that ended after `since` (None: ever); return how many records.

    Minutes that were counted for another service of the person do not count again.
    visibility: for the scheduler.
    """
    made = 0
    for record in _found(session, since):
        lock_service_of(session, record.person_id)
        period = Period(record.started_at, record.ended_at)
        taken = [
            Period(each.started_at, each.ended_at)
            for each in queries.counted_around(session, record.person_id, period)
            if each.minutes > 0
        ]
        record.minutes = rules.free_minutes(period, taken)
        add_record(session, record, at=at)
        if record.source in OF_CALLS:
            confirm_by_program(session, record, at=at)
        made += 1
    return made


def _found(session: Session, since: datetime | None) -> Iterator[ServiceRecord]:
    """Yield records of what is not recorded yet, in order of time within each source."""
    for find in (_calls, _sessions, _drills, _checks):
        yield from find(session, since)


def _since(moment: InstrumentedAttribute[Any], since: datetime | None) -> ColumnElement[bool]:
    """Select what was stored after `since`. visibility: it is a predicate itself."""
    return moment >= since if since is not None else true()


def _missing(source: ServiceSource, key: ColumnElement[str]) -> ColumnElement[bool]:
    """Select what has no record; `key` is its id as text. The volunteer must be in the statement."""
    return ~exists().where(
        ServiceRecord.source == source,
        ServiceRecord.source_id == key,
        ServiceRecord.person_id == Volunteer.person_id,
    )


def _of_volunteers[*Row](
    statement: Select[*Row], person_id: InstrumentedAttribute[Any], ended_at: InstrumentedAttribute[Any]
) -> Select[*Row]:
    """Restrict to service of registered volunteers that ended while they were.

    visibility: for the scheduler.
    """
    return (
        statement.join(Volunteer, Volunteer.person_id == person_id)
        .join(Person, Person.id == Volunteer.person_id)
        .where(
            Person.erased_at.is_(None),
            ended_at >= Volunteer.registered_at,
            or_(Volunteer.ended_at.is_(None), ended_at <= Volunteer.ended_at),
        )
        .limit(MAX_AT_ONCE)
    )


def _record(volunteer: Volunteer, source: ServiceSource, source_id: int, **given: Any) -> ServiceRecord:
    fields = {
        "estate_id": volunteer.estate_id,
        "region_id": volunteer.region_id,
        "building_id": volunteer.building_id
        if given.get("estate_id") in (None, volunteer.estate_id)
        else None,
        "recorded_by": PROGRAM,
    }
    fields |= {name: value for name, value in given.items() if value is not None}
    return ServiceRecord(source=source, source_id=str(source_id), person_id=volunteer.person_id, **fields)


def _checks(session: Session, since: datetime | None) -> Sequence[ServiceRecord]:
    """Return the records of checks; only the end of a check is known.

    A check that a second person is to approve is recorded once they have, and never if they decide otherwise.

    visibility: for the scheduler.
    """
    key = cast(Check.id, String)
    statement = _of_volunteers(
        select(Check, Device, Volunteer)
        .join(Device, Device.id == Check.device_id)
        .where(
            _since(Check.received_at, since),
            _missing(ServiceSource.CHECK, key),
            has_no_approval(ApprovalState.WAITING, ApprovalState.REFUSED, ApprovalState.FAILED),
        ),
        Check.by_id,
        Check.answered_at,
    ).order_by(Check.answered_at, Check.id)
    return [
        _record(
            volunteer,
            ServiceSource.CHECK,
            check.id,
            estate_id=device.estate_id,
            region_id=device.region_id if device.estate_id is not None else None,
            activity="AED巡检",
            place=device.place_zh or device.place_en,
            started_at=check.answered_at - timedelta(minutes=CHECK_MINUTES[check.kind.value]),
            ended_at=check.answered_at,
            proof={"check": check.id, "device": device.id},
        )
        for check, device, volunteer in session.execute(statement)
    ]


def _drills(session: Session, since: datetime | None) -> Sequence[ServiceRecord]:
    """Return the records of drills that people reported, and of exercises in which they were alerted.

    A fetch that was timed in an exercise is part of the exercise.
    visibility: for the scheduler.
    """
    key = cast(Drill.id, String)
    statement = _of_volunteers(
        select(Drill, Estate.region_id, Volunteer)
        .join(Estate, Estate.id == Drill.estate_id)
        .where(
            _since(Drill.reported_at, since),
            Drill.withdrawn_at.is_(None),
            ~Drill.by_name.startswith("alert "),
            _missing(ServiceSource.DRILL, key),
        ),
        Drill.by_id,
        Drill.ran_at,
    ).order_by(Drill.ran_at, Drill.id)
    found = [
        _record(
            volunteer,
            ServiceSource.DRILL,
            drill.id,
            estate_id=drill.estate_id,
            region_id=region_id,
            activity="急救演练",
            started_at=drill.ran_at,
            ended_at=drill.ran_at + timedelta(minutes=max(1, -(-int(drill.seconds) // 60))),
            proof={"drill": drill.id, "device": drill.device_id},
        )
        for drill, region_id, volunteer in session.execute(statement)
    ]
    return found + [
        _record_of_alert(volunteer, ServiceSource.DRILL, alert, incident, "急救演练", source_id=-alert.id)
        for alert, incident, volunteer in session.execute(
            _alerts(since, IncidentKind.EXERCISE, ServiceSource.DRILL, cast(-Alert.id, String))
        )
    ]


def _sessions(session: Session, since: datetime | None) -> Sequence[ServiceRecord]:
    """Return the records of sessions that were taught.

    visibility: for the scheduler.
    """
    key = cast(TrainingSession.id, String)
    attended = (
        select(func.count())
        .select_from(Attendance)
        .join(Enrolment, Enrolment.id == Attendance.enrolment_id)
        .where(Enrolment.session_id == TrainingSession.id, Attendance.state == AttendanceState.ATTENDED)
        .scalar_subquery()
    )
    statement = _of_volunteers(
        select(TrainingSession, Course.name_zh, attended, Volunteer)
        .join(Course, Course.id == TrainingSession.course_id)
        .where(
            _since(TrainingSession.ends_at, since),
            TrainingSession.state == SessionState.HELD,
            _missing(ServiceSource.SESSION_TAUGHT, key),
        ),
        TrainingSession.trainer_id,
        TrainingSession.ends_at,
    ).order_by(TrainingSession.starts_at, TrainingSession.id)
    return [
        _record(
            volunteer,
            ServiceSource.SESSION_TAUGHT,
            taught.id,
            estate_id=taught.estate_id,
            region_id=taught.region_id if taught.estate_id is not None else None,
            activity=f"培训授课：{course}",
            place=taught.place_zh,
            started_at=taught.starts_at,
            ended_at=taught.ends_at,
            proof={"session": taught.id, "attended": count},
        )
        for taught, course, count, volunteer in session.execute(statement)
    ]


def _calls(session: Session, since: datetime | None) -> Sequence[ServiceRecord]:
    """Return the records of closed calls that people accepted: their minutes, and nothing of the patient.

    visibility: for the scheduler.
    """
    key = cast(Alert.id, String)
    found = []
    for source, title in ((ServiceSource.CALL, "应急救护"), (ServiceSource.GUIDE, "应急引导")):
        task = Alert.task == Task.GUIDE if source is ServiceSource.GUIDE else Alert.task != Task.GUIDE
        statement = _alerts(since, IncidentKind.REAL, source, key).where(task)
        found += [
            _record_of_alert(volunteer, source, alert, incident, title, source_id=alert.id)
            for alert, incident, volunteer in session.execute(statement)
        ]
    return found


def _alerts(
    since: datetime | None, kind: IncidentKind, source: ServiceSource, key: ColumnElement[str]
) -> Select[Alert, Incident, Volunteer]:
    """Select accepted alerts of closed incidents.

    visibility: for the scheduler.
    """
    return _of_volunteers(
        select(Alert, Incident, Volunteer)
        .join(Incident, Incident.id == Alert.incident_id)
        .where(
            Incident.kind == kind,
            Incident.state == IncidentState.CLOSED,
            _since(Incident.closed_at, since),
            Alert.accepted_at.is_not(None),
            _missing(source, key),
        ),
        Alert.person_id,
        Alert.accepted_at,
    ).order_by(Alert.accepted_at, Alert.id)


def _record_of_alert(
    volunteer: Volunteer,
    source: ServiceSource,
    alert: Alert,
    incident: Incident,
    title: str,
    *,
    source_id: int,
) -> ServiceRecord:
    """Return the record of an alert, from accepting it until the person or the incident was done."""
    assert alert.accepted_at is not None
    assert incident.closed_at is not None
    end = min(
        alert.ended_at or incident.closed_at,
        incident.closed_at,
        alert.accepted_at + timedelta(minutes=RULES.max_call_minutes),
    )
    end = max(end, alert.accepted_at)
    minutes = rules.whole_minutes(alert.accepted_at, end)
    is_call = source in OF_CALLS
    return _record(
        volunteer,
        source,
        source_id,
        activity=f"{title} {rules.hours_and_minutes(minutes)}" if is_call else title,
        started_at=alert.accepted_at,
        ended_at=end,
        proof={"alert": alert.id},
    )


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
