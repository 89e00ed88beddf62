"""Routes that import devices and responders."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer, require_administrator
from aed.database.session import dry_run, open_database, transaction
from aed.errors import InvalidInput
from aed.http.parameters import one_at_a_time
from aed.imports.batches import refuse_bad_rows
from aed.imports.devices.actions import import_devices
from aed.imports.devices.answers import Answers, with_answer
from aed.imports.devices.permissions import require_importer
from aed.imports.devices.rules import thresholds_in
from aed.imports.devices.schemas import ImportOut, MendedOut
from aed.imports.findings import FindingKind
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.recognise import DeviceFormat
from aed.imports.lint.fixes import MENDABLE, Fix, by_row, fixes_in
from aed.imports.lint.linting import lint_list
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
"""Imports one file at a time: the register runs one import at a time, and others would wait on disk."""


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
    mended: tuple[FindingKind, ...]
    answers: Answers


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
    fix: Annotated[
        list[FindingKind] | None,
        Query(
            max_length=len(MENDABLE),
            description=f"Mend the findings of this kind; may be repeated. One of {', '.join(MENDABLE)}",
        ),
    ] = None,
    answer: Annotated[
        list[str] | None,
        Query(
            max_length=1_000,
            description="Answer a question of the preview: the row, the other device or row, and same or "
            "different, such as 12:device:17:same or 12:row:4:different; may be repeated",
        ),
    ] = None,
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
        mended=_mended_kinds(fix or []),
        answers=_answers(answer or []),
    )
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another list is being imported. Try again when it has ended."):
            return await run_in_threadpool(_devices_imported, request.app.state.settings, viewer, sent, asked)


def _mended_kinds(given: Sequence[FindingKind]) -> tuple[FindingKind, ...]:
    unknown = next((kind for kind in given if kind not in MENDABLE), None)
    if unknown is not None:
        raise InvalidInput(
            "{kind} cannot be mended. What can be mended: {kinds}.",
            field="fix",
            kind=unknown.value,
            kinds=", ".join(MENDABLE),
        )
    return tuple(dict.fromkeys(given))


def _answers(given: Sequence[str]) -> Answers:
    answers: Answers = {}
    for each in given:
        rest, _, answer = each.rpartition(":")
        row, _, other = rest.partition(":")
        answers = with_answer(answers, row, other, answer)
        if not answer:
            raise InvalidInput(
                "The answer about row {row} must be same or different.", field="answer", row=row
            )
    return answers


def _devices_imported(settings: Settings, viewer: Viewer, sent: UploadedFile, asked: _Asked) -> ImportOut:
    """Import on a connection of its own, with a longer statement timeout than lookups have."""
    mapping = sent.mapping()
    patient = {"statement_timeout_ms": LONG_STATEMENT_MS, "threads": 1}
    fixes = _fixes(sent, asked, mapping)
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
                fixes=by_row(fixes),
                answers=asked.answers,
            )
            refuse_bad_rows(report, sent.path.name, is_strict=asked.is_strict)
    finally:
        database.close()
    return ImportOut.of(
        report,
        file=sent.path.name,
        is_dry_run=asked.is_dry_run,
        mended=[MendedOut.model_validate(each, from_attributes=True) for each in fixes],
    )


def _fixes(sent: UploadedFile, asked: _Asked, mapping: ListMapping | None) -> list[Fix]:
    """Return the corrections of the kinds that are to be mended."""
    if not asked.mended:
        return []
    with lint_list(
        sent.path, on=clock.now().date(), form=asked.form, mapping=mapping, compares_rows=False
    ) as linted:
        return list(fixes_in(linted, asked.mended))


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
