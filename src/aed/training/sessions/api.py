"""Routes for training sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Moment
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.geo import BoundingBox
from aed.http.parameters import (
    Bbox,
    IfMatch,
    Limit,
    OfEstate,
    OfRegion,
    parse_bbox,
    set_etag,
    version_from_if_match,
)
from aed.registry.changes import RegistryChangeOut, changes_of
from aed.registry.fields import Link
from aed.training import queries
from aed.training.models import TrainingSession
from aed.training.parameters import ReasonText, SessionId
from aed.training.permissions import require_trainer
from aed.training.sessions import actions
from aed.training.sessions.schemas import SessionAmend, SessionIn, SessionOut, SessionPage
from aed.training.trainers.queries import warnings_for

router = APIRouter(tags=["training"])


PageAfter = Annotated[
    str | None,
    Query(
        pattern="^[0-9]{1,16}-[0-9]{1,18}$", description="From the link with rel=next of the previous page"
    ),
]


@router.get("/sessions")
def list_sessions(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    bbox: Bbox = None,
    estate_id: OfEstate = None,
    region: OfRegion = None,
    course: Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9._:-]+$")] = None,
    language: Annotated[Literal["zh", "en"] | None, Query()] = None,
    starts_from: Annotated[Moment | None, Query(description="Default: from now on")] = None,
    starts_before: Annotated[Moment | None, Query()] = None,
    limit: Limit = 100,
    cursor: PageAfter = None,
) -> SessionPage:
    """List training sessions visible to you, earliest first, one page at a time."""
    found = queries.training_sessions(
        session,
        viewer,
        limit=limit + 1,
        after=_parse_cursor(cursor),
        starts_from=starts_from or clock.now(),
        starts_before=starts_before,
        box=BoundingBox(*parse_bbox(bbox)) if bbox is not None else None,
        estate_id=estate_id,
        region=region,
        language=language,
        course=course,
    )
    places = queries.places(session, [each.id for each in found])
    warnings = warnings_for(session, viewer, found[:limit], places)
    page = SessionPage(
        sessions=[
            SessionOut.of(each, places[each.id], viewer, warnings.get(each.id, ())) for each in found[:limit]
        ]
    )
    if len(found) > limit:
        last = found[limit - 1]
        following = request.url.include_query_params(
            cursor=f"{(last.starts_at - _EPOCH) // _MICROSECOND}-{last.id}",
            starts_from=(starts_from or last.starts_at).isoformat(),
        )
        page.links.append(Link(rel="next", href=f"{following.path}?{following.query}"))
    return page


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def _parse_cursor(cursor: str | None) -> queries.After | None:
    """Parse a page cursor."""
    if cursor is None:
        return None
    microseconds, _, id_ = cursor.partition("-")
    return queries.After(_EPOCH + int(microseconds) * _MICROSECOND, int(id_))


@router.get("/sessions/{session_id}")
def get_session(
    session: ReadSession, viewer: ViewerDep, session_id: SessionId, response: Response
) -> SessionOut:
    """Get a training session."""
    return _session_response(session, viewer, queries.training_session(session, viewer, session_id), response)


@router.post("/sessions", status_code=201)
def create_session(
    session: WriteSession, viewer: ViewerDep, new: SessionIn, response: Response
) -> SessionOut:
    """Plan a session. For those who run the training of its estate or region."""
    created = actions.create_session(session, viewer, new, at=clock.now())
    response.headers["Location"] = f"/v1/sessions/{created.id}"
    return _session_response(session, viewer, created, response)


@router.patch("/sessions/{session_id}")
def amend_session(
    session: WriteSession,
    viewer: ViewerDep,
    session_id: SessionId,
    change: SessionAmend,
    response: Response,
    if_match: IfMatch = None,
) -> SessionOut:
    """Amend a session. Refused with 412 if it has changed since it was read."""
    training = actions.amend_session(
        session, viewer, session_id, change, version=version_from_if_match(if_match), at=clock.now()
    )
    return _session_response(session, viewer, training, response)


@router.delete("/sessions/{session_id}", status_code=204)
def cancel_session(
    session: WriteSession,
    viewer: ViewerDep,
    session_id: SessionId,
    reason: Annotated[
        ReasonText, Query(description="The reason, sent to everyone who enrolled")
    ] = "It cannot be held.",
    if_match: IfMatch = None,
) -> None:
    """Cancel a session and all of its enrolments. The people are notified."""
    actions.cancel_session(
        session, viewer, session_id, reason=reason, version=version_from_if_match(if_match), at=clock.now()
    )


@router.get("/sessions/{session_id}/history")
def list_session_history(
    session: ReadSession, viewer: ViewerDep, session_id: SessionId
) -> list[RegistryChangeOut]:
    """List the changes of a session, newest first. For those who run it."""
    training = queries.training_session(session, viewer, session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    found = changes_of(session, subject="training_sessions", subject_id=str(training.id))
    return [RegistryChangeOut.of(change) for change in found]


def _session_response(
    session: Session, viewer: Viewer, training: TrainingSession, response: Response
) -> SessionOut:
    """Return the session as a response, with its ETag."""
    set_etag(response, training.version)
    places = queries.places_of(session, training.id)
    warnings = warnings_for(session, viewer, [training], {training.id: places})
    return SessionOut.of(training, places, viewer, warnings.get(training.id, ()))
