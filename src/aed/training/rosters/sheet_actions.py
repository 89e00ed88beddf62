"""Export a session's roster as a sheet, and import it after it has been filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import AedError, Conflict
from aed.files.spreadsheets import unescape_formula
from aed.imports.batches import (
    ImportReport,
    Progress,
    finish_import,
    import_in_batches,
    valid_rows,
    without_duplicates,
)
from aed.imports.formats.marked import Mark
from aed.imports.formats.recognise import read_table_or_own
from aed.imports.formats.records import Record
from aed.imports.schemas import columns, needed_columns
from aed.registry.changes import PutOutcome
from aed.training import queries as session_queries
from aed.training.assessments.queries import attempts_of
from aed.training.assessments.rules import AssessmentPlan, PartMark, PartMarks, plan_of
from aed.training.enrolments import queries as enrolment_queries
from aed.training.permissions import require_trainer
from aed.training.rosters.actions import Result, open_for_results, save_results
from aed.training.rosters.sheet import RosterFileRow, RosterLine, part_columns, write_roster
from aed.training.rules import ACTIVE_STATES, MarkedBy

COLUMNS = {"enrolment_id": "enrolment", "passed": "result"}
"""Column names of the fields of a result, where they differ."""


@dataclass(slots=True)
class RosterReport(ImportReport):
    """The result of importing a roster, with the rows that were set aside."""

    first: Record | None = None
    """The first row, which identifies the file's header."""

    def marks(self) -> Iterator[Mark]:
        """Yield the number and the reason of each bad row, for the sheet that is returned."""
        for bad in self.bad:
            yield bad.number, bad.reason


def export_roster(session: Session, who: Viewer, session_id: int, path: Path) -> int:
    """Write the people of a session who are enrolled or waiting to `path`, in order of enrolment.

    Returns their number. Requires a trainer. Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    training = session_queries.training_session(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    people = [
        row for row in enrolment_queries.roster(session, who, training.id) if row.state in ACTIVE_STATES
    ]
    plan = plan_of(training.course.assessment)
    attempts = attempts_of(session, [row.id for row in people]) if plan is not None else {}
    lines = [
        _roster_line(row, plan, attempts[row.id][-1].marks if row.id in attempts else {}) for row in people
    ]
    write_roster(path, lines, plan=plan, parts=training.course.parts)
    return len(people)


def _roster_line(
    row: enrolment_queries.RosterRow, plan: AssessmentPlan | None, marks: PartMarks
) -> RosterLine:
    return RosterLine(
        enrolment=row.id,
        name=row.name,
        phone=row.phone or "",
        state=row.state,
        waiting_place=str(row.waiting_place or ""),
        attendance=row.attendance or "",
        result="" if row.passed is None else "passed" if row.passed else "failed",
        note=row.note or "",
        certificate=row.certificate or "",
        parts_present="" if row.parts_present is None else str(row.parts_present),
        marks=tuple(_mark_in_words(marks.get(part.code)) for _, part in part_columns(plan)),
    )


def _mark_in_words(mark: PartMark | None) -> str:
    if isinstance(mark, bool):
        return "passed" if mark else "failed"
    return "" if mark is None else str(mark)


def import_roster(
    session: Session,
    who: Viewer,
    session_id: int,
    path: Path,
    *,
    at: datetime,
    progress: Progress | None = None,
) -> RosterReport:
    """Record attendance and results from a filled-in roster.

    Rows that cannot be imported are set aside; the others are imported. An empty cell leaves the stored value
    unchanged. Raises InvalidInput for a file that is not a roster, and whatever `open_for_results` raises.
    """
    plan = plan_of(open_for_results(session, who, session_id, at=at).course.assessment)
    report = RosterReport()
    records = read_table_or_own(
        path, known=columns(RosterFileRow), needed=needed_columns(RosterFileRow), may_be_chinese=True
    )
    names = {row.id: row.name for row in enrolment_queries.roster(session, who, session_id)}
    rows = valid_rows(
        _noting_the_first(records, report),
        TypeAdapter(RosterFileRow),
        known=columns(RosterFileRow),
        report=report,
        progress=progress,
    )
    once = without_duplicates(
        _rows_of_session(rows, names, report), lambda row: (str(row.enrolment),), report
    )

    def put(batch: Sequence[RosterFileRow]) -> list[PutOutcome]:
        # Lock and read again for each attempt, because a rolled-back batch also discards what it loaded.
        training = open_for_results(session, who, session_id, at=at)
        for row in batch:
            known = names.get(row.enrolment)
            if row.name is not None and known is not None and _unescaped(row.name) != known:
                raise Conflict(
                    "Enrolment {enrolment} belongs to {known}, not {name}. A row may have been shifted.",
                    field="name",
                    enrolment=row.enrolment,
                    known=known,
                    name=row.name,
                )
        given = [
            Result(
                enrolment_id=row.enrolment,
                attendance=row.attendance,
                passed=None if row.result is None or plan is not None else row.result == "passed",
                note=_unescaped(row.note) if row.note is not None else None,
                marks=row.marks(plan) or None,
                parts_present=row.parts_present,
            )
            for row in batch
        ]
        try:
            return save_results(session, who, training, given, how=MarkedBy.LIST, at=at)
        except AedError as error:
            column = (error.field or "").rpartition(".")[2]
            raise type(error)(error.detail, field=COLUMNS.get(column, column)) from None

    import_in_batches(session, (([record], row) for record, row in once), put, report, report.count)
    return finish_import(report)


def _rows_of_session(
    rows: Iterator[tuple[Record, RosterFileRow]], names: Mapping[int, str], report: RosterReport
) -> Iterator[tuple[Record, RosterFileRow]]:
    """Yield the rows of this session's enrolments; set the others aside at once.

    A long list of something else thus ends early.
    """
    for record, row in rows:
        if row.enrolment in names:
            yield record, row
        else:
            reason = (
                f"enrolment: this session has no enrolment {row.enrolment}. Is this the roster of "
                "another session?"
            )
            report.set_aside(record, reason)


def _unescaped(cell: str) -> str:
    """Undo the escaping of formulas, which a sheet returned with marks has twice."""
    return unescape_formula(cell)


def _noting_the_first(records: Iterator[Record], report: RosterReport) -> Iterator[Record]:
    for record in records:
        if report.first is None:
            report.first = record
        yield record
