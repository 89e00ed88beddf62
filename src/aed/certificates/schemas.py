"""What issuers say of certificates, and pairs of people, as they cross the boundary."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.accounts.people.models import Person
from aed.certificates.models import IssuerEntry, PersonPair
from aed.certificates.queries.checks import Check
from aed.certificates.rules.checking import CheckState
from aed.certificates.rules.likeness import PairDecision
from aed.issuers.rules import CertificateKind
from aed.responders.rules import Trust


class IssuerEntryOut(BaseModel):
    """A certificate as its issuer's last roster has it."""

    id: Id
    number: str
    name: str
    holder_id: str | None = Field(description="Masked", examples=["330106********1234"])
    phone: str | None
    course: str
    kind: CertificateKind
    issued_on: date | None
    valid_until: date
    is_revoked: bool
    first_read_at: datetime
    read_at: datetime
    changed_at: datetime
    before: list[dict[str, Any]] | None = Field(description="What rosters before said otherwise")

    @classmethod
    def of(cls, entry: IssuerEntry) -> IssuerEntryOut:
        return cls.model_validate(entry, from_attributes=True)


class IssuerEntriesPage(BaseModel):
    """Entries in order of id; `next` is the cursor of the following page."""

    entries: list[IssuerEntryOut]
    next: str | None = None


class CertificateCheckOut(BaseModel):
    """A certificate, and how its verification stands."""

    certificate_id: Id
    issuer: str
    number: str | None
    name: str
    kind: CertificateKind
    valid_until: date
    trust: Trust
    state: CheckState
    said: str = Field(description="Why it waits, or what the issuer said")
    tries: int
    next_try_at: datetime | None
    changed_at: datetime

    @classmethod
    def of(cls, check: Check) -> CertificateCheckOut:
        return cls(**check._asdict())


class ChecksPage(BaseModel):
    """In order of the certificate's id; `next` is the cursor of the following page."""

    checks: list[CertificateCheckOut]
    next: str | None = None


class OneOfTwoOut(BaseModel):
    """One of the two people of a pair."""

    id: Id
    name: str
    phone: str | None

    @classmethod
    def of(cls, person: Person) -> OneOfTwoOut:
        return cls(id=person.id, name=person.name, phone=person.phone)


class PersonPairOut(BaseModel):
    """Two entries that may be one person, and what was decided."""

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
    """Pairs in order of id; `next` is the cursor of the following page."""

    pairs: list[PersonPairOut]
    next: str | None = None


class PairDecisionIn(BaseModel):
    """Whether the two are one person, and who stands for both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"decision": "different"}]})

    decision: PairDecision
    keep_id: Id | None = Field(None, description="With same: who stands for both; else the older entry")
