"""Importing responders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts import queries as accounts
from aed.accounts.rules import Viewer
from aed.interchange.actions.taking import (
    Estates,
    ImportReport,
    Progress,
    begin_import,
    finished,
    take,
    valid_rows,
)
from aed.interchange.formats.recognise import read_table_or_own
from aed.interchange.formats.records import Record
from aed.interchange.schemas import ResponderRow, columns, needed_columns
from aed.registry.actions.record import Outcome
from aed.responders.actions import CertificateGiven, PlaceGiven, ResponderGiven, put_responder

type Person = Sequence[ResponderRow]
"""The rows of one person: a place each."""


def import_responders(
    session: Session, who: Viewer, path: Path, *, at: datetime, progress: Progress | None = None
) -> ImportReport:
    """People who may be called; the rows of one person are taken together or set aside together.

    All good rows or, when this raises, none: the caller's transaction is the border.
    """
    report = begin_import(session, who, ImportReport())
    estates = Estates(session)
    records = read_table_or_own(
        path, known=columns(ResponderRow), needed=needed_columns(ResponderRow), may_be_chinese=True
    )
    rows = valid_rows(
        records, TypeAdapter(ResponderRow), known=columns(ResponderRow), report=report, progress=progress
    )
    people = list(_people(rows, report))

    def put(batch: Sequence[Person]) -> list[Outcome]:
        return [_put_responder(session, who, person, estates, at=at) for person in batch]

    take(session, people, put, report, report.count)
    return finished(report)


def _people(
    rows: Iterable[tuple[Record, ResponderRow]], report: ImportReport
) -> Iterator[tuple[Sequence[Record], Person]]:
    """The rows of each person, which may stand anywhere in the file; people who cannot be taken set aside."""
    people: dict[tuple[str, str], list[tuple[Record, ResponderRow]]] = {}
    for record, row in rows:
        known = people.setdefault((row.source, row.source_id), [])
        same = next((first for first, other in known if other == row), None)
        if same is None:
            known.append((record, row))
        else:
            report.set_aside(record, f"says the same as {same.where}: a duplicate")
    spoilt = {
        (str(bad.fields.get("source")).strip(), str(bad.fields.get("source_id")).strip()): bad.where
        for bad in report.bad
        if not bad.reason.endswith("a duplicate")
    }
    for identity, found in people.items():
        records = [record for record, _ in found]
        why = _why_not(found, spoilt.get(identity))
        if why is None:
            yield records, [row for _, row in found]
        else:
            for record in records:
                report.set_aside(record, why)


def _why_not(found: Sequence[tuple[Record, ResponderRow]], spoilt_by: str | None) -> str | None:
    if spoilt_by is not None:
        return f"another row of this person, {spoilt_by}, cannot be taken"
    first, person = found[0]
    for record, row in found[1:]:
        column = person.disagreeing(row)
        if column is not None:
            return f"{column}: {first.where} and {record.where} are one person but do not agree"
    return None


def _put_responder(session: Session, who: Viewer, rows: Person, estates: Estates, *, at: datetime) -> Outcome:
    person = rows[0]
    given = ResponderGiven(
        source=person.source,
        source_id=person.source_id,
        name=person.name,
        phone=person.phone,
        language=person.language if "language" in person.model_fields_set else None,
        region_id=accounts.region_by_code(session, person.region).id,
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
    return Outcome.of(put_responder(session, who, given, at=at))
