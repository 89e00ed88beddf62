"""Routes to import an issuer's roster and to list its entries."""

from __future__ import annotations

import threading
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.accounts.permissions import Viewer
from aed.certificates.issuer_rosters import queries as issuer_roster_queries
from aed.certificates.issuer_rosters.sheet_actions import IssuerRosterReport, import_issuer_roster
from aed.certificates.models import IssuerEntry
from aed.certificates.rules import CheckState
from aed.database.dependencies import DatabaseDep, ReadSession
from aed.database.session import dry_run, open_database, read_session, transaction
from aed.errors import NotSignedIn
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor, one_at_a_time
from aed.imports.batches import refuse_bad_rows
from aed.imports.uploads import (
    LONG_STATEMENT_MS,
    MAX_SHOWN,
    SetAsideOut,
    UploadedFile,
    uploaded_file,
)
from aed.issuers import queries as issuer_queries
from aed.issuers.rules import CertificateKind
from aed.settings import Settings


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
    before: list[dict[str, Any]] | None = Field(description="Statements of earlier rosters that differ")

    @classmethod
    def of(cls, entry: IssuerEntry) -> IssuerEntryOut:
        return cls.model_validate(entry, from_attributes=True)


class IssuerEntriesPage(BaseModel):
    """Entries in order of id; `next` is the cursor of the next page."""

    entries: list[IssuerEntryOut]
    next: str | None = None


router = APIRouter()

_place = threading.BoundedSemaphore(1)
_EXAMPLE: Final = "姓名,证书编号,课程,有效期至\n王小明,RC-1,first_aid,2028-05-31\n"
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary"},
                "example": _EXAMPLE,
            }
        },
    }
}

IssuerId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/issuers/{issuer_id}/entries", tags=["verification"])
def list_issuer_entries(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId, limit: Limit = 100, cursor: Cursor = None
) -> IssuerEntriesPage:
    """List the entries of an issuer's rosters, one page at a time. For those who manage the issuer."""
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_manages_issuer(viewer, issuer.region_id)
    found = issuer_roster_queries.entries_page(
        session, issuer.id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    return IssuerEntriesPage(
        entries=[IssuerEntryOut.of(each) for each in found[:limit]], next=next_cursor(found, limit)
    )


class RosterEntryOut(BaseModel):
    """The outcome for a certificate that was not simply confirmed."""

    certificate_id: int
    number: str
    state: CheckState
    said: str
    changes: dict[str, list[Any]] = Field(description="{field: [before, now]}")


class IssuerRosterOut(BaseModel):
    """The result of an import or of a dry run. Counts are of all rows; lists hold the first of each kind."""

    file: str
    is_dry_run: bool
    new: int = Field(description="Rows that no roster before had")
    changed: int = Field(description="Rows that say otherwise than the roster before")
    unchanged: int
    set_aside: int
    confirmed: int = Field(description="Certificates that are held here; so the next three")
    corrected: int
    disputed: int
    revoked: int
    added: int = Field(description="Certificates added to people known here by name and phone without one")
    not_held: int = Field(description="Rows of which nobody here holds the certificate; kept")
    missing: int = Field(description="Verified certificates that this roster does not hold; they stay so")
    notified: list[RosterEntryOut]
    rows_set_aside: list[SetAsideOut]

    @classmethod
    def of(cls, report: IssuerRosterReport, *, file: str, is_dry_run: bool) -> IssuerRosterOut:
        counts = report.effects.counts
        return cls(
            file=file,
            is_dry_run=is_dry_run,
            new=report.new,
            changed=report.changed,
            unchanged=report.unchanged,
            set_aside=len(report.bad),
            confirmed=counts[CheckState.CONFIRMED],
            corrected=counts[CheckState.CORRECTED],
            disputed=counts[CheckState.DISPUTED],
            revoked=counts[CheckState.REVOKED],
            added=report.effects.added,
            not_held=report.effects.not_held,
            missing=report.missing,
            notified=[
                RosterEntryOut(
                    certificate_id=each.certificate_id,
                    number=each.number,
                    state=each.state,
                    said=each.said,
                    changes={name: list(pair) for name, pair in each.changes.items()},
                )
                for each in report.effects.unconfirmed[:MAX_SHOWN]
            ],
            rows_set_aside=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MAX_SHOWN]
            ],
        )


@router.post("/imports/issuer-roster", tags=["lists"], openapi_extra=_BODY)
async def import_issuer_roster_list(
    request: Request,
    viewer: ViewerDep,
    database: DatabaseDep,
    issuer_id: Annotated[int, Query(ge=1, le=2**63 - 1, description="Whose roster it is")],
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
    strict: Annotated[bool, Query(description="Take nothing when any row is bad")] = False,
    dry_run: Annotated[bool, Query(description="Say what would be done; write nothing")] = False,
) -> IssuerRosterOut:
    """Import a roster of certificates from their issuer, as `aed issuers import-roster` does.

    It confirms, corrects and revokes the certificates held here. The body is the file: CSV (UTF-8 or GBK) or
    XLSX. Only for the people of the issuer. Importing the same file again changes nothing; bad rows are set
    aside with their line and reason.
    """
    await run_in_threadpool(_require_manager, database, viewer, issuer_id)
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another roster is being read now. Try again when it has ended."):
            return await run_in_threadpool(
                _imported,
                request.app.state.settings,
                viewer,
                sent,
                issuer_id,
                is_strict=strict,
                is_dry_run=dry_run,
            )


def _require_manager(database: DatabaseDep, viewer: Viewer, issuer_id: int) -> None:
    """Require permission before the file is received."""
    if not viewer.is_signed_in:
        raise NotSignedIn("A roster is taken from who looks after its issuer: send a token, or sign in.")
    with read_session(database) as session:
        issuer_queries.require_manages_issuer(viewer, issuer_queries.issuer(session, issuer_id).region_id)


def _imported(
    settings: Settings,
    viewer: Viewer,
    sent: UploadedFile,
    issuer_id: int,
    *,
    is_strict: bool,
    is_dry_run: bool,
) -> IssuerRosterOut:
    """Import on a connection of its own, with a longer statement timeout than lookups have."""
    patient = {"statement_timeout_ms": LONG_STATEMENT_MS, "threads": 1}
    database = open_database(settings.model_copy(update=patient))
    try:
        with dry_run(database) if is_dry_run else transaction(database) as session:
            report = import_issuer_roster(session, viewer, issuer_id, sent.path, at=clock.now())
            refuse_bad_rows(report, sent.path.name, is_strict=is_strict)
    finally:
        database.close()
    return IssuerRosterOut.of(report, file=sent.path.name, is_dry_run=is_dry_run)
