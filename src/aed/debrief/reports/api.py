"""The route of after-action reports."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response

from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.debrief.reports.formats import report_pdf
from aed.debrief.reports.queries import after_action
from aed.http.parameters import RowId

router = APIRouter(tags=["incidents"])

_PDF: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The PDF",
        "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/incidents/{incident_id}/report", response_class=Response, responses=_PDF)
def get_incident_report(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> Response:
    """What was planned and done, in Chinese and English, to learn from: for dispatchers of the region. People
    are calls with a number. Of one that is still open it tells how it stands."""
    content = report_pdf(after_action(session, viewer, incident_id))
    headers = {
        "Content-Disposition": f'inline; filename="incident-{incident_id}.pdf"',
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type="application/pdf", headers=headers)
