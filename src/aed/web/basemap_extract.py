"""Cut the surroundings of an estate out of the base map, as a PMTiles file of its own."""

from __future__ import annotations

import gzip
import io
import json
import math
import mmap
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import structlog
from pmtiles.tile import (
    Compression,
    Entry,
    HeaderDict,
    MagicNumberNotFound,
    SpecVersionUnsupported,
    deserialize_directory,
    deserialize_header,
    find_tile,
    zxy_to_tileid,
)
from pmtiles.writer import Writer

from aed.geo import BoundingBox

MAX_BYTES: Final = 1_500_000
MIN_ZOOM: Final = 11
"""Lower zooms show far more than an estate."""
_HEADER_BYTES: Final = 127
_MAX_DEPTH: Final = 4
"""Of directories below each other, as in the readers of the PMTiles project."""
_DAMAGED: Final = (
    MagicNumberNotFound,
    SpecVersionUnsupported,
    IndexError,
    ValueError,
    EOFError,
    OSError,
    zlib.error,
)
log = structlog.get_logger("aed")
type Read = Callable[[int, int], bytes]
"""From an offset, a number of bytes."""


def extract(path: Path, box: BoundingBox) -> bytes | None:
    """Return a PMTiles file with the tiles of a base map that touch a box; None if there are none.

    1. Take all tiles of zoom `MIN_ZOOM` (of the deepest zoom, if that is lower), then those of each deeper
       zoom.
    2. Stop before the zoom with which the tiles would exceed `MAX_BYTES`: the map is then coarser.

    A file that is not a PMTiles file (version 3) is logged, and counts as empty.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _extract(lambda offset, length: content[offset : offset + length], box)
    except _DAMAGED as error:
        log.error("base map cannot be read", path=str(path), reason=repr(error))
        return None


def _extract(read: Read, box: BoundingBox) -> bytes | None:
    header = deserialize_header(read(0, _HEADER_BYTES))
    directory = cache(lambda offset, length: deserialize_directory(read(offset, length)))
    taken: dict[int, bytes] = {}
    size = 0
    for zoom in range(min(max(MIN_ZOOM, header["min_zoom"]), header["max_zoom"]), header["max_zoom"] + 1):
        found = {
            tile_id: tile
            for tile_id in _tile_ids(zoom, box)
            if (tile := _tile(read, header, directory, tile_id)) is not None
        }
        size += sum(len(tile) for tile in found.values())
        if size > MAX_BYTES:
            break
        taken |= found
    return _written(taken, header, _metadata(read, header), box) if taken else None


def _tile_ids(zoom: int, box: BoundingBox) -> Iterator[int]:
    """Yield the tiles of a zoom that touch a box (Web Mercator)."""
    across = 1 << zoom
    left, top = _column_and_row(box.west, box.north, across)
    right, bottom = _column_and_row(box.east, box.south, across)
    for column in range(left, right + 1):
        for row in range(top, bottom + 1):
            yield zxy_to_tileid(zoom, column, row)


def _column_and_row(lon: float, lat: float, across: int) -> tuple[int, int]:
    mercator = math.asinh(math.tan(math.radians(lat))) / math.pi
    column, row = (lon + 180) / 360 * across, (1 - mercator) / 2 * across
    return min(max(int(column), 0), across - 1), min(max(int(row), 0), across - 1)


def _tile(
    read: Read, header: HeaderDict, directory: Callable[[int, int], list[Entry]], tile_id: int
) -> bytes | None:
    entries = directory(header["root_offset"], header["root_length"])
    for _ in range(_MAX_DEPTH):
        found = find_tile(entries, tile_id)
        if found is None:
            return None
        if found.run_length > 0:
            return read(header["tile_data_offset"] + found.offset, found.length)
        entries = directory(header["leaf_directory_offset"] + found.offset, found.length)
    return None


def _metadata(read: Read, header: HeaderDict) -> dict[str, object]:
    """Return the base map's metadata: names of its layers, and its credit."""
    content = read(header["metadata_offset"], header["metadata_length"])
    if header["internal_compression"] is Compression.GZIP:
        content = gzip.decompress(content)
    metadata: dict[str, object] = json.loads(content)
    return metadata


def _written(
    tiles: dict[int, bytes], header: HeaderDict, metadata: dict[str, object], box: BoundingBox
) -> bytes:
    file = io.BytesIO()
    writer = Writer(file)
    for tile_id, tile in sorted(tiles.items()):
        writer.write_tile(tile_id, tile)
    west, south, east, north = (round(each * 10_000_000) for each in box)
    own = {
        "tile_compression": header["tile_compression"],
        "tile_type": header["tile_type"],
        "min_lon_e7": west,
        "min_lat_e7": south,
        "max_lon_e7": east,
        "max_lat_e7": north,
    }
    writer.finalize(own, metadata)
    return file.getvalue()
