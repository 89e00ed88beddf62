"""Find the table of a list that people keep by hand, its header, and what its columns hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any, Final, NamedTuple

from aed.errors import InvalidInput
from aed.imports.coordinates import interpret_degrees, with_english_letters
from aed.imports.findings import ListNote
from aed.imports.formats import values
from aed.imports.formats.feature_table import feature_rows
from aed.imports.formats.files import (
    FileLine,
    csv_rows,
    head_of,
    likely_encodings,
)
from aed.imports.formats.headers import ROWS_BEFORE_THE_HEADER, Header, header_of
from aed.imports.formats.headings import (
    DATES,
    IN_SERVICE,
    NUMBER,
    OUT_OF_SERVICE,
    ColumnRole,
    plain_heading,
    roles_of,
)
from aed.imports.formats.json_stream import is_json
from aed.imports.formats.kml import is_kml, kml_rows
from aed.imports.formats.layers import is_layer_file, layer_rows
from aed.imports.formats.mapped import is_remark
from aed.imports.formats.values import understood
from aed.imports.formats.workbook import hidden_columns, is_workbook, sheets
from aed.imports.rules import printable
from aed.translation import noop

DELIMITERS: Final = (",", ";", "\t", "|")
ROWS_SAMPLED: Final = 300
MIN_HEADINGS: Final = 2
MIN_SHARE: Final = 0.5
"""Minimum share of a column's cells that must be what its heading says."""
MIN_DATE_SHARE: Final = 0.2
"""The same for dates, which people write in many ways; what is no date is reported, row by row."""
BLANK_WORDS: Final = (
    *(
        "无",
        "無",
        "暂无",
        "没有",
        "不详",
        "未知",
        "未填",
        "-",
        "--",
        "—",
        "——",
        "/",
        "\\",
        "n/a",
        "na",
        "none",
        "k. a.",
        "k.a.",
    ),
    *("keine angabe", "keine", "néant", "non renseigné", "sans objet", "nc", "n.c.", "?"),
)
"""What people write into a cell for which they have nothing."""
_BLANK: Final = frozenset(map(values.plain, BLANK_WORDS))

_TIME: Final = re.compile(
    r"\b[0-9]{1,2} ?(?:[:：][0-9]{2}|[h点點时時시](?![a-z])|uhr\b|[ap]\.?m\b)|24 ?/ ?7", re.IGNORECASE
)
_STATES: Final = frozenset((*IN_SERVICE, *OUT_OF_SERVICE))
_DEGREES: Final = re.compile(r"[+-]?[0-9]{1,3}[.,][0-9]{3,}")


class HandKeptTable(NamedTuple):
    sheet: str | None
    encoding: str
    delimiter: str
    rows: list[FileLine]
    hidden: frozenset[int] = frozenset()
    """The places of hidden columns; they are read only if their headings are understood."""


class Columns(NamedTuple):
    """The header of a table, the role of each column, and the cells below."""

    table: HandKeptTable
    header: Header
    roles: dict[int, ColumnRole]
    cells: dict[int, list[str]]
    remarks: tuple[str, ...] = ()
    """What stands below the rows and on sheets without a table."""

    def named(self, *roles: ColumnRole) -> list[str]:
        """Return the headings with these roles, in the order of the roles."""
        return [
            self.header.names[place] for role in roles for place, each in self.roles.items() if each == role
        ]

    def place(self, role: ColumnRole) -> int | None:
        return next((place for place, each in self.roles.items() if each == role), None)


# --- The table and its header ---


def _tables(path: Path, encodings: Sequence[str]) -> Iterator[HandKeptTable]:
    head = head_of(path)
    if is_kml(path, head):
        yield HandKeptTable(None, "utf-8", ",", list(islice(kml_rows(path), ROWS_SAMPLED)))
        return
    if is_layer_file(path, head):
        yield HandKeptTable(None, "utf-8", ",", list(islice(layer_rows(path), ROWS_SAMPLED)))
        return
    if is_json(head, path):
        yield HandKeptTable(None, "utf-8", ",", list(islice(feature_rows(path), ROWS_SAMPLED)))
        return
    if is_workbook(head):
        for name, found in sheets(path, fill_merged=True):
            rows = list(islice(found, ROWS_SAMPLED))
            yield HandKeptTable(name, "utf-8", ",", rows, hidden_columns(path, name))
        return
    for encoding, delimiter in product(likely_encodings(path, encodings), DELIMITERS):
        lines: list[FileLine] = []
        try:
            lines.extend(islice(csv_rows(path, encoding=encoding, delimiter=delimiter), ROWS_SAMPLED))
        except InvalidInput:
            if not lines:
                continue
        yield HandKeptTable(None, encoding.removesuffix("-sig"), delimiter, lines)


def best_table(path: Path, *, encodings: Sequence[str] = ()) -> Columns:
    """Return the table of a file, with the row that names most columns.

    `encodings` are those of its format, if that is known. Raises InvalidInput if no row names columns.
    """
    best: tuple[tuple[int, int], Columns] | None = None
    first: list[str] = []
    tables = list(_tables(path, encodings))
    for table in tables:
        first = first or (table.rows[0].cells if table.rows else [])
        for count, row in enumerate(table.rows[:ROWS_BEFORE_THE_HEADER], start=1):
            roles = roles_of(row.cells)
            known = len(set(roles.values()))
            has_position = len({"lat", "lon", "text"} & set(roles.values()))
            numbers = sum(NUMBER.fullmatch(cell.strip()) is not None for cell in row.cells)
            score = known + has_position - numbers, sum(bool(cell.strip()) for cell in row.cells)
            if known >= MIN_HEADINGS and (best is None or score > best[0]):
                header = header_of(row.cells, rows_before=count)
                below = [each.cells for each in table.rows[count:] if not is_remark(each.cells, header)]
                cells = {
                    place: [
                        text
                        for each in below
                        if place < len(each)
                        and (place in roles or place not in table.hidden)
                        and (text := values.clean(each[place]))
                        and values.plain(text) not in _BLANK
                    ]
                    for place in range(len(header.names))
                }
                best = score, Columns(table, header, roles, cells)
    if best is None:
        if not first:
            raise InvalidInput("{name} has no sheet with rows in it.", field="file", name=path.name)
        raise InvalidInput(
            "No row of {name} names columns that are understood, such as 安装位置, 经度 and 纬度, or "
            "Location, Longitude and Latitude. Its first row is: {first}. Add such a row, or "
            "write a mapping file.",
            field="file",
            name=path.name,
            first=printable(", ".join(cell for cell in first if cell), 150),
        )
    return best[1]._replace(remarks=_remarks(best[1], tables))


def _remarks(found: Columns, tables: Sequence[HandKeptTable]) -> tuple[str, ...]:
    below = found.table.rows[found.header.rows_before :]
    rows = [row for row in below if is_remark(row.cells, found.header)]
    for table in tables:
        if table.sheet != found.table.sheet:
            rows += table.rows[:ROWS_BEFORE_THE_HEADER]
    return tuple(cell for row in rows for cell in row.cells if cell.strip())


def header_row(found: Columns) -> int:
    return found.table.rows[found.header.rows_before - 1].number


def checked_roles(found: Columns, notes: list[ListNote]) -> dict[int, ColumnRole]:
    """Return the roles whose columns hold what they say."""
    checks: dict[str, Callable[[str], bool]] = {
        "lat": _is_degrees,
        "lon": _is_degrees,
        "text": lambda cell: values.pair(cell) is not None,
        "keeper_phone": lambda cell: values.phone_of(cell) is not None,
        "state": lambda cell: values.plain(cell) in _STATES,
        **dict.fromkeys(DATES, _is_date),
    }
    roles: dict[int, ColumnRole] = {}
    for place, role in found.roles.items():
        cells = found.cells[place]
        check = checks.get(role)
        if role in ("id", "serial", "state", "lat", "lon", "keeper_phone", *DATES) and role in roles.values():
            continue  # the first column of its kind
        least = MIN_DATE_SHARE if role in DATES else MIN_SHARE
        if check is not None and cells and sum(map(check, cells)) < least * len(cells):
            if role in ("lat", "lon"):
                template = noop("The column {name} does not hold degrees, so it is not used.")
            elif role in DATES:
                template = noop("The column {name} does not hold dates, so it is not used.")
            elif role == "keeper_phone":
                template = noop("The column {name} does not hold telephone numbers, so it is not used.")
            elif role == "state":
                template = noop(
                    "The column {name} does not say whether devices are in service, so it is not used."
                )
            else:
                continue
            notes.append(ListNote(template, {"name": found.header.names[place]}))
            continue
        roles[place] = role
    return roles


def _is_degrees(cell: str) -> bool:
    return interpret_degrees(with_english_letters(cell, "de")) is not None or values.pair(cell) is not None


def _is_date(cell: str) -> bool:
    return (
        values.date_of(cell) is not None
        or values.date_of(cell, day_first=False) is not None
        or values.month_of(cell) is not None
    )


def is_day_first(found: Columns, name: str) -> bool:
    """Return whether 3/4/2027 is 3 April in a column.

    A cell such as 4/30/2027 shows the opposite, and 30/4/2027 shows it; a column with neither is like the
    other columns of dates.
    """
    own = _order_of_day_and_month(found.cells[found.header.names.index(name)])
    if own is not None:
        return own
    others = {
        _order_of_day_and_month(found.cells[place]) for place, role in found.roles.items() if role in DATES
    }
    return others - {None} != {False}


def _order_of_day_and_month(cells: Sequence[str]) -> bool | None:
    """Return whether the day comes first, by the cells that can only be read so; None if there are none."""
    orders = set(map(_certain_order, cells))
    return False if False in orders and True not in orders else True if True in orders else None


def _certain_order(cell: str) -> bool | None:
    first = int(found[0]) if (found := re.search("[0-9]{1,4}", cell)) else 0
    as_day, as_month = values.date_of(cell), values.date_of(cell, day_first=False)
    is_day = as_day is not None and as_day.day == first
    is_month = as_month is not None and as_month.month == first
    return is_day if is_day != is_month else None


# --- Columns found by their values ---


def position_rule(found: Columns, notes: list[ListNote], name: str) -> dict[str, Any]:
    lat, lon, text = found.place("lat"), found.place("lon"), found.place("text")
    names = found.header.names
    if lat is None or lon is None:
        lat = lon = None
        if text is None:
            text, lat, lon = _position_by_value(found, notes)
    if lat is None and text is None:
        raise InvalidInput(
            "{name} has no coordinates: no column for the latitude and the longitude (纬度, 经度), nor one "
            "with both (坐标). Add them, for example by a map's pick-a-point page.",
            field="file",
            name=name,
        )
    if lat is not None and lon is not None:
        if _are_longitudes(found.cells[lat]) and not _are_longitudes(found.cells[lon]) and found.cells[lon]:
            lat, lon = lon, lat
            template = noop("The column {lat} holds the latitudes, and {lon} the longitudes.")
            notes.append(ListNote(template, {"lat": names[lat], "lon": names[lon]}))
        found.roles[lat], found.roles[lon] = "lat", "lon"
    in_one_cell = [
        both
        for place in (text, lat, lon)
        if place is not None
        for cell in found.cells[place]
        if (both := values.pair(cell)) is not None
    ]
    rule: dict[str, Any] = {}
    if lat is not None and lon is not None:
        rule |= {"lat": [names[lat]], "lon": [names[lon]]}
    if text is not None:
        found.roles[text] = "text"
        rule["text"] = [names[text]]
    if text is not None or in_one_cell:
        rule["order"] = _order(in_one_cell, names[text] if text is not None else "")
    return rule


def position_columns(position: dict[str, Any]) -> list[str]:
    return [name for key in ("lat", "lon", "text") for name in position.get(key, [])]


def _order(pairs: Sequence[tuple[str, str]], heading: str) -> str:
    first = sum(abs(float(one)) > 90 for one, _ in pairs)
    second = sum(abs(float(other)) > 90 for _, other in pairs)
    if first != second:
        return "lon,lat" if first > second else "lat,lon"
    return "lon,lat" if re.match(r"[经經]|lon|lng|x", plain_heading(heading)) else "lat,lon"


def _are_longitudes(cells: Sequence[str]) -> bool:
    numbers = [float(values.degrees(cell)) for cell in cells if _DEGREES.fullmatch(cell.strip())]
    return sum(abs(number) > 90 for number in numbers) > len(numbers) / 2


def _position_by_value(found: Columns, notes: list[ListNote]) -> tuple[int | None, int | None, int | None]:
    """Return the column with both coordinates, or those with the latitude and the longitude."""
    free = [place for place in found.cells if place not in found.roles and found.cells[place]]
    degrees = []
    for place in free:
        cells = found.cells[place]
        if sum(values.pair(cell) is not None and "." in cell for cell in cells) > MIN_SHARE * len(cells):
            template = noop("The column {name} is read as the position, by its values.")
            notes.append(ListNote(template, {"name": found.header.names[place]}))
            return place, None, None
        if sum(_DEGREES.fullmatch(cell) is not None for cell in cells) > MIN_SHARE * len(cells):
            degrees.append(place)
    if len(degrees) < 2:
        return None, None, None
    first, second = degrees[:2]
    lat, lon = (second, first) if _are_longitudes(found.cells[first]) else (first, second)
    names = found.header.names
    template = noop("By their values, {lat} is read as the latitude and {lon} as the longitude.")
    notes.append(ListNote(template, {"lat": names[lat], "lon": names[lon]}))
    return None, lat, lon


def wordiest_column(found: Columns) -> int | None:
    """Return the column with the longest words among those whose headings mean nothing else."""
    known = {*roles_of(found.header.names), *found.roles}
    lengths = {
        place: sum(map(len, cells)) / len(cells)
        for place, cells in found.cells.items()
        if cells
        and place not in known
        and all(any(map(str.isalpha, cell)) for cell in cells)
        and sum(_TIME.search(cell) is not None for cell in cells) <= MIN_SHARE * len(cells)
    }
    best = max(lengths, key=lambda place: lengths[place], default=None)
    return best if best is not None and lengths[best] >= 3 else None


def hours_by_value(found: Columns) -> int | None:
    for place, cells in found.cells.items():
        sample = cells[:20]
        if place in found.roles or not sample:
            continue
        certain = [cell for cell in sample if understood(cell[:200]).expression is not None]
        if len(certain) > MIN_SHARE * len(sample):
            return place
    return None


def id_columns(found: Columns, notes: list[ListNote]) -> list[str]:
    """Return the column that identifies a device: its number or serial, if no two rows share one."""
    for role in ("id", "serial"):
        place = found.place(role)
        if place is None:
            continue
        cells = found.cells[place]
        rows = max(map(len, found.cells.values()))
        if len(cells) == rows and len(set(cells)) == len(cells):
            return [found.header.names[place]]
        if role == "id":
            template = noop(
                "The column {name} does not identify a device: some of its cells are empty or alike."
            )
            notes.append(ListNote(template, {"name": found.header.names[place]}))
    return []
