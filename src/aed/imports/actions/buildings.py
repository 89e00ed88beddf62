"""Importing buildings from a map: those that stand in the estates of the register."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Final

import shapely
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.rules import Viewer
from aed.database.geometry import shape_of
from aed.errors import InvalidInput
from aed.imports.actions.taking import ImportReport, Progress, begin_import
from aed.imports.formats.osm_buildings import read_buildings
from aed.registry.actions.buildings import BuildingGiven, forget_buildings, put_buildings
from aed.registry.models import Estate
from aed.registry.rules.estate import EstateState

SOURCE: Final = "openstreetmap"
AT_ONCE: Final = 1_000


@dataclass(slots=True)
class BuildingReport(ImportReport):
    """What an import of buildings did."""

    gone: int = 0
    outside: int = 0
    """In no estate of the register, and left alone."""


def import_buildings(
    session: Session, who: Viewer, path: Path, *, progress: Progress | None = None
) -> BuildingReport:
    """The estates that the extract shows have the buildings that it shows, and no others of OpenStreetMap.

    visibility: an administrator's.
    """
    report = begin_import(session, who, BuildingReport())
    estates = session.execute(
        select(Estate.id, Estate.boundary).where(Estate.state == EstateState.STANDING).order_by(Estate.id)
    ).all()
    if not estates:
        raise InvalidInput("No estate is registered yet: aed import estates comes first.", field="file")
    boundaries = shapely.STRtree([shape_of(row.boundary) for row in estates])
    found: list[BuildingGiven] = []
    for done, each in enumerate(read_buildings(path), start=1):
        if progress is not None:
            progress(done)
        here = shapely.Point(each.position.lon, each.position.lat)
        within = sorted(boundaries.query(here, predicate="intersects"))
        if not within:
            report.outside += 1
            continue
        found.append(
            BuildingGiven(
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
            f"{path.name} shows no building in any of the {len(estates)} estates: is it of this region?",
            field="file",
        )
    for batch in batched(found, AT_ONCE):
        for outcome in put_buildings(session, who, batch):
            report.count(outcome)
    report.gone = forget_buildings(
        session,
        who,
        source=SOURCE,
        of_estates={each.estate_id for each in found},
        but={each.source_id for each in found},
    )
    return report
