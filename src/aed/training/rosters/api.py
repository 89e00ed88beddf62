"""Routes to record attendance and assessments, and to download and import a session's roster."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database, read_session, transaction
from aed.http.parameters import set_etag
from aed.imports.formats.files import GB18030
from aed.imports.formats.marked import write_marked
from aed.imports.formats.table import TEMPLATES, TemplateFormat
from aed.imports.uploads import (
    FILE_BODY,
    RosterOut,
    UploadedFile,
    uploaded_file,
)
from aed.registry.changes import PutOutcome
from aed.training import queries as session_queries
from aed.training.parameters import SessionId
from aed.training.permissions import require_trainer, require_write
from aed.training.rosters import actions as roster_actions
from aed.training.rosters.schemas import AssessmentIn, AttendanceIn
from aed.training.rosters.sheet_actions import RosterReport, export_roster, import_roster
from aed.training.rules import MarkedBy


class MarkedOut(BaseModel):
    """How many results changed and how many were already recorded."""

    changed: int
    unchanged: int


router = APIRouter(tags=["training"])

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_MEDIA: Final = {ending: template.media_type for ending, template in TEMPLATES.items()}
_AS_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The sheet",
        "content": {media.partition(";")[0]: _FILE for media in _MEDIA.values()},
    }
}
SAID: Final = "AED-Report"
"""The response header with the counts of an import, sent with the returned sheet."""


@router.post("/sessions/{session_id}/attendance")
def record_attendance(
    session: WriteSession, viewer: ViewerDep, session_id: SessionId, given: AttendanceIn, response: Response
) -> MarkedOut:
    """Record who attended and who did not.

    Possible from two hours before the session begins. Repeating the request changes nothing.
    """
    rows = [
        roster_actions.Result(row.enrolment_id, attendance=row.attendance, parts_present=row.parts_present)
        for row in given.rows
    ]
    return _marked(session, viewer, session_id, rows, response)


@router.post("/sessions/{session_id}/assessments")
def record_assessments(
    session: WriteSession, viewer: ViewerDep, session_id: SessionId, given: AssessmentIn, response: Response
) -> MarkedOut:
    """Record who passed and who did not, or the marks of theory and practical stations.

    The people must have attended. A course with an assessment plan is passed once each part is passed.
    Passing awards the certificate of the course.
    """
    rows = [roster_actions.result_of(row) for row in given.rows]
    return _marked(session, viewer, session_id, rows, response, assessor=given.assessor)


def _marked(
    session: Session,
    viewer: Viewer,
    session_id: int,
    rows: list[roster_actions.Result],
    response: Response,
    *,
    assessor: str | None = None,
) -> MarkedOut:
    """Record the results and return how many changed."""
    at = clock.now()
    training = roster_actions.open_for_results(session, viewer, session_id, at=at)
    outcomes = roster_actions.save_results(
        session, viewer, training, rows, how=MarkedBy.HAND, at=at, assessor=assessor
    )
    set_etag(response, training.version)
    unchanged = outcomes.count(PutOutcome.UNCHANGED)
    return MarkedOut(changed=len(outcomes) - unchanged, unchanged=unchanged)


# --- The roster as a sheet ------------------------------------------------------------------------------


@router.get("/sessions/{session_id}/roster.{ending}", response_class=Response, responses=_AS_FILE)
def get_session_roster(
    session: ReadSession, viewer: ViewerDep, session_id: SessionId, ending: TemplateFormat
) -> Response:
    """Download a session's roster.

    The sheet is filled in by hand and sent back to `POST …/roster`. Requires a trainer of the session.
    """
    with tempfile.TemporaryDirectory(prefix="aed-roster-") as folder:
        path = Path(folder) / f"roster.{ending.value}"
        export_roster(session, viewer, session_id, path)
        return _sheet(path.read_bytes(), ending, f"session-{session_id}.{ending.value}", {})


@router.post(
    "/sessions/{session_id}/roster",
    response_model=RosterOut,
    openapi_extra=FILE_BODY,
    responses={200: {"content": _AS_FILE[200]["content"], "description": "As JSON, or as the sheet marked"}},
)
async def import_session_roster(
    request: Request,
    database: DatabaseDep,
    viewer: ViewerDep,
    session_id: SessionId,
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
    marked: Annotated[
        TemplateFormat | None,
        Query(description="Answer with the sheet itself, what is wrong beside each row and in its cell"),
    ] = None,
) -> RosterOut | Response:
    """Import attendance and results from a filled-in roster, as `aed sessions results` does.

    The body is XLSX, or CSV in UTF-8 or GB18030. Valid rows are imported even if others are not; importing
    the same file again changes nothing. Requires a trainer of the session.
    """
    await run_in_threadpool(_require_trainer_of, database, viewer, session_id)
    async with uploaded_file(request, name=name) as sent:
        return await run_in_threadpool(_import_roster, database, viewer, session_id, sent, marked)


def _require_trainer_of(database: Database, viewer: Viewer, session_id: int) -> None:
    """Require permission before the file is stored."""
    require_write(viewer)
    with read_session(database) as session:
        training = session_queries.training_session(session, viewer, session_id)
        require_trainer(viewer, training.estate_id, training.region_id)


def _import_roster(
    database: Database, viewer: Viewer, session_id: int, sent: UploadedFile, marked: TemplateFormat | None
) -> RosterOut | Response:
    with transaction(database) as session:
        report = import_roster(session, viewer, session_id, sent.path, at=clock.now())
    if marked is None or report.first is None:
        return RosterOut.of(report, file=sent.path.name)
    return _marked_sheet(sent.path, report, marked)


def _marked_sheet(path: Path, report: RosterReport, ending: TemplateFormat) -> Response:
    assert report.first is not None
    out = path.with_name(f"{path.stem}-marked.{ending.value}")
    write_marked(path, out, report.marks(), first=report.first, encodings=(GB18030,))
    counts = {
        SAID: f"new={report.new}, changed={report.changed}, unchanged={report.unchanged}, "
        f"not_taken={len(report.bad)}"
    }
    return _sheet(out.read_bytes(), ending, f"roster-marked.{ending.value}", counts)


def _sheet(content: bytes, ending: TemplateFormat, name: str, headers: dict[str, str]) -> Response:
    headers |= {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type=_MEDIA[ending], headers=headers)
