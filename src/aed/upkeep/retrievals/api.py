"""Routes of devices that somebody was sent for."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.upkeep.device_filter import WhoseDep
from aed.upkeep.retrievals import actions, queries
from aed.upkeep.retrievals.schemas import CallOutIn, CallOutOut, CallOutPage, ClosedAsIn

router = APIRouter(tags=["upkeep"])


@router.post("/call-outs")
def create_retrieval(
    request: Request, session: WriteSession, viewer: ViewerDep, new: CallOutIn
) -> CallOutOut:
    """Somebody was sent for a device: it is asked after until somebody says what became of it; after long
    silence it is offered no more. For its dispatchers, and for people and tokens of the place."""
    numbers = request.app.state.settings.returns
    return CallOutOut.of(actions.tell_of_call_out(session, viewer, new, numbers=numbers, at=clock.now()))


@router.get("/call-outs")
def list_retrievals(
    session: ReadSession,
    viewer: ViewerDep,
    whose: WhoseDep,
    closed: Annotated[bool, Query(description="Those that are closed too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> CallOutPage:
    """Devices that were sent for and of which nobody has said what became of them, of those whose upkeep is
    yours."""
    found = queries.call_outs(
        session, viewer, whose, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
    )
    return CallOutPage(
        call_outs=[CallOutOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.post("/call-outs/{call_out_id}/outcome")
def close_retrieval(
    session: WriteSession, viewer: ViewerDep, call_out_id: RowId, given: ClosedAsIn
) -> CallOutOut:
    """Returned, used, not back, could not be had, or nobody took it. Used or not back: the device is offered
    no more until a check brings it back."""
    found = actions.close_call_out(session, viewer, call_out_id, given.outcome, given.note, at=clock.now())
    return CallOutOut.of(found)
