"""Routes for possible duplicate people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.certificates.duplicates import actions
from aed.certificates.duplicates import queries as duplicate_queries
from aed.certificates.duplicates.schemas import PairDecisionIn, PersonPairOut, PersonPairsPage
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.training.permissions import require_write

router = APIRouter(tags=["verification"])


PairId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/people/duplicates")
def list_duplicate_people(
    session: ReadSession,
    viewer: ViewerDep,
    also_decided: Annotated[bool, Query(description="Those that were decided, too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PersonPairsPage:
    """List possible duplicates, with reasons, among people of the regions whose training you run."""
    require_write(viewer)
    found = duplicate_queries.pairs(
        session, viewer, limit=limit + 1, after_id=cursor_id(cursor), also_decided=also_decided
    )
    return PersonPairsPage(
        pairs=[PersonPairOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.get("/people/duplicates/{pair_id}")
def get_duplicate_people(session: ReadSession, viewer: ViewerDep, pair_id: PairId) -> PersonPairOut:
    """Get a pair of possible duplicates."""
    require_write(viewer)
    return PersonPairOut.of(duplicate_queries.pair(session, viewer, pair_id))


@router.post("/people/duplicates/{pair_id}/decision")
def decide_duplicate_people(
    session: WriteSession, viewer: ViewerDep, pair_id: PairId, given: PairDecisionIn
) -> PersonPairOut:
    """Decide whether two entries are the same person.

    If so, they are merged: certificates, enrolments, roles and history. The decision is stored. Entries are
    never merged automatically.
    """
    require_write(viewer)
    pair = actions.decide_pair(
        session, viewer, pair_id, given.decision, keep_id=given.keep_id, at=clock.now()
    )
    return PersonPairOut.of(pair)
