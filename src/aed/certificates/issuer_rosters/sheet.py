"""Read an issuer's roster of certificates: a CSV file or a workbook.

A CSV file is in UTF-8 or in the encoding of Chinese Windows. A title may precede the header. Column names are
those that chapters use, in Chinese or English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from aed.errors import InvalidInput
from aed.files.spreadsheets import unescape_formula
from aed.imports.formats.files import UTF_8, FileLine, csv_rows, encoding_of, head_of
from aed.imports.formats.records import Record, Unit
from aed.imports.formats.values import date_of
from aed.imports.formats.workbook import is_workbook, sheets
from aed.imports.rules import printable

ENCODINGS: Final = (UTF_8, "gb18030")
"""GB 18030 is a superset of CP936."""
DELIMITERS: Final = (",", "\t", ";")
HEADER_WITHIN: Final = 15
"""Maximum number of rows searched for the header, which may follow a title, a date or a note."""

CALLED: Final = {
    "name": ("name", "姓名", "学员姓名", "持证人", "holder"),
    "number": ("number", "证书编号", "证书号", "证书号码", "证号", "certificate", "certificate number"),
    "holder_id": ("holder_id", "身份证号", "身份证号码", "证件号", "证件号码", "id number"),
    "holder_id_hash": ("holder_id_hash", "身份证哈希", "证件哈希", "id hash"),
    "phone": ("phone", "电话", "手机", "手机号", "手机号码", "联系电话", "telephone"),
    "course": ("course", "课程", "培训课程", "证书类型", "证书类别", "培训类别", "类别"),
    "issued_on": ("issued_on", "发证日期", "颁发日期", "取证日期", "issued"),
    "valid_until": ("valid_until", "有效期至", "有效期", "有效期限", "到期日期", "失效日期", "valid until"),
    "state": ("state", "状态", "证书状态", "status"),
}
"""Accepted column names by field."""
NEEDED: Final = ("name", "number", "course")
EXPLAINED: Final = (
    "name (姓名), number (证书编号), course (课程), and valid_until (有效期至) or issued_on (发证日期)"
)


def read_issuer_roster(path: Path) -> Iterator[Record]:
    """Yield the rows below the header as records. Raises InvalidInput if the file is not such a roster."""
    if is_workbook(head_of(path)):
        yield from _of_workbook(path)
        return
    encoding = encoding_of(path, ENCODINGS)
    for delimiter in DELIMITERS:
        rows = csv_rows(path, encoding=encoding, delimiter=delimiter)
        try:
            yield from _records(rows, path.name, "line")
        except _NoHeader:
            rows.close()
            continue
        return
    raise _no_header(path.name)


class _NoHeader(Exception):
    """No row among the first ones is the header of a roster."""


def _no_header(name: str) -> InvalidInput:
    return InvalidInput(
        "{name} is not a roster of certificates. One of its first {header_within} rows "
        "must name the columns {explained}.",
        field="file",
        name=name,
        header_within=HEADER_WITHIN,
        explained=EXPLAINED,
    )


def _of_workbook(path: Path) -> Iterator[Record]:
    for _, rows in sheets(path):
        try:
            yield from _records(rows, path.name, "row")
        except _NoHeader:
            continue
        return
    raise _no_header(path.name)


def _records(rows: Iterator[FileLine], name: str, unit: Unit) -> Iterator[Record]:
    columns = _header(islice(rows, HEADER_WITHIN), name)
    for row in rows:
        wrong = None
        fields = {}
        for place, field in columns.items():
            cell = row.cells[place] if place < len(row.cells) else ""
            fields[field] = unescape_formula(cell).strip() if unit == "line" else cell.strip()
        for field, cell in fields.items():
            if cell[:1] in ("=", "＝"):
                wrong = f"{field}: is a formula, {printable(cell, 40)}. Replace it by its value"
        if any(fields.values()):
            yield Record(unit, row.number, fields, wrong)


def _header(first: Iterable[FileLine], name: str) -> dict[int, str]:
    """Return the field names by column position."""
    for row in first:
        columns: dict[int, str] = {}
        for place, cell in enumerate(row.cells):
            field = _FIELDS.get(_plain(cell))
            if field is None:
                continue
            if field in columns.values():
                raise InvalidInput(
                    "{name}: two columns in row {number} mean {name_2} ({printable}). Rename one of them.",
                    field="file",
                    name=name,
                    number=row.number,
                    name_2=field,
                    printable=printable(cell, 40),
                )
            columns[place] = field
        found = set(columns.values())
        if found >= set(NEEDED):
            if not found & {"valid_until", "issued_on"}:
                raise InvalidInput(
                    "{name} must have a column valid_until (有效期至) or issued_on (发证日期).",
                    field="file",
                    name=name,
                )
            return columns
    raise _NoHeader


def _plain(cell: str) -> str:
    text = unicodedata.normalize("NFKC", cell).casefold().removeprefix("\ufeff")
    return " ".join(re.sub(r"[*:：]|\(.*?\)", " ", text).split()).replace("_", " ")


_FIELDS: Final = {_plain(name): field for field, names in CALLED.items() for name in names}

_SERIAL: Final = re.compile(r"[2-7][0-9]{4}")
_FIRST_SERIAL: Final = date(1899, 12, 30)


def roster_date(cell: str) -> date | None:
    """Parse the date in a cell, in any style that chapters use, including a spreadsheet's serial day number.

    Returns None if there is no date, or if it is ambiguous (05/06/2027).
    """
    if _SERIAL.fullmatch(cell):
        return _FIRST_SERIAL + timedelta(days=int(cell))
    day_first, month_first = date_of(cell), date_of(cell, day_first=False)
    if day_first is not None and month_first is not None and day_first != month_first:
        return None
    return day_first or month_first
