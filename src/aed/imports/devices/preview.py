"""Preview the import of a list: how it would be read, what would be imported, what would be set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import batched, islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.errors import InvalidInput
from aed.geo import Datum, position_from
from aed.imports.batches import ROWS_AT_ONCE, BadRow, EstateIds
from aed.imports.coordinates import number_of
from aed.imports.devices.boundaries import NamedEstate, datum_counts
from aed.imports.devices.import_rows import ListEntry, RegisterBefore, foresee
from aed.imports.devices.matching import Match
from aed.imports.devices.permissions import require_importer
from aed.imports.devices.queries import Identity
from aed.imports.devices.reading import ListReader, SeenRows
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Thresholds
from aed.imports.findings import Finding, ListNote
from aed.imports.formats.guess import Guess, GuessedColumn, describe_table, guess_mapping
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.records import Record
from aed.imports.rules import printable
from aed.registry.changes import PutOutcome
from aed.translation import noop

MAX_PREVIEWED: Final = 20_000
"""Maximum number of rows looked at."""
MAX_SAMPLES: Final = 5
MAX_ALIKE: Final = 20
_SAME_POINT_DIGITS: Final = 5  # about a metre


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row as it would be imported."""

    where: str
    fields: Mapping[str, Any]
    estate: NamedEstate | None


class Alike(StrEnum):
    """Why two rows may be the same device."""

    WORDS = "words"
    SERIAL = "serial"
    POINT = "point"


@dataclass(frozen=True, slots=True)
class AlikeRows:
    """A row that may be the same device as an earlier one."""

    number: int
    where: str
    earlier: str
    """Where the earlier row is."""
    why: Alike
    value: str
    """The words or the serial number that both rows have."""

    def __str__(self) -> str:
        reason = {
            Alike.WORDS: f"Their words are the same: {self.value}.",
            Alike.SERIAL: f"Their serial numbers are the same: {self.value}.",
            Alike.POINT: "They are at the same point.",
        }
        return f"Is {self.where} the same device as {self.earlier}? {reason[self.why]}"


@dataclass(frozen=True, slots=True)
class MatchedRow:
    """A row that may be a device which another list has registered."""

    number: int
    where: str
    match: Match


@dataclass(slots=True)
class Preview:
    """How a list would be read and imported."""

    mapping: ListMapping
    columns: tuple[GuessedColumn, ...]
    notes: list[ListNote]
    rows: int = 0
    good: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    samples: list[SampleRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    alike: list[AlikeRows] = field(default_factory=list)
    """Rows at the same point, or with the same words or serial number."""
    matched: list[MatchedRow] = field(default_factory=list)
    estates: dict[NamedEstate, int] = field(default_factory=dict)
    """Number of devices, by estate."""
    outside: int = 0
    """Number of devices outside all estates, which need a region."""


def preview_devices(
    session: Session,
    who: Viewer,
    path: Path,
    *,
    mapping: ListMapping | None = None,
    source: str | None = None,
    region: str | None = None,
    fixes: Mapping[int, Mapping[str, str]] | None = None,
    thresholds: Thresholds | None = None,
) -> Preview:
    """Read a list with a mapping, or with a guessed one, and report what an import would do.

    Nothing is written. The datum of a guessed mapping is the one in which most points lie in estates. Raises
    InvalidInput if the file is no list, or if nothing can be guessed.
    """
    require_importer(who)
    guess: Guess | None = None
    is_guessed = mapping is None
    if mapping is None:
        guess = guess_mapping(path, source=source)
        mapping = guess.mapping
    elif mapping.kept_by_hand:
        guess = describe_table(path, mapping)
    reading = read_devices(path, mapping=mapping)
    records = list(islice(reading, MAX_PREVIEWED))
    if guess is not None:
        notes, mapping = _notes_of_guess(session, guess, records, is_guessed=is_guessed)
        if is_guessed and mapping.datum is not Datum.WGS84:
            records = [replace(each, fields={**each.fields, "datum": mapping.datum}) for each in records]
        columns = guess.columns
    else:
        notes, columns = [], ()
    if len(records) == MAX_PREVIEWED:
        template = noop("Only the first {count} rows were looked at.")
        notes.append(ListNote(template, {"count": MAX_PREVIEWED}))
    found = Preview(mapping, columns, notes)
    report, seen, estates = DeviceReport(), SeenRows(), EstateIds(session)
    reader = ListReader(session, who, report, _ListedRows(), estates, seen, region)
    entries = list(
        reader.entries(
            records, mapping=mapping, is_of_others=True, country=mapping.country, fixes=fixes or {}
        )
    )
    _count_outcomes(session, found, entries, estates, thresholds or Thresholds())
    found.rows, found.good, found.bad = len(records), len(entries), report.bad
    found.findings = [finding for record in records for finding in record.findings]
    found.estates = dict(sorted(report.estates.items(), key=lambda each: -each[1]))
    found.outside = report.outside
    named = {(each.source, each.source_id): each for each in report.estates}
    found.samples = [
        SampleRow(
            rows[0].where,
            entry.fields,
            named.get((str(entry.fields.get("estate_source")), str(entry.fields.get("estate")))),
        )
        for rows, entry in entries[:MAX_SAMPLES]
    ]
    found.alike = _alike(entries)
    return found


class _ListedRows:
    """The devices of a list, and where each is in the file."""

    def __init__(self) -> None:
        self._places: dict[Identity, str] = {}

    def add(self, found: Sequence[tuple[Identity, str]]) -> dict[int, str]:
        """Add devices. Return {index in `found`: where} of those that were listed before."""
        before: dict[int, str] = {}
        for number, (identity, where) in enumerate(found):
            if identity in self._places:
                before[number] = self._places[identity]
            else:
                self._places[identity] = where
        return before


def _count_outcomes(
    session: Session,
    found: Preview,
    entries: Iterable[tuple[Sequence[Record], ListEntry]],
    estates: EstateIds,
    thresholds: Thresholds,
) -> None:
    before = RegisterBefore.now(session)
    for batch in batched(entries, ROWS_AT_ONCE):
        some = [entry for _, entry in batch]
        outcomes = foresee(session, some, estates=estates, thresholds=thresholds, before=before)
        for (rows, entry), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Match):
                found.matched.append(MatchedRow(rows[0].number, entry.where, outcome))
            else:
                found.new += outcome is PutOutcome.NEW
                found.changed += outcome is PutOutcome.CHANGED
                found.unchanged += outcome is PutOutcome.UNCHANGED


def _notes_of_guess(
    session: Session, guess: Guess, records: Sequence[Record], *, is_guessed: bool
) -> tuple[list[ListNote], ListMapping]:
    """Return what a person should know of the guess, and the mapping with the datum."""
    template = noop("The headings are in line {row}.")
    if guess.sheet:
        template = noop("The headings are in row {row} of the sheet {sheet}.")
    datum, evidence = _datum(session, guess, records, is_guessed=is_guessed)
    where = ListNote(template, {"row": guess.header_row, "sheet": guess.sheet})
    return [where, *guess.notes, evidence], guess.mapping.model_copy(update={"datum": datum})


def _datum(
    session: Session, guess: Guess, records: Sequence[Record], *, is_guessed: bool
) -> tuple[Datum, ListNote]:
    """Return the datum of a mapping, which is found if it is guessed, and a sentence about its evidence."""
    if guess.datum_is_named:
        template = noop("The datum is {datum}, which the file names.")
        return guess.mapping.datum, ListNote(template, {"datum": guess.mapping.datum})
    pairs = [
        (lat, lon)
        for each in records
        if (lat := number_of(each.fields.get("lat"))) is not None
        and (lon := number_of(each.fields.get("lon"))) is not None
    ]
    counts = datum_counts(session, pairs)
    values: dict[str, object] = {"points": counts.compared}
    values |= {datum.value: counts.inside[datum] for datum in Datum}
    if not is_guessed and counts.best is not guess.mapping.datum:
        template = noop(
            "The datum is {datum}, as chosen: of {points} points, {wgs84} as wgs84, {gcj02} as gcj02 and "
            "{bd09} as bd09 lie in an estate."
        )
        return guess.mapping.datum, ListNote(template, values | {"datum": guess.mapping.datum})
    if counts.best is None:
        template = noop(
            "The datum is not known (of {points} points, {wgs84} as wgs84, {gcj02} as gcj02 and {bd09} as "
            "bd09 lie in an estate), so wgs84 is assumed. If the coordinates come from a Chinese map, "
            "choose gcj02 (AMap, Tencent) or bd09 (Baidu)."
        )
        return guess.mapping.datum, ListNote(template, values)
    template = noop(
        "The datum is {datum}, by the boundaries of the estates: of {points} points, {wgs84} as wgs84, "
        "{gcj02} as gcj02 and {bd09} as bd09 lie in an estate."
    )
    return counts.best, ListNote(template, values | {"datum": counts.best})


def _alike(entries: Sequence[tuple[Sequence[Record], ListEntry]]) -> list[AlikeRows]:
    """Return the rows that have the words, the serial number or the point of an earlier row."""
    first: dict[tuple[Alike, object], str] = {}
    found: list[AlikeRows] = []
    for rows, entry in entries:
        values = _compared_values(entry.fields)
        same = next((each for each in values if each in first), None)
        if same is not None:
            value = "" if same[0] is Alike.POINT else printable(str(same[1]), 80)
            found.append(AlikeRows(rows[0].number, entry.where, first[same], same[0], value))
        for each in values:
            first.setdefault(each, entry.where)
    return found[:MAX_ALIKE]


def _compared_values(fields: Mapping[str, Any]) -> list[tuple[Alike, object]]:
    words = " ".join(str(fields[name]) for name in ("place_zh", "place_en") if fields.get(name))
    values: list[tuple[Alike, object]] = [(Alike.WORDS, words)] if words else []
    if fields.get("serial"):
        values.append((Alike.SERIAL, fields["serial"]))
    try:
        point = position_from(fields["lat"], fields["lon"], Datum(fields.get("datum", Datum.WGS84)))
    except InvalidInput:
        return values
    at = round(point.lat, _SAME_POINT_DIGITS), round(point.lon, _SAME_POINT_DIGITS)
    return [*values, (Alike.POINT, at)]
