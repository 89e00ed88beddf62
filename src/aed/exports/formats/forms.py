"""Which module writes which format, and what the file is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aed.exports.formats.geodae import geodae_csv
from aed.exports.formats.geojson import own_geojson
from aed.exports.formats.geopackage import geopackage
from aed.exports.formats.japan import japan_csv
from aed.exports.formats.kml import kml
from aed.exports.formats.osm_change import osm_change
from aed.exports.formats.tables import Pages, own_csv, own_xlsx
from aed.exports.rules.export import ExportFormat

CSV = "text/csv; charset=utf-8"
GEOJSON = "application/geo+json"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True, slots=True)
class Form:
    """What a format is to the one who takes it."""

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
"""Written from the first page on."""


def write_whole(form: ExportFormat, pages: Pages, to: Path, *, at: datetime) -> None:
    """The formats that are a file only once they are finished."""
    if form is ExportFormat.XLSX:
        own_xlsx(pages, to)
    else:
        geopackage(pages, to, at=at)
