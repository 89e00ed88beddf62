"""What the map's script needs to know: where libraries and base map are, and in which datum the map is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from aed.accounts.permissions import Viewer
from aed.database.session import Database, read_session
from aed.errors import DatabaseUnavailable
from aed.geo import Datum, Position, from_wgs84
from aed.lookup.in_view import extent_of_devices
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


def datum_of_map(settings: Settings) -> Datum:
    """Return the datum in which the map is drawn."""
    return Datum(settings.other_basemap.datum) if settings.other_basemap.url else Datum.WGS84


def extent(settings: Settings, database: Database, viewer: Viewer) -> list[Position]:
    """Return the corners of the devices, on which a map without a base map of its own opens."""
    if not settings.other_basemap.url and settings.basemap.is_file():
        return []
    try:
        with read_session(database) as session:
            return extent_of_devices(session, viewer)
    except DatabaseUnavailable:
        return []


def map_config(settings: Settings, here: Position | None = None, *, around: Sequence[Position] = ()) -> str:
    """Return the configuration of the map's script as JSON for a `data-` attribute.

    `here` is the place in the middle; without it the map starts at the place in its address, or shows all of
    its base map, or else the corners `around`.
    """
    other, datum = settings.other_basemap, datum_of_map(settings)
    config: dict[str, Any] = {
        "libraries": {
            key: {"url": static.address(name), "integrity": static.files()[name].integrity}
            for key, name in _LIBRARIES.items()
        },
        "datum": datum.value,
        "devices": DEVICES,
        "outlines": OUTLINES,
        "credit": {"text": OSM_CREDIT, "url": OSM_COPYRIGHT},
    }
    if here is not None:
        lat, lon = from_wgs84(here, datum)
        config["here"] = [round(lon, 6), round(lat, 6)]
    if around:
        corners = [from_wgs84(each, datum) for each in around]
        lats, lons = [lat for lat, _ in corners], [lon for _, lon in corners]
        config["bounds"] = [min(lons), min(lats), max(lons), max(lats)]
    if other.url:
        config["tiles"] = {"url": other.url, "max_zoom": other.max_zoom}
        config["credit"] = {"text": other.credit}
    elif settings.basemap.is_file():
        config["basemap"] = f"{BASEMAP}?v={settings.basemap.stat().st_mtime_ns:x}"
    return json.dumps(config, ensure_ascii=False)


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
