"""What an import of devices did, or would do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from aed.imports.actions.leaving import Gone
from aed.imports.actions.merging import Taken
from aed.imports.actions.taking import ImportReport
from aed.registry.actions.record import Outcome

MOST_KEPT: Final = 1_000
"""So many rows of each kind are kept to be shown; all are counted."""


@dataclass(slots=True)
class DeviceReport(ImportReport):
    """What an import of devices did. The lists are in the order of the file, and not longer than is shown."""

    joined: int = 0
    """Rows that were taken for a device which another list has registered."""
    waiting: int = 0
    """Rows that wait for a person to say whether they are such a device."""
    conflicting: int = 0
    """Rows about which a person is asked because another source says otherwise."""
    unnamed: int = 0
    """Bad rows that do not say which device they are."""
    added: list[Taken] = field(default_factory=list)
    amended: list[Taken] = field(default_factory=list)
    matched: list[Taken] = field(default_factory=list)
    """Joined or waiting."""
    disputed: list[Taken] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)

    @property
    def gone_count(self) -> int:
        return sum(len(each.source_ids) for each in self.gone if not each.is_held_back)

    @property
    def held_back(self) -> list[Gone]:
        return [each for each in self.gone if each.is_held_back]

    def count_row(self, row: Taken) -> None:
        self.count(row.outcome)
        self.joined += row.match is not None and row.device_id is not None
        self.waiting += row.device_id is None
        self.conflicting += bool(row.conflicts)
        if row.outcome is Outcome.NEW:
            _keep(self.added, row)
        elif row.outcome is Outcome.CHANGED:
            _keep(self.amended, row)
        if row.match is not None:
            _keep(self.matched, row)
        if row.conflicts:
            _keep(self.disputed, row)


def _keep(rows: list[Taken], row: Taken) -> None:
    if len(rows) < MOST_KEPT:
        rows.append(row)
