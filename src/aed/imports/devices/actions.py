"""Import a list of devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import batched
from pathlib import Path

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code
from aed.database.locks import exclusive_lock
from aed.imports.batches import (
    ROWS_AT_ONCE,
    BadRow,
    EstateIds,
    Progress,
    finish_import,
    import_in_batches,
    offset_progress,
)
from aed.imports.devices import queries
from aed.imports.devices.answers import AnsweredRows, Answers, require_may_answer
from aed.imports.devices.boundaries import EstateBoundaries
from aed.imports.devices.decisions import check_name, keep_answers
from aed.imports.devices.import_rows import RegisterBefore, RowImporter
from aed.imports.devices.missing import ListedDevices, mark_missing
from aed.imports.devices.permissions import require_importer, require_own_list
from aed.imports.devices.reading import ListReader, SeenRows, filed_under
from aed.imports.devices.report import DeviceReport
from aed.imports.devices.rules import Thresholds
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.recognise import DeviceFormat, read_devices


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
    answers: Answers | None = None,
    progress: Progress | None = None,
) -> DeviceReport:
    """Import devices from a file.

    `region`: region of new devices whose row names neither estate nor region. `source`: the publisher of the
    list, for formats that several bodies publish. `fixes`: corrected fields, by the row's number in the file.
    `answers`: which rows are which registered device or earlier row, and which are not.

    Imports all good rows, or raises and the caller rolls back.

    1. Set aside invalid rows, and all but the first row of each device.
    2. Import the others in batches: see `RowImporter`. Rows that are the device of an earlier row come last.
    3. Keep the answers as decided reviews, so that nobody is asked again.
    4. Mark as gone what the list held before and this file lacks; but not if the file is a part of its list
       (`is_partial`, or corrected rows that were set aside), nor if a row does not name its device.

    Progress counts the rows, then the gone devices.
    """
    thresholds = thresholds or Thresholds()
    require_importer(who)
    exclusive_lock(session, "import")
    report = DeviceReport()
    if source is not None:
        check_name(source, field="source")
    records = filed_under(source, read_devices(path, form, mapping, source=source))
    require_own_list(session, who, mapping, source=records.source)
    listed = ListedDevices(session)
    ranks, estates, parts = queries.ranks(session), EstateIds(session), SeenRows()
    if region is not None:
        region_by_code(session, region)
    answered = AnsweredRows(answers or {})
    require_may_answer(session, who, answered.answers)
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
        answers=answered,
    )
    reader = ListReader(session, who, report, listed, estates, EstateBoundaries(session), parts, region)
    entries = reader.entries(
        records,
        mapping=mapping,
        is_of_others=records.source is not None,
        country=records.country,
        fixes=fixes or {},
        progress=progress,
    )
    import_in_batches(session, answered.others(entries), merging.put, report, report.count_row)
    answered.resolve_rows(session)
    import_in_batches(session, answered.held, merging.put, report, report.count_row)
    keep_answers(session, who, answered.decisions(), thresholds=thresholds, at=at)
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
