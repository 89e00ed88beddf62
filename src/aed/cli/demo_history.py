"""A year of invented history for the demo: checks, drills, training sessions and incidents.

Nothing of it changes who or what a lookup finds: devices keep their state, and learners have no place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.regions.models import Region
from aed.database.geometry import latitude, longitude, point
from aed.debrief.outcomes.models import PatientOutcome
from aed.geo import Position
from aed.hours.dates import months_after
from aed.incidents.models import Alert, Drill, Incident
from aed.incidents.rules import AlertState, IncidentKind, IncidentOutcome, IncidentState, Task
from aed.lookup.arrival import Basis
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState
from aed.responders.models import Certificate, Responder
from aed.responders.rules import CertificateKind, CertificateTrust, ResponderState
from aed.training.models import Assessment, Attendance, Course, Enrolment, TrainingSession
from aed.training.rules import AttendanceState, EnrolmentState, MarkedBy, SessionAudience, SessionState
from aed.upkeep.models import Check
from aed.upkeep.rules import CheckKind

BY = "demo"
MONTHS = 12
DRILLS_A_MONTH = 4
LEARNERS_A_MONTH = 10
INCIDENTS_A_MONTH = 6
ISSUER = "Demo City Red Cross (invented) 示范市红十字会（虚构）"


COURSE = "DEMO-CPR"


def has_history(session: Session) -> bool:
    """Return True if the history was added before."""
    return session.scalar(select(Course.id).where(Course.code == COURSE)) is not None


def add_history(session: Session, region: Region, *, at: datetime) -> None:
    """Add the history of the devices of a region, up to `at`. The same moment gives the same rows.

    visibility: for the operator.
    """
    random = Random(at.year * 12 + at.month)  # invented data
    devices = list(
        session.execute(
            select(
                Device.id,
                Device.estate_id,
                Device.floor,
                latitude(Device.position).label("lat"),
                longitude(Device.position).label("lon"),
            )
            .where(
                Device.region_id == region.id,
                Device.estate_id.is_not(None),
                Device.state == DeviceState.IN_SERVICE,
            )
            .order_by(Device.id)
        )
    )
    if not devices:
        return
    starts = [at - timedelta(days=30 * back) for back in range(MONTHS, 0, -1)]
    _add_checks(session, random, devices, starts)
    _add_drills(session, random, devices, starts)
    learners = _add_learners(session, region, LEARNERS_A_MONTH * MONTHS // 2)
    _add_training(session, random, region, devices, learners, starts, today=at.date())
    _add_incidents(session, random, region, devices, learners, starts)
    session.flush()


def _key(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _add_checks(session: Session, random: Random, devices: Sequence[Any], starts: Sequence[datetime]) -> None:
    """Add a check of each device in each month; about one in 25 fails."""
    rows = []
    for start in starts:
        for device in devices:
            key, answered_at = _key(random), start + timedelta(minutes=random.randrange(25 * 1440))
            rows.append(
                {
                    "key": key,
                    "digest": _digest(key),
                    "device_id": device.id,
                    "kind": CheckKind.CHECK,
                    "answered_at": answered_at,
                    "received_at": answered_at,
                    "by_name": BY,
                    "is_there": True,
                    "was_used": False,
                    "answers": {},
                    "replaced": {},
                    "readings": {},
                    "is_passed": random.random() > 0.04,
                    "is_late": False,
                }
            )
    session.execute(insert(Check), rows)


def _add_drills(session: Session, random: Random, devices: Sequence[Any], starts: Sequence[datetime]) -> None:
    """Add drills of which most keep the norm of five minutes."""
    rows = []
    for start in starts:
        for _ in range(DRILLS_A_MONTH):
            device, key = random.choice(devices), _key(random)
            metres = random.uniform(40, 230)
            ran_at = start + timedelta(minutes=random.randrange(25 * 1440))
            rows.append(
                {
                    "key": key,
                    "digest": _digest(key),
                    "device_id": device.id,
                    "estate_id": device.estate_id,
                    "start_lat": device.lat + metres / 157_000,
                    "start_lon": device.lon,
                    "start_floor": 0,
                    "device_floor": device.floor,
                    "seconds": round(60 + 2 * metres / 1.9 * random.uniform(0.85, 1.2)),
                    "walk_metres": metres,
                    "basis": Basis.STRAIGHT_LINE,
                    "floor_seconds": 0.0,
                    "ran_at": ran_at,
                    "reported_at": ran_at,
                    "by_name": BY,
                }
            )
    session.execute(insert(Drill), rows)


def _add_learners(session: Session, region: Region, count: int) -> list[tuple[int, int]]:
    """Add people who are no volunteers; return the ids of each person and of their entry as a responder."""
    people = [Person(name=f"学员{number} Learner {number}") for number in range(1, count + 1)]
    session.add_all(people)
    session.flush()
    entries = [
        Responder(
            person_id=person.id,
            region_id=region.id,
            source="demo-history",
            source_id=str(number),
            state=ResponderState.WITHDRAWN,
        )
        for number, person in enumerate(people)
    ]
    session.add_all(entries)
    session.flush()
    return [(person.id, entry.id) for person, entry in zip(people, entries, strict=True)]


def _add_training(
    session: Session,
    random: Random,
    region: Region,
    devices: Sequence[Any],
    learners: Sequence[tuple[int, int]],
    starts: Sequence[datetime],
    *,
    today: date,
) -> None:
    """Add a session each month; half of the learners of a month had a certificate before."""
    course = Course(
        code=COURSE,
        name_en="CPR and AED (invented)",
        name_zh="心肺复苏与AED（虚构）",
        hours=4,
        certificate_kind=CertificateKind.CPR_AED,
        issuer=ISSUER,
        validity_months=24,
        refresher_months=6,
    )
    session.add(course)
    session.flush()
    for month, start in enumerate(starts):
        begins = start.replace(hour=1, minute=0, second=0, microsecond=0) + timedelta(days=14)
        place = random.choice(devices)
        held = TrainingSession(
            course_id=course.id,
            region_id=region.id,
            estate_id=place.estate_id,
            audience=SessionAudience.PUBLIC,
            position=point(Position(place.lat, place.lon)),
            place_en="Community hall",
            place_zh="社区活动室",
            language="zh",
            starts_at=begins,
            ends_at=begins + timedelta(hours=4),
            enrolment_closes_at=begins - timedelta(days=1),
            capacity=20,
            minimum=1,
            state=SessionState.HELD,
        )
        session.add(held)
        session.flush()
        first = month * LEARNERS_A_MONTH // 2
        for number in range(LEARNERS_A_MONTH):
            person_id, responder_id = learners[(first + number) % len(learners)]
            _add_learner(session, random, held, person_id, responder_id, begins)
    session.flush()


def _add_learner(
    session: Session,
    random: Random,
    held: TrainingSession,
    person_id: int,
    responder_id: int,
    begins: datetime,
) -> None:
    enrolment = Enrolment(
        session_id=held.id,
        person_id=person_id,
        estate_id=held.estate_id,
        state=EnrolmentState.ENROLLED,
        enrolled_at=begins - timedelta(days=7),
    )
    came, passed = random.random() < 0.85, random.random() < 0.9
    session.add(enrolment)
    session.flush()
    session.add(
        Attendance(
            enrolment_id=enrolment.id,
            state=AttendanceState.ATTENDED if came else AttendanceState.NO_SHOW,
            how=MarkedBy.HAND,
            marked_at=begins,
            marked_by=BY,
        )
    )
    if not came:
        return
    certificate = None
    if passed:
        certificate = Certificate(
            responder_id=responder_id,
            kind=CertificateKind.CPR_AED,
            issuer=ISSUER,
            trust=CertificateTrust.VERIFIED,
            number=f"DEMO-H-{enrolment.id}",
            issued_on=begins.date(),
            valid_until=months_after(begins.date(), 24) - timedelta(days=1),
            is_awarded=True,
        )
        session.add(certificate)
        session.flush()
    session.add(
        Assessment(
            enrolment_id=enrolment.id,
            passed=passed,
            assessed_at=begins + timedelta(hours=4),
            assessed_by=BY,
            certificate_id=certificate.id if certificate is not None else None,
        )
    )


def _add_incidents(
    session: Session,
    random: Random,
    region: Region,
    devices: Sequence[Any],
    people: Sequence[tuple[int, int]],
    starts: Sequence[datetime],
) -> None:
    """Add incidents that ended long ago, each with an outcome and a person who came to it."""
    for start in starts:
        for _ in range(INCIDENTS_A_MONTH):
            device = random.choice(devices)
            opened = start + timedelta(minutes=random.randrange(25 * 1440))
            is_false = random.random() < 0.15
            incident = Incident(
                kind=IncidentKind.REAL,
                state=IncidentState.CLOSED,
                region_id=region.id,
                estate_id=device.estate_id,
                lat=device.lat,
                lon=device.lon,
                floor=0,
                collapsed_at=opened - timedelta(minutes=2),
                opened_at=opened,
                opened_by=BY,
                ambulance_at=opened + timedelta(minutes=12),
                ambulance_there_at=opened + timedelta(seconds=random.randrange(420, 1_000)),
                confirmed_at=opened,
                closed_at=opened + timedelta(hours=1),
                closed_by=BY,
                outcome=IncidentOutcome.FALSE_ALARM if is_false else IncidentOutcome.HANDED_OVER,
                debriefed_at=opened + timedelta(hours=2),
                followed_up_at=opened + timedelta(days=2),
            )
            session.add(incident)
            session.flush()
            there_at = opened + timedelta(seconds=random.randrange(120, 420))
            session.add(
                Alert(
                    incident_id=incident.id,
                    person_id=random.choice(people)[0],
                    task=Task.DIRECT,
                    p_device_works=0.0,
                    plan_number=1,
                    due_at=there_at,
                    state=AlertState.STOOD_DOWN,
                    key_hash=_digest(_key(random)),
                    asked_at=opened,
                    seen_at=opened + timedelta(seconds=20),
                    accepted_at=opened + timedelta(seconds=40),
                    there_at=there_at,
                    ended_at=opened + timedelta(hours=1),
                )
            )
            if not is_false:
                session.add(_outcome(random, incident))


def _outcome(random: Random, incident: Incident) -> PatientOutcome:
    """Return an invented outcome; of an arrest, with resuscitation attempted."""
    is_arrest, survives = random.random() < 0.7, random.random() < 0.35

    def chance(share: float) -> str:
        return "yes" if random.random() < share else "no"

    rosc = "yes" if survives else chance(0.2)
    return PatientOutcome(
        incident_id=incident.id,
        arrest="yes" if is_arrest else "no",
        resuscitation="yes" if is_arrest else "unknown",
        pathogenesis="medical" if is_arrest else "unknown",
        witnessed=random.choice(("bystander", "bystander", "unwitnessed")) if is_arrest else "unknown",
        location="home" if is_arrest else "unknown",
        bystander_cpr=random.choice(("compressions", "none")) if is_arrest else "unknown",
        dispatcher_cpr="yes" if is_arrest else "unknown",
        bystander_aed=random.choice(("shock", "no_shock", "not_used")) if is_arrest else "unknown",
        first_rhythm=random.choice(("vf", "asystole", "aed_shockable")) if is_arrest else "unknown",
        rosc=rosc if is_arrest else "unknown",
        survived_event=rosc if is_arrest else "unknown",
        survived=("yes" if survives else "no") if is_arrest else "unknown",
        cpc=1 if is_arrest and survives else None,
        reported_by=BY,
        reported_at=incident.opened_at + timedelta(days=40),
    )
