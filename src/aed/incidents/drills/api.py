"""Routes of drills, and of the pace computed from them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.incidents.drills import queries
from aed.incidents.drills.actions import estimate_estate_pace, report_drill, withdraw_drill
from aed.incidents.drills.schemas import DrillIn, DrillOut, DrillPage, PaceOut

router = APIRouter(tags=["drills"])


@router.post("/devices/{device_id}/drills")
def record_drill(
    request: Request, session: WriteSession, viewer: ViewerDep, device_id: RowId, new: DrillIn
) -> DrillOut:
    """Record a timed fetch of a device. For people of its estate. The same drill sent again is recorded
    once.
    """
    state = request.app.state
    drill = report_drill(
        session, viewer, device_id, new, network=state.network, settings=state.settings, at=clock.now()
    )
    return DrillOut.of(drill)


@router.get("/devices/{device_id}/drills")
def list_drills(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> DrillPage:
    """List the drills of a device that count, latest first. For people of its estate and dispatchers."""
    found = queries.drills(session, viewer, device_id, limit=limit + 1, before_id=cursor_id(cursor) or None)
    return DrillPage(
        drills=[DrillOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.delete("/drills/{drill_id}", status_code=204, response_class=Response)
def delete_drill(request: Request, session: WriteSession, viewer: ViewerDep, drill_id: RowId) -> None:
    """Withdraw a drill so that it no longer counts. For the person who recorded it, and the estate's
    manager.
    """
    withdraw_drill(session, viewer, drill_id, settings=request.app.state.settings, at=clock.now())


@router.get("/estates/{estate_id}/pace")
def get_pace(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> PaceOut:
    """Get how fast devices are fetched in an estate, by its drills. For its own people and dispatchers."""
    estate, settings = queries.estate_of_insider(session, viewer, estate_id), request.app.state.settings
    return PaceOut.of(estate.id, estimate_estate_pace(session, estate.id, settings), settings)
