"""Routes of the report of a trial."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.http.parameters import RowId
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.trials import queries
from aed.sharing.trials.formats import report_pdf
from aed.sharing.trials.schemas import TrialReportOut

router = APIRouter(tags=["agreements"])


@router.get("/agreements/{agreement_id}/trial-report")
def get_trial_report(session: ReadSession, viewer: ViewerDep, agreement_id: RowId) -> TrialReportOut:
    """Get what a trial brought: uses, times, checks kept, cost, and what residents gained by the preview."""
    agreement = agreement_queries.agreement(session, viewer, agreement_id)
    return TrialReportOut.model_validate(queries.trial_report(session, agreement, at=clock.now()))


@router.get(
    "/agreements/{agreement_id}/trial-report.pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_trial_report_pdf(session: ReadSession, viewer: ViewerDep, agreement_id: RowId) -> Response:
    """Get the report of a trial as a PDF of one page, in Chinese and English."""
    agreement = agreement_queries.agreement(session, viewer, agreement_id)
    now = clock.now()
    found = queries.trial_report(session, agreement, at=now)
    estate = agreement_queries.estate_row(session, agreement.estate_id)
    assert estate is not None
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="aed-trial-{agreement_id}.pdf"',
    }
    content = report_pdf(found, name_en=estate.name_en, name_zh=estate.name_zh, at=now)
    return Response(content, media_type="application/pdf", headers=headers)
