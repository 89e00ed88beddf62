"""Response schemas of roster entries."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from aed.accounts.fields import Id
from aed.certificates.models import IssuerEntry
from aed.issuers.rules import CertificateKind


class IssuerEntryOut(BaseModel):
    """A certificate as in its issuer's latest roster."""

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
    """Entries in order of id; `next` is the cursor of the next page."""

    entries: list[IssuerEntryOut]
    next: str | None = None
