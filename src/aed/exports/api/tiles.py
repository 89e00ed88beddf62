"""Routes: vector tiles."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import DatabaseDep
from aed.database.session import retry_on_stale_connection
from aed.errors import InvalidInput
from aed.exports.api.files import caching
from aed.exports.rules import DEEPEST_ZOOM, Tile
from aed.exports.tiles import device_tile
from aed.geo import Datum

router = APIRouter()

MEDIA_TYPE = "application/vnd.mapbox-vector-tile"
Place = Annotated[int, Path(ge=0, lt=2**DEEPEST_ZOOM)]


@router.get(
    "/tiles/{z}/{x}/{y}.mvt",
    response_class=Response,
    responses={
        200: {
            "description": "A Mapbox Vector Tile with the layer `devices`",
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        204: {"description": "No device that you may see is in this tile"},
        304: {"description": "Not modified since the version in If-None-Match"},
    },
)
def get_tile(
    database: DatabaseDep,
    viewer: ViewerDep,
    z: Annotated[int, Path(ge=0, le=DEEPEST_ZOOM, description="Below zoom 14, devices are clustered")],
    x: Place,
    y: Place,
    datum: Annotated[Datum, Query(description="Datum of the map on which the tile is shown")] = Datum.WGS84,
    if_none_match: Annotated[str | None, Header(description="The ETag of the stored tile")] = None,
) -> Response:
    """Get a vector tile of devices.

    The tile follows the Web Mercator scheme, with y counted from the north, and contains the devices that you
    may see.
    """
    tile = Tile(z, x, y)
    if not tile.exists:
        raise InvalidInput(
            "At zoom {z}, x and y must be from 0 to {z_2}.",
            field="x" if x >= 2**z else "y",
            z=z,
            z_2=2**z - 1,
        )
    shown = retry_on_stale_connection(
        lambda session: device_tile(session, viewer, tile, datum, at=clock.now()), database.read_sessions
    )
    tag = f'"{hashlib.blake2b(shown, digest_size=12).hexdigest()}"'
    headers = {**caching(viewer), "ETag": tag}
    if if_none_match is not None and _names(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    if not shown:
        return Response(status_code=204, headers=headers)
    return Response(shown, media_type=MEDIA_TYPE, headers=headers)


def _names(if_none_match: str, tag: str) -> bool:
    """Return whether an If-None-Match header contains this ETag, by weak comparison."""
    return "*" in if_none_match or tag in {
        part.strip().removeprefix("W/") for part in if_none_match.split(",")
    }
