"""The route that imports responders."""

from __future__ import annotations

import threading
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.session import dry_run, open_database, transaction
from aed.http.parameters import one_at_a_time
from aed.imports.batches import refuse_bad_rows
from aed.imports.responders import import_responders
from aed.imports.uploads import (
    FILE_BODY,
    LONG_STATEMENT_MS,
    RosterOut,
    UploadedFile,
    uploaded_file,
)
from aed.settings import Settings

router = APIRouter(tags=["lists"])

_place = threading.BoundedSemaphore(1)


@router.post("/imports/responders", openapi_extra=FILE_BODY)
async def import_responder_list(
    request: Request,
    viewer: ViewerDep,
    name: Annotated[str | None, Query(max_length=200, description="Name of the file")] = None,
    strict: Annotated[bool, Query(description="Import nothing if any row is bad")] = False,
    dry_run: Annotated[bool, Query(description="Report what would be done; write nothing")] = False,
) -> RosterOut:
    """Import responders, as `aed import responders` does. Requires an administrator.

    The body is a table (XLSX; CSV in UTF-8 or GB18030) or GeoJSON. Bad rows are set aside with their line and
    reason.
    """
    require_administrator(viewer)
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another list is being imported. Try again when it has ended."):
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
