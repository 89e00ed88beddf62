"""Import regions, estates, gates and buildings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import Final

import shapely
from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.actions import put_region
from aed.accounts.regions.schemas import RegionIn
from aed.database.geometry import shape_of
from aed.errors import InvalidInput
from aed.imports.batches import (
    EstateIds,
    ImportReport,
    Progress,
    begin_import,
    finish_import,
    import_in_batches,
    valid_rows,
    without_duplicates,
)
from aed.imports.formats.osm_buildings import read_buildings
from aed.imports.formats.recognise import read_table_or_own
from aed.imports.formats.records import Record
from aed.imports.formats.table import with_boundary
from aed.imports.schemas import BuildingRow, EstateRow, EstatesFileRow, GateRow, RegionRow, columns
from aed.registry.changes import PutOutcome
from aed.registry.estates import actions as estate_actions
from aed.registry.estates import queries as estate_queries
from aed.registry.estates.actions import ImportedBuilding, delete_missing_buildings, put_buildings
from aed.registry.estates.models import Estate
from aed.registry.estates.placement import require_near_estate
from aed.registry.estates.rules import EstateState
from aed.registry.estates.schemas import EstateIn, GateIn
from aed.registry.fields import PositionIn

type Row = RegionRow | EstateRow | GateRow | BuildingRow

_COLUMNS = columns(RegionRow, EstateRow, GateRow, BuildingRow)


def import_estates(
    session: Session, who: Viewer, path: Path, *, at: datetime, progress: Progress | None = None
) -> ImportReport:
    """Import regions, estates, gates and buildings from a file, in any order.

    Imports all good rows, or raises and the caller rolls back.
    """
    report = begin_import(session, who, ImportReport())
    estates = EstateIds(session)

    def put(rows: Sequence[Row]) -> list[PutOutcome]:
        return [_put(session, who, row, estates, at=at) for row in rows]

    rows = valid_rows(
        _parents_first(_records(path)),
        TypeAdapter(EstatesFileRow),
        known=_COLUMNS,
        report=report,
        progress=progress,
    )
    once = without_duplicates(rows, _identity, report)
    import_in_batches(session, (((record,), row) for record, row in once), put, report, report.count)
    return finish_import(report)


def _records(path: Path) -> Iterator[Record]:
    for record in read_table_or_own(path, known=_COLUMNS, needed=["kind"]):
        yield with_boundary(record)


def _parents_first(records: Iterable[Record]) -> list[Record]:
    """Sort: regions (parents first), estates, then gates and buildings; otherwise in file order."""
    found = list(records)
    parents = {
        str(record.fields.get("code")): str(record.fields.get("parent"))
        for record in found
        if record.fields.get("kind") == "region"
    }

    def depth(code: str) -> int:
        steps = 0
        while code in parents and steps <= len(parents):
            code, steps = parents[code], steps + 1
        return steps

    def order(record: Record) -> tuple[int, int]:
        match record.fields.get("kind"):
            case "region":
                return 0, depth(str(record.fields.get("code")))
            case "estate":
                return 1, 0
            case _:
                return 2, 0

    return sorted(found, key=order)


def _identity(row: Row) -> tuple[str, ...]:
    if isinstance(row, RegionRow):
        return "region", row.code
    return row.kind, row.source, row.source_id


def _put(session: Session, who: Viewer, row: Row, estates: EstateIds, *, at: datetime) -> PutOutcome:
    match row:
        case RegionRow():
            given = RegionIn.model_validate(row.model_dump(exclude={"kind"}, exclude_unset=True))
            return PutOutcome.of(put_region(session, given)[1])
        case EstateRow():
            estate = EstateIn.model_validate(row.model_dump(exclude={"kind"}, exclude_unset=True))
            return estate_actions.put_estate(session, who, estate, at=at)[1]
        case GateRow():
            return _put_gate(session, who, row, estates, at=at)
        case BuildingRow():
            return _put_building(session, who, row, estates)


def _put_gate(session: Session, who: Viewer, row: GateRow, estates: EstateIds, *, at: datetime) -> PutOutcome:
    given = GateIn.model_validate(
        {
            **row.model_dump(
                exclude={"kind", "estate", "estate_source", "lat", "lon", "datum"}, exclude_unset=True
            ),
            "position": PositionIn(lat=row.lat, lon=row.lon, datum=row.datum),
        }
    )
    return estate_actions.put_gate(
        session, who, estates.id_of(row.estate_source or row.source, row.estate), given, at=at
    )


def _put_building(session: Session, who: Viewer, row: BuildingRow, estates: EstateIds) -> PutOutcome:
    estate_id = estates.id_of(row.estate_source or row.source, row.estate)
    given = PositionIn(lat=row.lat, lon=row.lon, datum=row.datum)
    require_near_estate(estate_queries.estate(session, who, estate_id), given.position(), given)
    building = ImportedBuilding(
        row.source, row.source_id, estate_id, row.name_en, row.name_zh, row.floors, given.position()
    )
    return put_buildings(session, who, [building])[0]


SOURCE: Final = "openstreetmap"
AT_ONCE: Final = 1_000


@dataclass(slots=True)
class BuildingReport(ImportReport):
    """The result of an import of buildings."""

    gone: int = 0
    outside: int = 0
    """Buildings outside all registered estates, which are ignored."""


def import_buildings(
    session: Session, who: Viewer, path: Path, *, progress: Progress | None = None
) -> BuildingReport:
    """Import the buildings of registered estates from an OpenStreetMap extract.

    Buildings that came from OpenStreetMap and are no longer in the extract are withdrawn.

    visibility: for an administrator's import.
    """
    report = begin_import(session, who, BuildingReport())
    estates = session.execute(
        select(Estate.id, Estate.boundary).where(Estate.state == EstateState.ACTIVE).order_by(Estate.id)
    ).all()
    if not estates:
        raise InvalidInput(
            "No estate is registered yet. Import estates first: aed import estates.", field="file"
        )
    boundaries = shapely.STRtree([shape_of(row.boundary) for row in estates])
    found: list[ImportedBuilding] = []
    for done, each in enumerate(read_buildings(path), start=1):
        if progress is not None:
            progress(done)
        here = shapely.Point(each.position.lon, each.position.lat)
        within = sorted(boundaries.query(here, predicate="intersects"))
        if not within:
            report.outside += 1
            continue
        found.append(
            ImportedBuilding(
                SOURCE,
                each.source_id,
                estates[within[0]].id,
                each.name_en,
                each.name_zh,
                each.floors,
                each.position,
            )
        )
    if not found:
        raise InvalidInput(
            "{name} has no building in any of the {count} estates. Is it of the right region?",
            field="file",
            name=path.name,
            count=len(estates),
        )
    for batch in batched(found, AT_ONCE):
        for outcome in put_buildings(session, who, batch):
            report.count(outcome)
    report.gone = delete_missing_buildings(
        session,
        who,
        source=SOURCE,
        of_estates={each.estate_id for each in found},
        but={each.source_id for each in found},
    )
    return report
