"""Find the header row of a table, and match its columns with a mapping."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain, islice
from typing import Final
from urllib.parse import unquote

from aed.errors import InvalidInput
from aed.imports.formats.files import FileLine
from aed.imports.formats.mapping import Looks, Mapping
from aed.imports.rules import printable

ROWS_BEFORE_THE_HEADER: Final = 30
"""Maximum number of rows searched for the header."""
ROWS_LOOKED_AT: Final = 50
"""Number of rows inspected to identify the columns of a file without a header."""


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file: their names as written, duplicates numbered, and their positions."""

    names: tuple[str, ...]
    places: Map[str, int]
    """Column positions by normalised name (see `spelled`)."""
    rows_before: int
    """Number of rows up to and including the header."""
    _found: dict[tuple[str, ...], str | None] = field(default_factory=dict, compare=False)

    def column(self, names: Sequence[str]) -> str | None:
        """Return the first of these synonyms that the file has, as the file writes it."""
        asked = tuple(names)
        if asked not in self._found:
            places = (self.places.get(spelled(name)) for name in asked)
            self._found[asked] = next((self.names[place] for place in places if place is not None), None)
        return self._found[asked]


@lru_cache(maxsize=5_000)
def spelled(name: str) -> str:
    """Normalise a column name: ignore width, case, spaces, punctuation and a URL prefix."""
    text = unicodedata.normalize("NFKC", unquote(name)).strip().strip("\ufeff\"'*").strip()
    if re.match(r"https?://", text):
        text = re.split(r"[#/]", text.rstrip("#/"))[-1]
    text = re.sub(r"^[#@]", "", text)
    return re.sub(r"[\s_・:\-]+", "", text).casefold()


def header_of(cells: Sequence[str], *, rows_before: int = 0) -> Header:
    names: list[str] = []
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = " ".join(cell.replace("\ufeff", "").split()) or f"column {place + 1}"
        places.setdefault(spelled(name), place)
        repeated = names.count(name)
        names.append(f"{name} ({repeated + 1})" if repeated else name)
    return Header(tuple(names), places, rows_before)


def header_among(rows: Sequence[FileLine], mapping: Mapping, *, is_named: bool) -> Header | None:
    """Find the header of a list among the first rows of a file; return None if there is none.

    To recognise a list, the header must contain every column in `recognised_by`. If the format is named, the
    position columns suffice. Of several candidates, the row with the most known columns is used.
    """
    best: tuple[int, Header] | None = None
    for count, row in enumerate(rows[:ROWS_BEFORE_THE_HEADER], start=1):
        header = header_of(row.cells, rows_before=count)
        if is_named:
            is_one = _has_position(header, mapping)
        else:
            is_one = bool(mapping.recognised_by) and all(map(header.column, mapping.recognised_by))
        if is_one:
            known = sum(header.column(names) is not None for names in mapping.read_columns())
            if best is None or known > best[0]:
                best = known, header
    if best is not None:
        return best[1]
    return _header_by_content(rows, mapping, is_named=is_named) if mapping.no_header else None


def how_much_is_known(header: Header, mapping: Mapping) -> int:
    """Return how many of the file's columns the mapping reads or deliberately ignores."""
    known = [*mapping.read_columns(), *([name] for name in mapping.ignored_columns)]
    return len({column for names in known if (column := header.column(names))})


def _has_position(header: Header, mapping: Mapping) -> bool:
    position = mapping.position
    needed = [names for names in (position.lat, position.lon, position.text) if names]
    return all(header.column(names) is not None for names in needed)


# --- Files without a header ---

_LOOKS: Final = {
    Looks.COORDINATES: re.compile(r"\(?\s*[+-]?[0-9]{1,3}\.[0-9]+\s*[,;\s]\s*[+-]?[0-9]{1,3}\.[0-9]+\s*\)?"),
    Looks.HTML: re.compile(r".*<\s*/?[a-zA-Z][^<>]{0,200}>.*", re.DOTALL),
    Looks.LINK: re.compile(r".*(?:https?:|www\.|<\s*a\s|href\s*=).*", re.DOTALL | re.IGNORECASE),
    Looks.HOURS: re.compile(
        r".*(?:(?<![0-9])[0-9]{1,2}[:：][0-9]{2}|24/7|24小[時时]|星期|週|周[一-日]|[全每]天|全[年日]).*",
        re.DOTALL,
    ),
    Looks.ADDRESS: re.compile(r".*[縣市].*[路街道段巷號村里鄰].*", re.DOTALL),
    Looks.PHONE: re.compile(r"\+?[0-9()][0-9 ()/.#\-]{5,30}"),
    Looks.NUMBER: re.compile(r"[0-9]{1,20}"),
    Looks.DATE: re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}.*"),
}
_TAGS_AND_LINKS: Final = re.compile(r"<[^<>]{0,300}>|https?:\S+")
"""A link may contain what looks like a time: http://192.0.2.1:8080."""
_MIN_MATCHING_SHARE: Final = 0.6


def _header_by_content(rows: Sequence[FileLine], mapping: Mapping, *, is_named: bool) -> Header | None:
    cells = [row.cells for row in rows[:ROWS_LOOKED_AT]]
    width = max((len(row) for row in cells), default=0)
    names = [""] * width
    for column in mapping.no_header:
        free = [place for place in range(width) if not names[place]]
        if column.looks is None:
            place = free[0] if free else None
        else:
            place = _looking_so(cells, free, column.looks)
            is_needed = not (column.optional or (is_named and column.looks is not Looks.COORDINATES))
            if place is None and is_needed:
                return None
        if place is not None:
            names[place] = column.name
    return header_of([name or f"column {place + 1}" for place, name in enumerate(names)])


def _looking_so(cells: Sequence[Sequence[str]], free: Sequence[int], looks: Looks) -> int | None:
    best: tuple[float, int] | None = None
    for place in free:
        given = [row[place].strip()[:300] for row in cells if place < len(row) and row[place].strip()]
        if looks is Looks.HOURS:
            given = [_TAGS_AND_LINKS.sub(" ", each) for each in given]
        share = sum(_LOOKS[looks].fullmatch(each) is not None for each in given) / len(given) if given else 0
        if share >= _MIN_MATCHING_SHARE and (best is None or share > best[0]):
            best = share, place
    return best[1] if best else None


def no_header(name: str, mapping: Mapping, rows: Sequence[FileLine]) -> InvalidInput:
    """Return the error for a named list without a header: the missing columns, and the file's first line."""
    position = mapping.position
    needed = " and ".join(names[0] for names in (position.lat, position.lon, position.text) if names)
    first = printable(", ".join(rows[0].cells), 150) if rows else "nothing"
    return InvalidInput(
        "{name} is not in the format {name_2} ({title}): none of its first "
        "{rows_before_the_header} lines names the columns {needed}. Its first line is: "
        "{first}",
        field="file",
        name=name,
        name_2=mapping.name,
        title=mapping.title,
        rows_before_the_header=ROWS_BEFORE_THE_HEADER,
        needed=needed,
        first=first,
    )


def peeked(
    rows: Iterator[FileLine], count: int = ROWS_LOOKED_AT
) -> tuple[list[FileLine], Iterator[FileLine]]:
    """Return the first rows, and an iterator over all rows including them."""
    first = list(islice(rows, count))
    return first, chain(first, rows)
