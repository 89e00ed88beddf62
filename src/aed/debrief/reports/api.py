"""Route of the after-action report."""

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
    """Get the after-action report of an incident as PDF, in Chinese and English. For dispatchers of the
    region.

    It shows what was planned and done, to learn from; people appear as numbers. An open incident is reported
    as of now.
    """
    content = report_pdf(after_action(session, viewer, incident_id))
    headers = {
        "Content-Disposition": f'inline; filename="incident-{incident_id}.pdf"',
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type="application/pdf", headers=headers)
