"""Routes for inspection rounds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import transaction
from aed.errors import NotSignedIn
from aed.http.parameters import Cursor, Limit, OfEstate, RowId, cursor_id
from aed.upkeep.rounds import actions, queries
from aed.upkeep.rounds.schemas import (
    AssignedRoundsOut,
    NotVisitedOut,
    RoundOut,
    RoundPage,
    RoundPlanOut,
    RoundsIn,
)

router = APIRouter(tags=["upkeep"])


@router.post("/rounds/preview")
def preview_rounds(request: Request, database: DatabaseDep, viewer: ViewerDep, new: RoundsIn) -> RoundPlanOut:
    """Plan inspection rounds without assigning them.

    Devices are divided among the inspectors and put in walking order within their hours; those that cannot be
    visited are listed with the reason. For managers of the estate, or administrators of the region.
    """
    _require_signed_in(viewer)
    state = request.app.state
    return RoundPlanOut.of(
        actions.plan_in_turn(
            database, viewer, new, at=clock.now(), network=state.network, settings=state.settings
        )
    )


@router.post("/rounds", status_code=201)
def assign_rounds(
    request: Request, database: DatabaseDep, viewer: ViewerDep, new: RoundsIn
) -> AssignedRoundsOut:
    """Plan inspection rounds and assign them; each inspector is notified.

    For managers of the estate, or administrators of the region.
    """
    _require_signed_in(viewer)
    at, state = clock.now(), request.app.state
    plan = actions.plan_in_turn(database, viewer, new, at=at, network=state.network, settings=state.settings)
    with transaction(database) as session:
        made = actions.assign_rounds(session, viewer, plan, at=at)
        found = [queries.round_by_id(session, viewer, row.id, at=at) for row in made]
        return AssignedRoundsOut(
            rounds=[RoundOut.of(each) for each in found],
            not_visited=[NotVisitedOut.of(device, reason) for device, reason in plan.not_visited],
        )


@router.get("/rounds")
def list_rounds(
    session: ReadSession,
    viewer: ViewerDep,
    mine: Annotated[bool, Query(description="Only rounds that you walk yourself")] = False,
    estate_id: OfEstate = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> RoundPage:
    """List the rounds that you walk or assign, the last assigned first."""
    _require_signed_in(viewer, as_person=mine)
    found = queries.rounds(
        session,
        viewer,
        at=clock.now(),
        limit=limit + 1,
        before_id=cursor_id(cursor) or None,
        estate_id=estate_id,
        is_own=mine,
    )
    return RoundPage(
        rounds=[RoundOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].row.id) if len(found) > limit else None,
    )


@router.get("/rounds/{round_id}")
def get_round(session: ReadSession, viewer: ViewerDep, round_id: RowId) -> RoundOut:
    """Return a round that you walk or assign, with the checks that have arrived."""
    _require_signed_in(viewer)
    return RoundOut.of(queries.round_by_id(session, viewer, round_id, at=clock.now()))


@router.delete("/rounds/{round_id}", status_code=204)
def cancel_round(session: WriteSession, viewer: ViewerDep, round_id: RowId) -> Response:
    """Cancel a round and its repetitions. Checks that were sent stay."""
    _require_signed_in(viewer)
    actions.cancel_round(session, viewer, round_id, at=clock.now())
    return Response(status_code=204)


def _require_signed_in(viewer: Viewer, *, as_person: bool = False) -> None:
    if not viewer.is_signed_in or (as_person and viewer.person_id is None):
        raise NotSignedIn("Rounds are for the people who walk or assign them: sign in.")
