"""Routes: preview lists of devices, decide reviews, merge devices, and download templates."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.dependencies import ReadSession, WriteSession
from aed.database.session import dry_run, open_database
from aed.http.parameters import one_at_a_time
from aed.imports.devices import reviews
from aed.imports.devices.decisions import decide, merge_two_devices
from aed.imports.devices.permissions import require_importer
from aed.imports.devices.preview import preview_devices
from aed.imports.devices.rules import thresholds_in
from aed.imports.devices.schemas import (
    DecisionIn,
    DuplicateQuestionOut,
    ImportPreviewOut,
    MergeIn,
    PreviewColumnOut,
    PreviewRowOut,
    ReviewOut,
)
from aed.imports.formats.guess import mapping_text
from aed.imports.formats.table import TEMPLATES, TemplateFormat
from aed.imports.uploads import (
    FILE_BODY,
    MAX_SHOWN,
    SetAsideOut,
    UploadedFile,
    uploaded_file,
)
from aed.registry.devices import queries as device_queries
from aed.registry.devices.schemas import DeviceOut
from aed.settings import Settings

router = APIRouter(tags=["lists"])
_place = threading.BoundedSemaphore(1)
"""Previews one list at a time, since lookups take precedence."""


@router.post("/imports/devices/preview", openapi_extra=FILE_BODY)
async def preview_device_list(
    request: Request,
    viewer: ViewerDep,
    source: Annotated[
        str | None,
        Query(max_length=64, pattern="^[A-Za-z0-9._:-]+$", description="The publisher of this list"),
    ] = None,
    name: Annotated[str | None, Query(max_length=200, description="Name of the file")] = None,
) -> ImportPreviewOut:
    """Preview the import of a list that people keep by hand; nothing is written.

    Requires an administrator or an estate's manager.

    The mapping is guessed from headings and values, the datum from the boundaries of the estates. With a part
    `mapping` in the form, that mapping is used.
    """
    require_importer(viewer)
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another list is being read. Try again in a moment."):
            return await run_in_threadpool(_previewed, request.app.state.settings, viewer, sent, source)


def _previewed(
    settings: Settings, viewer: Viewer, sent: UploadedFile, source: str | None
) -> ImportPreviewOut:
    database = open_database(settings.model_copy(update={"threads": 1}))
    try:
        with dry_run(database) as session:
            found = preview_devices(session, viewer, sent.path, mapping=sent.mapping(), source=source)
    finally:
        database.close()
    return ImportPreviewOut(
        file=sent.path.name,
        mapping=mapping_text(found.mapping),
        notes=list(map(str, found.notes)),
        columns=[PreviewColumnOut.model_validate(each, from_attributes=True) for each in found.columns],
        rows=found.rows,
        good=found.good,
        new=found.new,
        changed=found.changed,
        unchanged=found.unchanged,
        matched=found.waiting + found.joined,
        outside=found.outside,
        samples=[
            PreviewRowOut(
                where=each.where,
                fields=each.fields,
                estate=f"{each.estate.source}:{each.estate.source_id}" if each.estate else None,
            )
            for each in found.samples
        ],
        alike=list(map(str, found.questions[:MAX_SHOWN])),
        questions=[DuplicateQuestionOut.of(each) for each in found.questions[:MAX_SHOWN]],
        rows_set_aside=[SetAsideOut(where=row.where, reason=row.reason) for row in found.bad[:MAX_SHOWN]],
    )


ReviewId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/reviews")
def list_reviews(
    session: ReadSession,
    viewer: ViewerDep,
    decided: Annotated[bool, Query(description="Include decided reviews")] = False,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Only those with a higher id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Maximum number of reviews")] = 100,
) -> list[ReviewOut]:
    """List the open questions about imported lists, the oldest first. Requires an administrator."""
    require_administrator(viewer)
    found = reviews.reviews(session, is_open=not decided, limit=limit, after_id=after)
    return [ReviewOut.of(each) for each in found]


@router.get("/reviews/{review_id}")
def get_review(session: ReadSession, viewer: ViewerDep, review_id: ReviewId, response: Response) -> ReviewOut:
    """Return a question about imported lists with its evidence. Requires an administrator."""
    require_administrator(viewer)
    return _with_etag(response, ReviewOut.of(reviews.review(session, review_id)))


@router.post("/reviews/{review_id}/decision")
def decide_review(
    request: Request,
    session: WriteSession,
    viewer: ViewerDep,
    review_id: ReviewId,
    given: DecisionIn,
    response: Response,
) -> ReviewOut:
    """Decide a question. The decision takes effect at once, is remembered, and can be changed later."""
    thresholds = thresholds_in(request.app.state.settings)
    review = decide(session, viewer, review_id, given.decision, thresholds=thresholds, at=clock.now())
    return _with_etag(response, ReviewOut.of(review))


@router.post("/devices/{device_id}/merge")
def merge_devices(
    session: WriteSession,
    viewer: ViewerDep,
    device_id: Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])],
    given: MergeIn,
    response: Response,
) -> DeviceOut:
    """Merge another device into this one, and withdraw the other; its lists now refer to this one.

    The merge is remembered as a review, whose decision can be changed. Requires an administrator.
    """
    merge_two_devices(session, viewer, device_id, given.other_id, at=clock.now())
    session.expire_all()  # the source records were updated without the ORM
    device = device_queries.device(session, viewer, device_id)
    response.headers["ETag"] = f'"{device.version}"'
    return DeviceOut.of(device, viewer)


def _with_etag(response: Response, review: ReviewOut) -> ReviewOut:
    response.headers["ETag"] = f'"{int(review.decided_at.timestamp()) if review.decided_at else 0}"'
    return review


_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file",
        "content": {template.media_type.partition(";")[0]: _FILE for template in TEMPLATES.values()},
    }
}


@router.get("/templates/devices.{ending}", response_class=Response, responses=_ANSWER)
def get_device_template(
    ending: Annotated[TemplateFormat, Path(description="csv, or xlsx for a spreadsheet")],
) -> Response:
    """Return an empty list of devices to fill in and import, explained in Chinese and English."""
    template = TEMPLATES[ending]
    return Response(
        template.made(),
        media_type=template.media_type,
        headers={"Content-Disposition": f'attachment; filename="aed-devices.{ending.value}"'},
    )
