"""The output and exit status of `aed lint`, and the list it writes with a column of findings."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from aed.cli import main
from aed.files.spreadsheets import unescape_formula
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.table import LINT_COLUMN
from tests.cli.conftest import CommandResult
from tests.imports import lists
from tests.imports.lists import feature, point
from tests.imports.test_format_lists import JAPAN_39
from tests.imports.test_lint import clean_rows

type Lint = Callable[..., str]


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """Return a function that runs `aed lint` in this process; it returns the status and the output."""

    def run(*words: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["aed", "lint", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ending:
            main()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return CommandResult(int(ending.value.code or 0), out, err)

    return run


@pytest.fixture
def command(ended: Callable[..., CommandResult]) -> Lint:
    """Return a function that runs `aed lint` and asserts the exit status."""

    def run(*words: object, status: int) -> str:
        result = ended(*words)
        assert result.status == status, result
        return result.out

    return run


def rows_of(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.reader(opened, delimiter=delimiter))


def spoilt() -> list[dict[str, Any]]:
    rows = clean_rows(24)
    rows[3] |= {"lat": rows[3]["lon"], "lon": rows[3]["lat"]}
    rows[5]["pads_expire_on"] = "2020-01-01"
    return rows


# --- The command ---


def test_a_clean_list_exits_with_0_and_an_expired_date_is_not_an_error(command: Lint, tmp_path: Path) -> None:
    clean = lists.table(tmp_path, *clean_rows(24))
    expired = lists.table(tmp_path, *clean_rows(24, pads_expire_on="2020-01-31"), name="expired.csv")

    output = command(clean, status=0)
    assert (
        output == "list.csv: the project's own CSV; 24 rows; 0 errors 错误, 0 warnings 警告, 0 notes 提示.\n"
    )
    assert "date expired 已过期" in command(expired, status=0)


def test_a_list_with_an_error_exits_with_1_and_suggests_a_correction(command: Lint, tmp_path: Path) -> None:
    rows = spoilt()

    output = command(lists.table(tmp_path, *rows), status=1)

    assert "coordinates swapped 经纬度颠倒" in output
    assert "line 5: coordinates swapped" in output
    assert f"lat, lon: {rows[3]['lat']}, {rows[3]['lon']}" in output
    assert f"→ {float(rows[3]['lon']):.10g}, {float(rows[3]['lat']):.10g}" in output


def test_a_file_that_is_not_a_list_exits_with_2_and_a_sentence(
    ended: Callable[..., CommandResult], tmp_path: Path
) -> None:
    page = tmp_path / "list.csv"
    page.write_text("<html><body>Bad gateway</body></html>")

    for words in ([page], [tmp_path / "none.csv"], [page, "--country", "China"], [page, "--mapping", page]):
        result = ended(*words, "--json")
        assert result.status == 2
        assert result.err.startswith("aed: ")
        assert len(result.err.splitlines()) == 1
        assert json.loads(result.out)["error"] in result.err


def test_the_json_output_has_every_finding_and_the_counts(command: Lint, tmp_path: Path) -> None:
    answer = json.loads(command(lists.table(tmp_path, *spoilt()), "--json", status=1))

    assert answer["rows"] == 24
    assert answer["format"] == "csv"
    assert answer["counts"] == {"error": 1, "warning": 1, "note": 0}
    assert answer["kinds"] == {"coordinates_swapped": {"error": 1}, "date_expired": {"warning": 1}}
    swapped, expired = answer["findings"]
    assert (swapped["where"], swapped["unit"], swapped["number"]) == ("line 5", "line", 5)
    assert (
        set(swapped)
        == {*("kind", "severity", "where", "unit", "number", "column", "read", "wrong", "right")}
        == set(expired)
    )


# --- The list with findings ---


def test_a_csv_file_is_returned_complete_with_a_column_of_findings(command: Lint, tmp_path: Path) -> None:
    rows = spoilt()
    rows[0]["place_en"] = '=cmd|"/c calc"!A1'
    rows[1]["place_en"] = "'=kept"
    rows[2] |= {"lon": "-0.000001", "lat": "30.29"}
    path = lists.table(tmp_path, *rows)
    path.write_text(path.read_text() + "list,short\n")

    command(path, "--marked", tmp_path / "out.csv", status=1)

    before, after = rows_of(path), rows_of(tmp_path / "out.csv")
    assert [len(row) for row in after] == [len(before[0]) + 1] * len(before)
    assert after[0] == [*before[0], LINT_COLUMN]
    for given, back in zip(before, after, strict=True):
        assert [unescape_formula(cell) for cell in back[: len(given)]] == given
    assert after[1][before[0].index("place_en")].startswith("'=")
    assert after[3][before[0].index("lon")] == "-0.000001"
    assert "coordinates_swapped" in after[4][-1]
    assert after[7][-1] == ""
    assert "row_unreadable" in after[-1][-1]


def test_a_marked_list_in_the_own_format_can_be_read_again(command: Lint, tmp_path: Path) -> None:
    path = lists.table(tmp_path, *clean_rows(24))
    own = lists.geojson(
        tmp_path,
        *(feature({"source": "list", "source_id": str(n)}, point(30.29 + n / 100)) for n in range(3)),
    )
    command(path, "--marked", tmp_path / "out.csv", status=0)
    command(own, "--marked", tmp_path / "out.geojson", status=0)

    for given, marked in ((path, "out.csv"), (own, "out.geojson")):
        before, after = read_devices(given), read_devices(tmp_path / marked)
        assert before.form == after.form
        assert [record.fields for record in before] == [record.fields for record in after]


def test_a_table_with_another_encoding_preamble_and_delimiter_is_marked(
    command: Lint, tmp_path: Path
) -> None:
    path = tmp_path / "japan.csv"
    cells = dict.fromkeys(JAPAN_39, "") | {"名称": "市役所", "設置位置": "玄関", "緯度": "0", "経度": "0"}
    lines = ["AED一覧\t2026年", "\t".join(JAPAN_39), "\t".join(cells.values())]
    path.write_bytes("\r\n".join(lines).encode("cp932"))

    command(path, "--marked", tmp_path / "out.csv", status=1)

    title, header, row = rows_of(tmp_path / "out.csv", "\t")
    assert title[:2] == ["AED一覧", "2026年"]
    assert header == [*JAPAN_39, LINT_COLUMN]
    assert row[:-1] == list(cells.values())
    assert "at_the_pole_or_zero" in row[-1]


def test_a_workbook_is_returned_with_all_its_sheets_as_text(command: Lint, tmp_path: Path) -> None:
    path, out = tmp_path / "list.xlsx", tmp_path / "out.xlsx"
    rows = spoilt()
    with xlsxwriter.Workbook(str(path)) as book:
        notes, sheet = book.add_worksheet("notes"), book.add_worksheet("list")
        notes.write_string(0, 0, "=not a formula")
        sheet.write_row(0, 0, list(rows[0]))
        for number, row in enumerate(rows, start=1):
            for place, cell in enumerate(row.values()):
                sheet.write_string(number, place, str(cell))

    command(path, "--marked", out, status=1)
    command(path, "--marked", tmp_path / "out.csv", status=1)

    book = CalamineWorkbook.from_path(str(out))
    assert book.sheet_names == ["notes", "list"]
    assert book.get_sheet_by_name("notes").to_python() == [["=not a formula"]]
    back = book.get_sheet_by_name("list").to_python()
    assert back[0] == [*rows[0], LINT_COLUMN]
    assert [row[:-1] for row in back[1:]] == [list(row.values()) for row in rows]
    assert "coordinates_swapped" in str(back[4][-1])
    assert len(rows_of(tmp_path / "out.csv")) == len(back)


def test_features_are_returned_with_a_property_of_findings(command: Lint, tmp_path: Path) -> None:
    tags = {"emergency": "defibrillator", "opening_hours": "when the moon is full"}
    given = [
        feature({"amenity": "bench"}, point(), id="node/1"),
        feature(tags, point(), id="node/2", bbox=[1, 2, 3, 4]),
    ]
    path = lists.geojson(tmp_path, *given)

    command(path, "--marked", tmp_path / "out.geojson", status=0)

    back = json.loads((tmp_path / "out.geojson").read_text(encoding="utf-8"))
    assert back["type"] == "FeatureCollection"
    assert "hours_not_understood" in back["features"][1]["properties"].pop(LINT_COLUMN)
    assert back["features"][0]["properties"].pop(LINT_COLUMN) is None
    assert back["features"] == given


def test_an_answer_of_overpass_is_returned_as_features(command: Lint, tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    element = {"type": "node", "id": 7, "lat": 30.29, "lon": 120.1, "tags": {"emergency": "defibrillator"}}
    path.write_text(json.dumps({"version": 0.6, "elements": [element]}))

    command(path, "--marked", tmp_path / "out.geojson", status=0)

    back = json.loads((tmp_path / "out.geojson").read_text())["features"]
    assert back == [
        {
            "type": "Feature",
            "properties": element | {LINT_COLUMN: None},
            "geometry": {"type": "Point", "coordinates": [120.1, 30.29]},
        }
    ]


@pytest.mark.parametrize("name", ["list.csv", "out.geojson", "out.pdf", "none/out.csv"])
def test_an_unwritable_file_is_refused_and_the_list_is_unchanged(
    command: Lint, tmp_path: Path, name: str
) -> None:
    path = lists.table(tmp_path, *clean_rows(3))
    before = path.read_bytes()

    command(path, "--marked", tmp_path / name, status=2)

    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["list.csv"]


def test_a_mapping_file_makes_an_unknown_list_lintable(command: Lint, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "name: ours\ntitle: Ours\nsource: ours\ncountry: LI\nposition: {lat: breite, lon: laenge}\n"
        "id: {content: ort}\nfields: {place: ort}\n"
    )
    path = tmp_path / "list.csv"
    path.write_text("ort;breite;laenge\nHaus;47.14;9.52\nHof;9.53;47.15\n")

    answer = json.loads(command(path, "--mapping", mapping, "--json", status=1))

    assert answer["country"] == "LI"
    assert answer["kinds"]["coordinates_swapped"] == {"error": 1}
