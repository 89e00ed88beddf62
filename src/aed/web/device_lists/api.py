"""Routes of the pages with which an estate's manager imports a list."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database, transaction
from aed.errors import AedError, ChangedMeanwhile, Conflict, InvalidInput
from aed.geo import Datum
from aed.http.parameters import RowId, SettingsDep, one_at_a_time
from aed.http.query import ANY_PARAMETER
from aed.imports.devices.permissions import require_importer
from aed.imports.devices.rules import thresholds_in
from aed.imports.drafts import actions
from aed.imports.formats.guess import CHOICES
from aed.imports.lint.fixes import MENDABLE
from aed.imports.saved_mappings import actions as mappings
from aed.imports.saved_mappings.actions import MAX_NAME_LENGTH, can_change, places_of, saved_mappings
from aed.imports.uploads import uploaded_file
from aed.translation import detail_of, translate
from aed.web.device_lists.rules import FIELDS, MENDS, SHOWN, code_of, reason_words, side_by_side
from aed.web.form_fields import text_fields
from aed.web.language import language_of
from aed.web.render import NO_STORE, render
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_FIELDS: Final = 3_000
MAX_SHOWN: Final = 20
"""Maximum number of refused rows and questions on the page; the workbook has all."""
MAX_EXAMPLES: Final = 3
SIGN_IN: Final = "/sign-in?next=/lists"
CHANGED: Final = noop("You changed how the list is read. Look at the counts, then import it.")
ELSEWHERE: Final = noop("This list was changed in another window. This is how it is now.")
ANSWER: Final = "answer:"
"""How the fields of answers begin, such as `answer:12:device:17`."""
NOTHING: Final[Mapping[str, str]] = {}
BUSY: Final = "Another list is being read. Try again in a moment."
DATUMS: Final[Mapping[Datum, str]] = {
    Datum.WGS84: noop("WGS-84 (GPS, OpenStreetMap)"),
    Datum.GCJ02: noop("GCJ-02 (AMap, Tencent)"),
    Datum.BD09: noop("BD-09 (Baidu)"),
}
_place = threading.BoundedSemaphore(2)
"""Reads two lists at a time, since lookups take precedence."""

DraftId = RowId
MappingId = DraftId


async def _fields(request: Request) -> list[tuple[str, str]]:
    """Return the text fields of the form."""
    return await text_fields(request, max_fields=MAX_FIELDS)


Fields = Annotated[list[tuple[str, str]], Depends(_fields)]


@router.get("/lists")
def show_lists(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the form that takes a list, and the lists that wait."""
    if not viewer.is_signed_in:
        return RedirectResponse(SIGN_IN, 303)
    require_importer(viewer)
    return _lists_page(request, session, viewer)


def _lists_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    problem: str = "",
    mapping_problem: str = "",
    status: int = 200,
) -> Response:
    return render(
        request,
        "device_lists/lists.html.jinja",
        status=status,
        headers=NO_STORE,
        drafts=actions.drafts(session, viewer),
        mappings=[(each, can_change(session, viewer, each)) for each in saved_mappings(session, viewer)],
        problem=problem,
        mapping_problem=mapping_problem,
    )


@router.post("/lists")
async def upload(request: Request, database: DatabaseDep, viewer: FormViewerDep) -> Response:
    """Keep an uploaded list, and show how it is read."""
    require_importer(viewer)
    try:
        async with uploaded_file(request, name=None) as sent:
            draft_id = await run_in_threadpool(_created, database, viewer, sent.path)
    except InvalidInput as error:
        problem = detail_of(error, language_of(request))
        return await run_in_threadpool(_refused_upload, request, database, viewer, problem, error.status)
    return RedirectResponse(f"/lists/{draft_id}", 303)


def _created(database: Database, viewer: Viewer, path: FilePath) -> int:
    with one_at_a_time(_place, BUSY), transaction(database) as session:
        return actions.create_draft(session, viewer, path, at=clock.now()).id


def _refused_upload(
    request: Request, database: Database, viewer: Viewer, problem: str, status: int
) -> Response:
    with database.read_sessions() as session:
        return _lists_page(request, session, viewer, problem=problem, status=status)


@router.get("/lists/{draft_id}")
def show_list(request: Request, session: ReadSession, viewer: ViewerDep, draft_id: DraftId) -> Response:
    """Show how a list is read and what importing it would do; or the result."""
    return _page(request, session, viewer, draft_id)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    draft_id: int,
    *,
    status: int = 200,
    problem: str = "",
    typed: Mapping[str, str] | None = None,
    typed_answers: Mapping[str, str] = NOTHING,
    saved_name: str = "",
    saving_problem: str = "",
    typed_name: str = "",
) -> Response:
    """Render a list; `problem` is what is wrong with the form, whose columns are `typed`."""
    draft = actions.draft(session, viewer, draft_id)
    if draft.result is not None:
        refused = [
            (number, _reason(request, reason)) for number, reason in list(draft.result["refused"].items())
        ]
        return render(
            request,
            "device_lists/result.html.jinja",
            headers=NO_STORE,
            draft=draft,
            result=draft.result,
            refused=refused[:MAX_SHOWN],
            refused_count=len(refused),
            is_administrator=viewer.is_administrator,
        )
    with one_at_a_time(_place, BUSY):
        seen = actions.preview_draft(
            session,
            viewer,
            draft,
            on=clock.now().date(),
            thresholds=thresholds_in(request.app.state.settings),
        )
    found = seen.found
    questions = [each for each in found.questions if each.may_answer]
    opened = [each for each in questions if each.answer is None]
    return render(
        request,
        "device_lists/list.html.jinja",
        status=status,
        headers=NO_STORE,
        draft=draft,
        problem=problem,
        notes=[translate(each.template, language_of(request), each.values) for each in found.notes],
        columns=[
            (each, (each.field or "") if typed is None else typed.get(each.heading, ""))
            for each in found.columns
        ],
        fields=FIELDS,
        samples=[
            (
                each.where,
                [(SHOWN[name], value) for name, value in each.fields.items() if name in SHOWN],
                each.estate,
            )
            for each in found.samples
        ],
        datum=found.mapping.datum,
        datums=DATUMS,
        mends=[
            (kind, MENDS[kind], len(some), some[:MAX_EXAMPLES], kind.value in draft.fixes)
            for kind, some in seen.mends.items()
        ],
        found=found,
        mappings=saved_mappings(session, viewer),
        places=places_of(session, viewer),
        saved_name=saved_name,
        saving_problem=saving_problem,
        typed_name=typed_name,
        questions=[
            (
                each,
                side_by_side(each),
                code_of(each),
                typed_answers.get(f"{ANSWER}{each.number}:{each.other}", each.answer or ""),
            )
            for each in [*opened[:MAX_SHOWN], *(each for each in questions if each.answer is not None)]
        ],
        more_questions=max(0, len(opened) - MAX_SHOWN),
        left_to_administrator=sum(not each.may_answer for each in found.questions),
        refused=[(row.number, _reason(request, row.reason)) for row in found.bad[:MAX_SHOWN]],
    )


def _reason(request: Request, reason: str) -> str:
    words, values = reason_words(reason)
    return _in_language(request, words).format_map(values) if words else reason


@router.post("/lists/{draft_id}")
def amend(
    request: Request, session: WriteSession, viewer: FormViewerDep, draft_id: DraftId, fields: Fields
) -> Response:
    """Correct how a list is read, and show it again."""
    try:
        _amended(session, viewer, draft_id, fields)
    except InvalidInput as error:
        return _wrong(request, session, viewer, draft_id, fields, error)
    except ChangedMeanwhile:
        return _page(request, session, viewer, draft_id, status=409, problem=_in_language(request, ELSEWHERE))
    return RedirectResponse(f"/lists/{draft_id}", 303)


@router.post("/lists/{draft_id}/import")
def import_list(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    settings: SettingsDep,
    draft_id: DraftId,
    fields: Fields,
) -> Response:
    """Import a list as it was previewed; show it again if the form was changed since."""
    if actions.draft(session, viewer, draft_id).imported_at is not None:
        return RedirectResponse(f"/lists/{draft_id}", 303)
    try:
        if _amended(session, viewer, draft_id, fields):
            return _page(request, session, viewer, draft_id, problem=_in_language(request, CHANGED))
        with one_at_a_time(_place, BUSY), session.begin_nested():
            actions.import_draft(
                session,
                viewer,
                draft_id,
                version=_version(fields),
                is_whole_list=("whole", "yes") in fields,
                thresholds=thresholds_in(settings),
                at=clock.now(),
            )
    except InvalidInput as error:
        return _wrong(request, session, viewer, draft_id, fields, error)
    except ChangedMeanwhile:
        return _page(request, session, viewer, draft_id, status=409, problem=_in_language(request, ELSEWHERE))
    return RedirectResponse(f"/lists/{draft_id}", 303)


def _in_language(request: Request, sentence: str) -> str:
    return translator(language_of(request))(sentence)


def _wrong(
    request: Request,
    session: Session,
    viewer: Viewer,
    draft_id: int,
    fields: list[tuple[str, str]],
    error: AedError,
) -> Response:
    problem = detail_of(error, language_of(request))
    return _page(
        request,
        session,
        viewer,
        draft_id,
        status=error.status,
        problem=problem,
        typed=_chosen(fields),
        typed_answers={name: value for name, value in fields if name.startswith(ANSWER)},
    )


def _amended(session: Session, viewer: Viewer, draft_id: int, fields: list[tuple[str, str]]) -> bool:
    given = dict(fields)
    datum = given.get("datum", "")
    return actions.amend_draft(
        session,
        viewer,
        draft_id,
        version=_version(fields),
        chosen=_chosen(fields),
        datum=Datum(datum) if datum in list(Datum) else Datum.WGS84,
        fixes=[kind for kind in MENDABLE if ("fix", kind.value) in fields],
        answers=[
            (*name.removeprefix(ANSWER).partition(":")[::2], value)
            for name, value in fields
            if name.startswith(ANSWER)
        ],
    )


def _version(fields: list[tuple[str, str]]) -> int:
    version = dict(fields).get("version", "")
    return int(version) if version.isdecimal() and len(version) < 10 else 0


def _chosen(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Return {heading: what the column holds}; the form has both for each column, in the same order."""
    headings = [value for name, value in fields if name == "heading"]
    holds = [value for name, value in fields if name == "holds"]
    return {heading: held for heading, held in zip(headings, holds, strict=False) if held in CHOICES}


@router.post("/lists/{draft_id}/mapping")
def use_mapping(
    request: Request, session: WriteSession, viewer: FormViewerDep, draft_id: DraftId, fields: Fields
) -> Response:
    """Read a list with a saved mapping, or guess its mapping again."""
    chosen = dict(fields).get("saved", "")
    try:
        with one_at_a_time(_place, BUSY):
            actions.use_mapping(
                session,
                viewer,
                draft_id,
                version=_version(fields),
                mapping_id=int(chosen) if chosen.isdecimal() and len(chosen) < 19 else None,
            )
    except ChangedMeanwhile:
        return _page(request, session, viewer, draft_id, status=409, problem=_in_language(request, ELSEWHERE))
    except InvalidInput as error:
        return _wrong(request, session, viewer, draft_id, fields, error)
    return RedirectResponse(f"/lists/{draft_id}", 303)


@router.post("/lists/{draft_id}/save-mapping")
def save_mapping(
    request: Request, session: WriteSession, viewer: FormViewerDep, draft_id: DraftId, fields: Fields
) -> Response:
    """Save how a list is read under a name, with what was corrected in the form."""
    given = dict(fields)
    name = given.get("mapping_name", "")
    try:
        _amended(session, viewer, draft_id, fields)
        saved = actions.save_draft_mapping(
            session, viewer, draft_id, name=name, place=given.get("place", ""), at=clock.now()
        )
    except ChangedMeanwhile:
        return _page(request, session, viewer, draft_id, status=409, problem=_in_language(request, ELSEWHERE))
    except (InvalidInput, Conflict) as error:
        if error.field not in ("name", "place"):
            return _wrong(request, session, viewer, draft_id, fields, error)
        problem = detail_of(error, language_of(request))
        return _page(
            request,
            session,
            viewer,
            draft_id,
            status=error.status,
            saving_problem=problem,
            typed_name=name[:MAX_NAME_LENGTH],
        )
    return _page(request, session, viewer, draft_id, saved_name=saved.name)


@router.post("/lists/mappings/{mapping_id}/rename")
def rename_mapping(
    request: Request, session: WriteSession, viewer: FormViewerDep, mapping_id: MappingId, fields: Fields
) -> Response:
    """Rename a saved mapping."""
    try:
        mappings.rename_mapping(
            session,
            viewer,
            mapping_id,
            name=dict(fields).get("mapping_name", ""),
            version=_version(fields),
        )
    except (InvalidInput, Conflict) as error:
        problem = detail_of(error, language_of(request))
        return _lists_page(request, session, viewer, mapping_problem=problem, status=error.status)
    return RedirectResponse("/lists", 303)


@router.post("/lists/mappings/{mapping_id}/delete")
def delete_mapping(session: WriteSession, viewer: FormViewerDep, mapping_id: MappingId) -> Response:
    """Delete a saved mapping; what was imported with it stays."""
    mappings.delete_mapping(session, viewer, mapping_id)
    return RedirectResponse("/lists", 303)


@router.get("/lists/{draft_id}/refused.xlsx")
def download_refused_rows(session: ReadSession, viewer: ViewerDep, draft_id: DraftId) -> Response:
    """Return the refused rows as the same workbook, with a column of reasons."""
    draft = actions.draft(session, viewer, draft_id)
    with tempfile.TemporaryDirectory(prefix="aed-list-") as folder:
        out = FilePath(folder) / "refused.xlsx"
        actions.write_refused_rows(draft, out)
        content = out.read_bytes()
    return Response(
        content,
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers={**NO_STORE, "Content-Disposition": 'attachment; filename="refused.xlsx"'},
    )


@router.post("/lists/{draft_id}/delete")
def delete_list(session: WriteSession, viewer: FormViewerDep, draft_id: DraftId) -> Response:
    """Delete an uploaded list; imported devices stay."""
    actions.delete_draft(session, viewer, draft_id)
    return RedirectResponse("/lists", 303)
