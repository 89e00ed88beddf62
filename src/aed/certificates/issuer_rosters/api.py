"""The route for the entries of an issuer's rosters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from aed.accounts.authentication import ViewerDep
from aed.certificates.issuer_rosters import queries as issuer_roster_queries
from aed.certificates.issuer_rosters.schemas import IssuerEntriesPage, IssuerEntryOut
from aed.database.dependencies import ReadSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.issuers import queries as issuer_queries

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
