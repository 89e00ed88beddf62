"""The records that every format is read into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aed.imports.findings import Finding

type Unit = Literal["line", "row", "feature", "element"]
"""The unit in which rows of a file are numbered."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row: its place in the file, and its fields by name."""

    unit: Unit
    number: int
    """For a line: the one on which the row begins, counted from 1 as in an editor."""
    fields: Mapping[str, Any]
    wrong: str | None = None
    """Why the row cannot be read at all."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The file's column for each field; a field not listed here comes from the column of the same name."""
    raw: Mapping[str, str] = field(default_factory=dict)
    """The row as it is in the file, by the file's column names; empty if the format has no rows."""
    findings: tuple[Finding, ...] = ()
    """Findings of the reader."""

    @property
    def where(self) -> str:
        return f"{self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class RecordReader(Iterator[Record]):
    """A list of devices being read: an iterator over its records.

    It raises InvalidInput during iteration if the file as a whole is found to be invalid.
    """

    form: str
    """The name of the format."""
    title: str
    records: Iterator[Record]
    country: str | None = None
    """The ISO 3166-1 code of the country of the whole list, if it has one."""
    source: str | None = None
    """The source of all its devices; None if each row names its own."""

    def __next__(self) -> Record:
        return next(self.records)
