"""TODO."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.certificates.duplicates import actions
from aed.certificates.duplicates import queries as pair_queries
from aed.certificates.duplicates.schemas import PairDecisionIn, PersonPairOut, PersonPairsPage
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.training.permissions import require_write

router = APIRouter(tags=["verification"])


PairId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/person-pairs")
def list_duplicate_people(
    session: ReadSession,
    viewer: ViewerDep,
    also_decided: Annotated[bool, Query(description="Those that were decided, too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PersonPairsPage:
    """People who may be one person, and why, of those whose region's training you run."""
    require_write(viewer)
    found = pair_queries.pairs(
        session, viewer, limit=limit + 1, after_id=cursor_id(cursor), also_decided=also_decided
    )
    return PersonPairsPage(
        pairs=[PersonPairOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.get("/person-pairs/{pair_id}")
def get_duplicate_people(session: ReadSession, viewer: ViewerDep, pair_id: PairId) -> PersonPairOut:
    """One pair."""
    require_write(viewer)
    return PersonPairOut.of(pair_queries.pair(session, viewer, pair_id))


@router.post("/person-pairs/{pair_id}/decision")
def decide_duplicate_people(
    session: WriteSession, viewer: ViewerDep, pair_id: PairId, given: PairDecisionIn
) -> PersonPairOut:
    """Says that the two are one person, or two. What is one's is then the other's: certificates, enrolments,
    roles, history. It is remembered, and never done without somebody who says so."""
    require_write(viewer)
    pair = actions.decide_pair(
        session, viewer, pair_id, given.decision, keep_id=given.keep_id, at=clock.now()
    )
    return PersonPairOut.of(pair)
