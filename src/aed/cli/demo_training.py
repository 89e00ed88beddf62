"""The training of the demo: courses, a year of sessions with results, sessions to come, results to send."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from aed.cli.context import operator
from aed.registry.estates.models import Estate
from aed.training.courses.actions import create_course
from aed.training.courses.schemas import CourseIn
from aed.training.enrolments.actions import enrol
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.models import TrainingSession
from aed.training.rosters.actions import Result, save_results
from aed.training.rules import AttendanceState, MarkedBy
from aed.training.sessions.actions import create_session
from aed.training.sessions.schemas import SessionIn

WEEKS_AGO: Final = (48, 40, 32, 24, 16, 8, 3)
WEEKS_AHEAD: Final = (1, 2, 4)
LEARNERS: Final = ("丁晚舟", "邵听雨", "阮知秋", "苗若谷", "车行之", "莫怀瑾", "白砚之", "洪疏影")
"""Invented; each session of the past has four of them, of whom one does not come."""
CAPACITY: Final = 6


def add_demo_training(session: Session, estate: Estate, *, trainer: str, at: datetime) -> None:
    """Add the sessions of an estate. The next one is full, and people wait for a place.

    visibility: for the operator.
    """
    for course in _COURSES:
        create_course(session, operator(), CourseIn.model_validate(course), at=at - timedelta(weeks=52))
    for number, weeks in enumerate(WEEKS_AGO):
        training = _plan(session, estate, trainer, weeks=-weeks, course=_course(number), at=at)
        ids = _enrol(session, training, number=number, count=4)
        marks = [AttendanceState.ATTENDED] * 3 + [AttendanceState.NO_SHOW]
        results = [
            Result(id_, mark, passed=place < 2 if mark is AttendanceState.ATTENDED else None)
            for place, (id_, mark) in enumerate(zip(ids, marks, strict=True))
        ]
        save_results(session, operator(), training, results, how=MarkedBy.HAND, at=training.ends_at)
    for number, weeks in enumerate(WEEKS_AHEAD):
        training = _plan(session, estate, trainer, weeks=weeks, course=_course(number), at=at)
        _enrol(session, training, number=number, count=CAPACITY + 2 if number == 0 else 3)


def add_demo_results(session: Session, estate: Estate, *, trainer: str, at: datetime) -> None:
    """Add a course of the Red Cross with results that its chapter does not have yet.

    visibility: for the operator.
    """
    course = CourseIn.model_validate(_RED_CROSS_COURSE)
    create_course(session, operator(), course, at=at - timedelta(weeks=52))
    training = _plan(session, estate, trainer, weeks=-2, course=course.code, at=at)
    ids = _enrol(session, training, number=0, count=4)
    results = [Result(id_, AttendanceState.ATTENDED, passed=place < 3) for place, id_ in enumerate(ids)]
    save_results(session, operator(), training, results, how=MarkedBy.HAND, at=training.ends_at)


def _plan(
    session: Session, estate: Estate, trainer: str, *, weeks: int, course: str, at: datetime
) -> TrainingSession:
    """Plan a session on the Saturday of the week that is so many weeks away."""
    zone = ZoneInfo("Asia/Shanghai")
    day = (at + timedelta(weeks=weeks)).astimezone(zone).date()
    day += timedelta(days=5 - day.weekday())
    starts_at = datetime.combine(day, time(9), zone)
    new = {
        "course": course,
        "estate_id": estate.id,
        "audience": "public",
        "trainer": {"name": trainer},
        "place_en": "Residents' club, ground floor",
        "place_zh": "邻里会所一楼",
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=4),
        "capacity": CAPACITY,
        "minimum": 4,
    }
    planned_at = min(at, starts_at - timedelta(days=21))
    return create_session(session, operator(), SessionIn.model_validate(new), at=planned_at)


def _course(number: int) -> str:
    """Return the code of the course of the session with this number: each in turn."""
    return str(_COURSES[number % len(_COURSES)]["code"])


def _enrol(session: Session, training: TrainingSession, *, number: int, count: int) -> list[int]:
    """Enrol some of the learners; return the ids of the enrolments."""
    ids = []
    for place in range(count):
        learner = (number * 3 + place) % len(LEARNERS)
        new = EnrolmentIn(name=LEARNERS[learner], phone=f"+86 100 0000 80{learner:02d}")
        at = training.starts_at - timedelta(days=10 - place)
        ids.append(enrol(session, operator(), training.id, new, at=at).id)
    return ids


_COURSES: Final = (
    {
        "code": "CPR-AED",
        "name_en": "Resuscitation and AED",
        "name_zh": "心肺复苏与除颤",
        "hours": 4,
        "certificate_kind": "cpr_aed",
        "issuer": "Demo training office (invented) 示范培训中心（虚构）",
        "validity_months": 24,
        "refresher_months": 6,
    },
    {"code": "REFRESH", "name_en": "CPR refresher", "name_zh": "心肺复苏复训", "hours": 2},
)
_RED_CROSS_COURSE: Final = {
    "code": "FIRST-AID",
    "name_en": "Red Cross first-aid course",
    "name_zh": "红十字应急救护培训",
    "hours": 16,
    "certificate_kind": "first_aid",
    "issuer": "Lake City Red Cross",
    "validity_months": 36,
}
