"""Routes of devices that somebody was sent for."""

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
    """Somebody was sent for a device: it is asked after until somebody says what became of it; after long
    silence it is offered no more. For its dispatchers, and for people and tokens of the place."""
    numbers = request.app.state.settings.returns
    return RetrievalOut.of(actions.create_retrieval(session, viewer, new, numbers=numbers, at=clock.now()))


@router.get("/retrievals")
def list_retrievals(
    session: ReadSession,
    viewer: ViewerDep,
    whose: DeviceFilterDep,
    closed: Annotated[bool, Query(description="Those that are closed too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> RetrievalPage:
    """Devices that were sent for and of which nobody has said what became of them, of those whose upkeep is
    yours."""
    found = queries.retrievals(
        session, viewer, whose, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
    )
    return RetrievalPage(
        retrievals=[RetrievalOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.post("/retrievals/{retrieval_id}/outcome")
def close_retrieval(
    session: WriteSession, viewer: ViewerDep, retrieval_id: RowId, given: ClosedAsIn
) -> RetrievalOut:
    """Returned, used, not back, could not be had, or nobody took it. Used or not back: the device is offered
    no more until a check brings it back."""
    found = actions.close_retrieval(session, viewer, retrieval_id, given.outcome, given.note, at=clock.now())
    return RetrievalOut.of(found)
