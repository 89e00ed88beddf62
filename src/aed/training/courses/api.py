"""Routes for courses."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, IfMatch, Limit, cursor_id, set_etag, version_from_if_match
from aed.training.courses import actions, queries
from aed.training.courses.schemas import CourseAmend, CourseIn, CourseOut
from aed.training.models import Course

router = APIRouter(tags=["training"])


CourseId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/courses")
def list_courses(session: ReadSession, limit: Limit = 100, cursor: Cursor = None) -> list[CourseOut]:
    """List courses in order of id, including withdrawn ones.

    The result is the same for everyone. `cursor` is the last id of the previous page.
    """
    found = queries.courses(session, limit=limit, after_id=cursor_id(cursor))
    needed = queries.prerequisites(session, [each.id for each in found])
    return [CourseOut.of(each, [course.code for course in needed.get(each.id, [])]) for each in found]


@router.get("/courses/{course_id}")
def get_course(session: ReadSession, course_id: CourseId, response: Response) -> CourseOut:
    """Get a course."""
    return _course_response(session, queries.course(session, course_id), response)


@router.post("/courses", status_code=201)
def create_course(session: WriteSession, viewer: ViewerDep, new: CourseIn, response: Response) -> CourseOut:
    """Create a course. For administrators."""
    created = actions.create_course(session, viewer, new, at=clock.now())
    response.headers["Location"] = f"/v1/courses/{created.id}"
    return _course_response(session, created, response)


@router.patch("/courses/{course_id}")
def amend_course(
    session: WriteSession,
    viewer: ViewerDep,
    course_id: CourseId,
    change: CourseAmend,
    response: Response,
    if_match: IfMatch = None,
) -> CourseOut:
    """Amend a course. Refused with 412 if it has changed since it was read. For administrators."""
    course = actions.amend_course(
        session, viewer, course_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    return _course_response(session, course, response)


@router.delete("/courses/{course_id}", status_code=204)
def withdraw_course(
    session: WriteSession, viewer: ViewerDep, course_id: CourseId, if_match: IfMatch = None
) -> None:
    """Withdraw a course. For administrators.

    No new sessions can be planned; certificates that were awarded stay valid.
    """
    actions.withdraw_course(
        session, viewer, course_id, version=version_from_if_match(if_match), at=clock.now()
    )


def _course_response(session: Session, course: Course, response: Response) -> CourseOut:
    """Return the course as a response, with its ETag."""
    set_etag(response, course.version)
    return CourseOut.of(course, queries.prerequisite_codes(session, course.id))
