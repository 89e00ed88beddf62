"""Response schemas of roster entries."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.certificates.issuer_rosters import queries as issuer_roster_queries
from aed.certificates.models import IssuerEntry
from aed.database.dependencies import ReadSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.issuers import queries as issuer_queries
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


router = APIRouter(tags=["verification"])


IssuerId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/issuers/{issuer_id}/entries")
def list_issuer_entries(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId, limit: Limit = 100, cursor: Cursor = None
) -> IssuerEntriesPage:
    """List the entries of an issuer's rosters, one page at a time. For those who manage the issuer."""
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_can_look_after(viewer, issuer.region_id)
    found = issuer_roster_queries.entries_page(
        session, issuer.id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    return IssuerEntriesPage(
        entries=[IssuerEntryOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )
