"""Routes of previews."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.planning.coverage import actions
from aed.planning.coverage.formats import preview_pdf
from aed.planning.coverage.schemas import (
    PreviewLine,
    PreviewOut,
    PreviewPage,
    RegionPreviewOut,
    RegionStepIn,
    StepIn,
)

router = APIRouter(tags=["planning"])


@router.post("/estates/{estate_id}/coverage-previews", status_code=201)
def create_coverage_preview(
    request: Request,
    response: Response,
    session: WriteSession,
    viewer: ViewerDep,
    estate_id: RowId,
    step: StepIn,
) -> PreviewOut:
    """Preview what a proposed step of an estate gives and gets; the preview is kept with its inputs.

    For managers of the estate. Nothing else changes. Intervals, never a promise.
    """
    state = request.app.state
    made = actions.make_preview(
        session, viewer, estate_id, step, network=state.network, settings=state.settings, at=clock.now()
    )
    response.headers["Location"] = f"/v1/coverage-previews/{made.id}"
    return actions.preview_out(*actions.preview(session, viewer, made.id))


@router.get("/estates/{estate_id}/coverage-previews")
def list_coverage_previews(
    session: ReadSession, viewer: ViewerDep, estate_id: RowId, limit: Limit = 20, cursor: Cursor = None
) -> PreviewPage:
    """List the previews of an estate, latest first. For its people, and those of the region."""
    found = actions.previews(session, viewer, estate_id, limit=limit + 1, before_id=cursor_id(cursor) or None)
    return PreviewPage(
        previews=[
            PreviewLine(
                id=each.id,
                made_at=each.made_at,
                audience=each.inputs["step"]["audience"],
                hours=each.inputs["step"]["hours"],
                devices=len([one for one in each.result["devices"] if one["is_proposed"]]),
                inputs_hash=each.inputs_hash,
            )
            for each in found[:limit]
        ],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/coverage-previews/{preview_id}")
def get_coverage_preview(session: ReadSession, viewer: ViewerDep, preview_id: RowId) -> PreviewOut:
    """Get one preview. For people of its estate, and of the region."""
    return actions.preview_out(*actions.preview(session, viewer, preview_id))


@router.get(
    "/coverage-previews/{preview_id}/pdf",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_coverage_preview_pdf(session: ReadSession, viewer: ViewerDep, preview_id: RowId) -> Response:
    """Get a preview as a PDF of one page, in Chinese and English. For people of the estate and its region."""
    out = actions.preview_out(*actions.preview(session, viewer, preview_id))
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Disposition": f'attachment; filename="aed-coverage-{preview_id}.pdf"',
    }
    return Response(preview_pdf(out), media_type="application/pdf", headers=headers)


@router.post("/region-previews", status_code=202)
def create_region_preview(
    response: Response, session: WriteSession, viewer: ViewerDep, step: RegionStepIn
) -> RegionPreviewOut:
    """Ask for a preview of the same step by every estate of a region; a job computes it within minutes.

    For managers and administrators of the region. Nothing else changes. Intervals, never a promise.
    """
    made, region = actions.ask_region_preview(session, viewer, step, at=clock.now())
    response.headers["Location"] = f"/v1/region-previews/{made.id}"
    return actions.region_preview_out(made, region)


@router.get("/region-previews/{region_preview_id}")
def get_region_preview(session: ReadSession, viewer: ViewerDep, region_preview_id: RowId) -> RegionPreviewOut:
    """Get a preview of a region: how many estates are done, and the result once all are.

    For managers and administrators of the region.
    """
    return actions.region_preview_out(*actions.region_preview(session, viewer, region_preview_id))
