"""Routes of batches for volunteer platforms, and of hours that these recorded."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, cursor_id, next_cursor
from aed.volunteering.models import PlatformBatch
from aed.volunteering.permissions import require_signed_in
from aed.volunteering.platforms import actions, queries
from aed.volunteering.platforms.mapping import csv_of, xlsx_of
from aed.volunteering.platforms.schemas import (
    BatchIn,
    BatchOut,
    BatchPage,
    BatchRowOut,
    HoursIn,
    HoursOut,
    PlatformAnswer,
)

router = APIRouter(tags=["volunteering"])
BatchId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


class BatchFileFormat(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {
    BatchFileFormat.CSV: "text/csv; charset=utf-8",
    BatchFileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file",
        "content": {
            media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()
        },
    }
}


def _whole(session: Session, batch: PlatformBatch) -> BatchOut:
    rows = [BatchRowOut.of(row, record) for row, record, _ in queries.rows_of(session, batch.id)]
    return BatchOut.of(batch, rows)


@router.get("/service-batches")
def list_service_batches(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: Cursor = None
) -> BatchPage:
    """List the batches of estates that you manage."""
    require_signed_in(viewer)
    found = queries.batches(session, viewer, limit=limit + 1, after_id=cursor_id(cursor))
    return BatchPage(batches=[BatchOut.of(each) for each in found[:limit]], next=next_cursor(found, limit))


@router.post("/service-batches", status_code=201)
def prepare_service_batch(session: WriteSession, viewer: ViewerDep, new: BatchIn) -> BatchOut:
    """Put confirmed service that a volunteer platform does not have into a batch. For managers.

    The same reference again is the same batch. Records that the platform rejected are in the next batch.
    """
    require_signed_in(viewer)
    return _whole(session, actions.prepare_batch(session, viewer, new, at=clock.now()))


@router.get("/service-batches/{batch_id}")
def get_service_batch(session: ReadSession, viewer: ViewerDep, batch_id: BatchId) -> BatchOut:
    """Get a batch with what the platform made of each record."""
    require_signed_in(viewer)
    return _whole(session, queries.batch(session, viewer, batch_id))


@router.get("/service-batches/{batch_id}/file.{ending}", response_class=Response, responses=FILE)
def get_service_batch_file(
    session: ReadSession, viewer: ViewerDep, batch_id: BatchId, ending: BatchFileFormat
) -> Response:
    """Download a batch as the platform's CSV or XLSX, to upload it there."""
    require_signed_in(viewer)
    found = queries.batch(session, viewer, batch_id)
    rows = actions.submission_of(session, found).rows
    write = csv_of if ending is BatchFileFormat.CSV else xlsx_of
    name = f"{found.platform}-{found.reference}.{ending}"
    return Response(
        write(found.platform, rows),
        media_type=MEDIA_TYPES[ending],
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        },
    )


@router.post("/service-batches/{batch_id}/answer")
def answer_service_batch(
    session: WriteSession, viewer: ViewerDep, batch_id: BatchId, answer: PlatformAnswer
) -> BatchOut:
    """Enter a platform's answer to a batch: which records it accepted, and why not the others."""
    require_signed_in(viewer)
    found = actions.answer_batch(session, viewer, batch_id, answer.rows, at=clock.now())
    return _whole(session, found)


@router.post("/service-hours")
def import_service_hours(session: WriteSession, viewer: ViewerDep, new: HoursIn) -> HoursOut:
    """Import hours that a platform recorded for your estate's volunteers, each once.

    Rows that cannot be recorded come back with the reason. Another person confirms the others.
    """
    require_signed_in(viewer)
    return actions.import_hours(session, viewer, new, at=clock.now())
