"""Routes of the report of a trial, and its schema."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.database.dependencies import ReadSession
from aed.http.parameters import RowId
from aed.sharing.agreements import queries as agreement_queries
from aed.sharing.trials import queries
from aed.sharing.trials.formats import report_pdf


class BandGainOut(BaseModel):
    """People who gained a device within five minutes there and back, on average over the hours."""

    model_config = ConfigDict(from_attributes=True)

    band: str
    residents: float
    outsiders: float


class TrialReportOut(BaseModel):
    """What a trial brought from its first day to its last, or until today."""

    model_config = ConfigDict(from_attributes=True)

    agreement_id: Id
    estate_id: Id
    first_day: date
    last_day: date
    is_over: bool
    devices: int
    uses: int
    fetches: int = Field(description="Times that a person came to a patient with one of the devices")
    median_minutes_there: float | None = Field(description="From the alert to the patient's side")
    longest_minutes_there: float | None
    checks: int
    checks_kept_percent: float = Field(description="Share of days on which a device's check was not overdue")
    cost_open_minor: int = Field(description="In 分 (1/100 yuan), as `cost_paid_minor`")
    cost_paid_minor: int
    cases_waived: int
    preview_id: Id | None
    gains: list[BandGainOut] = Field(description="By the agreement's preview, by part of the week")


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
