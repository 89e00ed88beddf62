"""Request and response schemas of possible duplicate people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.accounts.people.models import Person
from aed.certificates.duplicates import actions
from aed.certificates.duplicates import queries as duplicate_queries
from aed.certificates.models import PersonPair
from aed.certificates.rules import PairDecision
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.training.permissions import require_write


class OneOfTwoOut(BaseModel):
    """One of the two people of a pair."""

    id: Id
    name: str
    phone: str | None

    @classmethod
    def of(cls, person: Person) -> OneOfTwoOut:
        return cls(id=person.id, name=person.name, phone=person.phone)


class PersonPairOut(BaseModel):
    """Two entries that may be the same person, and the decision."""

    id: Id
    first: OneOfTwoOut
    second: OneOfTwoOut
    score: float
    reasons: list[str]
    found_at: datetime
    decision: PairDecision | None
    decided_at: datetime | None
    decided_by: str | None
    kept_id: Id | None = Field(description="The person who is kept")

    @classmethod
    def of(cls, pair: PersonPair) -> PersonPairOut:
        return cls(
            id=pair.id,
            first=OneOfTwoOut.of(pair.first),
            second=OneOfTwoOut.of(pair.second),
            score=pair.score,
            reasons=pair.reasons,
            found_at=pair.found_at,
            decision=pair.decision,
            decided_at=pair.decided_at,
            decided_by=pair.decided_by,
            kept_id=pair.kept_id,
        )


class PersonPairsPage(BaseModel):
    """Pairs in order of id; `next` is the cursor of the next page."""

    pairs: list[PersonPairOut]
    next: str | None = None


class PairDecisionIn(BaseModel):
    """Whether the two are the same person, and which entry to keep."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"decision": "different"}]})

    decision: PairDecision
    keep_id: Id | None = Field(None, description="With same: the person to keep; default: the older entry")


router = APIRouter(tags=["verification"])


PairId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/people/duplicates")
def list_duplicate_people(
    session: ReadSession,
    viewer: ViewerDep,
    also_decided: Annotated[bool, Query(description="Include decided pairs")] = False,
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
