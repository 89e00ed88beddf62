"""What the map's script needs to know: where libraries and base map are, and in which datum the map is."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import urlsplit

from aed.accounts.permissions import Viewer
from aed.database.session import Database, read_session
from aed.errors import DatabaseUnavailable
from aed.geo import Datum, Position, from_wgs84
from aed.lookup.in_view import Extent, extent_of_devices
from aed.settings import Settings
from aed.web import static

BASEMAP: Final = "/map/basemap.pmtiles"
DEVICES: Final = "/map/devices"
OUTLINES: Final = "/map/outlines"
OSM_CREDIT: Final = "© OpenStreetMap"
OSM_COPYRIGHT: Final = "https://www.openstreetmap.org/copyright"
_LIBRARIES: Final = {
    "module": "js/map.js",
    "maplibre": "vendor/maplibre-gl/maplibre-gl.mjs",
    "css": "vendor/maplibre-gl/maplibre-gl.css",
    "pmtiles": "vendor/pmtiles/pmtiles.js",
}
_KEPT: Final = {**_LIBRARIES, "module": "js/kept_map.js"}
_IMPORTED: Final = ("js/map.js", "vendor/maplibre-gl/maplibre-gl-worker.mjs")


RINGS_FROM_ZOOM: Final = 8
"""Lowest zoom of tiles of many devices. With 1,000,000 devices on PostGIS a tile took 25 ms at zoom 7, 71 ms
at zoom 6, 343 ms at zoom 5, and 2.1 s at zoom 3, before tiles counted the devices of each mark. That takes
3 to 5 times as long (measured with 20,000 devices); a tile of zoom 8 has a quarter of the devices."""
MANY: Final = Extent((), is_large=True)


def datum_of_map(settings: Settings) -> Datum:
    """Return the datum in which the map is drawn."""
    return Datum(settings.other_basemap.datum) if settings.other_basemap.url else Datum.WGS84


def has_own_basemap(settings: Settings) -> bool:
    """Whether the map shows the file of `aed map build`, not the tiles of another provider."""
    return not settings.other_basemap.url and settings.basemap.is_file()


def extent(database: Database, viewer: Viewer) -> Extent:
    """Return where the devices are; if the database does not answer, as if there were many."""
    try:
        with read_session(database) as session:
            return extent_of_devices(session, viewer)
    except DatabaseUnavailable:
        return MANY


def map_config(settings: Settings, here: Position | None = None, *, devices: Extent = MANY) -> str:
    """Return the configuration of the map's script as JSON for a `data-` attribute.

    `here` is the place in the middle; without it the map starts at the place in its address, or shows all of
    its base map, or else all devices. Where there are many, none are shown below RINGS_FROM_ZOOM.
    """
    other, datum = settings.other_basemap, datum_of_map(settings)
    config: dict[str, Any] = {
        "libraries": _libraries(_LIBRARIES),
        "datum": datum.value,
        "devices": DEVICES,
        "outlines": OUTLINES,
        "rings_from_zoom": RINGS_FROM_ZOOM if devices.is_large else 0,
        "credit": {"text": OSM_CREDIT, "url": OSM_COPYRIGHT},
    }
    if here is not None:
        lat, lon = from_wgs84(here, datum)
        config["here"] = [round(lon, 6), round(lat, 6)]
    if devices.corners and not has_own_basemap(settings):
        corners = [from_wgs84(each, datum) for each in devices.corners]
        lats, lons = [lat for lat, _ in corners], [lon for _, lon in corners]
        config["bounds"] = [min(lons), min(lats), max(lons), max(lats)]
    if other.url:
        config["tiles"] = {"url": other.url, "max_zoom": other.max_zoom}
        config["credit"] = {"text": other.credit}
    elif has_own_basemap(settings):
        config["basemap"] = f"{BASEMAP}?v={settings.basemap.stat().st_mtime_ns:x}"
    return json.dumps(config, ensure_ascii=False)


def kept_map_config() -> str:
    """Return the configuration of the map without signal as JSON for a `data-` attribute."""
    config = {"libraries": _libraries(_KEPT), "credit": {"text": OSM_CREDIT, "url": OSM_COPYRIGHT}}
    return json.dumps(config, ensure_ascii=False)


def kept_map_files() -> list[str]:
    """Return the addresses of all files that the map without signal needs."""
    return [static.address(each) for each in (*_KEPT.values(), *_IMPORTED)]


def _libraries(names: dict[str, str]) -> dict[str, dict[str, str]]:
    return {
        key: {"url": static.address(name), "integrity": static.files()[name].integrity}
        for key, name in names.items()
    }


def map_policy(settings: Settings, policy: str, *, may_embed: bool = False) -> str:
    """Return the Content-Security-Policy of a page with a map: that of all pages, plus what is configured.

    A base map of another provider adds its host; `may_embed` adds the origins that may frame the page.
    """
    if settings.other_basemap.url:
        parts = urlsplit(settings.other_basemap.url)
        for directive in ("img-src", "connect-src"):
            policy = policy.replace(
                f"{directive} 'self'", f"{directive} 'self' {parts.scheme}://{parts.netloc}"
            )
    if may_embed and settings.embed_origins:
        origins = " ".join(settings.embed_origins)
        policy = re.sub("frame-ancestors 'none'", lambda _: f"frame-ancestors {origins}", policy)
    return policy
