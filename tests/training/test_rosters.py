"""Export a roster as a sheet, fill it in, and import it again."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest
import xlsxwriter
from openpyxl import load_workbook
from pydantic import ValidationError
from python_calamine import CalamineWorkbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import Conflict, InvalidInput, NotAllowed
from aed.files.spreadsheets import unescape_formula
from aed.imports.formats.marked import write_marked
from aed.imports.formats.table import LINT_COLUMN
from aed.imports.schemas import columns
from aed.responders.models import Certificate
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import TrainingSession
from aed.training.rosters.sheet import COLUMNS, EXPLANATIONS, HEADINGS_ZH, PART_COLUMNS, RosterFileRow
from aed.training.rosters.sheet_actions import export_roster, import_roster
from aed.training.rules import EnrolmentState, SessionState
from tests import make
from tests.make import ADMINISTRATOR, NOW

type Table = list[list[str]]


def read(path: Path) -> Table:
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as opened:
            return list(csv.reader(opened))
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    texts = [[str(int(cell)) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    return [row for row in texts if not row[0].startswith("#")]  # the headings in Chinese


def write(path: Path, rows: Table) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened).writerows(rows)
        return
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write_string(number, column, cell)


def filled_in(path: Path, entries: Mapping[str, Mapping[str, str]]) -> None:
    """Return the sheet with these cells filled in, by person's name."""
    header, *rows = read(path)
    for row in rows:
        for column, cell in entries.get(row[header.index("name")], {}).items():
            row[header.index(column)] = cell
    write(path, [header, *rows])


@pytest.fixture(params=(".csv", ".xlsx"))
def sheet(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"roster{request.param}"


@pytest.fixture
def training(session: Session) -> TrainingSession:
    """A session with three people enrolled, one waiting and one withdrawn."""
    made = make.training(session, make.course(session, "CPR"), capacity=3)
    for name in ("王小明", "李华", "=HYPERLINK(1)", "陈晨"):
        make.enrolment(session, made, name, phone="+86 571 5550 0001")
    make.enrolment(session, made, "走了").state = EnrolmentState.WITHDRAWN
    session.commit()
    return made


def test_an_exported_roster_imported_unchanged_changes_nothing(
    session: Session, training: TrainingSession, sheet: Path
) -> None:
    assert export_roster(session, ADMINISTRATOR, training.id, sheet) == 4

    header, *rows = read(sheet)
    assert header[:5] == ["enrolment", "name", "phone", "state", "waiting_place"]
    assert [row[3] for row in rows] == ["enrolled", "enrolled", "enrolled", "waiting"]
    assert rows[0][2] == ("'" if sheet.suffix == ".csv" else "") + "+86 571 5550 0001", "no formula in a CSV"
    report = import_roster(session, ADMINISTRATOR, training.id, sheet, at=training.ends_at)
    assert (report.new, report.changed, report.unchanged, report.bad) == (0, 0, 4, [])
    assert training.state is SessionState.PLANNED


def test_results_filled_in_by_hand_are_imported_once(
    session: Session, training: TrainingSession, sheet: Path
) -> None:
    export_roster(session, ADMINISTRATOR, training.id, sheet)
    filled_in(
        sheet,
        {
            "王小明": {"attendance": "attended", "result": "passed", "note": "很好"},
            "李华": {"attendance": "缺席"},
            "=HYPERLINK(1)": {"attendance": "到", "result": "未通过"},
            "'=HYPERLINK(1)": {"attendance": "到", "result": "未通过"},
        },
    )

    first = import_roster(session, ADMINISTRATOR, training.id, sheet, at=training.ends_at)
    again = import_roster(session, ADMINISTRATOR, training.id, sheet, at=training.ends_at)

    assert (first.new, first.unchanged, first.bad) == (3, 1, [])
    assert (again.new, again.changed, again.unchanged) == (0, 0, 4)
    found = enrolment_queries.roster(session, ADMINISTRATOR, training.id)
    assert [(row.attendance, row.passed, row.note) for row in found[:4]] == [
        ("attended", True, "很好"),
        ("no_show", None, None),
        ("attended", False, None),
        (None, None, None),
    ]
    assert len(session.scalars(select(Certificate)).all()) == 1
    export_roster(session, ADMINISTRATOR, training.id, sheet)
    shown = ["attended", "passed"] if sheet.suffix == ".csv" else ["到 present", "合格 passed"]
    assert read(sheet)[1][5:8] == [*shown, "很好"]


@pytest.mark.one_engine
def test_the_workbook_offers_the_answers_of_a_cell_in_both_languages(
    session: Session, training: TrainingSession, tmp_path: Path
) -> None:
    export_roster(session, ADMINISTRATOR, training.id, tmp_path / "roster.xlsx")

    found = load_workbook(tmp_path / "roster.xlsx").active
    assert [found["F1"].value, found["G1"].value] == ["attendance", "result"]
    offered = {str(each.sqref): each.formula1 for each in found.data_validations.dataValidation}
    assert offered == {"F3:F6": '"到 present,缺 absent"', "G3:G6": '"合格 passed,不合格 failed"'}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("present", "attended"),
        ("Absent", "no_show"),
        ("到", "attended"),
        ("缺", "no_show"),
        ("缺 absent", "no_show"),
        ("到 present ", "attended"),
        ("attended", "attended"),
    ],
)
def test_attendance_is_understood_in_both_languages(cell: str, value: str) -> None:
    assert RosterFileRow.model_validate({"enrolment": 1, "attendance": cell}).attendance == value


def test_a_cell_with_both_answers_is_refused() -> None:
    with pytest.raises(ValidationError):
        RosterFileRow.model_validate({"enrolment": 1, "attendance": "到 absent"})


def test_bad_rows_are_marked_in_the_returned_sheet_and_the_others_are_imported(
    session: Session, training: TrainingSession, sheet: Path, tmp_path: Path
) -> None:
    export_roster(session, ADMINISTRATOR, training.id, sheet)
    header, first, second, third, waits = read(sheet)
    rows = [
        [*first[:5], "attended", "passed", "", ""],
        [*second[:5], "perhaps", "", "", ""],
        [third[0], "Someone else", *third[2:5], "attended", "", "", ""],
        [*waits[:5], "attended", "", "", ""],
        [*first[:5], "no_show", "", "", ""],
        ["987", *third[1:5], "attended", "", "", ""],
        ["no number", *third[1:5], "attended", "", "", ""],
    ]
    write(sheet, [header, *rows])

    report = import_roster(session, ADMINISTRATOR, training.id, sheet, at=training.ends_at)
    session.commit()

    assert report.new == 1
    marked = tmp_path / f"marked{sheet.suffix}"
    assert report.first is not None
    write_marked(sheet, marked, report.marks(), first=report.first)
    header, *back = read(marked)
    notes = [row[header.index(LINT_COLUMN)] for row in back]
    assert notes[0] == ""
    for words, cell in zip(
        (
            "attended",
            "not Someone else. A row may have",
            "no place in this session",
            "duplicate",
        ),
        notes[1:5],
        strict=True,
    ):
        assert words in cell
    assert "no enrolment 987" in notes[5]
    assert "enrolment" in notes[6]
    meant = unescape_formula if sheet.suffix == ".csv" else str
    assert [[meant(cell) for cell in row[:5]] for row in back] == [row[:5] for row in rows], "nothing is lost"
    found = enrolment_queries.roster(session, ADMINISTRATOR, training.id)
    assert [row.attendance for row in found] == ["attended", None, None, None, None]

    again = import_roster(session, ADMINISTRATOR, training.id, marked, at=training.ends_at)
    assert (again.new, again.unchanged, len(again.bad)) == (0, 1, 6), (
        "the marked sheet can be corrected and imported"
    )


def test_a_roster_is_for_those_who_run_the_session(
    session: Session, training: TrainingSession, sheet: Path
) -> None:
    with pytest.raises(NotAllowed):
        export_roster(session, make.member(make.estate(session), writes=True), training.id, sheet)
    assert not sheet.exists()
    export_roster(session, ADMINISTRATOR, training.id, sheet)
    with pytest.raises(NotAllowed):
        import_roster(session, make.member(make.estate(session)), training.id, sheet, at=training.ends_at)
    with pytest.raises(Conflict, match="two hours before"):
        import_roster(session, ADMINISTRATOR, training.id, sheet, at=NOW)


def test_a_file_that_is_not_a_roster_is_refused_in_a_sentence(
    session: Session, training: TrainingSession, tmp_path: Path
) -> None:
    def refused(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InvalidInput) as raised:
            import_roster(session, ADMINISTRATOR, training.id, path, at=training.ends_at)
        return raised.value.detail

    assert "lacks the column enrolment" in refused("a.csv", b"name,attendance\nWang,attended\n")
    assert "Did you mean attendance?" in refused("b.csv", b"enrolment,atendance\n1,attended\n")
    assert "no rows" in refused("c.csv", b"enrolment,attendance\n")
    assert "neither UTF-8 (line 2) nor GB18030" in refused(
        "d.csv", "enrolment,name\n1,Müller\n".encode("latin-1")
    )
    assert "web page" in refused("e.csv", b"<html></html>")
    with pytest.raises(InvalidInput, match=r"\.csv or \.xlsx"):
        export_roster(session, ADMINISTRATOR, training.id, tmp_path / "roster.pdf")


def test_every_column_is_explained() -> None:
    assert list(EXPLANATIONS) == list(HEADINGS_ZH) == [*COLUMNS, "parts_present"]
    assert columns(RosterFileRow) == [*EXPLANATIONS, *PART_COLUMNS]
