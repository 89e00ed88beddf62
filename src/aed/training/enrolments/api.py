"""Routes for enrolments."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, IfMatch, Limit, cursor_id, set_etag, version_from_if_match
from aed.registry.changes import RegistryChangeOut, changes_of
from aed.registry.fields import Link
from aed.training import queries as session_queries
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments import queries as enrolment_queries
from aed.training.enrolments.schemas import EnrolmentAmend, EnrolmentIn, EnrolmentOut, EnrolmentPage
from aed.training.parameters import SessionId
from aed.training.permissions import require_write

router = APIRouter(tags=["training"])


EnrolmentId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/sessions/{session_id}/enrolments")
def list_enrolments(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    session_id: SessionId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> EnrolmentPage:
    """List the enrolments of a session.

    Returns the roster and the waiting list in order of arrival, including people who left. Those who run the
    session see everyone; other estates see the people whom they enrolled.
    """
    require_write(viewer)
    training = session_queries.training_session(session, viewer, session_id)
    found = enrolment_queries.roster(
        session, viewer, training.id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    page = EnrolmentPage(enrolments=[EnrolmentOut.of(row) for row in found[:limit]])
    if len(found) > limit:
        following = request.url.include_query_params(cursor=found[limit - 1].id)
        page.links.append(Link(rel="next", href=f"{following.path}?{following.query}"))
    return page


@router.post("/sessions/{session_id}/enrolments", status_code=201)
def enrol(
    session: WriteSession,
    viewer: ViewerDep,
    session_id: SessionId,
    new: EnrolmentIn,
    response: Response,
) -> EnrolmentOut:
    """Enrol a person: a place if one is free, otherwise the end of the waiting list."""
    made = enrolment_actions.enrol(session, viewer, session_id, new, at=clock.now())
    response.headers["Location"] = f"/v1/enrolments/{made.id}"
    return _enrolment_response(session, viewer, made.id, response)


@router.get("/enrolments/{enrolment_id}")
def get_enrolment(
    session: ReadSession, viewer: ViewerDep, enrolment_id: EnrolmentId, response: Response
) -> EnrolmentOut:
    """Get an enrolment. For those who run the session and those who enrolled the person."""
    require_write(viewer)
    return _enrolment_response(session, viewer, enrolment_id, response)


@router.patch("/enrolments/{enrolment_id}")
def amend_enrolment(
    session: WriteSession,
    viewer: ViewerDep,
    enrolment_id: EnrolmentId,
    change: EnrolmentAmend,
    response: Response,
    if_match: IfMatch = None,
) -> EnrolmentOut:
    """Accept an offered place, withdraw, or move to another session.

    Set `state` to `enrolled` to accept or to `withdrawn` to withdraw. Set `session_id` to move; the response
    is then the new enrolment.
    """
    version, at = version_from_if_match(if_match), clock.now()
    if change.session_id is not None:
        moved = enrolment_actions.move(
            session, viewer, enrolment_id, to_session_id=change.session_id, version=version, at=at
        )
        response.headers["Content-Location"] = f"/v1/enrolments/{moved.id}"
        return _enrolment_response(session, viewer, moved.id, response)
    do = enrolment_actions.accept if change.state == "enrolled" else enrolment_actions.withdraw
    do(session, viewer, enrolment_id, version=version, at=at)
    return _enrolment_response(session, viewer, enrolment_id, response)


@router.get("/enrolments/{enrolment_id}/history")
def list_enrolment_history(
    session: ReadSession, viewer: ViewerDep, enrolment_id: EnrolmentId
) -> list[RegistryChangeOut]:
    """List the changes of an enrolment, newest first. For those who can see the enrolment."""
    require_write(viewer)
    row = enrolment_queries.roster_row(session, viewer, enrolment_id)
    return [
        RegistryChangeOut.of(change)
        for change in changes_of(session, subject="enrolments", subject_id=str(row.id))
    ]


def _enrolment_response(
    session: Session, viewer: Viewer, enrolment_id: int, response: Response
) -> EnrolmentOut:
    """Return the enrolment as a response, with its ETag."""
    row = enrolment_queries.roster_row(session, viewer, enrolment_id)
    set_etag(response, row.version)
    return EnrolmentOut.of(row)
