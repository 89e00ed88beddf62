"""The files that can be taken away."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    """A new one is a module in `formats/` and a line in its table."""

    CSV = "csv"
    """The project's own, which `aed import devices` reads back without loss. So are the next two."""
    XLSX = "xlsx"
    GEOJSON = "geojson"
    ESTATES = "estates"
    """Regions, estates and gates in the project's own GeoJSON, for those who know them."""
    OSM_CHANGE = "osm-change"
    GEODAE = "geodae"
    JAPAN = "japan"
    KML = "kml"
    GEOPACKAGE = "gpkg"
