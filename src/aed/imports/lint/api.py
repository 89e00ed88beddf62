"""The route that lints a device list."""

from __future__ import annotations

import threading
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep
from aed.database.session import Database, read_session
from aed.errors import NotSignedIn
from aed.http.parameters import one_at_a_time
from aed.imports.findings import FindingKind, Severity
from aed.imports.formats.recognise import DeviceFormat
from aed.imports.lint.linting import lint_list
from aed.imports.lint.register import require_comparison_allowed
from aed.imports.lint.report import LintedList, finding_as_json, summary_as_json
from aed.imports.uploads import FILE_BODY, UploadedFile, uploaded_file

router = APIRouter(tags=["lists"])

MAX_FINDINGS = 20_000
"""Maximum number of findings in a response; the counts cover all findings."""
_place = threading.BoundedSemaphore(1)
"""Lints one list at a time: linting occupies a whole processor, and lookups take precedence."""


class FindingOut(BaseModel):
    """A finding about one row, or about the file as a whole."""

    kind: FindingKind
    severity: Severity
    where: str = Field(description="line 12, row 12, feature 3, element 3; file", examples=["line 12"])
    unit: str
    number: int | None
    column: str | None = Field(description="The column, as named in the file")
    read: str | None = Field(description="The value in the file")
    wrong: str
    right: str | None = Field(description="What would be right: a value or a sentence")


class LintOut(BaseModel):
    """The result of linting a list."""

    file: str
    format: str
    title: str
    country: str | None
    country_from: str | None = Field(
        description="said: given by the list or the request; rows: where most rows are"
    )
    rows: int
    counts: dict[Severity, int]
    kinds: dict[FindingKind, dict[Severity, int]]
    findings: list[FindingOut]
    findings_left_out: int


@router.post("/lint", openapi_extra=FILE_BODY)
async def lint_device_list(
    request: Request,
    database: DatabaseDep,
    viewer: ViewerDep,
    form: Annotated[
        DeviceFormat | None,
        Query(alias="format", description="The format; default: recognised from the contents"),
    ] = None,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="The country of the list")] = None,
    name: Annotated[str | None, Query(max_length=200, description="Name of the file")] = None,
    register: Annotated[
        bool, Query(description="Also compare with the register (administrators only)")
    ] = False,
) -> LintOut:
    """Lint a device list.

    Report every doubtful value by row and column, with a suggested correction where there is one.

    The body is the file itself, or a form with the parts `file` and (optional) `mapping`. Nothing is stored.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Checking a list requires a token. Send Authorization: Bearer ….")
    if register:
        require_comparison_allowed(viewer)
    async with uploaded_file(request, name=name) as sent:
        with one_at_a_time(_place, "Another list is being checked. Try again when it has ended."):
            return await run_in_threadpool(
                _linted, database, viewer if register else None, sent, form, country
            )


def _linted(
    database: Database,
    viewer: Viewer | None,
    sent: UploadedFile,
    form: DeviceFormat | None,
    country: str | None,
) -> LintOut:
    on, mapping = clock.now().date(), sent.mapping()
    if viewer is None:
        with lint_list(sent.path, on=on, form=form, mapping=mapping, country=country) as linted:
            return _answer(linted)
    with (
        read_session(database) as session,
        lint_list(
            sent.path, on=on, form=form, mapping=mapping, country=country, register=(session, viewer)
        ) as linted,
    ):
        return _answer(linted)


def _answer(linted: LintedList) -> LintOut:
    found: list[dict[str, Any]] = []
    for finding in linted.findings():
        if len(found) == MAX_FINDINGS:
            break
        found.append(finding_as_json(finding))
    summary = summary_as_json(linted)
    left_out = sum(summary["counts"].values()) - len(found)
    return LintOut.model_validate({**summary, "findings": found, "findings_left_out": left_out})
