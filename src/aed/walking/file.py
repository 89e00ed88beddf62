"""Save and load a walking network as one file.

Layout, little-endian: 8 bytes of magic, version (uint32), length of the header (uint32), 32 bytes of BLAKE2b
over the rest, the header (JSON: number of streets, heights of the strips that they are sorted by, bytes of
each array, barriers), the arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from aed.errors import NetworkFileUnusable
from aed.geo import Position
from aed.walking.network import Barrier, Crossing, WalkingNetwork
from aed.walking.streets import EDGE_STRIP_UNITS, NODE_STRIP_UNITS, Streets

log = structlog.get_logger("aed")

_MAGIC: Final = b"AEDWALK\n"
_VERSION: Final = 2
_PREAMBLE: Final = struct.Struct("<8sII32s")
_ARRAY_COUNT: Final = 9


def save_network(network: WalkingNetwork, path: Path) -> None:
    """Save the network to `path` atomically: a reader sees either the old file or the complete new one.

    Raises NetworkFileUnusable if the file cannot be written.
    """
    streets = network.streets
    arrays = [
        values.astype(values.dtype.newbyteorder("<"), copy=False)
        for values in (
            streets.edge_u,
            streets.edge_v,
            streets.point_start,
            streets.point_lat,
            streets.point_lon,
            streets.point_along,
            streets.gate_first,
            streets.node_key,
            streets.edge_key,
        )
    ]
    header = json.dumps(
        {
            "street_count": streets.street_count,
            "strip_units": [NODE_STRIP_UNITS, EDGE_STRIP_UNITS],
            "bytes": [values.nbytes for values in arrays],
            "barriers": [
                [
                    barrier.osm_id,
                    barrier.position.lat,
                    barrier.position.lon,
                    barrier.crossing.edge,
                    barrier.access,
                    barrier.locked,
                    barrier.opening_hours,
                ]
                for barrier in network.barriers
            ],
        },
        ensure_ascii=False,
    ).encode()
    digest = hashlib.blake2b(header, digest_size=32)
    for values in arrays:
        digest.update(values.data)
    preamble = _PREAMBLE.pack(_MAGIC, _VERSION, len(header), digest.digest())
    try:
        _write_whole(path, [preamble, header, *(values.data for values in arrays)])
    except OSError as failure:
        raise NetworkFileUnusable(
            "The walking network cannot be written to {path} ({strerror}). Choose an "
            "existing, writable folder with enough free space.",
            field="path",
            path=path,
            strerror=failure.strerror,
        ) from failure


def network_at(path: Path) -> WalkingNetwork | None:
    """Load the network in `path`; log a warning and return None if it cannot be loaded.

    Without it walks are estimated from straight lines. Cached in this process until the file changes.
    """
    try:
        is_now = path.stat() if path.exists() else None
        network = _loaded(path, is_now.st_mtime_ns if is_now is not None else 0)
    except (NetworkFileUnusable, OSError) as error:
        reason = error.detail if isinstance(error, NetworkFileUnusable) else error.strerror
        log.warning("walking network not loaded", path=str(path), reason=reason)
        return None
    return network


@lru_cache(maxsize=1)
def _loaded(path: Path, _changed_ns: int) -> WalkingNetwork:
    network = load_network(path)
    log.info("walking network loaded", path=str(path), nodes=network.node_count, edges=network.edge_count)
    return network


def load_network(path: Path) -> WalkingNetwork:
    """Load the network saved in `path`.

    Raises NetworkFileUnusable if it is missing, truncated, damaged, of another version, or no network file.
    """
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size - _PREAMBLE.size
            header_bytes, expected = _read_preamble(path, file.read(_PREAMBLE.size))
            if header_bytes > left:
                raise _unusable(path, "is truncated")
            raw_header = file.read(header_bytes)
            header = _read_header(path, raw_header)
            # Check the size first, since the checksum requires reading the arrays.
            if left - header_bytes != sum(header.array_bytes):
                raise _unusable(path, "is truncated or damaged")
            digest = hashlib.blake2b(raw_header, digest_size=32)
            sizes = iter(header.array_bytes)

            def read[Kind: (np.int32, np.int64, np.float32)](kind: type[Kind]) -> NDArray[Kind]:
                stored = np.dtype(kind).newbyteorder("<")
                values = np.fromfile(file, dtype=stored, count=next(sizes) // stored.itemsize)
                digest.update(values.data)
                native = values.astype(kind, copy=False)
                return native.view(kind)  # this very type: memoryview cannot read an equal one

            streets = partial(  # the arrays in the order of `save_network`
                Streets,
                street_count=header.street_count,
                edge_u=read(np.int32),
                edge_v=read(np.int32),
                point_start=read(np.int32),
                point_lat=read(np.int32),
                point_lon=read(np.int32),
                point_along=read(np.float32),
                gate_first=read(np.int32),
                node_key=read(np.int64),
                edge_key=read(np.int64),
            )
    except FileNotFoundError as failure:
        raise NetworkFileUnusable(
            "There is no walking network at {path}. Build one with `aed walking build FILE.osm.pbf`.",
            field="path",
            path=path,
        ) from failure
    except OSError as failure:
        raise _unusable(path, f"cannot be read ({failure.strerror})") from failure
    if digest.digest() != expected:
        raise _unusable(path, "is damaged: its checksum does not match")
    return WalkingNetwork(streets(), header.barriers)


@dataclass(frozen=True, slots=True)
class _Header:
    street_count: int
    array_bytes: list[int]
    barriers: list[Barrier]


def _read_preamble(path: Path, preamble: bytes) -> tuple[int, bytes]:
    """Return the length of the header and the checksum."""
    if not preamble.startswith(_MAGIC):
        raise _unusable(path, "is not a walking network" if preamble else "is empty")
    if len(preamble) < _PREAMBLE.size:
        raise _unusable(path, "is truncated")
    _, version, header_bytes, checksum = _PREAMBLE.unpack(preamble)
    if version != _VERSION:
        raise _unusable(path, f"has version {version}, but this program reads version {_VERSION}")
    return header_bytes, checksum


def _read_header(path: Path, raw_header: bytes) -> _Header:
    try:
        header = json.loads(raw_header)
        array_bytes = [int(count) for count in header["bytes"]]
        if len(array_bytes) != _ARRAY_COUNT or min(array_bytes) < 0:
            raise ValueError("bytes")
        if header["strip_units"] != [NODE_STRIP_UNITS, EDGE_STRIP_UNITS]:
            raise _unusable(path, "has another version: its strips have a different height")
        return _Header(
            street_count=int(header["street_count"]),
            array_bytes=array_bytes,
            barriers=[
                Barrier(
                    osm_id=osm_id,
                    position=Position(lat, lon),
                    crossing=Crossing(edge, 0.0),
                    access=access,
                    locked=locked,
                    opening_hours=opening_hours,
                )
                for osm_id, lat, lon, edge, access, locked, opening_hours in header["barriers"]
            ],
        )
    except (ValueError, KeyError, TypeError) as failure:
        raise _unusable(path, "is damaged: its header cannot be read") from failure


def _unusable(path: Path, what: str) -> NetworkFileUnusable:
    return NetworkFileUnusable(
        "{path} {what}. Build it again with `aed walking build FILE.osm.pbf`.",
        field="path",
        path=path,
        what=what,
    )


def _write_whole(path: Path, parts: list[bytes | memoryview]) -> None:
    """Write a temporary file beside `path` and rename it, so that `path` is never an unfinished file."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o644)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
