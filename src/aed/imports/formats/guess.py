"""Guess the mapping of a list that people keep by hand, from its headings and its values."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

from aed.errors import InvalidInput
from aed.geo import Datum
from aed.imports.findings import ListNote
from aed.imports.formats.files import head_of
from aed.imports.formats.floors import is_called_ground
from aed.imports.formats.guessed_table import (
    BLANK_WORDS,
    Columns,
    best_table,
    checked_roles,
    header_row,
    hours_by_value,
    id_columns,
    is_day_first,
    position_columns,
    position_rule,
    wordiest_column,
)
from aed.imports.formats.headings import (
    ABOUT_COORDINATES,
    COUNTS_FROM_ONE,
    DATES,
    DATUMS,
    IN_SERVICE,
    NAMES_KEEPER,
    OUT_OF_SERVICE,
    PLACE,
    SINGLE,
    ColumnRole,
    language_of_headings,
    plain_heading,
    roles_of,
)
from aed.imports.formats.kml import is_kml
from aed.imports.formats.layers import is_layer_file
from aed.imports.formats.mapping import Mapping, built_in_mappings
from aed.imports.formats.recognise import is_json, read_devices
from aed.imports.formats.workbook import is_workbook
from aed.imports.rules import printable
from aed.registry.devices.rules import DeviceState
from aed.translation import noop

CHOICES: Final[Map[str, ColumnRole]] = {
    "lat": "lat",
    "lon": "lon",
    "lat, lon": "text",
    "place": "spot",
    "floor": "floor",
    "opening_hours": "hours",
    "access_instructions": "access_instructions",
    "keeper_name": "keeper_name",
    "keeper_phone": "keeper_phone",
    "pads_expire_on": "pads_expire_on",
    "child_pads_expire_on": "child_pads_expire_on",
    "battery_expires_on": "battery_expires_on",
    "cartridge_expires_on": "cartridge_expires_on",
    "last_checked_on": "last_checked_on",
    "state": "state",
    "maker": "maker",
    "model": "model",
    "serial": "serial",
    "registration_number": "registration_number",
    "udi_di": "udi_di",
    "manufactured_on": "manufactured_on",
    "end_of_life_on": "end_of_life_on",
    "source_id": "id",
}
"""What a column may hold, by the name of the field that it is read into."""


@dataclass(frozen=True, slots=True)
class GuessedColumn:
    """A column of the file, and the field that it is read into; None if it is not read."""

    heading: str
    field: str | None
    example: str


@dataclass(frozen=True, slots=True)
class Guess:
    """A guessed mapping, and what it was guessed from."""

    mapping: Mapping
    columns: tuple[GuessedColumn, ...]
    sheet: str | None
    header_row: int
    datum_is_named: bool
    """Whether a heading or title names the datum."""
    notes: tuple[ListNote, ...]
    """What a person should know or check."""


def guess_mapping(path: Path, *, source: str | None = None, chosen: Map[str, str] | None = None) -> Guess:
    """Guess how a table is to be read.

    `chosen` is what a person says that columns hold: {heading: one of `CHOICES`, or "" for unread}. Then only
    these columns are read. A table in a known format of a publisher is read by the mapping of that format.

    1. Find the sheet, the delimiter and the header row with the most headings that are understood.
    2. Give each column the role that its heading names, if most of its cells agree.
    3. Find the position, and the opening hours, by their values where no heading names them.

    Raises InvalidInput if no row names columns, or if there are no coordinates.
    """
    known = recognised_mapping(path) if chosen is None else None
    if known is not None:
        mapping = known.model_copy(update={"kept_by_hand": True, "source": source or known.source})
        guess = describe_table(path, mapping)
        note = ListNote(noop("The list is in the format {title}."), {"title": mapping.title})
        return replace(guess, notes=(note, *guess.notes))
    found = best_table(path)
    notes: list[ListNote] = []
    roles = checked_roles(found, notes) if chosen is None else _chosen_roles(found, chosen)
    found = found._replace(roles=roles)
    position = position_rule(found, notes, path.name)
    if chosen is None:
        _find_by_value(found)
    place = found.named(*PLACE)
    hours = found.named("hours")
    hours = [*found.named("days"), *hours] if hours else []
    content = [[name] for name in place] or [[name] for name in position_columns(position)]
    ids = id_columns(found, notes)
    datum, datum_is_named = _named_datum(found)
    language = language_of_headings(found.header.names)
    mapping = Mapping.model_validate(
        {
            "name": "guessed",
            "title": printable(f"Guessed from {path.name}", 200),
            "encodings": [found.table.encoding],
            "delimiters": [found.table.delimiter],
            "language": language,
            "source": source or _source_of(path),
            "datum": datum,
            "position": position,
            "id": {"columns": [[each] for each in ids] or None, "content": content},
            "fields": _fields(found, place, ground=_ground_of(found, language)),
            "hours": {"how": "text", "text": [[name] for name in hours]} if hours else None,
            "blank_words": list(BLANK_WORDS),
            "kept_by_hand": True,
        }
    )
    notes += [*_notes_of_hidden(found), *_notes_of_file(path)]
    return Guess(
        mapping, _shown(found, mapping), found.table.sheet, header_row(found), datum_is_named, tuple(notes)
    )


def recognised_mapping(path: Path) -> Mapping | None:
    """Return the built-in mapping of a table in a known format; None for other files."""
    head = head_of(path)
    if is_kml(path, head) or is_layer_file(path, head) or is_json(path):
        return None
    try:
        form = read_devices(path).form
    except InvalidInput:
        return None
    return next((each for each in built_in_mappings() if each.name == form), None)


def describe_table(path: Path, mapping: Mapping) -> Guess:
    """Return how a mapping reads a table that people keep by hand."""
    found = best_table(path, encodings=mapping.encodings)
    datum, is_named = _named_datum(found)
    return Guess(
        mapping,
        _shown(found, mapping),
        found.table.sheet,
        header_row(found),
        is_named and datum is mapping.datum,
        (*_notes_of_hidden(found), *_notes_of_file(path)),
    )


def _chosen_roles(found: Columns, chosen: Map[str, str]) -> dict[int, ColumnRole]:
    by_heading = roles_of(found.header.names)
    roles: dict[int, ColumnRole] = {}
    for place, name in enumerate(found.header.names):
        choice = chosen.get(name, "")
        if choice == "place":
            roles[place] = by_heading[place] if by_heading.get(place) in PLACE else "spot"
        elif choice in CHOICES:
            roles[place] = CHOICES[choice]
    return roles


def _find_by_value(found: Columns) -> None:
    """Give roles to the columns that hold the place and the opening hours, if no heading names them."""
    if not found.named("hours") and (hours := hours_by_value(found)) is not None:
        found.roles[hours] = "hours"
    if not found.named(*PLACE) and (words := wordiest_column(found)) is not None:
        found.roles[words] = "spot"


def _fields(found: Columns, place: list[str], *, ground: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if place:
        fields["place"] = {"columns": [[name] for name in place]}
    floor = found.named("floor")
    if of_floor := floor or found.named("spot", "name"):
        fields["floor"] = {
            "columns": [[name] for name in of_floor],
            "transform": "floor",
            "ground": ground,
            "among_words": not floor,
        }
    for role in SINGLE:
        if names := found.named(role):
            fields[role] = names[:1]
    if phones := found.named("keeper_phone", "keeper_name"):
        is_of_both = NAMES_KEEPER.search(plain_heading(phones[0])) is not None
        name = fields.get("keeper_name") or (phones[:1] if is_of_both else [])
        fields["keeper_phone"] = {"columns": phones[:1], "transform": "phone"}
        if name:
            fields["keeper_name"] = {"columns": name, "transform": "name"}
    for role in DATES:
        if names := found.named(role):
            fields[role] = {
                "columns": names[:1],
                "transform": "date",
                "day_first": is_day_first(found, names[0]),
            }
    if states := found.named("state"):
        in_service = dict.fromkeys(IN_SERVICE, DeviceState.IN_SERVICE.value)
        out = dict.fromkeys(OUT_OF_SERVICE, DeviceState.OUT_OF_SERVICE.value)
        fields["state"] = {"columns": states[:1], "transform": "choice", "choices": in_service | out}
        fields["out_of_service_reason"] = {
            "columns": states[:1],
            "transform": "choice",
            "choices": {word: word for word in OUT_OF_SERVICE},
            "otherwise": "",
        }
    if remarks := found.named("access_instructions"):
        fields["access_instructions"] = {"columns": [[name] for name in remarks], "join": "\n"}
    return fields


def _ground_of(found: Columns, language: str | None) -> int:
    """Return the number of the floor at street level: 0 where the list calls it G/F or ground floor."""
    floors = [found.cells[place] for place, role in found.roles.items() if role in ("floor", "spot", "name")]
    if any(is_called_ground(cell) for cells in floors for cell in cells):
        return 0
    return 1 if language in COUNTS_FROM_ONE else 0


def mapping_text(mapping: Mapping) -> str:
    """Return a mapping as the text of a mapping file."""
    content = mapping.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)


def _named_datum(found: Columns) -> tuple[Datum, bool]:
    """Return the datum that a title or heading names, or else a remark about the coordinates."""
    rows = found.table.rows[: found.header.rows_before]
    titles = " ".join(cell for row in rows for cell in row.cells)
    remarks = " ".join(remark for remark in found.remarks if ABOUT_COORDINATES.search(remark.casefold()))
    for text in (titles, remarks):
        words = unicodedata.normalize("NFKC", text).casefold()
        named = [datum for datum, pattern in DATUMS.items() if pattern.search(words)]
        if len(named) == 1:
            return named[0], True
    return Datum.WGS84, False


def _source_of(path: Path) -> str:
    """Return a source for a list that names none: from its file name, without dates and numbers."""
    stem = re.sub(r"[0-9年月日.\-_ ()（）]+", "-", unicodedata.normalize("NFKC", path.stem)).strip("-")
    slug = re.sub(r"[^a-z]+", "-", stem.casefold()).strip("-")
    return (
        slug[:40]
        if len(slug) >= 3 and stem.isascii()
        else f"list-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
    )


def _shown(found: Columns, mapping: Mapping) -> tuple[GuessedColumn, ...]:
    read: dict[str, str] = {}

    def add(names: list[str] | None, field: str) -> None:
        column = found.header.column(names) if names else None
        if column is not None:
            read.setdefault(column, field)

    for key in ("lat", "lon", "text"):
        add(getattr(mapping.position, key), "lat, lon" if key == "text" else key)
    for field, rule in mapping.fields.items():
        for names in rule.columns:
            if field != "floor" or not rule.among_words:
                add(names, field)
    for names in mapping.hours.all_columns() if mapping.hours else []:
        add(names, "opening_hours")
    for names in mapping.id.columns or []:
        add(names, "source_id")
    return tuple(
        GuessedColumn(name, read.get(name), printable(next(iter(found.cells[place]), ""), 60))
        for place, name in enumerate(found.header.names)
        if found.cells[place] or name in read
    )


def _notes_of_hidden(found: Columns) -> Iterator[ListNote]:
    unread = [place for place in found.table.hidden if place in found.cells and place not in found.roles]
    if unread:
        yield ListNote(noop("Hidden columns that are not read: {count}."), {"count": len(unread)})


def _notes_of_file(path: Path) -> Iterator[ListNote]:
    if is_workbook(head_of(path)) and not is_kml(path, head_of(path)):
        with zipfile.ZipFile(path) as archive:
            if any(name.lower().endswith("vbaproject.bin") for name in archive.namelist()):
                yield ListNote(noop("The workbook contains macros; they were not run."))
