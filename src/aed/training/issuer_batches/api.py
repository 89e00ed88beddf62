"""Routes of batches of results for issuers, and of what issuers want of learners."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.people.queries import names_by_actor
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep, ReadSession, WriteSession
from aed.database.session import Database, read_session, transaction
from aed.http.parameters import Cursor, Limit, RowId, cursor_id, next_cursor
from aed.imports.formats.table import TEMPLATES, TemplateFormat
from aed.imports.uploads import FILE_BODY, UploadedFile, uploaded_file
from aed.training.issuer_batches import actions, queries
from aed.training.issuer_batches.schemas import (
    BatchAnswerOut,
    IssuerBatchIn,
    IssuerBatchOut,
    IssuerBatchPage,
    LearnerIdentityIn,
    LearnerIdentityOut,
    LeftOutOut,
)
from aed.training.issuer_batches.sheet import csv_of, xlsx_of

router = APIRouter(tags=["training"])
IssuerId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
IssuerBatchId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_MEDIA: Final = {ending: template.media_type for ending, template in TEMPLATES.items()}
_AS_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The file",
        "content": {media.partition(";")[0]: _FILE for media in _MEDIA.values()},
    }
}
_PICTURE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The photo", "content": {"image/jpeg": _FILE}}
}


@router.get("/enrolments/{enrolment_id}/identity")
def get_learner_identity(session: ReadSession, viewer: ViewerDep, enrolment_id: RowId) -> LearnerIdentityOut:
    """Get what a learner gave for the issuer: the identity number masked, and whether there is a photo.

    For those who run the session.
    """
    queries.learner(session, viewer, enrolment_id)
    found = queries.identity(session, enrolment_id)
    return LearnerIdentityOut.of(enrolment_id, found, has_photo=queries.has_photo(session, enrolment_id))


@router.put("/enrolments/{enrolment_id}/identity")
def set_learner_identity(
    session: WriteSession, viewer: ViewerDep, enrolment_id: RowId, new: LearnerIdentityIn
) -> LearnerIdentityOut:
    """Keep the identity number of a learner, if the issuer of the course wants it.

    For those who run the session. It is encrypted, shown masked, and deleted once the issuer has issued
    the card.
    """
    found = actions.set_identity(session, viewer, enrolment_id, holder_id=new.holder_id, at=clock.now())
    return LearnerIdentityOut.of(enrolment_id, found, has_photo=queries.has_photo(session, enrolment_id))


@router.get("/enrolments/{enrolment_id}/photo", response_class=Response, responses=_PICTURE)
def get_learner_photo(session: ReadSession, viewer: ViewerDep, enrolment_id: RowId) -> Response:
    """Return the photo of a learner as JPEG, for those who run the session."""
    jpeg = queries.photo_of(session, viewer, enrolment_id)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, no-store"})


@router.get("/issuers/{issuer_id}/batches")
def list_issuer_batches(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId, limit: Limit = 100, cursor: Cursor = None
) -> IssuerBatchPage:
    """List the batches of an issuer in order of id. For those who manage the issuer."""
    found = queries.batches(session, viewer, issuer_id, limit=limit + 1, after_id=cursor_id(cursor))
    names = names_by_actor(session, [each.made_by for each in found[:limit]])
    return IssuerBatchPage(
        batches=[IssuerBatchOut.of(each, names) for each in found[:limit]], next=next_cursor(found, limit)
    )


@router.post("/issuers/{issuer_id}/batches", status_code=201)
def prepare_issuer_batch(
    session: WriteSession, viewer: ViewerDep, issuer_id: IssuerId, new: IssuerBatchIn
) -> IssuerBatchOut:
    """Put the passed results that an issuer does not have into a batch. For those who manage the issuer.

    The same reference again is the same batch. Rejected results are in the next batch.
    """
    prepared = actions.prepare_batch(
        session, viewer, issuer_id, reference=new.reference, session_ids=new.chosen_sessions, at=clock.now()
    )
    form = queries.format_of(queries.managed_issuer_of(session, viewer, issuer_id))
    left_out = [
        LeftOutOut.model_validate(
            {"enrolment_id": each.enrolment_id, "name": each.name, "lacks": actions.lacks(each, form)}
        )
        for each in prepared.left_out
    ]
    names = names_by_actor(session, [prepared.batch.made_by])
    return IssuerBatchOut.of(prepared.batch, names, queries.rows_of(session, prepared.batch.id), left_out)


@router.get("/issuers/{issuer_id}/batches/{issuer_batch_id}")
def get_issuer_batch(
    session: ReadSession, viewer: ViewerDep, issuer_id: IssuerId, issuer_batch_id: IssuerBatchId
) -> IssuerBatchOut:
    """Get a batch with what the issuer made of each result. For those who manage the issuer."""
    return _whole(session, viewer, issuer_id, issuer_batch_id)


def _whole(session: Session, viewer: Viewer, issuer_id: int, batch_id: int) -> IssuerBatchOut:
    found = queries.batch(session, viewer, issuer_id, batch_id)
    names = names_by_actor(session, [found.made_by])
    return IssuerBatchOut.of(found, names, queries.rows_of(session, found.id))


@router.get(
    "/issuers/{issuer_id}/batches/{issuer_batch_id}/file.{ending}",
    response_class=Response,
    responses=_AS_FILE,
)
def get_issuer_batch_file(
    session: ReadSession,
    viewer: ViewerDep,
    issuer_id: IssuerId,
    issuer_batch_id: IssuerBatchId,
    ending: TemplateFormat,
) -> Response:
    """Download a batch in the issuer's columns. For those who manage the issuer."""
    found = queries.batch(session, viewer, issuer_id, issuer_batch_id)
    form = queries.format_of(queries.managed_issuer_of(session, viewer, issuer_id))
    lines = actions.lines_of(session, found, form, queries.rows_of(session, found.id))
    write = csv_of if ending is TemplateFormat.CSV else xlsx_of
    headers = {
        "Content-Disposition": f'attachment; filename="batch-{found.reference}.{ending.value}"',
        "Cache-Control": "private, no-store",
    }
    return Response(write(form, lines), media_type=_MEDIA[ending], headers=headers)


@router.post("/issuers/{issuer_id}/batches/{issuer_batch_id}/answer", openapi_extra=FILE_BODY)
async def answer_issuer_batch(
    request: Request,
    database: DatabaseDep,
    viewer: ViewerDep,
    issuer_id: IssuerId,
    issuer_batch_id: IssuerBatchId,
    name: Annotated[str | None, Query(max_length=200, description="What the file is called")] = None,
) -> BatchAnswerOut:
    """Read the issuer's answer to a batch: XLSX or CSV in its columns. For those who manage the issuer.

    Certificate numbers are stored with the results; rejected rows come back with the reason. Reading the same
    answer again changes nothing.
    """
    await run_in_threadpool(_require_batch, database, viewer, issuer_id, issuer_batch_id)
    async with uploaded_file(request, name=name) as sent:
        return await run_in_threadpool(_take, database, viewer, issuer_id, issuer_batch_id, sent)


def _require_batch(database: Database, viewer: Viewer, issuer_id: int, batch_id: int) -> None:
    """Require permission before the file is stored."""
    with read_session(database) as session:
        queries.batch(session, viewer, issuer_id, batch_id)


def _take(
    database: Database, viewer: Viewer, issuer_id: int, batch_id: int, sent: UploadedFile
) -> BatchAnswerOut:
    with transaction(database) as session:
        report = actions.take_answer(session, viewer, issuer_id, batch_id, sent.path, at=clock.now())
        return BatchAnswerOut(
            accepted=report.accepted,
            rejected=report.rejected,
            unchanged=report.unchanged,
            not_taken=[f"{row.where}: {row.reason}" for row in report.bad[:100]],
            batch=_whole(session, viewer, issuer_id, batch_id),
        )
