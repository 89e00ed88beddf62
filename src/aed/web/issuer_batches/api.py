"""Routes of the pages of batches for issuers, for those who manage the issuer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.people.queries import names_by_actor
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database, read_session, transaction
from aed.errors import Conflict, InvalidInput
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.imports.uploads import UploadedFile, uploaded_file
from aed.issuers.models import Issuer
from aed.training.issuer_batches import actions
from aed.training.issuer_batches import queries as batch_queries
from aed.training.issuer_batches.actions import AnswerReport
from aed.training.issuer_batches.schemas import MAX_SESSIONS, IssuerBatchIn
from aed.training.rules import BatchRowState
from aed.translation import detail_of
from aed.web.form_fields import problem_in, text_fields
from aed.web.issuer_batches import queries
from aed.web.issuer_batches.rules import reason_words
from aed.web.language import language_of
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

SHOWN: Final = 50
"""Maximum number of batches on a page."""
MAX_BAD_SHOWN: Final = 100
LABELS: Final = {"reference": noop("Reference"), "session_ids": noop("Sessions of the batch")}
NO_SESSION: Final = noop("Tick at least one session whose results go into the batch.")
STATES: Final = {
    BatchRowState.WAITING: noop("no answer yet"),
    BatchRowState.ACCEPTED: noop("card issued"),
    BatchRowState.REJECTED: noop("came back"),
}
"""What the issuer made of a row, in English; translate it."""
LACKS: Final = {"holder_id": noop("identity number"), "photo": noop("photo")}
"""What a learner has not given, in English; translate it."""
type Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("/issuer-batches")
def show_issuers(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the issuers that the viewer manages, and whether they take batches."""
    if not viewer.is_signed_in:
        return to_sign_in("/issuer-batches")
    return render(
        request,
        "issuer_batches/issuers.html.jinja",
        headers=NO_STORE,
        issuers=queries.managed_issuers(session, viewer),
    )


@router.get("/issuer-batches/{issuer_id}")
def show_batches(
    request: Request, session: ReadSession, viewer: ViewerDep, issuer_id: RowId, before: Before = None
) -> Response:
    """Show the batches of an issuer, and the form that makes one from chosen sessions."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/issuer-batches/{issuer_id}")
    return _batches_page(request, session, viewer, issuer_id, before=before)


async def _fields(request: Request) -> list[tuple[str, str]]:
    return await text_fields(request, max_fields=MAX_SESSIONS + 10)


@router.post("/issuer-batches/{issuer_id}")
def make_batch(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    issuer_id: RowId,
    fields: Annotated[list[tuple[str, str]], Depends(_fields)],
) -> Response:
    """Make a batch of the results of the ticked sessions; what is wrong is shown beside what was typed."""
    batch_queries.managed_issuer_of(session, viewer, issuer_id)
    reference = dict(fields).get("reference", "").strip()
    ticked = [value for name, value in fields if name == "session"]
    language = language_of(request)
    try:
        if not ticked:
            raise InvalidInput(NO_SESSION, field="session_ids")
        given = IssuerBatchIn.model_validate({"reference": reference, "session_ids": ticked})
        is_known = batch_queries.batch_by_reference(session, issuer_id, given.reference) is not None
        with session.begin_nested():
            made = actions.prepare_batch(
                session,
                viewer,
                issuer_id,
                reference=given.reference,
                session_ids=given.chosen_sessions,
                at=clock.now(),
            ).batch
    except (ValidationError, InvalidInput, Conflict) as error:
        if isinstance(error, ValidationError):
            problem, status = problem_in(error, LABELS, language), 422
        else:
            problem, status = translator(language)(detail_of(error, language)), error.status
        return _batches_page(
            request,
            session,
            viewer,
            issuer_id,
            problem=problem,
            status=status,
            reference=reference[:100],
            ticked=set(ticked),
        )
    return RedirectResponse(
        f"/issuer-batches/{issuer_id}/{made.id}?done={'known' if is_known else 'made'}", 303
    )


def _batches_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    issuer_id: int,
    *,
    before: int | None = None,
    problem: str = "",
    status: int = 200,
    reference: str | None = None,
    ticked: Collection[str] | None = None,
) -> Response:
    issuer = batch_queries.managed_issuer_of(session, viewer, issuer_id)
    form = batch_queries.format_of(issuer) if issuer.batch_format is not None else None
    zone = _zone_of(issuer)
    lines = queries.batch_lines(session, viewer, issuer_id, limit=SHOWN + 1, before_id=before)
    found = queries.sessions_with_results(session, viewer, issuer_id, form) if form is not None else []
    return render(
        request,
        "issuer_batches/batches.html.jinja",
        status=status,
        headers=NO_STORE,
        issuer=issuer,
        takes_batches=form is not None,
        sessions=[
            (
                each,
                _local(each.training.starts_at, ZoneInfo(each.training.time_zone))[:10],
                str(each.training.id) in ticked if ticked is not None else each.ready > 0,
            )
            for each in found
        ],
        can_make=any(each.ready for each in found),
        batches=[(each, _local(each.made_at, zone)) for each in lines[:SHOWN]],
        older=lines[SHOWN - 1].id if len(lines) > SHOWN else None,
        reference=f"{clock.now().astimezone(zone):%Y-%m-%d}" if reference is None else reference,
        problem=problem,
        states=STATES,
        lacks=LACKS,
    )


def _zone_of(issuer: Issuer) -> ZoneInfo:
    """Return the time zone of an issuer's region; UTC for an issuer of the whole network."""
    return ZoneInfo(issuer.region.time_zone if issuer.region is not None else "UTC")


def _local(moment: datetime, zone: ZoneInfo) -> str:
    written = f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"
    return f"{written} UTC" if zone.key == "UTC" else written


# --- A batch ----------------------------------------------------------------------------------------------


@router.get("/issuer-batches/{issuer_id}/{issuer_batch_id}")
def show_batch(
    request: Request, session: ReadSession, viewer: ViewerDep, issuer_id: RowId, issuer_batch_id: RowId
) -> Response:
    """Show a batch with what the issuer made of each row, its files, and the form for the answer."""
    if not viewer.is_signed_in:
        return to_sign_in(f"/issuer-batches/{issuer_id}/{issuer_batch_id}")
    return _batch_page(
        request, session, viewer, issuer_id, issuer_batch_id, done=request.query_params.get("done", "")[:10]
    )


@router.post("/issuer-batches/{issuer_id}/{issuer_batch_id}")
async def read_answer(
    request: Request, database: DatabaseDep, viewer: FormViewerDep, issuer_id: RowId, issuer_batch_id: RowId
) -> Response:
    """Read the issuer's answer to a batch, and show what came of it. Reading it again changes nothing."""
    await run_in_threadpool(_require_batch, database, viewer, issuer_id, issuer_batch_id)
    shown: dict[str, Any] = {}
    try:
        async with uploaded_file(request, name=None) as sent:
            shown["report"] = await run_in_threadpool(
                _take, database, viewer, issuer_id, issuer_batch_id, sent
            )
    except InvalidInput as error:
        shown = {"problem": detail_of(error, language_of(request)), "status": error.status}
    return await run_in_threadpool(_shown_again, request, database, viewer, issuer_id, issuer_batch_id, shown)


def _require_batch(database: Database, viewer: Viewer, issuer_id: int, batch_id: int) -> None:
    """Require permission before the file is stored."""
    with read_session(database) as session:
        batch_queries.batch(session, viewer, issuer_id, batch_id)


def _take(
    database: Database, viewer: Viewer, issuer_id: int, batch_id: int, sent: UploadedFile
) -> AnswerReport:
    with transaction(database) as session:
        return actions.take_answer(session, viewer, issuer_id, batch_id, sent.path, at=clock.now())


def _shown_again(
    request: Request, database: Database, viewer: Viewer, issuer_id: int, batch_id: int, shown: dict[str, Any]
) -> Response:
    with read_session(database) as session:
        return _batch_page(request, session, viewer, issuer_id, batch_id, **shown)


def _batch_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    issuer_id: int,
    batch_id: int,
    *,
    report: AnswerReport | None = None,
    problem: str = "",
    status: int = 200,
    done: str = "",
) -> Response:
    issuer = batch_queries.managed_issuer_of(session, viewer, issuer_id)
    batch = batch_queries.batch(session, viewer, issuer_id, batch_id)
    rows = batch_queries.rows_of(session, batch.id)
    _ = translator(language_of(request))
    bad = []
    for each in report.bad[:MAX_BAD_SHOWN] if report is not None else []:
        words, values = reason_words(each.reason)
        bad.append((each.number, _(words).format_map(values) if words else each.reason))
    return render(
        request,
        "issuer_batches/batch.html.jinja",
        status=status,
        headers=NO_STORE,
        issuer=issuer,
        takes_batches=issuer.batch_format is not None,
        batch=batch,
        made=_local(batch.made_at, _zone_of(issuer)),
        made_by=names_by_actor(session, [batch.made_by]).get(batch.made_by, batch.made_by),
        counts={state: sum(each.row.state is state for each in rows) for state in BatchRowState},
        came_back=[each for each in rows if each.row.state is BatchRowState.REJECTED],
        others=[each for each in rows if each.row.state is not BatchRowState.REJECTED],
        report=report,
        bad=bad,
        more_bad=max(0, len(report.bad) - MAX_BAD_SHOWN) if report is not None else 0,
        problem=problem,
        done=done,
        states=STATES,
    )
