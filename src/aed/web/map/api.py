"""Routes of the map: its pages, the base map's file, and the devices and outlines in view."""

from __future__ import annotations

from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import ANYONE
from aed.cells.neighbours import NeighbourClient
from aed.database.dependencies import DatabaseDep
from aed.database.session import retry_on_stale_connection
from aed.errors import NotFound
from aed.geo import from_wgs84
from aed.http.parameters import parse_bbox
from aed.http.query import ANY_PARAMETER
from aed.lookup.in_view import devices_in_view
from aed.registry.devices.rules import Mark, mark_of
from aed.settings import Settings
from aed.upkeep.rules import short_number
from aed.web.basemap import BASEMAP, DEVICES, OUTLINES, datum_of_map, extent, map_config, map_policy
from aed.web.map import queries
from aed.web.map.rules import MAX_SIDE_DEGREES, box_on_earth
from aed.web.render import POLICY, render

router = APIRouter(include_in_schema=False)
MAX_DEVICES: Final = 300
MAX_OUTLINES: Final = 200
CACHING: Final = "public, max-age=3600"
Box = Annotated[str, Query(max_length=200, description="west,south,east,north in degrees of the map's datum")]


@router.get("/map", dependencies=[ANY_PARAMETER])
def show_map(request: Request, database: DatabaseDep, viewer: ViewerDep) -> Response:
    """Show the devices on a map, with a list of those in view, and links to the maps of other cells."""
    settings: Settings = request.app.state.settings
    neighbours: NeighbourClient | None = request.app.state.neighbours
    return render(
        request,
        "map/map.html.jinja",
        cells=neighbours.table if neighbours is not None else None,
        headers={"Content-Security-Policy": map_policy(settings, POLICY)},
        map=map_config(settings, devices=extent(database, viewer)),
        marks=list(Mark),
    )


@router.get("/embed", dependencies=[ANY_PARAMETER])
def show_embedded_map(request: Request, database: DatabaseDep) -> Response:
    """Show the map for a frame of a partner's page; AED_EMBED_ORIGINS says who may."""
    settings: Settings = request.app.state.settings
    return render(
        request,
        "map/embed.html.jinja",
        headers={"Content-Security-Policy": map_policy(settings, POLICY, may_embed=True)},
        map=map_config(settings, devices=extent(database, ANYONE)),
        marks=list(Mark),
    )


@router.get(BASEMAP, dependencies=[ANY_PARAMETER])
def get_basemap(
    request: Request, if_none_match: Annotated[str | None, Header(max_length=2_000)] = None
) -> Response:
    """Return the base map, or the ranges of it that are asked for. Raises NotFound if there is none."""
    settings: Settings = request.app.state.settings
    try:
        stat = settings.basemap.stat()
    except OSError:
        raise NotFound("There is no base map here; `aed map build` makes one.") from None
    headers = {"Cache-Control": CACHING, "Access-Control-Expose-Headers": "ETag"}
    file = FileResponse(
        settings.basemap, media_type="application/vnd.pmtiles", headers=headers, stat_result=stat
    )
    if if_none_match is not None and "range" not in request.headers:
        tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
        if "*" in tags or file.headers["etag"] in tags:
            return Response(status_code=304, headers={**headers, "ETag": file.headers["etag"]})
    return file


@router.get(DEVICES)
def list_devices_in_view(request: Request, database: DatabaseDep, viewer: ViewerDep, bbox: Box) -> Response:
    """Return the devices in a box as GeoJSON, each with its mark now.

    `complete` is false if there are more. The box and the positions are in the map's datum.
    """
    settings: Settings = request.app.state.settings
    datum = datum_of_map(settings)
    box = box_on_earth(*parse_bbox(bbox), datum, at_most=MAX_SIDE_DEGREES)
    found = retry_on_stale_connection(
        lambda session: devices_in_view(
            session,
            viewer,
            west=box.west,
            south=box.south,
            east=box.east,
            north=box.north,
            at=clock.now(),
            checked_within_days=settings.arrival.checked_within_days,
            limit=MAX_DEVICES + 1,
        ),
        database.read_sessions,
    )
    features = []
    for device in found[:MAX_DEVICES]:
        lat, lon = from_wgs84(device.position, datum)
        properties = {
            "code": short_number(device.id),
            "mark": mark_of(device.access, device.readiness).value,
            "place_en": device.place_en,
            "place_zh": device.place_zh,
        }
        features.append(_feature({"type": "Point", "coordinates": [lon, lat]}, properties))
    return _json(features, complete=len(found) <= MAX_DEVICES)


@router.get(OUTLINES)
def list_outlines_in_view(request: Request, database: DatabaseDep, viewer: ViewerDep, bbox: Box) -> Response:
    """Return outlines of estates with visible devices, and streets, in a box: the map without a base map."""
    datum = datum_of_map(request.app.state.settings)
    box = box_on_earth(*parse_bbox(bbox), datum, at_most=MAX_SIDE_DEGREES)
    estates = retry_on_stale_connection(
        lambda session: queries.outlines(session, viewer, box, limit=MAX_OUTLINES), database.read_sessions
    )
    features = [
        _feature(
            queries.moved(each.boundary, datum),
            {"kind": "estate", "name_en": each.name_en, "name_zh": each.name_zh},
        )
        for each in estates
    ]
    streets = queries.streets(request.app.state.network, box)
    if streets is not None:
        features.append(_feature(queries.moved(streets, datum), {"kind": "street"}))
    return _json(features)


def _feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _json(features: list[dict[str, Any]], **more: bool) -> Response:
    body = orjson.dumps({"type": "FeatureCollection", "features": features, **more})
    return Response(body, media_type="application/geo+json", headers={"Cache-Control": "private, max-age=30"})
