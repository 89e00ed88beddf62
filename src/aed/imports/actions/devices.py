"""Importing devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import batched
from pathlib import Path

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts import queries as accounts
from aed.accounts.rules import Viewer
from aed.errors import InvalidInput
from aed.imports import queries
from aed.imports.actions.leaving import Listed, mark_missing
from aed.imports.actions.merging import Before, Entry, Merging, entry_of
from aed.imports.actions.ranking import check_name
from aed.imports.actions.report import DeviceReport
from aed.imports.actions.storeys import Storeys
from aed.imports.actions.taking import (
    ROWS_AT_ONCE,
    BadRow,
    Estates,
    Progress,
    begin_import,
    finished,
    further,
    take,
    valid_rows,
)
from aed.imports.formats.mapping import Mapping
from aed.imports.formats.recognise import DeviceFormat, read_devices
from aed.imports.formats.records import Reading, Record
from aed.imports.formats.table import SET_ASIDE_COLUMNS
from aed.imports.rules.thresholds import Thresholds
from aed.imports.schemas import DeviceRow, columns


def import_devices(
    session: Session,
    who: Viewer,
    path: Path,
    *,
    at: datetime,
    form: DeviceFormat | None = None,
    mapping: Mapping | None = None,
    region: str | None = None,
    source: str | None = None,
    is_partial: bool = False,
    is_shrink_accepted: bool = False,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> DeviceReport:
    """Devices from a file. `region` is for new ones whose row names neither an estate nor a region; `source`
    is who keeps the list, where its format is one that several bodies publish each for themselves.

    All good rows or, when this raises, none: the caller's transaction is the border.

    1. Rows that cannot be meant, and all but the first of each device, are set aside.
    2. The others are taken in batches: see `Merging`.
    3. What a list held before and this file, which is whole, does not, is gone. Nothing is where the file is
       a part of the list (`is_partial`; so are rows that were set aside and put right), or where a row does
       not say which device it is.

    Counted are the rows, and then what is gone.
    """
    thresholds = thresholds or Thresholds()
    report = begin_import(session, who, DeviceReport())
    if source is not None:
        check_name(source, field="source")
    records = _filed_under(source, read_devices(path, form, mapping, source=source))
    listed = Listed(session)
    ranks, estates = queries.ranks(session), Estates(session)
    if region is not None:
        accounts.region_by_code(session, region)
    merging = Merging(
        session=session,
        who=who,
        at=at,
        estates=estates,
        ranks=ranks,
        thresholds=thresholds,
        region=region,
        before=Before.now(session),
    )
    parts = _Parts()
    rows = valid_rows(
        parts.seen_in(records),
        TypeAdapter(DeviceRow),
        known=columns(DeviceRow),
        report=report,
        progress=progress,
        is_of_others=records.source is not None,
        country=records.country,
    )
    storeys = Storeys(session, estates, region)
    take(session, _once(rows, listed, storeys, report), merging.put, report, report.count_row)
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
            progress=further(progress, after=report.taken + len(report.bad)),
        )
    listed.close()
    return finished(report)


def _filed_under(source: str | None, reading: Reading) -> Reading:
    """Raises InvalidInput for a `source` that the format does not leave to be said."""
    if source is None or reading.source == source:
        return reading
    said = "each row says so in its column 'source'" if reading.source is None else f"'{reading.source}' does"
    raise InvalidInput(f"A source cannot be given for {reading.title}: {said}.", field="source")


class _Parts:
    """Whether the file is a list of rows that were set aside: a part of another, put right."""

    is_put_right = False

    def seen_in(self, records: Iterable[Record]) -> Iterator[Record]:
        for record in records:
            if SET_ASIDE_COLUMNS[0] in record.raw:
                self.is_put_right = True
            yield record


def _once(
    rows: Iterable[tuple[Record, DeviceRow]], listed: Listed, storeys: Storeys, report: DeviceReport
) -> Iterator[tuple[Sequence[Record], Entry]]:
    """The first row of each device; a later one is set aside: which of the two is right, nobody knows."""
    for batch in batched(rows, ROWS_AT_ONCE):
        before = listed.add([((row.source, row.source_id), record.where) for record, row in batch])
        first = []
        for number, (record, row) in enumerate(batch):
            if number in before:
                name = f"{row.source} {row.source_id}"
                report.set_aside(record, f"{name} stands in {before[number]} already: a duplicate")
            else:
                first.append((record, row))
        for record, row in storeys.with_floors(first, report):
            report.hours_not_understood += row.opening_hours is None and row.hours_as_written is not None
            yield (record,), entry_of(row, record.where)


def _list_bad_rows(listed: Listed, bad: Sequence[BadRow], report: DeviceReport) -> None:
    """A device whose row was set aside is listed all the same."""
    for some in batched(bad, ROWS_AT_ONCE):
        named = []
        for row in some:
            source, source_id = (str(row.fields.get(name) or "").strip() for name in ("source", "source_id"))
            if not source or not source_id or max(len(source) * 2, len(source_id)) > 128:
                report.unnamed += 1
            elif source in listed.sources and source_id.isprintable():
                named.append(((source, source_id), row.where))
        listed.add(named)
