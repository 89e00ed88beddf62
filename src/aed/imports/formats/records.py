"""What every format reads a file into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aed.imports.findings import Finding

type Unit = Literal["line", "row", "feature", "element"]
"""What a file counts in."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row: where it stands in the file, and its fields by name."""

    unit: Unit
    number: int
    """Of a line: the one on which the row begins, as an editor counts."""
    fields: Mapping[str, Any]
    wrong: str | None = None
    """Why it cannot be read at all."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The column of the file that a field came from; a field that is not in it has the column's own name."""
    raw: Mapping[str, str] = field(default_factory=dict)
    """The row as it was in the file, by the file's own column names; empty where a format has no rows."""
    findings: tuple[Finding, ...] = ()
    """What the reader itself noticed."""

    @property
    def where(self) -> str:
        return f"{self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class Reading(Iterator[Record]):
    """A list of devices that is being read: the records, once. What is wrong with the file as a whole is
    raised as InvalidInput on the way, wherever in the file it stands."""

    form: str
    """The format's name."""
    title: str
    records: Iterator[Record]
    country: str | None = None
    """ISO 3166-1 code of the country that the whole list lies in, where it lies in one."""
    source: str | None = None
    """Of all its devices; None where each says its own."""

    def __next__(self) -> Record:
        return next(self.records)
