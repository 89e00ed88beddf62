"""Storeys in a list: rows whose `storey` becomes their floor, as their region counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from aed.accounts import queries as accounts
from aed.accounts.models import Region
from aed.errors import AedError, InvalidInput
from aed.imports import queries
from aed.imports.actions.report import DeviceReport
from aed.imports.actions.taking import Estates, row_reason
from aed.imports.formats.records import Record
from aed.imports.schemas import DeviceRow
from aed.registry.rules.storeys import floor_meant


@dataclass
class Storeys:
    """How storeys are counted where the rows of an import belong."""

    session: Session
    estates: Estates
    region: str | None
    """Of new devices whose row names neither an estate nor a region."""
    _ways: dict[object, bool] = field(default_factory=dict)
    """By a region's code, or an estate's id."""

    def with_floors(
        self, rows: Sequence[tuple[Record, DeviceRow]], report: DeviceReport
    ) -> Iterator[tuple[Record, DeviceRow]]:
        """Yield the rows with the floors that their storeys mean; set aside what is contradictory or unclear.

        What a row says is kept as a floor: a list that says the same in other words has not changed.
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
                found = self._with_floor(row, self._counts(row) if counts is None else counts)
            except AedError as error:
                report.set_aside(record, row_reason(error))
            else:
                yield record, found

    def _with_floor(self, row: DeviceRow, counts_ground_as_one: bool) -> DeviceRow:
        floor = floor_meant(
            floor=row.floor if "floor" in row.model_fields_set else None,
            storey=row.storey,
            room=None,
            counts_ground_as_one=counts_ground_as_one,
        )
        found = row.model_copy(update={"floor": floor, "storey": None})
        found.model_fields_set.discard("storey")
        return found

    def _counts(self, row: DeviceRow) -> bool:
        """Raises InvalidInput, NotFound where no region says how it counts."""
        if row.estate is not None:
            estate_id = self.estates.id_of(row.estate_source or row.source, row.estate)
            if estate_id not in self._ways:
                region_id = accounts.region_of_estate(self.session, estate_id)
                self._ways[estate_id] = self.session.get_one(Region, region_id).counts_ground_as_one
            return self._ways[estate_id]
        code = row.region or self.region
        if code is None:
            raise InvalidInput(
                "A storey needs a region or an estate, which says how it counts.", field="storey"
            )
        if code not in self._ways:
            self._ways[code] = accounts.region_by_code(self.session, code).counts_ground_as_one
        return self._ways[code]
