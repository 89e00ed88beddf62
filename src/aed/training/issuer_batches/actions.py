"""Keep what an issuer wants of learners, prepare batches of results, and take the issuer's answers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.masking import has_right_check_digit, is_whole, mask_holder_id
from aed.accounts.permissions import Viewer
from aed.database.bulk import insert_many
from aed.database.locks import exclusive_lock
from aed.errors import Conflict, InvalidInput
from aed.imports.batches import ImportReport
from aed.imports.formats.values import clean
from aed.issuers.rules import DATE_FORMATS, BatchField, HolderIds
from aed.issuers.schemas import BatchFormatIn
from aed.registry.changes import record_amendment
from aed.training.assessments.queries import attempts_of
from aed.training.issuer_batches import queries
from aed.training.issuer_batches.queries import BatchRow, Candidate
from aed.training.issuer_batches.sheet import BatchLine, read_answer
from aed.training.models import AssessmentAttempt, IssuerBatch, IssuerBatchRow, LearnerIdentity
from aed.training.rules import THEORY, BatchRowState, identity_number

MAX_ROWS: Final = 2_000
"""At most so many results are in one batch; the rest is for the next one."""


# --- identities -----------------------------------------------------------------------------------------


def set_identity(
    session: Session,
    who: Viewer,
    enrolment_id: int,
    *,
    holder_id: str | None = None,
    jpeg: bytes | None = None,
    at: datetime,
) -> LearnerIdentity:
    """Keep the identity number or the photo of a learner, if the issuer of the course wants it.

    The number is kept whole only if the issuer wants it whole. What is None stays as it is. Raises NotFound,
    NotSignedIn, NotAllowed; Conflict if the issuer does not want it; InvalidInput for a wrong number.
    """
    _, _, form = queries.learner(session, who, enrolment_id)
    wanted = form.holder_ids if form is not None else HolderIds.NONE
    if holder_id is not None and wanted is HolderIds.NONE:
        raise Conflict("The issuer of this course wants no identity numbers.", field="holder_id")
    if jpeg is not None and (form is None or not form.wants_photo):
        raise Conflict("The issuer of this course wants no photos.", field="photo")
    number = None if holder_id is None else _checked_number(holder_id, wanted)
    found = queries.identity(session, enrolment_id)
    if found is None:
        found = LearnerIdentity(enrolment_id=enrolment_id)
    if number is not None:
        found.holder_id = number if wanted is HolderIds.WHOLE else mask_holder_id(number)
    if jpeg is not None:
        found.jpeg = jpeg
    found.given_at, found.given_by = at, who.name
    session.add(found)
    session.flush()
    return found


def _checked_number(holder_id: str, wanted: HolderIds) -> str:
    """Return an identity number without spaces. Raises InvalidInput for one that is wrong or masked."""
    number = identity_number(holder_id)
    if number is None or (wanted is HolderIds.WHOLE and "*" in number):
        raise InvalidInput(
            "holder_id must be an identity number of 18 digits, or the number of another identity card.",
            field="holder_id",
        )
    if is_whole(number) and not has_right_check_digit(number):
        raise InvalidInput(
            "holder_id: the check digit does not match, so a digit is wrong. Compare it with the card.",
            field="holder_id",
        )
    return number


# --- batches --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PreparedBatch:
    """A batch, and the learners who are left out because something is missing."""

    batch: IssuerBatch
    left_out: list[Candidate]


def prepare_batch(
    session: Session,
    who: Viewer,
    issuer_id: int,
    *,
    reference: str,
    session_ids: Collection[int] = (),
    at: datetime,
) -> PreparedBatch:
    """Put the passed results that an issuer does not have into a batch; of these sessions alone, if any.

    The same reference again is the same batch. Rejected results are in the next batch. Learners without the
    identity number or photo that the issuer wants are left out.

    Raises NotFound, NotSignedIn, NotAllowed, and Conflict if there is nothing for a batch.
    """
    issuer = queries.managed_issuer_of(session, who, issuer_id)
    form = queries.format_of(issuer)
    exclusive_lock(session, f"batches of issuer {issuer_id}")
    known = queries.batch_by_reference(session, issuer_id, reference)
    found = queries.candidates(session, issuer_id, session_ids=session_ids)
    ready = [each for each in found if not lacks(each, form)]
    left_out = [each for each in found if lacks(each, form)]
    if known is not None:
        return PreparedBatch(known, left_out)
    if not ready:
        raise Conflict(
            "There is nothing for a batch: the issuer has all results, or {count} learners lack what it "
            "wants.",
            field="reference",
            count=len(left_out),
        )
    made = IssuerBatch(issuer_id=issuer_id, reference=reference, made_at=at, made_by=who.name)
    session.add(made)
    session.flush()
    insert_many(
        session,
        IssuerBatchRow,
        [
            {
                "batch_id": made.id,
                "number": number,
                "assessment_id": each.assessment_id,
                "state": BatchRowState.WAITING,
                "reason": None,
            }
            for number, each in enumerate(ready[:MAX_ROWS], start=1)
        ],
    )
    return PreparedBatch(made, left_out)


def lacks(candidate: Candidate, form: BatchFormatIn) -> list[str]:
    """Return what the issuer wants and the learner has not given: holder_id, photo."""
    found = []
    if form.holder_ids is not HolderIds.NONE and not candidate.has_holder_id:
        found.append("holder_id")
    if form.wants_photo and not candidate.has_photo:
        found.append("photo")
    return found


def lines_of(
    session: Session, batch: IssuerBatch, form: BatchFormatIn, rows: Sequence[BatchRow]
) -> list[BatchLine]:
    """Return the lines of a batch as the issuer gets them, without rows that it has rejected.

    visibility: of a batch that the caller has found for the viewer.
    """
    attempts = attempts_of(session, [each.enrolment.id for each in rows])
    written = DATE_FORMATS[form.date_format]
    return [
        {
            BatchField.ROW: str(each.row.number),
            BatchField.REFERENCE: batch.reference,
            BatchField.NAME: each.person.name,
            BatchField.HOLDER_ID: _holder_id(each, form),
            BatchField.PHONE: each.person.phone or "",
            BatchField.COURSE: each.course.name_zh,
            BatchField.PASSED_ON: each.passed_on.strftime(written),
            BatchField.THEORY: _theory_score(attempts.get(each.enrolment.id, [])),
            BatchField.PLACE: each.training.place_zh,
            BatchField.TRAINER: each.trainer or "",
            BatchField.CERTIFICATE_NUMBER: each.assessment.issuer_number or "",
        }
        for each in rows
        if each.row.state is not BatchRowState.REJECTED
    ]


def _theory_score(attempts: Sequence[AssessmentAttempt]) -> str:
    """Return the latest score of the theory test."""
    scores = [str(each.marks[THEORY]) for each in attempts if THEORY in each.marks]
    return scores[-1] if scores else ""


def _holder_id(row: BatchRow, form: BatchFormatIn) -> str:
    if row.identity is None or row.identity.holder_id is None or form.holder_ids is HolderIds.NONE:
        return ""
    number = row.identity.holder_id
    return number if form.holder_ids is HolderIds.WHOLE else mask_holder_id(number)


@dataclass(slots=True)
class AnswerReport(ImportReport):
    """The result of reading an issuer's answer."""

    accepted: int = 0
    rejected: int = 0
    rejections: list[tuple[str, str]] = field(default_factory=list)
    """Name and reason of each rejected row."""


def take_answer(
    session: Session, who: Viewer, issuer_id: int, batch_id: int, path: Path, *, at: datetime
) -> AnswerReport:
    """Take an issuer's answer to a batch: certificate numbers, and reasons why rows were rejected.

    A row with a number is accepted: the number is stored with the result, and the identity number and photo
    are deleted. A row with a reason alone is rejected, and is in the next batch once it is mended. Reading
    the same answer again changes nothing. Rows that cannot be read are set aside.

    Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    batch = queries.batch(session, who, issuer_id, batch_id)
    form = queries.format_of(queries.managed_issuer_of(session, who, issuer_id))
    exclusive_lock(session, f"batches of issuer {issuer_id}")
    rows = {str(each.row.number): each for each in queries.rows_of(session, batch.id)}
    report = AnswerReport()
    for record in read_answer(path, form):
        cells = {name: clean(str(cell)) for name, cell in record.fields.items()}
        found = rows.get(cells.get(BatchField.ROW, "").removesuffix(".0"))
        problem = _problem_of(found, cells)
        if problem is not None or found is None:
            report.set_aside(record, problem or "")
            continue
        number, reason = cells.get(BatchField.CERTIFICATE_NUMBER, ""), cells.get(BatchField.REASON, "")
        if number:
            _accept(session, who, found, number, report, at=at)
        elif reason:
            _reject(found, reason, report)
    if all(each.row.state is not BatchRowState.WAITING for each in rows.values()):
        batch.answered_at = batch.answered_at or at
    session.flush()
    return report


def _problem_of(found: BatchRow | None, cells: dict[str, str]) -> str | None:
    """Return why a row of an answer cannot be taken, or None."""
    if found is None:
        return f"row: this batch has no row {cells.get(BatchField.ROW, '')}"
    name = cells.get(BatchField.NAME, "")
    if name and name != found.person.name:
        return f"name: row {found.row.number} is {found.person.name}, not {name}. A row may have been shifted"
    number = cells.get(BatchField.CERTIFICATE_NUMBER, "")
    if len(number) > 100:
        return "certificate_number: is longer than 100 characters"
    if number and found.row.state is BatchRowState.REJECTED:
        return "certificate_number: this row was rejected; it is in a later batch"
    if number and found.assessment.issuer_number not in (None, number):
        return f"certificate_number: the result has the number {found.assessment.issuer_number} already"
    if not number and cells.get(BatchField.REASON) and found.row.state is BatchRowState.ACCEPTED:
        return "reason: this row was accepted before"
    return None


def _accept(
    session: Session, who: Viewer, found: BatchRow, number: str, report: AnswerReport, *, at: datetime
) -> None:
    report.accepted += 1
    if found.row.state is BatchRowState.ACCEPTED:
        report.unchanged += 1
        return
    found.row.state = BatchRowState.ACCEPTED
    found.assessment.issuer_number = number
    record_amendment(session, who, found.assessment, at=at)
    if found.identity is not None:
        session.delete(found.identity)
    report.changed += 1


def _reject(found: BatchRow, reason: str, report: AnswerReport) -> None:
    report.rejected += 1
    report.rejections.append((found.person.name, reason))
    if found.row.state is BatchRowState.REJECTED:
        report.unchanged += 1
        return
    found.row.state, found.row.reason = BatchRowState.REJECTED, reason[:500]
    report.changed += 1
