"""The result of an import of devices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aed.imports.batches import ImportReport
from aed.imports.devices.boundaries import NamedEstate
from aed.imports.devices.import_rows import ImportedRow
from aed.imports.devices.missing import MissingDevices
from aed.imports.formats.records import Record
from aed.registry.changes import PutOutcome

MAX_ROWS_IN_REPORT: Final = 1_000
"""Maximum number of rows of each kind kept in the report; all rows are counted."""


@dataclass(slots=True)
class DeviceReport(ImportReport):
    """The result of an import of devices: counts, and the first rows of each kind in file order."""

    merged: int = 0
    """Number of rows linked to a device that another list has registered."""
    merged_changed: int = 0
    """How many of these changed the device."""
    waiting: int = 0
    """Number of rows waiting for a person to decide whether they describe such a device."""
    conflicting: int = 0
    """Number of rows that contradict another source, so that a person must decide."""
    unnamed: int = 0
    """Number of bad rows that do not identify their device."""
    estates: dict[NamedEstate, int] = field(default_factory=dict)
    """Number of rows by the estate in whose boundary they lie, for lists that people keep by hand."""
    outside: int = 0
    """Number of rows of such a list in no estate."""
    first_row: Record | None = None
    """The first row of the file, by which `formats.marked` recognises the file again."""
    added: list[ImportedRow] = field(default_factory=list)
    amended: list[ImportedRow] = field(default_factory=list)
    matched: list[ImportedRow] = field(default_factory=list)
    """Rows that are linked or waiting."""
    disputed: list[ImportedRow] = field(default_factory=list)
    gone: list[MissingDevices] = field(default_factory=list)

    @property
    def gone_count(self) -> int:
        return sum(len(each.source_ids) for each in self.gone if not each.is_held_back)

    @property
    def held_back(self) -> list[MissingDevices]:
        return [each for each in self.gone if each.is_held_back]

    def count_row(self, row: ImportedRow) -> None:
        self.count(row.outcome)
        is_merged = row.match is not None and row.device_id is not None
        self.merged += is_merged
        self.merged_changed += is_merged and row.outcome is PutOutcome.CHANGED
        self.waiting += row.device_id is None
        self.conflicting += bool(row.conflicts)
        if row.outcome is PutOutcome.NEW:
            _add_to_report(self.added, row)
        elif row.outcome is PutOutcome.CHANGED:
            _add_to_report(self.amended, row)
        if row.match is not None:
            _add_to_report(self.matched, row)
        if row.conflicts:
            _add_to_report(self.disputed, row)


def _add_to_report(rows: list[ImportedRow], row: ImportedRow) -> None:
    if len(rows) < MAX_ROWS_IN_REPORT:
        rows.append(row)
