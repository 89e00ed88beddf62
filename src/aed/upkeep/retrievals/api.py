"""Routes for retrievals: devices that someone was sent to fetch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.upkeep.filter_parameters import DeviceFilterDep
from aed.upkeep.retrievals import actions, queries
from aed.upkeep.retrievals.schemas import ClosedAsIn, RetrievalIn, RetrievalOut, RetrievalPage

router = APIRouter(tags=["upkeep"])


@router.post("/retrievals")
def create_retrieval(
    request: Request, session: WriteSession, viewer: ViewerDep, new: RetrievalIn
) -> RetrievalOut:
    """Record that someone was sent to fetch a device.

    The person sent and the device's keepers are asked for the outcome. Without an answer, the device is
    eventually quarantined. For dispatchers, and for people and tokens of the device's estate.
    """
    numbers = request.app.state.settings.returns
    return RetrievalOut.of(actions.create_retrieval(session, viewer, new, numbers=numbers, at=clock.now()))


@router.get("/retrievals")
def list_retrievals(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DeviceFilterDep,
    closed: Annotated[bool, Query(description="Include closed retrievals")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> RetrievalPage:
    """List retrievals without an outcome, of the devices that you keep, manage or dispatch."""
    found = queries.retrievals(
        session, viewer, device_filter, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
    )
    return RetrievalPage(
        retrievals=[RetrievalOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.post("/retrievals/{retrieval_id}/outcome")
def close_retrieval(
    session: WriteSession, viewer: ViewerDep, retrieval_id: RowId, given: ClosedAsIn
) -> RetrievalOut:
    """Record the outcome of a retrieval: returned, used, not returned, not fetched or not needed.

    A device that was used or not returned is quarantined until it passes a check.
    """
    found = actions.close_retrieval(session, viewer, retrieval_id, given.outcome, given.note, at=clock.now())
    return RetrievalOut.of(found)
