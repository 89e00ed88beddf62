"""What the training desk says of a session, its month and its roster, and what its forms send."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aed.accounts.free_text import one_line
from aed.errors import InvalidInput
from aed.training.assessments.queries import PersonAssessment
from aed.training.assessments.rules import AssessmentPlan, PartMark, PartMarks
from aed.training.enrolments.queries import RosterRow
from aed.training.models import TrainingSession
from aed.training.queries import SessionPlaces
from aed.training.rosters.actions import MessageGroup, Result
from aed.training.rules import (
    ACTIVE_STATES,
    AttendanceState,
    EnrolmentState,
    SessionState,
    can_sign_in,
)
from aed.training.trainers.rules import SessionWarning
from aed.web.training_desk.queries import TrainingPlace
from aed.web.words import noop

WEEKDAYS: Final = (noop("Mon"), noop("Tue"), noop("Wed"), noop("Thu"), noop("Fri"), noop("Sat"), noop("Sun"))
STATES: Final = {
    SessionState.PLANNED: noop("Planned"),
    SessionState.HELD: noop("Took place"),
    SessionState.CANCELLED: noop("Cancelled"),
}
ENROLMENT_STATES: Final = {
    EnrolmentState.ENROLLED: noop("has a place"),
    EnrolmentState.WAITING: noop("waits"),
    EnrolmentState.OFFERED: noop("a place is offered"),
    EnrolmentState.WITHDRAWN: noop("has withdrawn"),
    EnrolmentState.LAPSED: noop("did not accept in time"),
    EnrolmentState.CANCELLED: noop("session cancelled"),
    EnrolmentState.MOVED: noop("moved to another session"),
}
GROUPS: Final = {
    MessageGroup.ENROLLED: noop("Everyone with a place"),
    MessageGroup.WAITING: noop("The waiting list"),
    MessageGroup.ATTENDED: noop("Those who came"),
    MessageGroup.ABSENT: noop("Those who did not come"),
}
WARNINGS: Final = {
    SessionWarning.TOO_FEW_TRAINERS: noop("Too few trainers for so many learners."),
    SessionWarning.TOO_FEW_MANIKINS: noop("Too few manikins for so many learners."),
    SessionWarning.TRAINER_GRADE_EXPIRED: noop("The trainer's grade is not valid on that day."),
    SessionWarning.TRAINER_GRADE_MISSING: noop(
        "The issuer demands a trainer with a grade, and none is recorded."
    ),
}
"""States, groups and warnings in English; translate them."""
BAD_MARK: Final = noop("Enter scores as whole numbers from 0 to 100.")
BAD_TIMES: Final = noop("Give the day, the start and the end of the session.")
BAD_POSITION: Final = noop("Give the position as latitude and longitude, such as 30.2948, 120.0982.")


@dataclass(frozen=True, slots=True)
class SessionLine:
    """A session in the calendar and the list; words are {"en", "zh"}."""

    id: int
    day: date
    weekday: str
    time: str
    course: dict[str, str]
    place: dict[str, str]
    estate: dict[str, str | None]
    trainer: str
    held: int
    capacity: int
    waiting: int
    below_minimum: int
    """How many more people are needed; 0 once the session has begun."""
    state: SessionState


@dataclass(frozen=True, slots=True)
class Month:
    """A month as weeks of days, each with its sessions."""

    first: date
    weeks: list[list[date]]
    sessions: Mapping[date, list[SessionLine]]

    @property
    def before(self) -> str:
        return f"{self.first - timedelta(days=1):%Y-%m}"

    @property
    def after(self) -> str:
        return f"{self.first + timedelta(days=31):%Y-%m}"


@dataclass(frozen=True, slots=True)
class Roster:
    """The people of a session: with a place, waiting, and those who left."""

    placed: list[RosterRow]
    waiting: list[RosterRow]
    left: list[RosterRow]
    came: int
    absent: int
    passed: int
    certificates: int
    is_open: bool
    """Whether attendance and results can be recorded."""


def month_in(text: str, today: date) -> date:
    """Return the first day of the month written as `2027-05`; this month if the text is not one."""
    try:
        found = date.fromisoformat(f"{text}-01")
    except ValueError:
        return today.replace(day=1)
    return found if 2000 <= found.year <= 2100 else today.replace(day=1)


def span_of(first: date) -> tuple[date, date]:
    """Return the first day shown in the calendar of a month, and the day after the last."""
    days = list(calendar.Calendar().itermonthdates(first.year, first.month))
    return days[0], days[-1] + timedelta(days=1)


def month_of(first: date, lines: Sequence[SessionLine]) -> Month:
    """Return the calendar of a month with these sessions."""
    by_day: dict[date, list[SessionLine]] = {}
    for line in lines:
        by_day.setdefault(line.day, []).append(line)
    return Month(first, calendar.Calendar().monthdatescalendar(first.year, first.month), by_day)


def session_line(training: TrainingSession, places: SessionPlaces, *, at: datetime) -> SessionLine:
    """Return a session as it is listed."""
    zone = ZoneInfo(training.time_zone)
    starts, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    is_ahead = training.state is SessionState.PLANNED and at < training.starts_at
    estate = training.estate
    return SessionLine(
        id=training.id,
        day=starts.date(),
        weekday=WEEKDAYS[starts.weekday()],
        time=f"{starts:%H:%M}–{ends:%H:%M}",
        course={"en": training.course.name_en, "zh": training.course.name_zh},
        place={"en": training.place_en, "zh": training.place_zh},
        estate={"en": estate.name_en, "zh": estate.name_zh} if estate is not None else {},
        trainer=training.trainer.name if training.trainer is not None else "",
        held=places.held,
        capacity=training.capacity,
        waiting=places.waiting,
        below_minimum=max(0, training.minimum - places.held) if is_ahead else 0,
        state=training.state,
    )


def roster_of(training: TrainingSession, rows: Sequence[RosterRow], *, at: datetime) -> Roster:
    """Return the roster of a session as it is shown at `at`."""
    placed = [each for each in rows if each.state is EnrolmentState.ENROLLED]
    return Roster(
        placed=placed,
        waiting=[
            each for each in rows if each.state in ACTIVE_STATES and each.state is not EnrolmentState.ENROLLED
        ],
        left=[each for each in rows if each.state not in ACTIVE_STATES],
        came=sum(each.attendance is AttendanceState.ATTENDED for each in placed),
        absent=sum(each.attendance is AttendanceState.NO_SHOW for each in placed),
        passed=sum(each.passed is True for each in placed),
        certificates=sum(each.certificate is not None for each in placed),
        is_open=training.state is not SessionState.CANCELLED and can_sign_in(at, training.starts_at),
    )


def local_time(moment: datetime, time_zone: str) -> str:
    """Format a moment in the time zone of its session."""
    return f"{moment.astimezone(ZoneInfo(time_zone)):%Y-%m-%d %H:%M}"


# --- Forms ----------------------------------------------------------------------------------------------


def fields_of(training: TrainingSession) -> dict[str, str]:
    """Return the fields of the form of a session."""
    zone = ZoneInfo(training.time_zone)
    starts, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    return {
        "trainer": training.trainer.name if training.trainer is not None else "",
        "audience": training.audience.value,
        "place_zh": training.place_zh,
        "place_en": training.place_en,
        "language": training.language,
        "day": f"{starts:%Y-%m-%d}",
        "starts": f"{starts:%H:%M}",
        "ends": f"{ends:%H:%M}",
        "capacity": str(training.capacity),
        "minimum": str(training.minimum),
        "trainers": str(training.trainers),
        "manikins": "" if training.manikins is None else str(training.manikins),
    }


def empty_fields(tomorrow: date) -> dict[str, str]:
    """Return the fields of the form of a new session."""
    return {
        "day": f"{tomorrow:%Y-%m-%d}",
        "starts": "09:00",
        "ends": "13:00",
        "capacity": "20",
        "minimum": "6",
        "trainers": "1",
        "manikins": "",
        "language": "zh",
        "audience": "estate",
    }


def times_in(typed: Mapping[str, str], time_zone: str) -> dict[str, datetime]:
    """Return `starts_at` and `ends_at` of a form. Raises InvalidInput if they cannot be read."""
    zone = ZoneInfo(time_zone)
    try:
        day = date.fromisoformat(typed.get("day", ""))
        starts, ends = time.fromisoformat(typed.get("starts", "")), time.fromisoformat(typed.get("ends", ""))
    except ValueError:
        raise InvalidInput(BAD_TIMES, field="day") from None
    return {
        "starts_at": datetime.combine(day, starts.replace(tzinfo=None), zone),
        "ends_at": datetime.combine(day, ends.replace(tzinfo=None), zone),
    }


def new_session(typed: Mapping[str, str], place: TrainingPlace) -> dict[str, Any]:
    """Return the fields of a new session as the API has them. Raises InvalidInput."""
    audience = typed.get("audience", "estate") if place.estate_id is not None else "public"
    where: dict[str, Any] = (
        {"estate_id": place.estate_id} if place.estate_id is not None else {"region": place.region}
    )
    return {
        **where,
        "course": typed.get("course", ""),
        "audience": audience,
        **_common(typed, place.time_zone),
        **({"position": position} if (position := _position(typed.get("position", ""))) else {}),
    }


def changes(typed: Mapping[str, str], before: TrainingSession) -> dict[str, Any]:
    """Return what a form changes of a session, as the API has it. Raises InvalidInput."""
    shown = fields_of(before)
    names = {name for name in shown if typed.get(name, "") != shown[name]}
    given = _common(typed, before.time_zone) | {"audience": typed.get("audience", before.audience.value)}
    if names & {"day", "starts", "ends"}:
        names |= {"starts_at", "ends_at"}
    found = {name: value for name, value in given.items() if name in names}
    if "trainer" in names and not typed.get("trainer"):
        found["trainer"] = None
    if position := _position(typed.get("position", "")):
        found["position"] = position
    return found


def _common(typed: Mapping[str, str], time_zone: str) -> dict[str, Any]:
    trainer = typed.get("trainer", "")
    given: dict[str, Any] = {
        "trainer": {"name": trainer, "phone": typed.get("trainer_phone") or None} if trainer else None,
        "place_en": typed.get("place_en") or None,
        "place_zh": typed.get("place_zh") or None,
        "language": typed.get("language", "zh"),
        "capacity": typed.get("capacity", ""),
        "minimum": typed.get("minimum", ""),
        "trainers": typed.get("trainers") or 1,
        "manikins": typed.get("manikins") or None,
    }
    return given | times_in(typed, time_zone)


def _position(text: str) -> dict[str, str] | None:
    """Return a position typed as `30.2948, 120.0982`; None if none is given."""
    parts = [part.strip() for part in text.replace("，", ",").split(",")]
    if len(parts) == 2 and all(parts):
        return {"lat": parts[0], "lon": parts[1]}
    if any(parts):
        raise InvalidInput(BAD_POSITION, field="position")
    return None


def results_in(
    typed: Mapping[str, str],
    rows: Sequence[RosterRow],
    assessments: Mapping[int, PersonAssessment],
    plan: AssessmentPlan | None,
) -> list[Result]:
    """Return the attendance, marks and results that a form changes. Raises InvalidInput."""
    found = []
    for row in rows:
        attendance = typed.get(f"attendance-{row.id}", "")
        passed = {"passed": True, "failed": False}.get(typed.get(f"result-{row.id}", ""))
        note = one_line(typed.get(f"note-{row.id}", "")).strip() or None
        state = AttendanceState(attendance) if attendance in AttendanceState else None
        is_assessed = passed is not None and (passed, note) != (row.passed, row.note)
        parts = _parts_in(typed.get(f"parts-{row.id}", ""), row)
        marks: dict[str, PartMark] = {}
        attempt = None
        if plan is not None:
            before = assessments[row.id]
            is_retake = before.can_retake and bool(typed.get(f"retake-{row.id}"))
            attempt = len(before.attempts) + is_retake or None
            marks = _marks_in(typed, row.id, plan, {} if is_retake else before.marks)
            if is_retake:  # fields of parts that were passed are sent too, unchanged
                marks = {code: mark for code, mark in marks.items() if code in before.parts_to_take}
        if (state is not None and state is not row.attendance) or is_assessed or marks or parts is not None:
            found.append(
                Result(row.id, state, passed if is_assessed else None, note, marks or None, attempt, parts)
            )
    return found


def _parts_in(text: str, row: RosterRow) -> int | None:
    """Return for how many parts a person was present, if the form changes that."""
    parts = int(text) if text.isdecimal() and len(text) < 4 else None
    return None if parts == row.parts_present else parts


def _marks_in(
    typed: Mapping[str, str], row_id: int, plan: AssessmentPlan, before: PartMarks
) -> dict[str, PartMark]:
    """Return the marks of a person that a form changes. Raises InvalidInput for a score that is no number."""
    found: dict[str, PartMark] = {}
    for part in plan.parts:
        text = typed.get(f"mark-{row_id}-{part.code}", "")
        if not text:
            continue
        mark: PartMark
        if part.pass_mark is None:
            mark = text == "passed"
        elif text.isdecimal() and len(text) < 4:
            mark = int(text)
        else:
            raise InvalidInput(BAD_MARK, field=part.code)
        if before.get(part.code) != mark:
            found[part.code] = mark
    return found
