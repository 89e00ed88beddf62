"""Lint a device list: find doubtful rows, and optionally compare the list with the register."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput
from aed.hours.text import understand_hours
from aed.imports.batches import Progress, offset_progress
from aed.imports.coordinates import read_pair, wgs84_of
from aed.imports.devices.likeness import FAR_METRES, likeness
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.formats import values
from aed.imports.formats.headers import header_of
from aed.imports.formats.mapping import HoursRule, Mapping, Names, built_in_mappings
from aed.imports.formats.recognise import OWN_FORMATS, DeviceFormat, read_devices
from aed.imports.formats.records import Record, RecordReader
from aed.imports.formats.values import hours_of
from aed.imports.lint.datum import Pair, Slip, reading_of, slips
from aed.imports.lint.duplicates import (
    MIN_TEXT_LENGTH,
    SAME_DEVICE_SCORE,
    SAME_ROW_SCORE,
    because,
    is_same_entrance,
    near_pairs,
    repeated_ids,
    same_serial_pairs,
    same_text_pairs,
)
from aed.imports.lint.notes import ListNotes
from aed.imports.lint.places import Places, check_places, metres_apart
from aed.imports.lint.register import Registered, compared_with_register
from aed.imports.lint.report import LintedList
from aed.imports.lint.rows import DATE_COLUMNS, date_findings, hours_contradiction, town_of
from aed.imports.rules import printable, reasons_of
from aed.imports.schemas import DeviceRow, columns

WHOLE_FILE: Final = "file"
MAX_ALIKE: Final = 4
"""Words shared by more rows than this do not identify a place."""
MAX_COMPARED: Final = 400_000
"""Maximum number of row pairs compared in full; a list with more consists mostly of repetitions."""
SURE_SCORE: Final = 0.97
"""A row this similar to an earlier one is not compared with further rows."""
ROWS_NAMED: Final = 10
"""Maximum number of rows named in one finding."""
_ROW: Final = TypeAdapter(DeviceRow)
_KNOWN: Final = columns(DeviceRow)


@contextmanager
def lint_list(
    path: Path,
    *,
    on: date,
    form: DeviceFormat | None = None,
    mapping: Mapping | None = None,
    country: str | None = None,
    register: tuple[Session, Viewer] | None = None,
    compares_rows: bool = True,
    progress: Progress | None = None,
) -> Iterator[LintedList]:
    """Lint a device list as of the day `on`.

    1. Check each row by itself: whether it can be read, its position, its dates, its opening hours.
    2. Compare all positions with each other and with the map (`places.check_places`).
    3. Compare the rows with each other and, if given, with the register: duplicates, the datum.

    The progress callback receives the number of rows read, then the number compared.

    `country` overrides the country that the list declares. Without `compares_rows`, step 3 is left out, which
    takes half of the time. Raises InvalidInput if the file is not a device
    list.
    """
    with ListNotes() as notes:
        reading = read_devices(path, form, mapping)
        if mapping is None:
            mapping = next((each for each in built_in_mappings() if each.name == reading.form), None)
        checks = _RowChecks(reading, mapping, on)
        first: Record | None = None
        for done, record in enumerate(reading, start=1):
            if progress is not None:
                progress(done)
            checks.note(record, notes)
            if first is None and record.raw:
                first = record
        if not len(notes):
            raise InvalidInput("{name} has no rows below its first line.", field="file", name=path.name)
        places = Places(
            notes.numbers_of("given_lat"),
            notes.numbers_of("given_lon"),
            notes.numbers_of("lat"),
            notes.numbers_of("lon"),
            np.array(notes.town, dtype=np.int64),
        )
        check_places(places, country=country or reading.country)
        linted = LintedList(
            path.name,
            reading.form,
            reading.title,
            notes,
            places,
            first or Record("row", 0, {}),
            tuple(mapping.encodings) if mapping is not None else (),
        )
        if compares_rows:
            _compare_rows(linted, offset_progress(progress, after=len(notes)))
        if register is not None:
            _compare_with_register(linted, *register)
        for finding in linted.findings():
            linted.counts[finding.kind, finding.severity] += 1
        yield linted


# --- Every row by itself ---


class _RowChecks:
    """The checks of a single row, configured for one list."""

    def __init__(self, reading: RecordReader, mapping: Mapping | None, on: date) -> None:
        self._is_own = reading.form in OWN_FORMATS
        self._on = on
        self._hours = _HoursTwice(mapping) if mapping is not None else None

    def note(self, record: Record, notes: ListNotes) -> None:
        fields, where = record.fields, record.where
        names = record.columns.get("lat") or "lat", record.columns.get("lon") or "lon"
        found = list(record.findings)
        given = position = (math.nan, math.nan)
        datum = fields.get("datum")
        if record.wrong is not None:
            wrong = f"This row {record.wrong}." if record.wrong[:1].islower() else record.wrong
            found.append(Finding(FindingKind.ROW_UNREADABLE, Severity.ERROR, where, None, None, wrong))
        else:
            pair = read_pair(fields.get("lat"), fields.get("lon"), where=where, columns=names)
            if pair.is_number:
                given = pair.lat, pair.lon
            if pair.finding is not None:
                found.append(pair.finding)
            elif pair.is_on_earth:
                position = wgs84_of(*given, datum)
            found += self._invalid(record)
            found += date_findings(fields, record.columns, where=where, on=self._on)
            found += self._contradiction(record)
        words = " ".join(str(fields[name]) for name in ("place_zh", "place_en") if fields.get(name))
        notes.add(
            record,
            given=given,
            position=position,
            datum=reading_of(datum),
            columns=names,
            town=town_of(record.raw, words) if record.raw or words else None,
            findings=found,
        )

    def _invalid(self, record: Record) -> Iterator[Finding]:
        """Yield the values that the register would reject."""
        fields = record.fields
        try:
            _ROW.validate_python(dict(fields))
        except ValidationError as error:
            for name, kind, reason in reasons_of(error, known=_KNOWN):
                if name not in ("lat", "lon"):
                    yield _refused(record, name, kind, reason)
        if fields.get("keeper_phone") and not fields.get("keeper_name"):
            yield Finding(
                FindingKind.VALUE_INVALID,
                Severity.ERROR,
                record.where,
                record.columns.get("keeper_phone", "keeper_phone"),
                printable(str(fields["keeper_phone"]), 60),
                "There is a phone number, but the keeper's name is empty.",
                "Add keeper_name, or leave both empty.",
            )

    def _contradiction(self, record: Record) -> Iterator[Finding]:
        found: Finding | None = None
        if self._hours is not None:
            found = self._hours.contradiction(record)
        elif self._is_own:
            hours, words = record.fields.get("opening_hours"), record.fields.get("opening_hours_raw")
            if isinstance(hours, str) and isinstance(words, str) and hours.strip() and words.strip():
                found = hours_contradiction(
                    hours,
                    words,
                    language=None,
                    is_note=False,
                    where=record.where,
                    column=record.columns.get("opening_hours", "opening_hours"),
                )
        if found is not None:
            yield found


def _refused(record: Record, name: str, kind: str, reason: str) -> Finding:
    given = record.fields.get(name)
    column = record.columns.get(name, name) or None
    read = printable(str(given), 200) if given is not None else None
    what, right = FindingKind.VALUE_INVALID, None
    if name in DATE_COLUMNS:
        is_out_of_range = kind in ("greater_than_equal", "less_than_equal")
        what = FindingKind.DATE_IMPOSSIBLE if is_out_of_range else FindingKind.DATE_UNREADABLE
        meant = values.date_of(read or "") if not is_out_of_range else None
        if meant is None and not is_out_of_range and (month := values.month_of(read or "")) is not None:
            meant = month[0] if name == "last_checked_on" else month[1]
        right = meant.isoformat() if meant else "A date such as 2027-05-31."
    elif name == "opening_hours":
        what = FindingKind.HOURS_NOT_UNDERSTOOD
        meant_hours = understand_hours((read or "")[:1000])
        right = meant_hours.expression if meant_hours.certain else None
    return Finding(what, Severity.ERROR, record.where, column, read, f"{reason}.", right)


class _HoursTwice:
    """Find contradictions in lists that give opening hours both in columns and in a note."""

    def __init__(self, mapping: Mapping) -> None:
        self._language = mapping.language
        rule = mapping.hours
        self._rule = rule if rule is not None and rule.how != "text" and rule.text else None
        self._columns_only = self._rule.model_copy(update={"text": None}) if self._rule else None
        self._columns = self._columns_only.all_columns() if self._columns_only else []
        self._known: dict[tuple[str, ...], str | None] = {}
        self._headers: dict[tuple[str, ...], Callable[[Names], str | None]] = {}

    def contradiction(self, record: Record) -> Finding | None:
        if self._rule is None or self._rule.text is None or not record.raw:
            return None
        names = tuple(record.raw)
        if names not in self._headers:
            if len(self._headers) > 500:
                self._headers.clear()
            self._headers[names] = header_of(names).column
        column_of = self._headers[names]

        def cell(asked: Names | None) -> str:
            column = column_of(asked) if asked else None
            return values.clean(record.raw.get(column, "")) if column else ""

        noted = [column for each in self._rule.text if (column := column_of(each)) and cell(each)]
        if not noted:
            return None
        structured = self._structured(self._columns_only, cell)
        if structured is None:
            return None
        words = "\n".join(values.clean(record.raw[column]) for column in noted)
        return hours_contradiction(
            structured, words, language=self._language, is_note=True, where=record.where, column=noted[0]
        )

    def _structured(self, rule: HoursRule | None, cell: Callable[[Names | None], str]) -> str | None:
        if rule is None:
            return None
        cells = tuple(cell(names) for names in self._columns)
        if cells not in self._known:
            if len(self._known) > 5_000:
                self._known.clear()
            self._known[cells] = hours_of(rule, cell, language=self._language).expression
        return self._known[cells]


# --- Rows against each other ---


def _compare_rows(linted: LintedList, progress: Progress) -> None:
    notes, places = linted.notes, linted.places
    words, serials = notes.hashes_of("words"), notes.hashes_of("serials")
    for first, later in repeated_ids(notes.hashes_of("ids")).tolist():
        one, other = notes.row(first), notes.row(later)
        _about(
            linted,
            later,
            FindingKind.DUPLICATE_ID,
            Severity.ERROR,
            "source_id",
            other.source_id,
            f"The id {printable(other.source_id, 60)} is already in {one.where}.",
            "A different id, or remove one of the two rows.",
        )
    by_words = same_text_pairs(words, at_most=MAX_ALIKE)
    by_serial = same_serial_pairs(serials)
    near = near_pairs(
        places.lat,
        places.lon,
        words=words,
        numbers=notes.hashes_of("numbers"),
        sketches=notes.all_sketches,
    )
    _report_slips(linted, _pairs_of_rows(linted, [*by_words.tolist(), *by_serial.tolist()]), "another row")
    seen: set[tuple[int, int]] = set()
    best: dict[int, tuple[float, int, str]] = {}
    pairs = [*by_serial.tolist(), *near.tolist(), *by_words.tolist()][:MAX_COMPARED]
    for done, (first, later) in enumerate(pairs, start=1):
        progress(done)
        if (first, later) in seen or best.get(later, (0.0,))[0] >= SURE_SCORE:
            continue
        seen.add((first, later))
        metres = _metres_between(places, first, later)
        if not math.isfinite(metres):
            continue
        has_same_serial = serials[first] == serials[later] != 0
        if metres > FAR_METRES and not has_same_serial:
            continue
        is_one_source = notes.source[first] == notes.source[later]
        least = SAME_ROW_SCORE if is_one_source else SAME_DEVICE_SCORE
        one, other = notes.row(first), notes.row(later)
        found = likeness(one.entry, other.entry, metres=min(metres, FAR_METRES))
        if has_same_serial:
            least = 0.0 if all(sign.what != "maker" or sign.weight > 0 for sign in found.signs) else 1.1
        if found.score < least or found.score <= best.get(later, (-1.0,))[0]:
            continue
        if is_one_source and not has_same_serial and not is_same_entrance(one.words, other.words):
            continue
        far = f"{metres:,.0f} m apart, " if metres > FAR_METRES else ""
        best[later] = found.score, first, far + because(found, least=least)
    for later, (_, first, reason) in sorted(best.items()):
        one, other = notes.row(first), notes.row(later)
        is_one_source = one.source == other.source
        _about(
            linted,
            later,
            FindingKind.DUPLICATE_IN_FILE if is_one_source else FindingKind.DUPLICATE_ACROSS_SOURCES,
            Severity.WARNING,
            None,
            printable(other.words, 120) or other.source_id,
            f"This is probably the same device as {one.where}: {reason}.",
            f"One row, or descriptions that distinguish the two ({one.where}: {printable(one.words, 80)})",
        )


def _metres_between(places: Places, one: int, other: int) -> float:
    lats, lons = places.lat[other : other + 1], places.lon[other : other + 1]
    return float(metres_apart(float(places.lat[one]), float(places.lon[one]), lats, lons)[0])


def _about(
    linted: LintedList,
    row: int,
    kind: FindingKind,
    severity: Severity,
    column: str | None,
    read: str | None,
    wrong: str,
    right: str | None,
) -> None:
    where = linted.notes.row(row).where if row >= 0 else WHOLE_FILE
    finding = Finding(kind, severity, where, column, read, wrong, right)
    if row >= 0:
        linted.about_rows.setdefault(row, []).append(finding)
    else:
        linted.about_file.append(finding)


# --- The datum ---


def _pairs_of_rows(linted: LintedList, rows: Sequence[Sequence[int]]) -> Iterator[Pair]:
    """Yield both directions of each pair, because either row may be in the wrong datum."""
    notes, places = linted.notes, linted.places
    for first, later in rows:
        metres = _metres_between(places, first, later)
        if not 100.0 <= metres <= 2_500.0 or len(notes.row(first).words) < MIN_TEXT_LENGTH:
            continue
        for one, other in ((first, later), (later, first)):
            yield Pair(
                one,
                notes.given_lat[one],
                notes.given_lon[one],
                notes.reading(one),
                float(places.lat[other]),
                float(places.lon[other]),
                question=(first, later),
            )


def _report_slips(linted: LintedList, pairs: Iterator[Pair], known_from: str) -> None:
    for slip in slips(pairs):
        _report_slip(linted, slip, known_from)


def _report_slip(linted: LintedList, slip: Slip, known_from: str) -> None:
    notes = linted.notes
    named = ", ".join(notes.row(each.row).where for each in slip.rows[:ROWS_NAMED])
    more = f" and {len(slip.rows) - ROWS_NAMED} more" if len(slip.rows) > ROWS_NAMED else ""
    _about(
        linted,
        -1,
        FindingKind.DATUM_SLIP,
        Severity.ERROR,
        "datum",
        slip.declared.value,
        f"Rows read as {slip.declared.value} are {slip.metres_before:,.0f} m (median) "
        f"from the same places in {known_from}. Read as {slip.right.value}, "
        f"{len(slip.rows)} of the {slip.compared} comparable places match "
        f"({slip.metres_after:,.0f} m, median); {slip.as_given} match as given.",
        f"{slip.right.value}, for {named}{more} and for rows of the same origin.",
    )
    for each in slip.rows:
        note = notes.row(each.row)
        _about(
            linted,
            each.row,
            FindingKind.DATUM_SLIP,
            Severity.ERROR,
            ", ".join(dict.fromkeys(note.columns)),
            note.read,
            f"Read as {slip.right.value}, it is {each.metres_after:,.0f} m from this place in "
            f"{known_from}; read as {slip.declared.value}, {each.metres_before:,.0f} m.",
            f"{each.lat:.7f}, {each.lon:.7f} in WGS-84, or the datum {slip.right.value}.",
        )


def _compare_with_register(linted: LintedList, session: Session, viewer: Viewer) -> None:
    found: Registered = compared_with_register(session, viewer, linted.notes, linted.places)
    _report_slips(linted, iter(found.pairs), "the register")
    for row, twin in sorted(found.twins.items()):
        note = linted.notes.row(row)
        _about(
            linted,
            row,
            FindingKind.DUPLICATE_ACROSS_SOURCES,
            Severity.WARNING,
            None,
            printable(note.words, 120) or note.source_id,
            f"This is probably registered already, as device {twin.device_id} "
            f"({twin.source}/{printable(twin.source_id, 60)}): {twin.reason}.",
            "Nothing, if the import merges the two; otherwise a person decides.",
        )
