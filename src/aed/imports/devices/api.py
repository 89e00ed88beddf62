"""Routes: import lists of devices, decide reviews, merge devices, and download templates."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.dependencies import ReadSession, WriteSession
from aed.database.session import dry_run, open_database, transaction
from aed.http.parameters import one_at_a_time
from aed.imports.batches import refuse_bad_rows
from aed.imports.devices import queries
from aed.imports.devices.actions import import_devices
from aed.imports.devices.decisions import decide, merge_two_devices
from aed.imports.devices.import_rows import ImportedRow
from aed.imports.devices.missing import MissingDevices
from aed.imports.devices.models import Review
from aed.imports.devices.permissions import require_importer
from aed.imports.devices.preview import preview_devices
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Decision, ReviewKind, thresholds_in
from aed.imports.formats.guess import mapping_text
from aed.imports.formats.recognise import DeviceFormat
from aed.imports.formats.table import TEMPLATES, TemplateFormat
from aed.imports.uploads import (
    FILE_BODY,
    LONG_STATEMENT_MS,
    MAX_SHOWN,
    SetAsideOut,
    UploadedFile,
    uploaded_file,
)
from aed.registry.changes import PutOutcome
from aed.registry.devices import queries as device_queries
from aed.registry.devices.schemas import DeviceOut
from aed.settings import Settings


class ReviewOut(BaseModel):
    """An open question about imported lists, and its decision."""

    id: Id
    kind: ReviewKind
    source: str
    source_id: str = Field(description="Id of the entry that raised it; empty: it concerns the whole list")
    device_id: Id | None
    attribute: str = Field(description="The attribute on which the sources disagree; empty: the whole device")
    evidence: dict[str, Any]
    opened_at: datetime
    decision: Decision | None
    decided_at: datetime | None
    decided_by: str | None

    @classmethod
    def of(cls, review: Review) -> ReviewOut:
        return cls.model_validate(review, from_attributes=True)


class MergeIn(BaseModel):
    """The device to merge into the one in the path."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"other_id": 2}]})

    other_id: Id


class DecisionIn(BaseModel):
    """duplicate: same or different; conflict: take or keep; shrink and sighting: accept or refuse."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"decision": "different"}]})

    decision: Decision


router = APIRouter(tags=["lists"])
_place = threading.BoundedSemaphore(1)
"""Imports one file at a time: the register runs one import at a time, and others would wait on disk."""


class AttributeChangeOut(BaseModel):
    """An attribute of a device."""

    attribute: str
    before: Any  # Any: the value has the type of the attribute
    now: Any


class MatchOut(BaseModel):
    """A registered device that a row matches or may match."""

    device_id: Id
    score: float
    is_sure: bool = Field(description="Merged; otherwise waiting for a person's decision")
    because: list[str]


class ImportedRowOut(BaseModel):
    """An imported row."""

    where: str = Field(examples=["line 12"])
    source: str
    source_id: str
    device_id: Id | None = Field(
        description="null: it is waiting for a person's decision, or is new in a dry run"
    )
    changes: list[AttributeChangeOut]
    conflicts: list[str] = Field(description="The attributes that a person must decide")
    match: MatchOut | None

    @classmethod
    def of(cls, taken: ImportedRow, *, is_dry_run: bool) -> ImportedRowOut:
        is_there = not (is_dry_run and taken.outcome is PutOutcome.NEW)
        return cls(
            where=taken.entry.where,
            source=taken.entry.source,
            source_id=taken.entry.source_id,
            device_id=taken.device_id if is_there else None,
            changes=[
                AttributeChangeOut(attribute=name, before=before, now=now)
                for name, (before, now) in sorted(taken.changes.items())
            ],
            conflicts=list(taken.conflicts),
            match=MatchOut(
                device_id=taken.match.device_id,
                score=taken.match.likeness.score,
                is_sure=taken.match.is_sure,
                because=[sign.reason for sign in taken.match.likeness.signs],
            )
            if taken.match is not None
            else None,
        )


class MissingDevicesOut(BaseModel):
    """Devices that a list no longer holds."""

    source: str
    count: int
    is_held_back: bool = Field(description="Too many to mark as gone without a person's decision")
    source_ids: list[str] = Field(description=f"At most {MAX_SHOWN}")

    @classmethod
    def of(cls, gone: MissingDevices) -> MissingDevicesOut:
        return cls(
            source=gone.source,
            count=len(gone.source_ids),
            is_held_back=gone.is_held_back,
            source_ids=list(gone.source_ids[:MAX_SHOWN]),
        )


class ImportOut(BaseModel):
    """The result of an import or of a dry run. Counts are of all rows; lists hold the first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "file": "town.csv",
                    "is_dry_run": False,
                    "new": 1,
                    "changed": 0,
                    "unchanged": 41,
                    "set_aside": 1,
                    "hours_not_understood": 0,
                    "merged": 0,
                    "waiting": 0,
                    "conflicting": 0,
                    "gone": 0,
                    "held_back": 0,
                    "unnamed": 0,
                    "rows_set_aside": [{"where": "line 44", "reason": "lat: must be a number (it is 'x')"}],
                    "rows_new": [
                        {
                            "where": "line 2",
                            "source": "town",
                            "source_id": "1",
                            "device_id": 43,
                            "changes": [],
                            "conflicts": [],
                            "match": {
                                "device_id": 17,
                                "score": 0.72,
                                "is_sure": False,
                                "because": ["12 m apart"],
                            },
                        }
                    ],
                    "rows_changed": [],
                    "rows_matched": [],
                    "rows_conflicting": [],
                    "no_longer_listed": [],
                }
            ]
        }
    )

    file: str
    is_dry_run: bool
    new: int
    changed: int
    unchanged: int
    set_aside: int
    hours_not_understood: int = Field(
        description="Opening hours that could not be parsed: stored as written, treated as unknown"
    )
    merged: int = Field(description="Merged with a device that another list has registered")
    waiting: int = Field(description="Possibly the same as such a device: a person must decide")
    conflicting: int = Field(description="Contradict another list: a person must decide")
    gone: int = Field(description="No longer listed: marked as gone, and out of service")
    held_back: int = Field(description="No longer listed, but so many that a person must decide")
    unnamed: int = Field(
        description="Rows set aside that do not identify a device: then no device is marked as gone"
    )
    rows_set_aside: list[SetAsideOut]
    rows_new: list[ImportedRowOut]
    rows_changed: list[ImportedRowOut]
    rows_matched: list[ImportedRowOut] = Field(description="Merged or waiting for a decision")
    rows_conflicting: list[ImportedRowOut]
    no_longer_listed: list[MissingDevicesOut]

    @classmethod
    def of(cls, report: DeviceReport, *, file: str, is_dry_run: bool) -> ImportOut:
        def shown(rows: Iterable[ImportedRow]) -> list[ImportedRowOut]:
            return [ImportedRowOut.of(row, is_dry_run=is_dry_run) for row in rows]

        return cls(
            file=file,
            is_dry_run=is_dry_run,
            new=report.new,
            changed=report.changed,
            unchanged=report.unchanged,
            set_aside=len(report.bad),
            hours_not_understood=report.hours_not_understood,
            merged=report.merged,
            waiting=report.waiting,
            conflicting=report.conflicting,
            gone=report.gone_count,
            held_back=sum(len(each.source_ids) for each in report.held_back),
            unnamed=report.unnamed,
            rows_set_aside=[
                SetAsideOut(where=row.where, reason=row.reason) for row in report.bad[:MAX_SHOWN]
            ],
            rows_new=shown(report.added),
            rows_changed=shown(report.amended),
            rows_matched=shown(report.matched),
            rows_conflicting=shown(report.disputed),
            no_longer_listed=[MissingDevicesOut.of(each) for each in report.gone],
        )


# --- Options --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """The options of an import."""

    form: DeviceFormat | None
    region: str | None
    source: str | None
    is_partial: bool
    is_shrink_accepted: bool
    is_strict: bool
    is_dry_run: bool


@router.post("/imports/devices", openapi_extra=FILE_BODY)
async def import_device_list(
    request: Request,
    viewer: ViewerDep,
    form: Annotated[
        DeviceFormat | None,
        Query(alias="format", description="The format; default: recognised from the contents"),
    ] = None,
    region: Annotated[
        str | None,
        Query(
            max_length=32, description="Region of new devices whose row names neither an estate nor a region"
        ),
    ] = None,
    source: Annotated[
        str | None,
        Query(
            max_length=64,
            pattern="^[A-Za-z0-9._:-]+$",
            description="The publisher of this list, for formats that several bodies publish",
        ),
    ] = None,
    name: Annotated[str | None, Query(max_length=200, description="Name of the file")] = None,
    partial: Annotated[
        bool, Query(description="The file is part of its list: devices that it lacks are not marked as gone")
    ] = False,
    accept_shrink: Annotated[bool, Query(description="Mark missing devices as gone, however many")] = False,
    strict: Annotated[bool, Query(description="Import nothing if any row is bad")] = False,
    dry_run: Annotated[bool, Query(description="Report what would be done; write nothing")] = False,
) -> ImportOut:
    """Import a list of devices, as `aed import devices` does.

    The body is the file, or a form with the parts `file` and (optional) `mapping`. A file counts as the
    whole list of its source, and is imported in full or not at all; importing it again changes nothing. Bad
    rows are set aside with their line and reason; if nothing is imported, they are in the problem's `errors`.

    Requires an administrator. An estate's manager sends the mapping of a preview, and imports what lies in
    the estates that they manage.
    """
    require_importer(viewer)
    asked = _Asked(
        form=form,
        region=region,
        source=source,
        is_partial=partial,
        is_shrink_accepted=accept_shrink,
        is_strict=strict,
        is_dry_run=dry_run,
    )
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another list is being imported. Try again when it has ended."):
            return await run_in_threadpool(_imported, request.app.state.settings, viewer, sent, asked)


def _imported(settings: Settings, viewer: Viewer, sent: UploadedFile, asked: _Asked) -> ImportOut:
    """Import on a connection of its own, with a longer statement timeout than lookups have."""
    mapping = sent.mapping()
    patient = {"statement_timeout_ms": LONG_STATEMENT_MS, "threads": 1}
    database = open_database(settings.model_copy(update=patient))
    try:
        with dry_run(database) if asked.is_dry_run else transaction(database) as session:
            report = import_devices(
                session,
                viewer,
                sent.path,
                at=clock.now(),
                form=asked.form,
                mapping=mapping,
                region=asked.region,
                source=asked.source,
                is_partial=asked.is_partial,
                is_shrink_accepted=asked.is_shrink_accepted,
                thresholds=thresholds_in(settings),
            )
            refuse_bad_rows(report, sent.path.name, is_strict=asked.is_strict)
    finally:
        database.close()
    return ImportOut.of(report, file=sent.path.name, is_dry_run=asked.is_dry_run)


class PreviewColumnOut(BaseModel):
    """A column of the file."""

    heading: str
    field: str | None = Field(description="The field that it is read into; null: it is not read")
    example: str


class PreviewRowOut(BaseModel):
    """A row as it would be imported."""

    where: str = Field(examples=["row 5"])
    fields: dict[str, Any]
    estate: str | None = Field(description="The estate whose boundary contains it, as source:id")


class ImportPreviewOut(BaseModel):
    """How a list would be read and imported."""

    file: str
    mapping: str = Field(description="The mapping file (YAML) to correct, keep and send with the import")
    notes: list[str] = Field(description="What a person should check, such as the datum and its evidence")
    columns: list[PreviewColumnOut]
    rows: int
    good: int = Field(description="Rows that can be imported")
    new: int
    changed: int
    unchanged: int
    matched: int = Field(description="Rows that may be a device which another list has registered")
    outside: int = Field(description="Rows in no registered estate, which need a region")
    samples: list[PreviewRowOut] = Field(description="The first five rows that can be imported")
    alike: list[str] = Field(description="Questions about rows at the same point or with the same words")
    rows_set_aside: list[SetAsideOut] = Field(description=f"At most {MAX_SHOWN}")


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
        with one_at_a_time(_place, "Another list is being imported. Try again when it has ended."):
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
        matched=len(found.matched),
        outside=found.outside,
        samples=[
            PreviewRowOut(
                where=each.where,
                fields=each.fields,
                estate=f"{each.estate.source}:{each.estate.source_id}" if each.estate else None,
            )
            for each in found.samples
        ],
        alike=list(map(str, found.alike)),
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
    found = queries.reviews(session, is_open=not decided, limit=limit, after_id=after)
    return [ReviewOut.of(each) for each in found]


@router.get("/reviews/{review_id}")
def get_review(session: ReadSession, viewer: ViewerDep, review_id: ReviewId, response: Response) -> ReviewOut:
    """Return a question about imported lists with its evidence. Requires an administrator."""
    require_administrator(viewer)
    return _with_etag(response, ReviewOut.of(queries.review(session, review_id)))


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
