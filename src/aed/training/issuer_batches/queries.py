"""Batches of results for issuers, and the identities of learners."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session, aliased, undefer

from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.errors import Conflict, NotFound
from aed.issuers import queries as issuer_queries
from aed.issuers.models import Issuer
from aed.issuers.rules import HolderIds
from aed.issuers.schemas import BatchFormatIn
from aed.registry.estates.models import Estate
from aed.responders.models import Certificate
from aed.training import queries as session_queries
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import (
    Assessment,
    Course,
    Enrolment,
    IssuerBatch,
    IssuerBatchRow,
    LearnerIdentity,
    TrainingSession,
)
from aed.training.permissions import require_trainer, require_write
from aed.training.rules import BatchRowState


def format_of(issuer: Issuer) -> BatchFormatIn:
    """Return the file that an issuer takes. Raises Conflict if it takes none."""
    if issuer.batch_format is None:
        raise Conflict(
            "This issuer takes no batches. Set its batch_format first.",
            field="issuer_id",
        )
    return BatchFormatIn.model_validate(issuer.batch_format)


def managed_issuer_of(session: Session, viewer: Viewer, issuer_id: int) -> Issuer:
    """Return an issuer that the viewer manages. Raises NotFound, NotSignedIn, NotAllowed."""
    issuer = issuer_queries.issuer(session, issuer_id)
    issuer_queries.require_manages_issuer(viewer, issuer.region_id)
    return issuer


def batches(
    session: Session, viewer: Viewer, issuer_id: int, *, limit: int, after_id: int = 0
) -> Sequence[IssuerBatch]:
    """Return a page of the batches of an issuer in order of id.

    visibility: for those who manage the issuer, which is checked. Raises NotFound, NotSignedIn, NotAllowed.
    """
    managed_issuer_of(session, viewer, issuer_id)
    statement = select(IssuerBatch).where(IssuerBatch.issuer_id == issuer_id, IssuerBatch.id > after_id)
    return session.scalars(statement.order_by(IssuerBatch.id).limit(limit)).all()


def batch(session: Session, viewer: Viewer, issuer_id: int, batch_id: int) -> IssuerBatch:
    """Return a batch.

    visibility: for those who manage its issuer, which is checked. Raises NotFound, NotSignedIn, NotAllowed.
    """
    managed_issuer_of(session, viewer, issuer_id)
    found = session.get(IssuerBatch, batch_id)
    if found is None or found.issuer_id != issuer_id:
        raise NotFound("This issuer has no batch {batch_id}.", field="batch_id", batch_id=batch_id)
    return found


class BatchRow(NamedTuple):
    """A row of a batch with the result, the learner and what they gave."""

    row: IssuerBatchRow
    assessment: Assessment
    enrolment: Enrolment
    person: Person
    training: TrainingSession
    course: Course
    identity: LearnerIdentity | None
    issued_on: date | None
    time_zone: str
    trainer: str | None

    @property
    def passed_on(self) -> date:
        """The day of issue of the certificate; without one, the day on which the session ended."""
        return self.issued_on or self.training.ends_at.astimezone(ZoneInfo(self.time_zone)).date()


def rows_of(session: Session, batch_id: int) -> list[BatchRow]:
    """Return the rows of a batch in their order, in one SQL statement.

    visibility: of a batch that the caller has found for the viewer.
    """
    trainer = aliased(Person)
    statement = (
        _learners(
            IssuerBatchRow,
            Assessment,
            Enrolment,
            Person,
            TrainingSession,
            Course,
            LearnerIdentity,
            Certificate.issued_on,
            func.coalesce(Estate.time_zone, Region.time_zone),
            trainer.name,
        )
        .join(IssuerBatchRow, IssuerBatchRow.assessment_id == Assessment.id)
        .join(Region, Region.id == TrainingSession.region_id)
        .outerjoin(Estate, Estate.id == TrainingSession.estate_id)
        .outerjoin(Certificate, Certificate.id == Assessment.certificate_id)
        .outerjoin(trainer, trainer.id == TrainingSession.trainer_id)
        .where(IssuerBatchRow.batch_id == batch_id)
        .order_by(IssuerBatchRow.number)
        .execution_options(populate_existing=True)
    )
    return [BatchRow(*found) for found in session.execute(statement)]


class Candidate(NamedTuple):
    """A passed result that the issuer does not have, and what the learner gave."""

    assessment_id: int
    enrolment_id: int
    session_id: int
    name: str
    has_holder_id: bool
    has_photo: bool


def candidates(session: Session, issuer_id: int, *, session_ids: Collection[int] = ()) -> list[Candidate]:
    """Return the passed results of an issuer's courses that are in no batch, or were rejected, by session.

    Only those of `session_ids`, if there are any.

    visibility: for those who manage the issuer, which the caller checks.
    """
    is_with_issuer = exists().where(
        IssuerBatchRow.assessment_id == Assessment.id, IssuerBatchRow.state != BatchRowState.REJECTED
    )
    statement = (
        _learners(
            Assessment.id,
            Enrolment.id,
            Enrolment.session_id,
            Person.name,
            LearnerIdentity.holder_id,
            func.length(LearnerIdentity.jpeg),
        )
        .where(
            Course.issuer_id == issuer_id,
            Assessment.passed,
            Assessment.issuer_number.is_(None),
            Person.erased_at.is_(None),
            ~is_with_issuer,
        )
        .order_by(TrainingSession.starts_at, Enrolment.id)
    )
    if session_ids:
        statement = statement.where(TrainingSession.id.in_(sorted(session_ids)))
    return [
        Candidate(assessment_id, enrolment_id, session_id, name, holder_id is not None, jpeg is not None)
        for assessment_id, enrolment_id, session_id, name, holder_id, jpeg in session.execute(statement)
    ]


def _learners(*columns: Any) -> Select[*tuple[Any, ...]]:
    """Select columns of results with their learners; `Any`, because they come from several tables.

    visibility: the callers add the issuer that the viewer manages.
    """
    return (
        select(*columns)
        .select_from(Assessment)
        .join(Enrolment, Enrolment.id == Assessment.enrolment_id)
        .join(Person, Person.id == Enrolment.person_id)
        .join(TrainingSession, TrainingSession.id == Enrolment.session_id)
        .join(Course, Course.id == TrainingSession.course_id)
        .outerjoin(LearnerIdentity, LearnerIdentity.enrolment_id == Enrolment.id)
    )


def batch_by_reference(session: Session, issuer_id: int, reference: str) -> IssuerBatch | None:
    """Return the batch of that reference, or None.

    visibility: for those who manage the issuer, which the caller checks.
    """
    return session.scalar(
        select(IssuerBatch).where(IssuerBatch.issuer_id == issuer_id, IssuerBatch.reference == reference)
    )


# --- identities -----------------------------------------------------------------------------------------


class LearnerOfSession(NamedTuple):
    """A learner, and what the issuer of the course wants of them; None if it takes no batches."""

    enrolment: Enrolment
    training: TrainingSession
    form: BatchFormatIn | None


def learner(session: Session, viewer: Viewer, enrolment_id: int) -> LearnerOfSession:
    """Return a learner of a session that the viewer runs. Raises NotFound, NotSignedIn or NotAllowed."""
    require_write(viewer)
    enrolment = enrolment_queries.enrolment(session, viewer, enrolment_id)
    training = session_queries.training_session(session, viewer, enrolment.session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    issuer_id = training.course.issuer_id
    issuer = issuer_queries.issuer(session, issuer_id) if issuer_id is not None else None
    form = BatchFormatIn.model_validate(issuer.batch_format) if issuer and issuer.batch_format else None
    return LearnerOfSession(enrolment, training, form)


def identity(session: Session, enrolment_id: int, *, with_photo: bool = False) -> LearnerIdentity | None:
    """Return what a learner gave for the issuer, or None.

    visibility: for those who run the session, which the caller checks.
    """
    statement = select(LearnerIdentity).where(LearnerIdentity.enrolment_id == enrolment_id)
    if with_photo:
        statement = statement.options(undefer(LearnerIdentity.jpeg)).execution_options(populate_existing=True)
    return session.scalar(statement)


def has_photo(session: Session, enrolment_id: int) -> bool:
    """Return True if a learner gave a photo.

    visibility: for those who run the session, which the caller checks.
    """
    statement = select(func.length(LearnerIdentity.jpeg)).where(LearnerIdentity.enrolment_id == enrolment_id)
    return session.scalar(statement) is not None


def photo_of(session: Session, viewer: Viewer, enrolment_id: int) -> bytes:
    """Return the photo of a learner as JPEG. Raises NotFound, NotSignedIn or NotAllowed."""
    learner(session, viewer, enrolment_id)
    found = identity(session, enrolment_id, with_photo=True)
    if found is None or found.jpeg is None:
        raise NotFound("There is no photo of this learner.", field="enrolment_id")
    return found.jpeg


def wants_identity(session: Session, training: TrainingSession) -> bool:
    """Return True if the issuer of the course wants identity numbers or photos. The course must be loaded."""
    if training.course.issuer_id is None:
        return False
    form = issuer_queries.issuer(session, training.course.issuer_id).batch_format
    return form is not None and (form["holder_ids"] != HolderIds.NONE or form["wants_photo"])
