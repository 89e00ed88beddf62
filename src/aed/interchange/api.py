"""Routes of other people's lists."""

from __future__ import annotations

import re
import tempfile
import threading
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from aed import clock
from aed.accounts.access import ViewerDep
from aed.accounts.rules import Viewer, may_administer
from aed.db import Database, DatabaseDep, ReadSession, WriteSession, reads
from aed.errors import InvalidInput, NotSignedIn, TooBusy
from aed.interchange import queries
from aed.interchange.actions.deciding import decide
from aed.interchange.actions.lint_register import may_compare
from aed.interchange.actions.linting import Linted, finding_as_json, lint_list, summary_as_json
from aed.interchange.actions.thresholds import thresholds_in
from aed.interchange.formats.mapping import Mapping, mapping_from
from aed.interchange.formats.recognise import DeviceFormat
from aed.interchange.rules.finding import FindingKind, Severity
from aed.interchange.schemas import DecisionIn, ReviewOut

router = APIRouter(tags=["lists"])

MOST_FINDINGS = 20_000
"""So many are answered at most; the counts are of all."""
_place = threading.BoundedSemaphore(1)
"""One list at a time: it takes the time of one processor, which lookups need more."""

_EXAMPLE = "source,source_id,lat,lon,place_en\ntown,1,30.2911,120.0998,Library\n"
_BINARY = {"schema": {"type": "string", "format": "binary"}, "example": _EXAMPLE}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "mapping": {"type": "string", "description": "The text of a mapping file (YAML)"},
                    },
                },
                "example": {"file": _EXAMPLE},
            },
        },
    }
}


class FindingOut(BaseModel):
    """One doubt about one row, or about the file."""

    kind: FindingKind
    severity: Severity
    where: str = Field(description="line 12, row 12, feature 3, element 3; file", examples=["line 12"])
    unit: str
    number: int | None
    column: str | None = Field(description="As the file calls it")
    read: str | None = Field(description="What stands there")
    wrong: str
    right: str | None = Field(description="What would be right: a value or a sentence")


class LintOut(BaseModel):
    """What was found about a list."""

    file: str
    format: str
    title: str
    country: str | None
    country_from: str | None = Field(description="said: by the list or the question; rows: most lie in it")
    rows: int
    counts: dict[Severity, int]
    kinds: dict[FindingKind, dict[Severity, int]]
    findings: list[FindingOut]
    findings_left_out: int


@router.post("/lint", openapi_extra=_BODY)
async def lint(
    request: Request,
    database: DatabaseDep,
    viewer: ViewerDep,
    form: Annotated[DeviceFormat | None, Query(alias="format", description="Recognised if left out")] = None,
    country: Annotated[str | None, Query(pattern="^[A-Z]{2}$", description="Where the list lies")] = None,
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
    register: Annotated[bool, Query(description="Compare with the register too (administrators)")] = False,
) -> LintOut:
    """Look a list of devices over: every doubt, by row and column, with what would be right.

    The body is the file itself, or a form with the parts `file` and (optional) `mapping`. Nothing is kept.
    """
    if not viewer.is_signed_in:
        raise NotSignedIn("Looking a list over needs a token: send Authorization: Bearer ….")
    if register:
        may_compare(viewer)
    body = await request.body()
    content, given_name, mapping = _file_in(request.headers.get("content-type", ""), body)
    called = _file_name(name or given_name)
    if not _place.acquire(blocking=False):
        raise TooBusy("Another list is being looked over at this moment. Try again when it has ended.")
    try:
        return await run_in_threadpool(
            _linted, database, viewer if register else None, content, called, form, mapping, country
        )
    finally:
        _place.release()


def _linted(
    database: Database,
    viewer: Viewer | None,
    content: bytes,
    name: str,
    form: DeviceFormat | None,
    mapping: Mapping | None,
    country: str | None,
) -> LintOut:
    on = clock.now().date()
    with tempfile.TemporaryDirectory(prefix="aed-lint-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        if viewer is None:
            with lint_list(path, on=on, form=form, mapping=mapping, country=country) as linted:
                return _answer(linted)
        with (
            reads(database) as session,
            lint_list(
                path, on=on, form=form, mapping=mapping, country=country, register=(session, viewer)
            ) as linted,
        ):
            return _answer(linted)


def _answer(linted: Linted) -> LintOut:
    found: list[dict[str, Any]] = []
    for finding in linted.findings():
        if len(found) == MOST_FINDINGS:
            break
        found.append(finding_as_json(finding))
    summary = summary_as_json(linted)
    left_out = sum(summary["counts"].values()) - len(found)
    return LintOut.model_validate({**summary, "findings": found, "findings_left_out": left_out})


def _file_in(content_type: str, body: bytes) -> tuple[bytes, str | None, Mapping | None]:
    """The file of a body, its name, and the mapping beside it; of a plain body, itself."""
    if not content_type.lower().startswith("multipart/form-data"):
        return body, None, None
    header = f"Content-Type: {content_type}\r\n\r\n".encode("utf-8", "replace")
    form = BytesParser(policy=HTTP).parsebytes(header + body)
    parts: dict[str, tuple[bytes, str | None]] = {}
    for part in form.iter_parts() if form.is_multipart() else ():
        named = part.get_param("name", header="content-disposition")
        payload = part.get_payload(decode=True)
        if isinstance(named, str) and isinstance(payload, bytes):
            parts.setdefault(named, (payload, part.get_filename()))
    if "file" not in parts:
        raise InvalidInput("The form must have a part 'file' with the list.", field="file")
    mapping = None
    if "mapping" in parts and parts["mapping"][0].strip():
        try:
            mapping = mapping_from(parts["mapping"][0].decode("utf-8-sig"), "the mapping")
        except UnicodeDecodeError:
            raise InvalidInput("The mapping is not UTF-8.", field="mapping") from None
    return *parts["file"], mapping


def _file_name(given: str | None) -> str:
    """A name for a file in a folder of its own, as near to the given one as is safe."""
    last = re.split(r"[/\\]", given or "")[-1]
    safe = re.sub(r"[^\w. ()-]", "_", last).strip(". ")[:100]
    return safe or "list"


# --- Reviews --------------------------------------------------------------------------------------------

ReviewId = Annotated[int, PathParameter(ge=1, le=2**63 - 1, examples=[1])]


@router.get("/reviews")
def list_reviews(
    session: ReadSession,
    viewer: ViewerDep,
    decided: Annotated[bool, Query(description="What is decided too")] = False,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="Only those with a higher id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most")] = 100,
) -> list[ReviewOut]:
    """What a person must decide about imported lists, the oldest first. For administrators."""
    may_administer(viewer)
    found = queries.reviews(session, is_open=not decided, limit=limit, after_id=after)
    return [ReviewOut.of(each) for each in found]


@router.get("/reviews/{review_id}")
def show_review(
    session: ReadSession, viewer: ViewerDep, review_id: ReviewId, response: Response
) -> ReviewOut:
    """One of them with its evidence. For administrators."""
    may_administer(viewer)
    return _tagged(response, ReviewOut.of(queries.review(session, review_id)))


@router.post("/reviews/{review_id}/decision")
def decide_review(
    request: Request,
    session: WriteSession,
    viewer: ViewerDep,
    review_id: ReviewId,
    given: DecisionIn,
    response: Response,
) -> ReviewOut:
    """Decide: it is carried out at once and remembered. Another decision later is carried out too."""
    thresholds = thresholds_in(request.app.state.settings)
    review = decide(session, viewer, review_id, given.decision, thresholds=thresholds, at=clock.now())
    return _tagged(response, ReviewOut.of(review))


def _tagged(response: Response, review: ReviewOut) -> ReviewOut:
    response.headers["ETag"] = f'"{int(review.decided_at.timestamp()) if review.decided_at else 0}"'
    return review
