"""Import a list of devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, region_of_estate
from aed.errors import AedError, InvalidInput
from aed.imports.batches import (
    ROWS_AT_ONCE,
    BadRow,
    EstateIds,
    ImportReport,
    Progress,
    begin_import,
    finish_import,
    import_in_batches,
    offset_progress,
    row_reason,
    valid_rows,
)
from aed.imports.devices import queries
from aed.imports.devices.boundaries import estates_of
from aed.imports.devices.decisions import check_name
from aed.imports.devices.import_rows import ImportedRow, ListEntry, RegisterBefore, RowImporter, list_entry
from aed.imports.devices.missing import ListedDevices, MissingDevices, mark_missing
from aed.imports.devices.rules import Thresholds
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.recognise import DeviceFormat, read_devices
from aed.imports.formats.records import Record, RecordReader
from aed.imports.formats.table import SET_ASIDE_COLUMNS
from aed.imports.schemas import DeviceRow, columns
from aed.registry.changes import PutOutcome
from aed.registry.storeys import floor_from_storey


def import_devices(
    session: Session,
    who: Viewer,
    path: Path,
    *,
    at: datetime,
    form: DeviceFormat | None = None,
    mapping: ListMapping | None = None,
    region: str | None = None,
    source: str | None = None,
    is_partial: bool = False,
    is_shrink_accepted: bool = False,
    thresholds: Thresholds | None = None,
    fixes: Mapping[int, Mapping[str, str]] | None = None,
    progress: Progress | None = None,
) -> DeviceReport:
    """Import devices from a file.

    `region`: region of new devices whose row names neither estate nor region. `source`: the publisher of the
    list, for formats that several bodies publish. `fixes`: corrected fields, by the row's number in the file.

    Imports all good rows, or raises and the caller rolls back.

    1. Set aside invalid rows, and all but the first row of each device.
    2. Import the others in batches: see `RowImporter`.
    3. Mark as gone what the list held before and this file lacks; but not if the file is a part of its list
       (`is_partial`, or corrected rows that were set aside), nor if a row does not name its device.

    Progress counts the rows, then the gone devices.
    """
    thresholds = thresholds or Thresholds()
    report = begin_import(session, who, DeviceReport())
    if source is not None:
        check_name(source, field="source")
    records = _filed_under(source, read_devices(path, form, mapping, source=source))
    listed = ListedDevices(session)
    ranks, estates, parts = queries.ranks(session), EstateIds(session), _Parts()
    if region is not None:
        region_by_code(session, region)
    merging = RowImporter(
        session=session,
        who=who,
        at=at,
        estates=estates,
        ranks=ranks,
        thresholds=thresholds,
        region=region,
        before=RegisterBefore.now(session),
        names_region=lambda: parts.names_region,
    )
    rows = valid_rows(
        _with_fixes(parts.seen_in(records, report), fixes or {}),
        TypeAdapter(DeviceRow),
        known=columns(DeviceRow),
        report=report,
        progress=progress,
        is_of_others=records.source is not None,
        country=records.country,
    )
    if mapping is not None and mapping.kept_by_hand:
        rows = _with_estates(session, rows, region, parts, report)
    storeys = Storeys(session, estates, region)
    import_in_batches(
        session, _first_rows_of_devices(rows, listed, storeys, report), merging.put, report, report.count_row
    )
    _list_bad_rows(listed, report.bad, report)
    if not is_partial and not parts.is_put_right and not report.unnamed:
        report.gone += mark_missing(
            session,
            who,
            listed,
            thresholds=thresholds,
            is_shrink_accepted=is_shrink_accepted,
            ranks=ranks,
            estates=estates,
            at=at,
            progress=offset_progress(progress, after=report.taken + len(report.bad)),
        )
    listed.close()
    return finish_import(report)


def _filed_under(source: str | None, reading: RecordReader) -> RecordReader:
    """Return the reading with the given source. Raise InvalidInput if the format names its own source."""
    if source is None or reading.source == source:
        return reading
    reason = (
        "each row names it in its column 'source'" if reading.source is None else f"'{reading.source}' does"
    )
    raise InvalidInput(
        "A source cannot be given for {title}: {reason}.", field="source", title=reading.title, reason=reason
    )


class _Parts:
    """What the rows of the file have shown so far."""

    is_put_right = False
    """Whether it contains corrected rows that were set aside, so that it is part of another file."""
    names_region = False
    """Whether a row names a region or an estate."""

    def seen_in(self, records: Iterable[Record], report: DeviceReport) -> Iterator[Record]:
        for record in records:
            if report.first_row is None and record.raw:
                report.first_row = record
            if any(name in record.raw for name in SET_ASIDE_COLUMNS):
                self.is_put_right = True
            if not self.names_region:
                self.names_region = any(
                    str(record.fields.get(name) or "").strip() for name in ("region", "estate")
                )
            yield record


def _with_fixes(records: Iterable[Record], fixes: Mapping[int, Mapping[str, str]]) -> Iterator[Record]:
    for record in records:
        fixed = fixes.get(record.number)
        yield record if fixed is None else replace(record, fields={**record.fields, **fixed})


def _with_estates(
    session: Session,
    rows: Iterable[tuple[Record, DeviceRow]],
    region: str | None,
    parts: _Parts,
    report: DeviceReport,
) -> Iterator[tuple[Record, DeviceRow]]:
    """Yield the rows with the estate whose boundary contains them.

    Without a default region, set aside new devices outside all estates, once any row has shown an estate.
    """
    for batch in batched(rows, ROWS_AT_ONCE):
        found = estates_of(session, [row.position() for _, row in batch])
        outside = [
            (row.source, row.source_id)
            for (_, row), estate in zip(batch, found, strict=True)
            if estate is None and row.estate is None and row.region is None
        ]
        registered = queries.device_ids(session, outside) if outside and region is None else {}
        parts.names_region = parts.names_region or any(found)
        for (record, row), estate in zip(batch, found, strict=True):
            if row.estate is not None or row.region is not None:
                yield record, row
            elif estate is not None:
                named = {"estate": estate.source_id, "estate_source": estate.source}
                yield record, row.model_copy(update=named)
            elif region is None and parts.names_region and (row.source, row.source_id) not in registered:
                report.set_aside(record, "region: lies in no registered estate, and no region was given")
            else:
                yield record, row


def _first_rows_of_devices(
    rows: Iterable[tuple[Record, DeviceRow]], listed: ListedDevices, storeys: Storeys, report: DeviceReport
) -> Iterator[tuple[Sequence[Record], ListEntry]]:
    """Yield the first row of each device; set later ones aside, since either could be right."""
    for batch in batched(rows, ROWS_AT_ONCE):
        before = listed.add([((row.source, row.source_id), record.where) for record, row in batch])
        first = []
        for number, (record, row) in enumerate(batch):
            if number in before:
                name = f"{row.source} {row.source_id}"
                report.set_aside(record, f"{name} is a duplicate: it is already in {before[number]}")
            else:
                first.append((record, row))
        for record, row in storeys.with_floors(first, report):
            report.hours_not_understood += row.opening_hours is None and row.opening_hours_raw is not None
            yield (record,), list_entry(row, record.where)


def _list_bad_rows(listed: ListedDevices, bad: Sequence[BadRow], report: DeviceReport) -> None:
    """Count devices whose rows were set aside as listed."""
    for some in batched(bad, ROWS_AT_ONCE):
        named = []
        for row in some:
            source, source_id = (str(row.fields.get(name) or "").strip() for name in ("source", "source_id"))
            if not source or not source_id or max(len(source) * 2, len(source_id)) > 128:
                report.unnamed += 1
            elif source in listed.sources and source_id.isprintable():
                named.append(((source, source_id), row.where))
        listed.add(named)


MAX_ROWS_IN_REPORT: Final = 1_000
"""Maximum number of rows of each kind kept in the report; all rows are counted."""


@dataclass(slots=True)
class DeviceReport(ImportReport):
    """The result of an import of devices: counts, and the first rows of each kind in file order."""

    merged: int = 0
    """Number of rows linked to a device that another list has registered."""
    waiting: int = 0
    """Number of rows waiting for a person to decide whether they describe such a device."""
    conflicting: int = 0
    """Number of rows that contradict another source, so that a person must decide."""
    unnamed: int = 0
    """Number of bad rows that do not identify their device."""
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
        self.merged += row.match is not None and row.device_id is not None
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


@dataclass
class Storeys:
    """Convert storeys to floors, as the region of each row counts them."""

    session: Session
    estates: EstateIds
    region: str | None
    """The region of new devices whose row names neither an estate nor a region."""
    _ways: dict[object, bool] = field(default_factory=dict)
    """Whether the ground floor counts as 1, by region code or estate id."""

    def with_floors(
        self, rows: Sequence[tuple[Record, DeviceRow]], report: DeviceReport
    ) -> Iterator[tuple[Record, DeviceRow]]:
        """Yield the rows with the floors that their storeys mean; set aside contradictory or unclear ones.

        Floors are stored, so that a list that words the same storey differently counts as unchanged.
        """
        unplaced = [
            (row.source, row.source_id)
            for _, row in rows
            if row.storey is not None and row.region is None and row.estate is None
        ]
        registered = queries.counts_ground_as_one(self.session, unplaced) if unplaced else {}
        for record, row in rows:
            if row.storey is None:
                yield record, row
                continue
            counts = registered.get((row.source, row.source_id))
            try:
                found = self._with_floor(row, self._with_known_floor(row) if counts is None else counts)
            except AedError as error:
                report.set_aside(record, row_reason(error))
            else:
                yield record, found

    def _with_floor(self, row: DeviceRow, counts_ground_as_one: bool) -> DeviceRow:
        floor = floor_from_storey(
            floor=row.floor if "floor" in row.model_fields_set else None,
            storey=row.storey,
            room=None,
            counts_ground_as_one=counts_ground_as_one,
        )
        found = row.model_copy(update={"floor": floor, "storey": None})
        found.model_fields_set.discard("storey")
        return found

    def _with_known_floor(self, row: DeviceRow) -> bool:
        """Return the row with its floor. Raise InvalidInput or NotFound if no region says how it counts."""
        if row.estate is not None:
            estate_id = self.estates.id_of(row.estate_source or row.source, row.estate)
            if estate_id not in self._ways:
                region_id = region_of_estate(self.session, estate_id)
                self._ways[estate_id] = self.session.get_one(Region, region_id).counts_ground_as_one
            return self._ways[estate_id]
        code = row.region or self.region
        if code is None:
            raise InvalidInput(
                "storey requires an estate or a region, which defines how storeys are counted.",
                field="storey",
            )
        if code not in self._ways:
            self._ways[code] = region_by_code(self.session, code).counts_ground_as_one
        return self._ways[code]
