"""Preview the import of a list: how it would be read, what would be imported, what would be set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.geo import Datum, Position
from aed.imports.batches import BadRow, ImportReport, valid_rows
from aed.imports.coordinates import number_of
from aed.imports.devices.boundaries import DatumCounts, NamedEstate, datum_counts, estates_of
from aed.imports.findings import Finding
from aed.imports.formats.guess import Guess, GuessedColumn, guess_mapping
from aed.imports.formats.mapping import Mapping
from aed.imports.formats.recognise import read_devices
from aed.imports.formats.records import Record
from aed.imports.rules import printable
from aed.imports.schemas import DeviceRow, columns

MAX_PREVIEWED: Final = 20_000
"""Maximum number of rows looked at."""
MAX_SAMPLES: Final = 5
MAX_ALIKE: Final = 20
_ROW: Final = TypeAdapter(DeviceRow)
_SAME_POINT_DIGITS: Final = 5  # about a metre


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row as it would be imported."""

    where: str
    fields: dict[str, Any]
    estate: NamedEstate | None


@dataclass(slots=True)
class Preview:
    """How a list would be read and imported."""

    mapping: Mapping
    columns: tuple[GuessedColumn, ...]
    notes: list[str]
    rows: int = 0
    good: int = 0
    samples: list[SampleRow] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    """Rows at the same point or with the same words, as questions."""
    estates: dict[NamedEstate, int] = field(default_factory=dict)
    """Number of devices, by estate."""
    outside: int = 0
    """Number of devices outside all estates, which need a region."""


def preview_devices(
    session: Session, who: Viewer, path: Path, *, mapping: Mapping | None = None, source: str | None = None
) -> Preview:
    """Read a list with a mapping, or with a guessed one, and report what an import would do.

    Nothing is written. The datum of a guessed mapping is the one in which most points lie in estates. Raises
    InvalidInput if the file is no list, or if nothing can be guessed.
    """
    require_administrator(who)
    guess: Guess | None = None
    if mapping is None:
        guess = guess_mapping(path, source=source)
        mapping = guess.mapping
    records = list(islice(read_devices(path, mapping=mapping), MAX_PREVIEWED))
    notes = list(guess.notes) if guess is not None else []
    if len(records) == MAX_PREVIEWED:
        notes.append(f"Only the first {MAX_PREVIEWED:,} rows were looked at.")
    if guess is not None:
        where = f"sheet {guess.sheet}, row {guess.header_row}" if guess.sheet else f"line {guess.header_row}"
        notes.insert(0, f"The headings are in {where}.")
        datum, said = _datum(session, guess, records)
        notes.append(said)
        mapping = mapping.model_copy(update={"datum": datum})
        if datum is not Datum.WGS84:
            records = [replace(each, fields={**each.fields, "datum": datum}) for each in records]
    found = Preview(mapping, guess.columns if guess is not None else (), notes)
    _read_rows(session, records, found)
    return found


def _read_rows(session: Session, records: Sequence[Record], found: Preview) -> None:
    report = ImportReport()
    rows = list(
        valid_rows(
            records,
            _ROW,
            known=columns(DeviceRow),
            report=report,
            progress=None,
            is_of_others=True,
            country=found.mapping.country,
        )
    )
    found.rows, found.good, found.bad = len(records), len(rows), report.bad
    found.findings = [finding for record in records for finding in record.findings]
    points = [row.position() for _, row in rows]
    estates = estates_of(session, points)
    found.estates = dict(Counter(each for each in estates if each is not None).most_common())
    found.outside = sum(each is None for each in estates)
    found.samples = [
        SampleRow(record.where, row.model_dump(mode="json", exclude_unset=True), estate)
        for (record, row), estate in list(zip(rows, estates, strict=True))[:MAX_SAMPLES]
    ]
    found.alike = _alike([(record, row) for record, row in rows], points)


def _datum(session: Session, guess: Guess, records: Sequence[Record]) -> tuple[Datum, str]:
    """Return the datum of a guessed mapping, and a sentence about its evidence."""
    if guess.datum_is_named:
        return guess.mapping.datum, f"The datum is {guess.mapping.datum}, which the file names."
    pairs = [
        (lat, lon)
        for each in records
        if (lat := number_of(each.fields.get("lat"))) is not None
        and (lon := number_of(each.fields.get("lon"))) is not None
    ]
    counts = datum_counts(session, pairs)
    if counts.best is None:
        return guess.mapping.datum, (
            f"The datum is not known ({_counted(counts)}), so wgs84 is assumed. If the coordinates come from "
            "a Chinese map, write gcj02 (AMap, Tencent) or bd09 (Baidu) into the mapping."
        )
    return counts.best, f"The datum is {counts.best}, by the boundaries of the estates: {_counted(counts)}."


def _counted(counts: DatumCounts) -> str:
    inside = ", ".join(f"{count} as {datum}" for datum, count in counts.inside.items())
    return f"of {counts.compared} points, {inside} lie in an estate"


def _alike(rows: Sequence[tuple[Record, DeviceRow]], points: Sequence[Position]) -> list[str]:
    """Return questions about rows at the same point or with the same words."""
    by_point: dict[tuple[float, float], str] = {}
    by_words: dict[str, str] = {}
    questions: list[str] = []
    for (record, row), point in zip(rows, points, strict=True):
        words = " ".join(each for each in (row.place_zh, row.place_en) if each)
        first = by_point.setdefault(
            (round(point.lat, _SAME_POINT_DIGITS), round(point.lon, _SAME_POINT_DIGITS)), record.where
        )
        same = by_words.setdefault(words, record.where) if words else record.where
        if same != record.where:
            questions.append(
                f"Is {record.where} the same device as {same}? "
                f"Their words are the same: {printable(words, 80)}."
            )
        elif first != record.where:
            questions.append(f"Is {record.where} the same device as {first}? They are at the same point.")
    return questions[:MAX_ALIKE]
