"""Import rows in batches; set aside those that cannot be imported, without a trace in the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer, require_administrator
from aed.database.locks import exclusive_lock
from aed.errors import AedError, InvalidInput
from aed.imports.coordinates import position_problem
from aed.imports.formats.records import Record
from aed.imports.rules import printable, reason_of
from aed.imports.schemas import PlacedRow
from aed.registry.changes import PutOutcome
from aed.registry.estates import queries as estate_queries

ROWS_AT_ONCE = 500
MAX_REPORTED_ROWS = 1_000
"""Maximum number of bad rows listed in a refusal."""
MAX_BAD_ROWS = 100_000
"""Maximum number of bad rows kept in memory; a file with more is refused."""

type Progress = Callable[[int], None]
"""Called with the number of rows done so far."""


def offset_progress(progress: Progress | None, *, after: int) -> Progress:
    """Return a progress callback for a second phase, which counts from `after`."""

    def count(done: int) -> None:
        if progress is not None:
            progress(after + done)

    return count


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was set aside: where it is in the file, what is wrong, and its cells."""

    where: str
    reason: str
    number: int
    fields: Mapping[str, Any]


@dataclass(slots=True)
class ImportReport:
    """The result of an import."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    hours_not_understood: int = 0
    """Devices whose hours could not be parsed: kept as written, and unknown."""
    bad: list[BadRow] = field(default_factory=list)
    """In the order of the file."""

    @property
    def taken(self) -> int:
        return self.new + self.changed + self.unchanged

    def count(self, outcome: PutOutcome) -> None:
        match outcome:
            case PutOutcome.NEW:
                self.new += 1
            case PutOutcome.CHANGED:
                self.changed += 1
            case PutOutcome.UNCHANGED:
                self.unchanged += 1

    def set_aside(self, record: Record, reason: str) -> None:
        """Set a row aside. Raise InvalidInput for a file of mostly bad rows, which would fill the memory."""
        if len(self.bad) >= MAX_BAD_ROWS and len(self.bad) > self.taken:
            raise InvalidInput(
                "More than {count:,} rows are bad, which is most of the file. Is this the "
                "right list? The first bad row is {where}: {reason}.",
                field="file",
                count=len(self.bad),
                where=self.bad[0].where,
                reason=self.bad[0].reason,
            )
        self.bad.append(BadRow(record.where, printable(reason), record.number, record.fields))


class ImportStopped(InvalidInput):
    """An error of the whole file, which its other rows share; the import stops at once."""


class NothingImported(InvalidInput):
    """Nothing of the file was imported, because of its bad rows."""

    code = "nothing-taken"
    title = "Nothing was imported"

    def __init__(self, detail: str, bad: Sequence[BadRow]) -> None:
        super().__init__(detail, field="file")
        self.bad = bad
        self.errors = [{"field": row.where, "detail": row.reason} for row in bad[:MAX_REPORTED_ROWS]]


def refuse_bad_rows(report: ImportReport, file: str, *, is_strict: bool = False) -> None:
    """Raise NothingImported if every row is bad, or, with `is_strict`, if any row is.

    The caller must roll back its transaction.
    """
    if not report.bad or (report.taken and not is_strict):
        return
    first = f"{len(report.bad)} bad rows, first {report.bad[0].where}: {report.bad[0].reason}"
    if report.taken == 0:
        raise NothingImported(f"{file} has no row that can be imported: {first}", report.bad)
    raise NothingImported(f"Nothing was imported: {first}", report.bad)


def begin_import[ReportT: ImportReport](session: Session, who: Viewer, report: ReportT) -> ReportT:
    """Require an administrator, and exclude other imports until commit."""
    require_administrator(who)
    exclusive_lock(session, "import")
    return report


def finish_import[ReportT: ImportReport](report: ReportT) -> ReportT:
    """Return the report with its bad rows in file order. Raise InvalidInput for a file without rows."""
    if report.taken == 0 and not report.bad:
        raise InvalidInput("The file has no rows below its first line.", field="file")
    report.bad.sort(key=lambda bad: bad.number)
    return report


def valid_rows[RowT](
    records: Iterable[Record],
    shape: TypeAdapter[RowT],
    *,
    known: Collection[str],
    report: ImportReport,
    progress: Progress | None,
    is_of_others: bool = False,
    country: str | None = None,
) -> Iterator[tuple[Record, RowT]]:
    """Yield the valid rows; set the others aside. `country`: where the whole list lies.

    Rows exported from this register are not checked for implausible positions.
    """
    for done, record in enumerate(records, start=1):
        if progress is not None:
            progress(done)
        if record.wrong is not None:
            report.set_aside(record, record.wrong)
            continue
        try:
            row = shape.validate_python(dict(record.fields))
            problem = None
            if isinstance(row, PlacedRow):
                row.position()
                if is_of_others:
                    problem = position_problem(row.lat, row.lon, country=country)
        except ValidationError as error:
            reason = reason_of(error, known=known, is_feature=record.unit == "feature")
            report.set_aside(record, reason)
        except InvalidInput as error:
            report.set_aside(record, row_reason(error))
        else:
            if problem is not None:
                report.set_aside(record, problem)
            else:
                yield record, row


def without_duplicates[RowT](
    rows: Iterable[tuple[Record, RowT]], identity: Callable[[RowT], tuple[str, ...]], report: ImportReport
) -> Iterator[tuple[Record, RowT]]:
    """Yield the first row of each identity; set later ones aside, since either could be right."""
    seen: dict[tuple[str, ...], str] = {}
    for record, row in rows:
        key = identity(row)
        first = seen.setdefault(key, record.where)
        if first == record.where:
            yield record, row
        else:
            report.set_aside(record, f"{' '.join(key)} is a duplicate: it is already in {first}")


def import_in_batches[RowT, DoneT](
    session: Session,
    rows: Iterable[tuple[Sequence[Record], RowT]],
    put: Callable[[Sequence[RowT]], Sequence[DoneT]],
    report: ImportReport,
    count: Callable[[DoneT], None],
) -> None:
    """Import rows in batches, with the records they were read from, and count the outcomes.

    If a batch fails, import its rows one by one, and set the bad ones aside."""
    for batch in batched(rows, ROWS_AT_ONCE):
        _import_batch(session, batch, put, report, count)


def _import_batch[RowT, DoneT](
    session: Session,
    batch: Sequence[tuple[Sequence[Record], RowT]],
    put: Callable[[Sequence[RowT]], Sequence[DoneT]],
    report: ImportReport,
    count: Callable[[DoneT], None],
) -> None:
    try:
        with session.begin_nested():
            outcomes = put([row for _, row in batch])
    except ImportStopped:
        raise
    except AedError as error:
        if len(batch) == 1:
            for record in batch[0][0]:
                report.set_aside(record, row_reason(error))
            return
        middle = len(batch) // 2
        _import_batch(session, batch[:middle], put, report, count)
        _import_batch(session, batch[middle:], put, report, count)
    else:
        for outcome in outcomes:
            count(outcome)


def row_reason(error: AedError) -> str:
    """Return why a row cannot be taken, with the name of the column in a file."""
    return f"{_COLUMNS.get(error.field, error.field)}: {error.detail}" if error.field else error.detail


_COLUMNS: Mapping[str, str] = {"position.datum": "datum", "position": "lat, lon", "estate_id": "estate"}
"""Column names in a file of the register's fields."""


_MAX_ESTATES = 20_000


class EstateIds:
    """Look up estates by the ids of a source; cached."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[tuple[str, str], int] = {}

    def load(self, named: Iterable[tuple[str, str]]) -> None:
        """Read these estates in one query."""
        if len(self._known) > _MAX_ESTATES:
            self._known.clear()
        unknown: dict[str, set[str]] = {}
        for source, source_id in named:
            if (source, source_id) not in self._known:
                unknown.setdefault(source, set()).add(source_id)
        for source, source_ids in unknown.items():
            found = estate_queries.estate_ids_of(self._session, source=source, source_ids=source_ids)
            self._known |= {(source, source_id): estate_id for source_id, estate_id in found.items()}

    def id_of(self, source: str, source_id: str) -> int:
        found = self._known.get((source, source_id))
        if found is None:
            found = estate_queries.estate_id_of(self._session, source=source, source_id=source_id)
            if found is None:
                raise InvalidInput(
                    "The source '{source}' has no estate '{source_id}'. Import its estates first.",
                    field="estate",
                    source=source,
                    source_id=source_id,
                )
            self._known[source, source_id] = found
        return found
