"""Read the rows of a list of devices: set bad rows aside, infer estates, convert storeys to floors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import batched, chain, islice
from typing import Protocol

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.models import Region
from aed.accounts.regions.queries import region_by_code, region_of_estate
from aed.errors import AedError, InvalidInput
from aed.imports.batches import ROWS_AT_ONCE, EstateIds, Progress, row_reason, valid_rows
from aed.imports.coordinates import is_swapped, number_of, usual_place
from aed.imports.devices import queries
from aed.imports.devices.boundaries import EstateBoundaries, NamedEstate
from aed.imports.devices.import_rows import ListEntry, list_entry
from aed.imports.devices.permissions import can_import_to
from aed.imports.devices.queries import Identity
from aed.imports.devices.report import DeviceReport
from aed.imports.formats.mapping import Mapping as ListMapping
from aed.imports.formats.records import Record, RecordReader
from aed.imports.formats.table import SET_ASIDE_COLUMNS
from aed.imports.schemas import DeviceRow, columns
from aed.registry.storeys import floor_from_storey

_ROW = TypeAdapter(DeviceRow)


class Listed(Protocol):
    """The devices that a file lists."""

    def add(self, found: Sequence[tuple[Identity, str]]) -> dict[int, str]:
        """Add devices. Return {index in `found`: where} of those that were listed before."""


@dataclass(frozen=True)
class ListReader:
    """Reads the entries of a list, as the register would import them."""

    session: Session
    who: Viewer
    report: DeviceReport
    listed: Listed
    estates: EstateIds
    boundaries: EstateBoundaries
    seen: SeenRows
    region: str | None
    """The region of new devices whose row names neither an estate nor a region."""

    def entries(
        self,
        records: Iterable[Record],
        *,
        mapping: ListMapping | None,
        is_of_others: bool,
        country: str | None,
        fixes: Mapping[int, Mapping[str, str]],
        progress: Progress | None = None,
    ) -> Iterator[tuple[Sequence[Record], ListEntry]]:
        """Yield the first row of each device as an entry; set the others aside in the report."""
        usual: tuple[float, float] | None = None
        if mapping is not None and mapping.kept_by_hand:
            first, records = _peeked(records)
            usual = usual_place(list(_pairs(first)))
        rows = valid_rows(
            _with_fixes(self.seen.watch(records, self.report), fixes),
            _ROW,
            known=columns(DeviceRow),
            report=self.report,
            progress=progress,
            is_of_others=is_of_others,
            country=country,
        )
        if mapping is not None and mapping.kept_by_hand:
            rows = self._with_estates(rows, usual)
        storeys = Storeys(self.session, self.estates, self.region)
        return _first_rows_of_devices(rows, self.listed, storeys, self.report)

    def _with_estates(
        self, rows: Iterable[tuple[Record, DeviceRow]], usual: tuple[float, float] | None
    ) -> Iterator[tuple[Record, DeviceRow]]:
        """Yield the rows with the estate whose boundary contains them.

        A row that lies at the `usual` place of the list only if its coordinates are exchanged is set aside.
        Without a default region, set aside new devices outside all estates, once any row has shown an estate.
        An estate's manager imports only what lies in an estate that they manage.
        """
        for batch in batched(rows, ROWS_AT_ONCE):
            found = self.boundaries.estates_of([row.position() for _, row in batch])
            outside = [
                (row.source, row.source_id)
                for (_, row), estate in zip(batch, found, strict=True)
                if estate is None and row.estate is None and row.region is None
            ]
            registered = queries.device_ids(self.session, outside) if outside and self.region is None else {}
            self.seen.names_region = self.seen.names_region or any(found)
            for (record, row), estate in zip(batch, found, strict=True):
                reason = self._refusal(row, estate)
                if usual is not None and is_swapped(row.lat, row.lon, usual):
                    reason = SWAPPED.format(lat=row.lat, lon=row.lon)
                if reason is not None:
                    self.report.set_aside(record, reason)
                elif row.estate is not None or row.region is not None:
                    yield record, row
                elif estate is not None:
                    self.report.estates[estate] = self.report.estates.get(estate, 0) + 1
                    named = {"estate": estate.source_id, "estate_source": estate.source}
                    yield record, row.model_copy(update=named)
                elif (
                    self.region is None
                    and self.seen.names_region
                    and (row.source, row.source_id) not in registered
                ):
                    self.report.outside += 1
                    self.report.set_aside(record, OUTSIDE)
                else:
                    self.report.outside += 1
                    yield record, row

    def _refusal(self, row: DeviceRow, estate: NamedEstate | None) -> str | None:
        """Return why an estate's manager may not import a row; None if they may."""
        if self.who.is_administrator:
            return None
        if row.estate is not None or row.region is not None:
            return "estate: leave it out; it is the one in whose boundary the device lies"
        if estate is None or not can_import_to(self.who, estate_id=estate.id, region_id=estate.region_id):
            return NOT_MANAGED
        return None


SWAPPED = "lat, lon: {lat:g}, {lon:g} is far from the other rows, and among them if swapped. Swap them"
OUTSIDE = "region: lies in no registered estate, and no region was given"
NOT_MANAGED = "position: lies in no estate that you manage"


def filed_under(source: str | None, reading: RecordReader) -> RecordReader:
    """Return the reading with the given source. Raise InvalidInput if the format names its own source."""
    if source is None or reading.source == source:
        return reading
    reason = (
        "each row names it in its column 'source'" if reading.source is None else f"'{reading.source}' does"
    )
    raise InvalidInput(
        "A source cannot be given for {title}: {reason}.", field="source", title=reading.title, reason=reason
    )


class SeenRows:
    """What the rows of the file have shown so far."""

    is_put_right = False
    """Whether it contains corrected rows that were set aside, so that it is part of another file."""
    names_region = False
    """Whether a row names a region or an estate."""

    def watch(self, records: Iterable[Record], report: DeviceReport) -> Iterator[Record]:
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


def _peeked(records: Iterable[Record]) -> tuple[list[Record], Iterator[Record]]:
    rest = iter(records)
    first = list(islice(rest, ROWS_AT_ONCE))
    return first, chain(first, rest)


def _pairs(records: Iterable[Record]) -> Iterator[tuple[float, float]]:
    for record in records:
        lat, lon = number_of(record.fields.get("lat")), number_of(record.fields.get("lon"))
        if lat is not None and lon is not None:
            yield lat, lon


def _with_fixes(records: Iterable[Record], fixes: Mapping[int, Mapping[str, str]]) -> Iterator[Record]:
    for record in records:
        fixed = fixes.get(record.number)
        yield record if fixed is None else replace(record, fields={**record.fields, **fixed})


def _first_rows_of_devices(
    rows: Iterable[tuple[Record, DeviceRow]], listed: Listed, storeys: Storeys, report: DeviceReport
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
