"""Write exports in any format, for `aed export` and for HTTP."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.accounts.regions.queries import region_by_code, regions_below
from aed.database.session import Database, read_session
from aed.errors import NotSignedIn
from aed.exports import queries as export_queries
from aed.exports.formats.geodae import geodae_csv
from aed.exports.formats.geojson import (
    collection_of,
    estate_feature,
    gate_feature,
    own_geojson,
    region_feature,
)
from aed.exports.formats.geopackage import geopackage
from aed.exports.formats.japan import japan_csv
from aed.exports.formats.kml import kml
from aed.exports.formats.osm_change import osm_change
from aed.exports.formats.tables import Pages, own_csv, own_xlsx
from aed.exports.queries import Around, Choice, PublishedDevice, every_device
from aed.exports.rules import ExportFormat, parse_bounds

CSV = "text/csv; charset=utf-8"
GEOJSON = "application/geo+json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Form:
    """The media type and the file suffix of a format."""

    media_type: str
    suffix: str


FORMS: Mapping[ExportFormat, Form] = {
    ExportFormat.CSV: Form(CSV, "csv"),
    ExportFormat.XLSX: Form(XLSX, "xlsx"),
    ExportFormat.GEOJSON: Form(GEOJSON, "geojson"),
    ExportFormat.ESTATES: Form(GEOJSON, "geojson"),
    ExportFormat.OSM_CHANGE: Form("application/xml", "osc"),
    ExportFormat.GEODAE: Form(CSV, "csv"),
    ExportFormat.JAPAN: Form(CSV, "csv"),
    ExportFormat.KML: Form("application/vnd.google-earth.kml+xml", "kml"),
    ExportFormat.GEOPACKAGE: Form("application/geopackage+sqlite3", "gpkg"),
}

STREAMED: Mapping[ExportFormat, Callable[[Pages], Iterator[bytes]]] = {
    ExportFormat.CSV: own_csv,
    ExportFormat.GEOJSON: own_geojson,
    ExportFormat.OSM_CHANGE: osm_change,
    ExportFormat.GEODAE: geodae_csv,
    ExportFormat.JAPAN: japan_csv,
    ExportFormat.KML: kml,
}
"""Formats that are streamed from the first page on."""


def write_whole(form: ExportFormat, pages: Pages, to: Path, *, at: datetime) -> None:
    """Write a format that cannot be streamed (XLSX or GeoPackage) to a file."""
    if form is ExportFormat.XLSX:
        own_xlsx(pages, to)
    else:
        geopackage(pages, to, at=at)


CHUNK_BYTES = 256 * 1024
ESTATES_AT_ONCE = 500

type Progress = Callable[[int], None]


def chosen(database: Database, *, bbox: str | None, region: str | None) -> Choice:
    """Return the filter for a box, for a region and all below it, or for both.

    Raises InvalidInput for an invalid box and NotFound for an unknown region.
    """
    bounds = parse_bounds(bbox) if bbox is not None else None
    if region is None:
        return Choice(bounds)
    with read_session(database) as session:
        return Choice(bounds, regions_below(session, region_by_code(session, region).id))


def exported(
    database: Database,
    viewer: Viewer,
    form: ExportFormat,
    choice: Choice,
    *,
    at: datetime,
    progress: Progress | None = None,
) -> Iterator[bytes]:
    """Yield the exported file in chunks, with the viewer's permissions and in bounded memory.

    XLSX and GeoPackage are written to a temporary file first. Raises NotSignedIn if an anonymous viewer
    requests estates.
    """
    if form is ExportFormat.ESTATES:
        if not viewer.is_signed_in:
            raise NotSignedIn("Estates and gates are not public. Send a token.")
        around = Around(choice.bounds, choice.region_ids)
        return collection_of(_counted(_estates_and_gates(database, viewer, around), progress))
    pages = _counted(every_device(database, viewer, choice), progress)
    if form in STREAMED:
        return STREAMED[form](pages)
    return _from_disk(form, pages, at)


def _counted[RowT](pages: Iterator[Sequence[RowT]], progress: Progress | None) -> Iterator[Sequence[RowT]]:
    done = 0
    for page in pages:
        yield page
        done += len(page)
        if progress is not None:
            progress(done)


def _from_disk(
    form: ExportFormat, pages: Iterator[Sequence[PublishedDevice]], at: datetime
) -> Iterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="aed-export-") as folder:
        made = Path(folder) / "export"
        write_whole(form, pages, made, at=at)
        with made.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk


def _estates_and_gates(
    database: Database, viewer: Viewer, around: Around
) -> Iterator[Sequence[dict[str, Any]]]:
    """Yield regions, then estates, then gates, so that each follows the one it refers to."""
    with read_session(database) as session:
        yield [region_feature(region, parent) for region, parent in export_queries.regions(session)]

    def pages[Row](
        read: Callable[[Session, int], Sequence[Row]], feature: Callable[[Row], dict[str, Any]]
    ) -> Iterator[Sequence[dict[str, Any]]]:
        after_id = 0
        while True:
            with read_session(database) as session:
                found = [feature(row) for row in read(session, after_id)]
            if found:
                yield found
                after_id = found[-1]["id"]
            if len(found) < ESTATES_AT_ONCE:
                return

    yield from pages(
        lambda session, after_id: export_queries.estates(
            session, viewer, around, after_id=after_id, limit=ESTATES_AT_ONCE
        ),
        estate_feature,
    )
    yield from pages(
        lambda session, after_id: export_queries.gates(
            session, viewer, around, after_id=after_id, limit=ESTATES_AT_ONCE
        ),
        gate_feature,
    )
