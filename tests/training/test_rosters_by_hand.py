"""Rosters as people send them: other programs, other encodings, merged cells, formulas."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from fastapi.testclient import TestClient
from python_calamine import CalamineWorkbook
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.errors import InvalidInput
from aed.imports.formats.marked import write_marked
from aed.imports.formats.table import LINT_COLUMN
from aed.imports.rules import day_written
from aed.responders.models import Certificate
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import TrainingSession
from aed.training.rosters.sheet_actions import export_roster, import_roster
from tests import make
from tests.cases import each_case
from tests.make import ADMINISTRATOR
from tests.registry.conftest import Desk

BEGINS = datetime.now(UTC) - timedelta(hours=5)
NAMES = ("王小明", "李华", "张三", "陈晨", "Anna Berg")


@pytest.fixture
def training(session: Session) -> TrainingSession:
    made = make.training(session, make.course(session, "CPR"), estate=make.estate(session), starts_at=BEGINS)
    for name in NAMES:
        make.enrolment(session, made, name, at=BEGINS - timedelta(days=9))
    session.commit()
    return made


def came(session: Session, training: TrainingSession) -> list[str | None]:
    return [row.attendance for row in enrolment_queries.roster(session, ADMINISTRATOR, training.id)]


def take(session: Session, training: TrainingSession, path: Path) -> Any:
    return import_roster(session, ADMINISTRATOR, training.id, path, at=training.ends_at)


# --- encodings ------------------------------------------------------------------------------------------


@each_case("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
def test_a_table_is_read_in_the_encodings_of_chinese_windows(
    session: Session, training: TrainingSession, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "roster.csv"
    rows = [f"{number},{name},到" for number, name in enumerate(NAMES, start=1)]
    path.write_bytes("\r\n".join(["enrolment,name,attendance", *rows, ""]).encode(encoding))

    report = take(session, training, path)

    assert (report.new, report.bad) == (5, []), "a misread name could be that of another person"
    assert came(session, training) == ["attended"] * 5


def test_a_returned_marked_table_is_always_utf_8(
    session: Session, training: TrainingSession, tmp_path: Path
) -> None:
    path, marked = tmp_path / "roster.csv", tmp_path / "marked.csv"
    path.write_bytes("enrolment,name,attendance\n1,王小明,到\n2,李华,也许\n".encode("gb18030"))

    report = take(session, training, path)
    write_marked(path, marked, report.marks(), first=report.first, encodings=("gb18030",))

    text = marked.read_bytes().decode("utf-8-sig")
    assert "李华" in text
    assert "attendance: " in text


@each_case(
    ("content", "message"),
    [
        ("enrolment,name\n1,Jürgen Größe\n".encode("cp1252"), "neither UTF-8 (line 2) nor GB18030"),
        ("enrolment,name\n1,王小明\n".encode("utf-16"), "UTF-16"),
        ("enrolment,name\n1,田中さん\n".encode("cp932"), "neither UTF-8 (line 2) nor GB18030"),
        (b"\xd0\xcf\x11\xe0 an old workbook", "old Excel workbook"),
        (b"%PDF-1.7", "a PDF"),
    ],
)
def test_an_unknown_encoding_is_refused_with_advice(
    session: Session, training: TrainingSession, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "roster.csv"
    path.write_bytes(content)

    with pytest.raises(InvalidInput) as refused:
        take(session, training, path)

    assert message in refused.value.detail


# --- workbooks that were edited -------------------------------------------------------------------------


def edited(path: Path, change: Callable[[Any], None]) -> None:
    """Open a workbook, change it and save it, as another program does."""
    book = openpyxl.load_workbook(path)
    change(book.worksheets[0])
    book.save(path)


@pytest.fixture
def sheet(session: Session, training: TrainingSession, tmp_path: Path) -> Path:
    path = tmp_path / "roster.xlsx"
    export_roster(session, ADMINISTRATOR, training.id, path)
    return path


def column(sheet: Any, name: str) -> str:
    return next(str(cell.column_letter) for cell in sheet[1] if cell.value == name)


def test_merged_cells_are_reported_and_the_other_rows_imported(
    session: Session, training: TrainingSession, sheet: Path
) -> None:
    def merge(rows: Any) -> None:
        at = column(rows, "attendance")
        rows[f"{at}3"] = "attended"
        rows[f"{at}4"] = "attended"
        rows.merge_cells(f"{at}4:{at}6")
        rows[f"{at}7"] = "no_show"

    edited(sheet, merge)
    report = take(session, training, sheet)

    assert came(session, training) == ["attended", None, None, None, "no_show"]
    assert [bad.where for bad in report.bad] == ["row 4", "row 5", "row 6"]
    for bad in report.bad:
        assert "the cells F4:F6 are merged" in bad.reason
        assert "fill in each cell" in bad.reason


def test_a_formula_is_read_as_its_value_and_one_without_a_value_is_reported(
    session: Session, training: TrainingSession, sheet: Path
) -> None:
    def write(rows: Any) -> None:
        at = column(rows, "attendance")
        rows[f"{at}3"] = "attended"
        rows[f"{at}4"] = '=IF(1=1,"attended","no_show")'
        rows[f"{at}5"] = "#N/A"

    edited(sheet, write)
    report = take(session, training, sheet)

    assert came(session, training)[:3] == ["attended", None, None]
    reason_by_row = {bad.where: bad.reason for bad in report.bad}
    assert "the cell F4 contains a formula that was never calculated" in reason_by_row["row 4"]
    assert "the formula in the cell F5 has an error" in reason_by_row["row 5"]


def test_a_calculated_formula_is_read(session: Session, training: TrainingSession, tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "calculated.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        rows = book.add_worksheet("名单 & more")
        rows.write_row(0, 0, ["enrolment", "name", "attendance"])
        rows.write_row(1, 0, [1, "王小明"])
        rows.write_formula(1, 2, '=IF(1=1,"attended","")', None, "attended")

    assert take(session, training, path).new == 1
    assert came(session, training)[0] == "attended"


def test_the_returned_sheet_marks_the_cell_and_opens_in_other_programs(
    session: Session, training: TrainingSession, sheet: Path, tmp_path: Path
) -> None:
    def write(rows: Any) -> None:
        rows[f"{column(rows, 'attendance')}3"] = "perhaps"
        rows[f"{column(rows, 'attendance')}4"] = "attended"

    edited(sheet, write)
    report = take(session, training, sheet)
    marked = tmp_path / "marked.xlsx"
    write_marked(sheet, marked, report.marks(), first=report.first)

    book = openpyxl.load_workbook(marked).worksheets[0]
    at_fault = book[f"{column(book, 'attendance')}3"]
    assert at_fault.value == "perhaps"
    assert at_fault.comment.text.startswith("attendance: ")
    assert at_fault.fill.start_color.rgb.endswith("FFC7CE")
    assert book[f"{column(book, LINT_COLUMN)}3"].value.startswith("attendance: ")
    assert book[f"{column(book, 'attendance')}4"].comment is None
    by_another = CalamineWorkbook.from_path(str(marked)).get_sheet_by_index(0).to_python()
    assert [row[1] for row in by_another[2:]] == list(NAMES)


def test_a_long_list_that_is_not_a_roster_is_refused_quickly(
    session: Session, training: TrainingSession, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["enrolment", "name", "attendance"])
        writer.writerows([1_000_000 + number, "某人", "到"] for number in range(20_000))
        writer.writerow([1, "王小明", "到"])
    begun = time.process_time()

    report = take(session, training, path)

    assert (report.new, len(report.bad)) == (1, 20_000)
    assert "Is this the roster of another session?" in report.bad[0].reason
    assert time.process_time() - begun < 20, "CPU time, independent of the load"


# --- days -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-01", "2026/3/1", "2026.3.1", "2026年3月1日", "2026年03月01号", "20260301", "46082"),
        *("1 Mar 2026", "01-Mar-2026", "1st March 2026", "March 1, 2026", "Mar. 1 2026", "２０２６/３/１"),
        *("2026-03-01 00:00:00", "46082.0", "2026-03-01T00:00"),
    ],
)
def test_dates_are_read_in_common_notations(text: str) -> None:
    assert day_written(text) == date(2026, 3, 1)


def test_the_first_and_the_last_year_are_years() -> None:
    assert day_written("0001-12-31") == date(1, 12, 31)
    assert day_written("9999-12-31") == date(9999, 12, 31)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3/4/2026", "write 2026-04-03 or 2026-03-04"),
        ("2026-02-30", "2026-02 has no day 30"),
        ("2026-13-01", "no month 13"),
        ("2026-00-01", "no month 0"),
        ("0000-05-01", "must be a date"),
        ("2026年2月29日", "has no day 29"),
        ("20260230", "has no day 30"),
        ("1 Foo 2026", "must be a date"),
        ("soon", "must be a date"),
        ("46", "must be a date"),
        ("2026-3/1", "must be a date"),
        ("99999", "must be a date"),
        ("", "must be a date"),
    ],
)
def test_an_ambiguous_or_invalid_date_is_not_guessed(text: str, message: str) -> None:
    found = day_written(text)
    assert isinstance(found, str)
    assert message in found


def test_day_and_month_are_distinguished_when_one_exceeds_twelve() -> None:
    assert day_written("31/3/2026") == day_written("3/31/2026") == date(2026, 3, 31)
    assert day_written("4/4/2026") == date(2026, 4, 4)


# --- over HTTP ------------------------------------------------------------------------------------------


def send(desk: Desk, path: str, content: bytes, *, form: bool = False) -> Any:
    if form:
        return desk.client.post(path, files={"file": ("名单.csv", content)}, headers=desk.headers)
    return desk.client.post(path, content=content, headers=desk.headers)


def test_a_roster_is_exported_and_imported_over_http(
    session: Session, training: TrainingSession, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    path = f"/v1/sessions/{training.id}/roster"
    assert training.estate is not None
    ours, other = desk_of(training.estate), make.estate(session)
    session.commit()

    for ending, begins in (("csv", b"\xef\xbb\xbfenrolment"), ("xlsx", b"PK\x03\x04")):
        assert nobody.get(f"{path}.{ending}").status_code == 404
        assert desk_of(other).get(f"{path}.{ending}").status_code == 404
        answer = ours.get(f"{path}.{ending}")
        assert answer.status_code == 200
        assert answer.content.startswith(begins)
        assert send(ours, path, answer.content).json()["unchanged"] == 5
    assert ours.get(f"{path}.pdf").status_code == 422
    filled = "enrolment,name,attendance,result\n1,王小明,到,通过\n2,李华,也许,\n".encode("gb18030")
    assert send(nobody, path, filled).status_code in (401, 404)
    assert send(desk_of(other), path, filled).status_code == 404
    assert send(desk_of(training.estate, writes=False), path, filled).status_code == 403

    reply = send(ours, path, filled, form=True).json()
    assert (reply["file"], reply["new"], reply["not_taken"]) == ("名单.csv", 1, 1)
    assert reply["rows_not_taken"][0]["where"] == "line 3"
    assert session.query(Certificate).count() == 1
    session.rollback()
    marked = send(ours, f"{path}?marked=csv", filled)
    assert marked.headers["AED-Report"] == "new=0, changed=0, unchanged=1, not_taken=1"
    rows = list(csv.DictReader(io.StringIO(marked.content.decode("utf-8-sig"))))
    assert [bool(row[LINT_COLUMN]) for row in rows] == [False, True]
    book = openpyxl.load_workbook(io.BytesIO(send(ours, f"{path}?marked=xlsx", filled).content))
    assert book.worksheets[0]["C3"].comment.text.startswith("attendance: ")


def test_a_file_that_is_not_a_roster_is_refused_over_http_in_a_sentence(
    session: Session, training: TrainingSession, office: Desk
) -> None:
    path = f"/v1/sessions/{training.id}/roster"

    for content, message in (
        (b"", "is empty"),
        (b"name\nWang\n", "lacks the column enrolment"),
        (b"PK\x03\x04 not really", "damaged"),
        (b"enrolment,attendance\n", "no rows"),
    ):
        answer = send(office, path, content)
        assert (answer.status_code, message in answer.json()["detail"]) == (422, True), answer.text
    early = make.training(session, starts_at=datetime.now(UTC) + timedelta(days=9))
    session.commit()
    answer = send(office, f"/v1/sessions/{early.id}/roster", b"enrolment,attendance\n1,attended\n")
    assert (answer.status_code, "two hours before" in answer.json()["detail"]) == (409, True)


def test_responders_are_imported_over_http_with_dates_in_common_notations(
    session: Session, client: TestClient, nobody: Desk, office: Desk
) -> None:
    head = (
        "source,source_id,name,region,certificate_kind,certificate_issuer,certificate_valid_until,"
        "place,lat,lon\n"
    )
    rows = [
        f"town,{number},王{number},CN-33,cpr_aed,Red Cross,{day},home,30.29,120.10\n"
        for number, day in enumerate(
            ("2028-03-01", "2028/3/1", "2028年3月1日", "1 Mar 2028", "46813", "3/4/2028")
        )
    ]
    content = (head + "".join(rows)).encode("gb18030")
    assert send(nobody, "/v1/imports/responders", content).status_code == 401

    tried = send(office, "/v1/imports/responders?dry_run=true", content).json()
    reply = send(office, "/v1/imports/responders", content).json()

    assert (tried["new"], reply["new"], reply["not_taken"]) == (5, 5, 1)
    assert "write 2028-04-03 or 2028-03-04" in reply["rows_not_taken"][0]["reason"]
    found = session.scalars(select(Certificate.valid_until)).all()
    assert set(found) == {date(2028, 3, 1)}
    session.rollback()
    strict = send(office, "/v1/imports/responders?strict=true", content)
    assert (strict.status_code, strict.json()["title"]) == (422, "Nothing was imported")
