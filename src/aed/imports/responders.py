"""Import responders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.imports.batches import (
    EstateIds,
    ImportReport,
    Progress,
    begin_import,
    finish_import,
    import_in_batches,
    valid_rows,
)
from aed.imports.formats.recognise import read_table_or_own
from aed.imports.formats.records import Record
from aed.imports.schemas import ResponderRef, ResponderRow, columns, needed_columns
from aed.registry.changes import PutOutcome
from aed.responders.actions import CertificateGiven, PlaceGiven, ResponderGiven, save_responders

type Person = Sequence[ResponderRow]
"""The rows of one person; each row holds one place."""


def import_responders(
    session: Session, who: Viewer, path: Path, *, at: datetime, progress: Progress | None = None
) -> ImportReport:
    """Import responders. The rows of a person are imported together, or set aside together.

    Imports all good rows, or raises and the caller rolls back.

    1. Read the file to count the rows of each person; most have one.
    2. Read it again; import a person, in a batch, once the last of their rows has been read.
    """
    report = begin_import(session, who, ImportReport())
    region_ids, estates = _RegionIds(session), EstateIds(session)
    together = _Together(report, _several(_records(path)))
    rows = valid_rows(
        _records(path),
        TypeAdapter(ResponderRow),
        known=columns(ResponderRow),
        report=report,
        progress=progress,
    )

    def put(batch: Sequence[Person]) -> list[PutOutcome]:
        estates.load((rows[0].source, rows[0].estate) for rows in batch if rows[0].estate is not None)
        given = [_given(rows, region_ids, estates) for rows in batch]
        return [PutOutcome.of(each) for each in save_responders(session, who, given, at=at)]

    import_in_batches(session, together.people(rows), put, report, report.count)
    return finish_import(report)


def _records(path: Path) -> Iterator[Record]:
    return read_table_or_own(
        path, known=columns(ResponderRow), needed=needed_columns(ResponderRow), may_be_chinese=True
    )


# --- Grouping by person ---------------------------------------------------------------------------------


def _ref_in(fields: Mapping[str, Any]) -> ResponderRef | None:
    """Return the person whom a row is about, even if the row is bad; None if it names none."""
    try:
        return ResponderRef.model_validate({name: fields.get(name) for name in ResponderRef.model_fields})
    except ValidationError:
        return None


def _several(records: Iterable[Record]) -> dict[ResponderRef, int]:
    """Count the rows of people who have more than one.

    Only a hash of each person is kept. A person whose hash collides is counted once too often, and is
    imported at the end of the file.
    """
    met: set[int] = set()
    several: dict[ResponderRef, int] = {}
    for record in records:
        ref = _ref_in(record.fields)
        if ref is None:
            continue
        if hash(ref) in met:
            several[ref] = several.get(ref, 1) + 1
        met.add(hash(ref))
    return several


class _Together:
    """Gather the rows of each person, which may be anywhere in the file."""

    def __init__(self, report: ImportReport, several: dict[ResponderRef, int]) -> None:
        self._report = report
        self._left = several
        """Number of rows yet to be read, for people with several."""
        self._rows: dict[ResponderRef, list[tuple[Record, ResponderRow]]] = {}
        self._spoilt_by: dict[ResponderRef, str] = {}
        self._bad_rows_seen = 0

    def people(
        self, rows: Iterable[tuple[Record, ResponderRow]]
    ) -> Iterator[tuple[Sequence[Record], Person]]:
        """Yield each valid person once the last of their rows has been read; set the others aside."""
        for record, row in rows:
            yield from self._without_bad_rows()
            ref = ResponderRef(source=row.source, source_id=row.source_id)
            if ref not in self._left:
                yield [record], [row]
                continue
            known = self._rows.setdefault(ref, [])
            same = next((first for first, other in known if other == row), None)
            if same is None:
                known.append((record, row))
            else:
                self._report.set_aside(record, f"is a duplicate of {same.where}")
                self._bad_rows_seen += 1  # a duplicate must not set its person aside
            yield from self._count_down(ref)
        yield from self._without_bad_rows()
        for ref in list(self._left):
            yield from self._finish_person(ref)

    def _without_bad_rows(self) -> Iterator[tuple[Sequence[Record], Person]]:
        """Set aside all rows of a person who has a bad one."""
        while self._bad_rows_seen < len(self._report.bad):
            bad = self._report.bad[self._bad_rows_seen]
            self._bad_rows_seen += 1
            ref = _ref_in(bad.fields)
            if ref is not None and ref in self._left:
                self._spoilt_by.setdefault(ref, bad.where)
                yield from self._count_down(ref)

    def _count_down(self, ref: ResponderRef) -> Iterator[tuple[Sequence[Record], Person]]:
        self._left[ref] -= 1
        if self._left[ref] == 0:
            yield from self._finish_person(ref)

    def _finish_person(self, ref: ResponderRef) -> Iterator[tuple[Sequence[Record], Person]]:
        """Return the person, or set each of their rows aside."""
        del self._left[ref]
        found = self._rows.pop(ref, [])
        if not found:
            return
        reason = _refusal(found, self._spoilt_by.get(ref))
        if reason is None:
            yield [record for record, _ in found], [row for _, row in found]
        else:
            for record, _ in found:
                self._report.set_aside(record, reason)


def _refusal(found: Sequence[tuple[Record, ResponderRow]], spoilt_by: str | None) -> str | None:
    if spoilt_by is not None:
        return f"another row of this person, {spoilt_by}, is bad"
    first, person = found[0]
    for record, row in found[1:]:
        column = person.disagreeing(row)
        if column is not None:
            return f"{column}: {first.where} and {record.where} are the same person but differ"
    return None


# --- Regions --------------------------------------------------------------------------------------------


class _RegionIds:
    """Look up regions by code; cached."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[str, int] = {}

    def of(self, code: str) -> int:
        if code not in self._known:
            self._known[code] = region_by_code(self._session, code).id
        return self._known[code]


def _given(rows: Person, region_ids: _RegionIds, estates: EstateIds) -> ResponderGiven:
    person = rows[0]
    return ResponderGiven(
        source=person.source,
        source_id=person.source_id,
        name=person.name,
        phone=person.phone,
        language=person.language if "language" in person.model_fields_set else None,
        region_id=region_ids.of(person.region),
        estate_id=estates.id_of(person.source, person.estate) if person.estate is not None else None,
        availability=person.availability,
        paused_until=person.paused_until,
        certificate=CertificateGiven(
            person.certificate_kind,
            person.certificate_issuer,
            person.certificate_number,
            person.certificate_issued_on,
            person.certificate_valid_until,
            person.certificate_trust,
        ),
        places=tuple(PlaceGiven(row.place, row.position(), row.floor, row.place_hours) for row in rows),
    )
