"""Routes of drills, and of the pace that follows from them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, after
from aed.incidents.drills import queries
from aed.incidents.drills.actions import estimate_estate_pace, report_drill, withdraw_drill
from aed.incidents.drills.schemas import DrillIn, DrillOut, DrillPage, PaceOut

router = APIRouter(tags=["drills"])


@router.post("/devices/{device_id}/drills")
def record_drill(
    request: Request, session: WriteSession, viewer: ViewerDep, device_id: RowId, new: DrillIn
) -> DrillOut:
    """Somebody has fetched the device, and timed it. For people of its estate. The same one sent again
    changes nothing and is answered alike."""
    state = request.app.state
    drill = report_drill(
        session, viewer, device_id, new, network=state.network, settings=state.settings, at=clock.now()
    )
    return DrillOut.of(drill)


@router.get("/devices/{device_id}/drills")
def list_drills(
    session: ReadSession, viewer: ViewerDep, device_id: RowId, limit: Limit = 100, cursor: Cursor = None
) -> DrillPage:
    """The drills of a device that count, the last told first; for its own people and its dispatchers."""
    found = queries.drills(session, viewer, device_id, limit=limit + 1, before_id=after(cursor) or None)
    return DrillPage(
        drills=[DrillOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.delete("/drills/{drill_id}", status_code=204, response_class=Response)
def delete_drill(request: Request, session: WriteSession, viewer: ViewerDep, drill_id: RowId) -> None:
    """It was no such fetch after all: it does not count. For whoever told of it, and the estate's manager."""
    withdraw_drill(session, viewer, drill_id, settings=request.app.state.settings, at=clock.now())


@router.get("/estates/{estate_id}/pace")
def get_pace(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> PaceOut:
    """How fast a device is fetched there, by its drills; for the estate's own people and its dispatchers."""
    estate, settings = queries.estate_of_insider(session, viewer, estate_id), request.app.state.settings
    return PaceOut.of(estate.id, estimate_estate_pace(session, estate.id, settings), settings)
