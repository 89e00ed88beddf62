"""Rosters out, and back with what was filled in by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import AedError, Conflict
from aed.files.formula_escaping import unescape_formula
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
from aed.imports.formats.roster import RosterLine, write_roster
from aed.imports.schemas import RosterRow, columns, needed_columns
from aed.registry.changes import PutOutcome
from aed.training import queries as sessions
from aed.training.enrolments import queries as rosters
from aed.training.permissions import require_trainer
from aed.training.rosters.actions import Result, open_for_results, put_results
from aed.training.rules import ACTIVE_STATES, MarkedBy

COLUMNS = {"enrolment_id": "enrolment", "passed": "result"}
"""What a field of a result is called in the sheet."""


@dataclass(slots=True)
class RosterReport(ImportReport):
    """What was taken of a roster, and where what was not taken stands."""

    first: Record | None = None
    """By which the file's header is known again."""

    def marks(self) -> Iterator[Mark]:
        """What is said beside each row of the sheet that goes back."""
        for bad in self.bad:
            yield bad.number, bad.reason


def export_roster(session: Session, who: Viewer, session_id: int, path: Path) -> int:
    """The people of a session who have a place or wait, in order of arrival, at `path`; how many.

    For those who run it. Raises NotFound, NotSignedIn, NotAllowed, InvalidInput.
    """
    training = sessions.training_session(session, who, session_id)
    require_trainer(who, training.estate_id, training.region_id)
    people = [row for row in rosters.roster(session, who, training.id) if row.state in ACTIVE_STATES]
    write_roster(path, [_line(row) for row in people])
    return len(people)


def _line(row: rosters.RosterRow) -> RosterLine:
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
    )


def import_roster(
    session: Session,
    who: Viewer,
    session_id: int,
    path: Path,
    *,
    at: datetime,
    progress: Progress | None = None,
) -> RosterReport:
    """Attendance and results are recorded as the sheet has them; rows that cannot be taken are set aside, and
    the others count all the same. An empty cell says nothing: it takes nothing back.

    Raises InvalidInput for a file that is no roster, and what `open_for_results` raises.
    """
    open_for_results(session, who, session_id, at=at)
    report = RosterReport()
    records = read_table_or_own(
        path, known=columns(RosterRow), needed=needed_columns(RosterRow), may_be_chinese=True
    )
    names = {row.id: row.name for row in rosters.roster(session, who, session_id)}
    rows = valid_rows(
        _noting_the_first(records, report),
        TypeAdapter(RosterRow),
        known=columns(RosterRow),
        report=report,
        progress=progress,
    )
    once = without_duplicates(_of_this(rows, names, report), lambda row: (str(row.enrolment),), report)

    def put(batch: Sequence[RosterRow]) -> list[PutOutcome]:
        # Locked and read anew for each try: a batch that was taken back took what was loaded with it.
        training = open_for_results(session, who, session_id, at=at)
        for row in batch:
            known = names.get(row.enrolment)
            if row.name is not None and known is not None and _bare(row.name) != known:
                raise Conflict(
                    f"Enrolment {row.enrolment} is {known}, not {row.name}: a row may have slipped.",
                    field="name",
                )
        given = [
            Result(
                enrolment_id=row.enrolment,
                attendance=row.attendance,
                passed=None if row.result is None else row.result == "passed",
                note=_bare(row.note) if row.note is not None else None,
            )
            for row in batch
        ]
        try:
            return put_results(session, who, training, given, how=MarkedBy.LIST, at=at)
        except AedError as error:
            column = (error.field or "").rpartition(".")[2]
            raise type(error)(error.detail, field=COLUMNS.get(column, column)) from None

    import_in_batches(session, (([record], row) for record, row in once), put, report, report.count)
    return finish_import(report)


def _of_this(
    rows: Iterator[tuple[Record, RosterRow]], names: Mapping[int, str], report: RosterReport
) -> Iterator[tuple[Record, RosterRow]]:
    """Those of the session; others are told at once, so that a long list of something else ends soon."""
    for record, row in rows:
        if row.enrolment in names:
            yield record, row
        else:
            why = f"enrolment: This session has no enrolment {row.enrolment}: is this the roster of another?"
            report.set_aside(record, why)


def _bare(cell: str) -> str:
    """A sheet that came back marked was neutralised twice."""
    return unescape_formula(cell)


def _noting_the_first(records: Iterator[Record], report: RosterReport) -> Iterator[Record]:
    for record in records:
        if report.first is None:
            report.first = record
        yield record
