"""Request and response schemas of possible duplicate people."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.accounts.people.models import Person
from aed.certificates.models import PersonPair
from aed.certificates.rules import PairDecision


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
    kept_id: Id | None = Field(description="Who stands for both")

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
    keep_id: Id | None = Field(None, description="With same: who stands for both; else the older entry")
