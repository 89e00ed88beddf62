"""Create, amend and withdraw courses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.database.types import require_version
from aed.errors import Conflict, InvalidInput
from aed.issuers.actions import managed_issuer
from aed.registry.changes import (
    flush_or_conflict,
    record_amendment,
    record_creation,
    record_note,
    require_not_null,
)
from aed.training.courses import queries
from aed.training.courses.schemas import CourseAmend, CourseIn
from aed.training.models import Course, Prerequisite
from aed.training.rules import CourseState


def create_course(session: Session, who: Viewer, new: CourseIn, *, at: datetime) -> Course:
    """Create a course. Raise NotSignedIn, NotAllowed, NotFound for a prerequisite, or Conflict."""
    require_administrator(who)
    course = Course(
        **new.model_dump(exclude={"prerequisites"}),
        state=CourseState.OFFERED,
    )
    if new.issuer is not None:
        course.issuer_id = managed_issuer(session, who, new.issuer, at=at).id
    session.add(course)
    flush_or_conflict(session, f"A course with the code '{new.code}' already exists.", "code")
    record_creation(session, who, course, at=at)
    if new.prerequisites:
        _put_prerequisites(session, who, course, new.prerequisites, at=at)
    return course


def amend_course(
    session: Session, who: Viewer, course_id: int, change: CourseAmend, *, version: int, at: datetime
) -> Course:
    """Amend the given fields of a course. Certificates that were awarded stay as they are."""
    require_administrator(who)
    course = queries.course(session, course_id)
    require_version(course, version)
    given = change.model_fields_set
    require_not_null(course, change, given)
    for name in ("issuer", "validity_months"):
        if name in given and (getattr(change, name) is None) != (course.certificate_kind is None):
            raise InvalidInput(
                "A course with a certificate needs issuer and validity_months; a course without "
                "one must not have them.",
                field=name,
            )
    if "prerequisites" in given:
        _put_prerequisites(session, who, course, change.prerequisites or [], at=at)
    if "assessment" in given:
        course.assessment = change.assessment.model_dump() if change.assessment is not None else None
    for name in given - {"prerequisites", "assessment"}:
        setattr(course, name, getattr(change, name))
    if change.issuer is not None:
        course.issuer_id = managed_issuer(session, who, change.issuer, at=at).id
    record_amendment(session, who, course, at=at)
    flush_or_conflict(session, "This change would make the course invalid.", None)
    return course


def withdraw_course(session: Session, who: Viewer, course_id: int, *, version: int, at: datetime) -> Course:
    """Withdraw a course: no new sessions can be planned.

    Planned sessions are still held, and certificates stay valid.
    """
    require_administrator(who)
    course = queries.course(session, course_id)
    require_version(course, version)
    course.state = CourseState.WITHDRAWN
    record_amendment(session, who, course, at=at)
    flush_or_conflict(session, "The course cannot be withdrawn.", None)
    return course


def _put_prerequisites(
    session: Session, who: Viewer, course: Course, codes: Sequence[str], *, at: datetime
) -> None:
    """Replace the prerequisites of a course.

    Raises NotFound for an unknown code, and Conflict for a cycle.
    """
    before = queries.prerequisite_codes(session, course.id)
    needed = {code: queries.course_by_code(session, code) for code in codes}
    if sorted(needed) == before:
        return
    for code, each in needed.items():
        if course.id in _all_needed_by(session, each.id):
            raise Conflict(
                "{code} itself requires {code_2}, so nobody could take either course.",
                field="prerequisites",
                code=code,
                code_2=course.code,
            )
    session.execute(delete(Prerequisite).where(Prerequisite.course_id == course.id))
    session.add_all(Prerequisite(course_id=course.id, needs_id=each.id) for each in needed.values())
    record_note(session, who, course, {"prerequisites": [before or None, sorted(needed) or None]}, at=at)
    flush_or_conflict(session, "These prerequisites are invalid.", "prerequisites")


def _all_needed_by(session: Session, course_id: int) -> set[int]:
    """Return the ids of the course and of all its direct and indirect prerequisites."""
    needed = select(Course.id).where(Course.id == course_id).cte("needed", recursive=True)
    needed = needed.union(select(Prerequisite.needs_id).join(needed, Prerequisite.course_id == needed.c.id))
    return set(session.scalars(select(needed.c.id)))
