"""Courses, which are visible to everyone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import NotFound
from aed.training.models import Course, Prerequisite
from aed.training.rules import CourseState


def course(session: Session, course_id: int) -> Course:
    """Return the course. Raise NotFound if there is none."""
    found = session.get(Course, course_id)
    if found is None:
        raise NotFound("There is no course {course_id}.", field="course_id", course_id=course_id)
    return found


def course_by_code(session: Session, code: str) -> Course:
    """Return the course. Raise NotFound with up to 20 codes of offered courses."""
    found = session.scalar(select(Course).where(Course.code == code))
    if found is None:
        offered = select(Course.code).where(Course.state == CourseState.OFFERED)
        known = list(session.scalars(offered.order_by(Course.code).limit(20)))
        raise NotFound(
            "There is no course '{code}'. Known courses: {value}.",
            field="course",
            code=code,
            value=", ".join(known) or "none yet",
        )
    return found


def courses(session: Session, *, limit: int, after_id: int = 0) -> Sequence[Course]:
    """Return a page of courses in order of id."""
    statement = select(Course).where(Course.id > after_id).order_by(Course.id).limit(limit)
    return session.scalars(statement).all()


def prerequisites(session: Session, course_ids: Sequence[int]) -> dict[int, list[Course]]:
    """Return the prerequisites of each course, in order of code, in one SQL statement."""
    found: dict[int, list[Course]] = defaultdict(list)
    needed = (
        select(Prerequisite.course_id, Course)
        .join(Course, Course.id == Prerequisite.needs_id)
        .where(Prerequisite.course_id.in_(course_ids))
        .order_by(Course.code)
    )
    for course_id, each in session.execute(needed):
        found[course_id].append(each)
    return found


def prerequisite_codes(session: Session, course_id: int) -> list[str]:
    """Return the codes of the course's prerequisites, sorted."""
    return [each.code for each in prerequisites(session, [course_id]).get(course_id, [])]
