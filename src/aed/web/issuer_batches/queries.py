"""What the pages of batches show: issuers that take them, sessions with new results, and batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, joinedload

from aed.accounts.permissions import Viewer
from aed.errors import NotAllowed
from aed.issuers import queries as issuer_queries
from aed.issuers.models import Issuer
from aed.issuers.schemas import BatchFormatIn
from aed.training.issuer_batches.actions import lacks
from aed.training.issuer_batches.queries import Candidate, candidates, managed_issuer_of
from aed.training.issuer_batches.schemas import MAX_SESSIONS
from aed.training.models import IssuerBatch, IssuerBatchRow, TrainingSession
from aed.training.rules import BatchRowState

MAX_ISSUERS: Final = 500


def managed_issuers(session: Session, viewer: Viewer) -> list[Issuer]:
    """Return the issuers that the viewer manages.

    Raises NotAllowed for a viewer who manages issuers nowhere.
    """
    if not issuer_queries.manages_issuers(viewer):
        raise NotAllowed("Only the training officer or an administrator of the issuer's region may do this.")
    return [
        each
        for each in issuer_queries.issuers(session, limit=MAX_ISSUERS)
        if issuer_queries.manages_issuer(viewer, each.region_id)
    ]


@dataclass(frozen=True, slots=True)
class SessionResults:
    """The passed results of a session that the issuer does not have."""

    training: TrainingSession
    ready: int
    lacking: list[tuple[Candidate, list[str]]]
    """Learners who have not given what the issuer wants, and what that is."""


def sessions_with_results(
    session: Session, viewer: Viewer, issuer_id: int, form: BatchFormatIn
) -> list[SessionResults]:
    """Return the sessions with passed results that the issuer does not have, earliest first.

    visibility: for those who manage the issuer, which is checked. Raises NotFound, NotSignedIn, NotAllowed.
    """
    managed_issuer_of(session, viewer, issuer_id)
    found: dict[int, list[Candidate]] = {}
    for each in candidates(session, issuer_id):
        found.setdefault(each.session_id, []).append(each)
    shown = list(found)[:MAX_SESSIONS]
    statement = (
        select(TrainingSession)
        .where(TrainingSession.id.in_(shown))
        .options(
            joinedload(TrainingSession.course),
            joinedload(TrainingSession.estate),
            joinedload(TrainingSession.region),
        )
    )
    known = {each.id: each for each in session.scalars(statement)}
    return [
        SessionResults(
            known[id_],
            ready=sum(not lacks(each, form) for each in found[id_]),
            lacking=[(each, missing) for each in found[id_] if (missing := lacks(each, form))],
        )
        for id_ in shown
    ]


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A batch as it is listed, with the number of its rows in each state."""

    id: int
    reference: str
    made_at: datetime
    counts: Mapping[BatchRowState, int]


def batch_lines(
    session: Session, viewer: Viewer, issuer_id: int, *, limit: int, before_id: int | None = None
) -> list[BatchLine]:
    """Return a page of the batches of an issuer, newest first, in one SQL statement.

    visibility: for those who manage the issuer, which is checked. Raises NotFound, NotSignedIn, NotAllowed.
    """
    managed_issuer_of(session, viewer, issuer_id)
    statement = (
        select(IssuerBatch, *(_number_in(state) for state in BatchRowState))
        .outerjoin(IssuerBatchRow, IssuerBatchRow.batch_id == IssuerBatch.id)
        .where(IssuerBatch.issuer_id == issuer_id)
        .group_by(IssuerBatch.id)
        .order_by(IssuerBatch.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        statement = statement.where(IssuerBatch.id < before_id)
    return [
        BatchLine(
            each.id,
            each.reference,
            each.made_at,
            dict(zip(BatchRowState, numbers, strict=True)),
        )
        for each, *numbers in session.execute(statement)
    ]


def _number_in(state: BatchRowState) -> Any:
    return func.count(case((IssuerBatchRow.state == state, 1)))
