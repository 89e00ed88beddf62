"""The result of linting: findings and their counts, in Python and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.formats.records import Record
from aed.imports.lint.notes import ListNotes, RowNote
from aed.imports.lint.places import PlaceDoubt, Places, place_finding
from aed.imports.rules import printable


@dataclass(slots=True)
class LintedList:
    """A linted list. Its findings are read from a temporary file, which `lint_list` closes."""

    file: str
    form: str
    title: str
    notes: ListNotes
    places: Places
    first: Record
    """The first row, by which `formats.marked` recognises the file again."""
    encodings: Sequence[str] = ()
    """The encodings that the list's format allows."""
    about_rows: dict[int, list[Finding]] = field(default_factory=dict)
    """Findings from comparing rows with each other and with the register, by row."""
    about_file: list[Finding] = field(default_factory=list)
    counts: Counter[tuple[FindingKind, Severity]] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        return len(self.notes)

    @property
    def country(self) -> str | None:
        return self.places.country

    @property
    def has_errors(self) -> bool:
        return any(severity is Severity.ERROR for _, severity in self.counts)

    def severities(self) -> Counter[Severity]:
        found: Counter[Severity] = Counter()
        for (_, severity), count in self.counts.items():
            found[severity] += count
        return found

    def marks(self) -> Iterator[tuple[int, str]]:
        """Yield each row's number in the file, and its findings as one line."""
        for note, found in self.by_row():
            yield note.number, " | ".join(map(in_one_line, found))

    def findings(self) -> Iterator[Finding]:
        """Yield all findings: first those about the file as a whole, then by row in file order."""
        yield from self.about_file
        for _, found in self.by_row():
            yield from found

    def by_row(self) -> Iterator[tuple[RowNote, list[Finding]]]:
        """Yield every row with its findings; most rows have none."""
        for row, note in enumerate(self.notes.rows()):
            found = list(note.findings)
            if self.places.doubt[row] != PlaceDoubt.NONE:
                place = place_finding(
                    self.places, row, where=note.where, columns=note.columns, read=note.read, town=note.town
                )
                found += [place] if place is not None else []
            yield note, found + self.about_rows.get(row, [])


# --- JSON ---


def in_one_line(finding: Finding) -> str:
    right = f" Correct: {finding.right}" if finding.right else ""
    column = f"{finding.column}: " if finding.column else ""
    message = f"{finding.severity.value} {finding.kind.value}: {column}{finding.wrong}{right}"
    return printable(message, 1_000)


def summary_as_json(linted: LintedList) -> dict[str, Any]:
    """Return the summary part of the JSON result: everything except the findings."""
    severities = linted.severities()
    kinds: dict[str, dict[str, int]] = {}
    for (kind, severity), count in sorted(linted.counts.items()):
        kinds.setdefault(kind.value, {})[severity.value] = count
    country_from = "said" if linted.places.country_is_said else "rows"
    return {
        "file": linted.file,
        "format": linted.form,
        "title": linted.title,
        "country": linted.country,
        "country_from": country_from if linted.country else None,
        "rows": linted.rows,
        "counts": {severity.value: severities[severity] for severity in Severity},
        "kinds": kinds,
    }


def finding_as_json(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON; all members are always present."""
    unit, _, number = finding.where.partition(" ")
    return {
        "kind": finding.kind.value,
        "severity": finding.severity.value,
        "where": finding.where,
        "unit": unit,
        "number": int(number) if number.isdecimal() else None,
        "column": finding.column,
        "read": finding.read,
        "wrong": finding.wrong,
        "right": finding.right,
    }
