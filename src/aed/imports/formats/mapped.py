"""Read a table or objects with a mapping: match the columns, and convert each row to a record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Mapping as Map
from itertools import islice
from typing import Final, Literal

from aed.imports.findings import FindingKind, Severity
from aed.imports.formats import values
from aed.imports.formats.files import FileLine
from aed.imports.formats.headers import Header, header_of, spelled
from aed.imports.formats.mapped_row import ContentIds, RowReader
from aed.imports.formats.mapping import Mapping
from aed.imports.formats.records import Record
from aed.imports.formats.table import PASSED_OVER

type Unit = Literal["line", "row", "feature"]

_SPARE_LENGTH: Final = 8
"""How much longer than a word its cell may be, by spaces."""


def read_mapped(
    rows: Iterable[FileLine], header: Header, mapping: Mapping, *, unit: Unit, source: str | None = None
) -> Iterator[Record]:
    """Yield a record for each row below the header."""
    reader = _Reader(header, mapping, source or mapping.source)
    for row in islice(rows, header.rows_before, None):
        if mapping.kept_by_hand:
            if is_remark(row.cells, header):
                continue
            cells = [*row.cells, *[""] * (len(header.names) - len(row.cells))]
            row = row._replace(cells=cells)
        if row.wrong is not None:
            raw = dict(zip(header.names, row.cells, strict=False))
            yield Record(unit, row.number, {}, row.wrong, raw=raw)
        else:
            yield reader.record(unit, row.number, row.cells)


_TOTAL: Final = re.compile(
    r"(?:合\s*计|总\s*计|小\s*计|共\s*计|合計|總計|小計|total|sous-total|summe|gesamt)\b.*|共.{1,8}台"
)


_SIGNED_BY: Final = re.compile(
    r"(?:制表|编制|填报|填表|填写|审核|审批|复核|统计|备注|说明|注)[^:]{0,6}:.*"
    r"|(?:stand|erstellt|quelle|source|mise à jour|établi|note|prepared|checked)\b[^:]{0,20}:.*"
)
"""The start of a line below a list, which says who made it and when."""


def is_remark(cells: Sequence[str], header: Header) -> bool:
    """Return whether a row of a list that is kept by hand is no device.

    It is a total (合计), the header again, a remark in a single cell, or a line that says who made the list.
    """
    given = [values.plain(cell) for cell in cells if cell.strip()]
    if not given or _TOTAL.fullmatch(given[0]):
        return True
    if _SIGNED_BY.fullmatch(given[0]) and len(given) <= len(header.names) / 2:
        return True
    if len(set(given)) == 1:
        return True
    named = {values.plain(name) for name in header.names}
    return sum(cell in named for cell in given) > len(given) / 2


def read_objects(
    found: Iterable[tuple[int, Map[str, str]]], mapping: Mapping, *, unit: Unit, source: str | None = None
) -> Iterator[Record]:
    """Yield a record for each object; its members serve as the header and cells of a row."""
    readers: dict[tuple[str, ...], _Reader] = {}
    ids = ContentIds()
    for number, members in found:
        names = tuple(members)
        reader = readers.get(names)
        if reader is None:
            if len(readers) >= _MAX_KINDS_OF_OBJECTS:
                readers.clear()
            reader = _Reader(header_of(names), mapping, source or mapping.source, ids)
            readers[names] = reader
        yield reader.record(unit, number, list(members.values()))


_MAX_KINDS_OF_OBJECTS: Final = 1_000


class _Reader:
    """A mapping applied to the header of one table."""

    def __init__(self, header: Header, mapping: Mapping, source: str, ids: ContentIds | None = None) -> None:
        self._header = header
        self._mapping = mapping
        self._source = source
        self._ids = ids or ContentIds()
        self._blank = frozenset(map(values.plain, mapping.blank_words))
        self._longest_blank = max(map(len, self._blank), default=0)
        self._choices = {
            name: {values.plain(word): meant for word, meant in rule.choices.items()}
            for name, rule in mapping.fields.items()
        }
        read = {column for names in mapping.read_columns() if (column := header.column(names))}
        ignored = set(map(spelled, (*mapping.ignored_columns, *PASSED_OVER)))
        self._others = [name for name in header.names if name not in read and spelled(name) not in ignored]
        self._are_others_reported = mapping.other_columns != "report"

    def record(self, unit: Unit, number: int, cells: Sequence[str]) -> Record:
        names = self._header.names
        raw = dict(zip(names, cells, strict=False))
        if len(cells) > len(names):
            extra = [cell for cell in cells[len(names) :] if cell.strip()]
            if extra:
                return Record(
                    unit, number, {}, f"has {len(cells)} cells where the header has {len(names)}", raw=raw
                )
        elif unit == "line" and len(cells) < len(names):
            reason = f"has {len(cells)} cells where the header has {len(names)}"
            return Record(unit, number, {}, reason, raw=raw)
        row = RowReader(f"{unit} {number}", {name: self._clean(cell) for name, cell in raw.items()}, raw)
        row.fill(self._mapping, self._header, self._source, self._ids, self._choices)
        if not self._are_others_reported:
            self._are_others_reported = True
            for name in self._others:
                if row.cells.get(name):
                    row.find(FindingKind.COLUMN_NOT_READ, Severity.NOTE, name, "This column is not used.")
        elif self._mapping.other_columns == "keep":
            row.keep(self._others, self._mapping)
        return Record(unit, number, row.fields, None, row.columns, raw, tuple(row.findings))

    def _clean(self, cell: str) -> str:
        text = values.clean(values.without_entities(cell) if self._mapping.html_entities else cell)
        may_be_blank = len(text) <= self._longest_blank + _SPARE_LENGTH
        return "" if may_be_blank and values.plain(text) in self._blank else text
