"""What the linter stores about a list: a few numbers per row in memory, the rest in a temporary file.

A list of a million rows thus needs a few hundred bytes per row in memory.
"""

from __future__ import annotations

import json
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from aed.imports.devices.likeness import ComparedEntry
from aed.imports.devices.rules import plain_words
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.formats.records import Record
from aed.imports.lint.datum import DatumReading
from aed.imports.lint.duplicates import SKETCH_WORDS, hashed, numbers_hash, serial_hash, sketch_of

ENTRY_FIELDS: Final = ("place_en", "place_zh", "opening_hours", "maker", "model", "serial")
MAX_TOWNS: Final = 50_000
"""Maximum number of distinct towns; rows of further towns are not checked against their town."""
ROWS_REMEMBERED: Final = 500
"""Number of recently read rows kept in memory."""
MAX_SOURCES: Final = 10_000
_READINGS: Final = tuple(DatumReading)


@dataclass(frozen=True, slots=True)
class RowNote:
    """The stored facts about one row."""

    where: str
    number: int
    columns: tuple[str, str]
    """The file's own names of the latitude and longitude columns."""
    read: str
    """Latitude and longitude as written in the file."""
    town: str | None
    source: str
    source_id: str
    floor: int | None
    fields: dict[str, str]
    """The values of the fields in `ENTRY_FIELDS`."""
    findings: tuple[Finding, ...]

    @property
    def words(self) -> str:
        return " ".join(self.fields[name] for name in ("place_zh", "place_en") if name in self.fields)

    @property
    def entry(self) -> ComparedEntry:
        entry: dict[str, Any] = self.fields
        return ComparedEntry(floor=self.floor, **entry)


class ListNotes:
    """Stored facts about all rows: added row by row, then read as arrays or as single rows."""

    def __init__(self) -> None:
        self.given_lat, self.given_lon, self.lat, self.lon = (array("d") for _ in range(4))
        self.town, self.source, self.offset = (array("q") for _ in range(3))
        self.words, self.numbers, self.serials, self.ids, self.estates, self.sketches = (
            array("Q") for _ in range(6)
        )
        self.datum = bytearray()
        self._towns: dict[str, int] = {}
        self._sources: dict[str, int] = {}
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="aed-lint-")  # noqa: SIM115 - closed by __exit__
        self._end = 0
        self._lately: dict[int, RowNote] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self.offset)

    def add(
        self,
        record: Record,
        *,
        given: tuple[float, float],
        position: tuple[float, float],
        datum: DatumReading,
        columns: tuple[str, str],
        town: str | None,
        findings: list[Finding],
    ) -> None:
        """Add a row; `given` is its position as written in the file, `position` is in WGS-84; NaN if
        missing."""
        fields = record.fields
        entry = {name: str(value) for name in ENTRY_FIELDS if (value := fields.get(name)) not in (None, "")}
        words = " ".join(entry[name] for name in ("place_zh", "place_en") if name in entry)
        source, source_id = str(fields.get("source") or ""), str(fields.get("source_id") or "")
        self.given_lat.append(given[0])
        self.given_lon.append(given[1])
        self.lat.append(position[0])
        self.lon.append(position[1])
        self.datum.append(_READINGS.index(datum))
        self.town.append(_number_in(self._towns, town, MAX_TOWNS) if town else -1)
        self.source.append(_number_in(self._sources, source, MAX_SOURCES))
        plain = plain_words(words)
        self.words.append(hashed(plain))
        self.numbers.append(numbers_hash(words))
        self.serials.append(serial_hash(entry.get("serial")))
        self.ids.append(hashed(f"{source}\x1f{source_id}") if source_id else 0)
        self.estates.append(estate_hash(fields.get("estate_source") or source, fields.get("estate")))
        self.sketches.extend(sketch_of(plain))
        note = [
            record.where,
            record.number,
            columns,
            f"{fields.get('lat', '')}, {fields.get('lon', '')}"[:120],
            town,
            source,
            source_id,
            _whole(fields.get("floor")),
            entry,
            [
                (each.kind, each.severity, each.where, each.column, each.read, each.wrong, each.right)
                for each in findings
            ],
        ]
        line = json.dumps(note, separators=(",", ":")).encode() + b"\n"
        self.offset.append(self._end)
        self._file.write(line)
        self._end += len(line)

    def row(self, number: int) -> RowNote:
        if number not in self._lately:
            if len(self._lately) >= ROWS_REMEMBERED:
                self._lately.clear()
            self._file.seek(self.offset[number])
            self._lately[number] = _note(self._file.readline())
        return self._lately[number]

    def rows(self) -> Iterator[RowNote]:
        """Yield all rows in the order of the file; other rows may be read meanwhile."""
        place = 0
        while place < self._end:
            self._file.seek(place)
            lines = self._file.readlines(1 << 20)
            place += sum(map(len, lines))
            yield from map(_note, lines)

    def reading(self, number: int) -> DatumReading:
        """Return the datum that a row is declared in."""
        return _READINGS[self.datum[number]]

    def numbers_of(self, name: str) -> NDArray[np.float64]:
        """Return a writable copy of a column of degrees."""
        return np.array(getattr(self, name), dtype=np.float64)

    def hashes_of(self, name: str) -> NDArray[np.uint64]:
        return np.array(getattr(self, name), dtype=np.uint64)

    @property
    def all_sketches(self) -> NDArray[np.uint64]:
        return np.array(self.sketches, dtype=np.uint64).reshape(-1, SKETCH_WORDS)


def estate_hash(source: object, estate: object) -> int:
    return hashed(f"{source}\x1f{estate}") if estate not in (None, "") else 0


def _number_in(known: dict[str, int], text: str, at_most: int) -> int:
    if text not in known and len(known) >= at_most:
        return -1
    return known.setdefault(text, len(known))


def _whole(value: object) -> int | None:
    try:
        return int(str(value)) if value not in (None, "") else None
    except ValueError:
        return None


def _note(line: bytes) -> RowNote:
    where, number, columns, read, town, source, source_id, floor, entry, findings = json.loads(line)
    return RowNote(
        where,
        number,
        (columns[0], columns[1]),
        read,
        town,
        source,
        source_id,
        floor,
        entry,
        tuple(Finding(FindingKind(each[0]), Severity(each[1]), *each[2:]) for each in findings),
    )
