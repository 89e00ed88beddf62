"""Routes: import and export rosters, and import responders."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, require_administrator
from aed.certificates.rules import CheckState
from aed.database.dependencies import DatabaseDep, ReadSession
from aed.database.session import Database, dry_run, open_database, read_session, transaction
from aed.errors import NotSignedIn
from aed.http.parameters import one_at_a_time
from aed.imports.batches import ImportReport, refuse_bad_rows
from aed.imports.formats.files import GB18030
from aed.imports.formats.marked import write_marked
from aed.imports.formats.table import TEMPLATES, TemplateFormat
from aed.imports.responders import import_responders
from aed.imports.rosters import (
    IssuerRosterReport,
    RosterReport,
    export_roster,
    import_issuer_roster,
    import_roster,
)
from aed.imports.uploads import (
    FILE_BODY,
    LONG_STATEMENT_MS,
    MAX_SHOWN,
    SetAsideOut,
    UploadedFile,
    uploaded_file,
)
from aed.issuers import queries as issuer_queries
from aed.settings import Settings
from aed.training import queries as session_queries
from aed.training.permissions import require_trainer, require_write

router = APIRouter(tags=["lists"])

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
    not_held: int = Field(description="Rows of which nobody here holds the certificate; kept")
    missing: int = Field(description="Verified certificates that this roster does not hold; they stay so")
    told: list[RosterEntryOut]
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
            not_held=report.effects.not_held,
            missing=report.missing,
            told=[
                RosterEntryOut(
                    certificate_id=each.certificate_id,
                    number=each.number,
                    state=each.state,
                    said=each.said,
                    changes={name: list(pair) for name, pair in each.changes.items()},
                )
                for each in report.effects.told[:MAX_SHOWN]
            ],
            rows_set_aside=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MAX_SHOWN]
            ],
        )


@router.post("/imports/issuer-roster", openapi_extra=_BODY)
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
    await run_in_threadpool(_may, database, viewer, issuer_id)
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


def _may(database: DatabaseDep, viewer: Viewer, issuer_id: int) -> None:
    """Require permission before the file is received."""
    if not viewer.is_signed_in:
        raise NotSignedIn("A roster is taken from who looks after its issuer: send a token, or sign in.")
    with read_session(database) as session:
        issuer_queries.require_can_look_after(viewer, issuer_queries.issuer(session, issuer_id).region_id)


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


_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_MEDIA: Final = {ending: template.media_type for ending, template in TEMPLATES.items()}
_AS_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The sheet",
        "content": {media.partition(";")[0]: _FILE for media in _MEDIA.values()},
    }
}
SessionId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
SAID: Final = "AED-Report"
"""The response header with the counts of an import, sent with the returned sheet."""


class RosterOut(BaseModel):
    """The result of importing a roster; counts are of all rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "file": "roster.xlsx",
                    "new": 11,
                    "changed": 0,
                    "unchanged": 2,
                    "not_taken": 1,
                    "rows_not_taken": [
                        {"where": "row 4", "reason": "attendance: must be attended or no_show"}
                    ],
                }
            ]
        }
    )

    file: str
    new: int
    changed: int
    unchanged: int
    not_taken: int
    rows_not_taken: list[SetAsideOut] = Field(description=f"At most {MAX_SHOWN}")

    @classmethod
    def of(cls, report: ImportReport, *, file: str) -> RosterOut:
        return cls(
            file=file,
            new=report.new,
            changed=report.changed,
            unchanged=report.unchanged,
            not_taken=len(report.bad),
            rows_not_taken=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MAX_SHOWN]
            ],
        )


@router.get("/sessions/{session_id}/roster.{ending}", response_class=Response, responses=_AS_FILE)
def get_session_roster(
    session: ReadSession, viewer: ViewerDep, session_id: SessionId, ending: TemplateFormat
) -> Response:
    """Download a session's roster.

    The sheet is filled in by hand and sent back to `POST …/roster`. Requires a trainer of the session.
    """
    with tempfile.TemporaryDirectory(prefix="aed-roster-") as folder:
        path = FilePath(folder) / f"roster.{ending.value}"
        export_roster(session, viewer, session_id, path)
        return _sheet(path.read_bytes(), ending, f"session-{session_id}.{ending.value}", {})


@router.post(
    "/sessions/{session_id}/roster",
    response_model=RosterOut,
    openapi_extra=FILE_BODY,
    responses={200: {"content": _AS_FILE[200]["content"], "description": "As JSON, or as the sheet marked"}},
)
async def import_session_roster(
    request: Request,
    database: DatabaseDep,
    viewer: ViewerDep,
    session_id: SessionId,
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
    marked: Annotated[
        TemplateFormat | None,
        Query(description="Answer with the sheet itself, what is wrong beside each row and in its cell"),
    ] = None,
) -> RosterOut | Response:
    """Import attendance and results from a filled-in roster, as `aed sessions results` does.

    The body is XLSX, or CSV in UTF-8 or GB18030. Valid rows are imported even if others are not; importing
    the same file again changes nothing. Requires a trainer of the session.
    """
    await run_in_threadpool(_may_take, database, viewer, session_id)
    async with uploaded_file(request, name=name) as sent:
        return await run_in_threadpool(_taken, database, viewer, session_id, sent, marked)


def _may_take(database: Database, viewer: Viewer, session_id: int) -> None:
    """Require permission before the file is stored."""
    require_write(viewer)
    with read_session(database) as session:
        training = session_queries.training_session(session, viewer, session_id)
        require_trainer(viewer, training.estate_id, training.region_id)


def _taken(
    database: Database, viewer: Viewer, session_id: int, sent: UploadedFile, marked: TemplateFormat | None
) -> RosterOut | Response:
    with transaction(database) as session:
        report = import_roster(session, viewer, session_id, sent.path, at=clock.now())
    if marked is None or report.first is None:
        return RosterOut.of(report, file=sent.path.name)
    return _marked_sheet(sent.path, report, marked)


def _marked_sheet(path: FilePath, report: RosterReport, ending: TemplateFormat) -> Response:
    assert report.first is not None
    out = path.with_name(f"{path.stem}-marked.{ending.value}")
    write_marked(path, out, report.marks(), first=report.first, encodings=(GB18030,))
    said = {
        SAID: f"new={report.new}, changed={report.changed}, unchanged={report.unchanged}, "
        f"not_taken={len(report.bad)}"
    }
    return _sheet(out.read_bytes(), ending, f"roster-marked.{ending.value}", said)


def _sheet(content: bytes, ending: TemplateFormat, name: str, headers: dict[str, str]) -> Response:
    headers |= {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type=_MEDIA[ending], headers=headers)


# --- Responders -----------------------------------------------------------------------------------------


@router.post("/imports/responders", openapi_extra=FILE_BODY)
async def import_responder_list(
    request: Request,
    viewer: ViewerDep,
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
    strict: Annotated[bool, Query(description="Take nothing when any row is bad")] = False,
    dry_run: Annotated[bool, Query(description="Say what would be done; write nothing")] = False,
) -> RosterOut:
    """Import responders, as `aed import responders` does. Requires an administrator.

    The body is a table (XLSX; CSV in UTF-8 or GB18030) or GeoJSON. Bad rows are set aside with their line and
    reason.
    """
    require_administrator(viewer)
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another list is being imported now. Try again when it has ended."):
            return await run_in_threadpool(
                _import_responders, request.app.state.settings, viewer, sent, strict, dry_run
            )


def _import_responders(
    settings: Settings, viewer: Viewer, sent: UploadedFile, is_strict: bool, is_dry_run: bool
) -> RosterOut:
    """Import on a connection of its own, with a longer statement timeout than lookups have."""
    patient = {"statement_timeout_ms": LONG_STATEMENT_MS, "threads": 1}
    database = open_database(settings.model_copy(update=patient))
    try:
        with dry_run(database) if is_dry_run else transaction(database) as session:
            report = import_responders(session, viewer, sent.path, at=clock.now())
            refuse_bad_rows(report, sent.path.name, is_strict=is_strict)
    finally:
        database.close()
    return RosterOut.of(report, file=sent.path.name)
