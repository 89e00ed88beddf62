"""Corrections of a linted list that can be applied when it is imported."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from aed.geo import Datum
from aed.imports.findings import Finding, FindingKind
from aed.imports.lint.report import LintedList
from aed.imports.lint.rows import DATE_COLUMNS

MENDABLE: Final = (
    FindingKind.COORDINATES_SWAPPED,
    FindingKind.COORDINATES_UNREADABLE,
    FindingKind.DECIMAL_POINT_LOST,
    FindingKind.OUTSIDE_COUNTRY,
    FindingKind.DATUM_SLIP,
    FindingKind.DATE_UNREADABLE,
    FindingKind.HOURS_NOT_UNDERSTOOD,
)
"""The kinds of findings whose correction may be a value, not only advice."""

_PAIR: Final = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?), (-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATUM: Final = re.compile(rf".*or the datum ({'|'.join(Datum)})\.")
_POSITIONS: Final = MENDABLE[:4]


@dataclass(frozen=True, slots=True)
class Fix:
    """The correction of one row."""

    kind: FindingKind
    where: str
    number: int
    """The row's number in the file."""
    fields: dict[str, str]
    before: str
    after: str


def fixes_in(linted: LintedList, kinds: Collection[FindingKind]) -> Iterator[Fix]:
    """Yield the corrections of these kinds, in file order."""
    for note, found in linted.by_row():
        for finding in found:
            fields = _fields(finding) if finding.kind in kinds else None
            if fields:
                after = ", ".join(fields.values())
                yield Fix(finding.kind, note.where, note.number, fields, finding.read or "", after)


def by_row(fixes: Iterable[Fix]) -> dict[int, dict[str, str]]:
    """Return the corrected fields by the row's number in the file."""
    found: dict[int, dict[str, str]] = {}
    for each in fixes:
        found.setdefault(each.number, {}).update(each.fields)
    return found


def _fields(finding: Finding) -> dict[str, str] | None:
    """Return the corrected fields; None if the correction is only advice."""
    right = finding.right or ""
    if finding.kind in _POSITIONS:
        pair = _PAIR.fullmatch(right)
        return {"lat": pair[1], "lon": pair[2]} if pair else None
    if finding.kind is FindingKind.DATUM_SLIP:
        datum = _DATUM.fullmatch(right)
        return {"datum": datum[1]} if datum else None
    if finding.kind is FindingKind.DATE_UNREADABLE:
        is_known = finding.column in DATE_COLUMNS and _DATE.fullmatch(right)
        return {str(finding.column): right} if is_known else None
    return {"opening_hours": right} if right else None
