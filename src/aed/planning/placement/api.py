"""The route of placement."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.planning.placement import queries
from aed.planning.placement.formats import MEDIA_TYPES, PlacementFormat, out_of, written
from aed.planning.placement.schemas import PlacementIn, PlacementOut

router = APIRouter(tags=["planning"])

_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            MEDIA_TYPES[PlacementFormat.GEOJSON]: {"schema": {"type": "object"}},
            MEDIA_TYPES[PlacementFormat.XLSX]: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}


@router.post("/placement", response_model=PlacementOut, responses=_FORMS)
def rank_placements(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    question: PlacementIn,
    form: Annotated[PlacementFormat, Query(alias="format")] = PlacementFormat.JSON,
) -> Response:
    """Rank what to open, buy and move in a region, within a budget.

    For managers and administrators of the region. Nothing is kept or changed. The answer is optimal or states
    its gap, and may take up to `max_seconds` and the walks. Estimates compare choices and promise nothing.
    """
    state = request.app.state
    answer = queries.place(
        session,
        viewer,
        question,
        network=state.network,
        settings=state.settings,
        today=clock.now().date(),
    )
    headers = {"Cache-Control": "private, no-store"}
    if form is not PlacementFormat.JSON:
        headers["Content-Disposition"] = f'attachment; filename="aed-placement.{form.value}"'
    return Response(written(out_of(answer), form), media_type=MEDIA_TYPES[form], headers=headers)
