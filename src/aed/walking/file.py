"""Save a walking network as one file, and map it into memory.

Processes that load the same file share one copy of its arrays, in the page cache of the machine.

Layout, little-endian: 8 bytes of magic, version (uint32), length of the header (uint32), 32 bytes of BLAKE2b
over the rest, the header (JSON: number of streets, heights of the strips that they are sorted by, bytes of
each array, barriers; padded with spaces), the arrays, each padded to a multiple of 8 bytes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from aed.errors import NetworkFileUnusable
from aed.geo import Position
from aed.walking.contracted_edges import ContractedEdges
from aed.walking.network import Barrier, Crossing, WalkingNetwork
from aed.walking.streets import EDGE_STRIP_UNITS, NODE_STRIP_UNITS, Streets

log = structlog.get_logger("aed")

_MAGIC: Final = b"AEDWALK\n"
_VERSION: Final = 3
_PREAMBLE: Final = struct.Struct("<8sII32s")
_ALIGNMENT: Final = 8
_STREETS: Final = {
    "edge_u": np.int32,
    "edge_v": np.int32,
    "point_start": np.int32,
    "point_lat": np.int32,
    "point_lon": np.int32,
    "point_along": np.float32,
    "gate_first": np.int32,
    "node_key": np.int64,
    "edge_key": np.int64,
    "edge_lengths": np.float32,
}
"""The arrays of `Streets` in the file, in order; those of `ContractedEdges` follow."""
_CONTRACTED: Final = {
    "chain": np.int32,
    "order": np.int32,
    "is_forward": np.bool_,
    "before_metres": np.float64,
    "first_end": np.int32,
    "last_end": np.int32,
    "metres": np.float64,
    "edge_start": np.int32,
    "edges": np.int32,
    "node_key": np.int64,
    "neighbour_start": np.int32,
    "neighbour": np.int32,
    "neighbour_chain": np.int32,
    "neighbour_metres": np.float64,
}


def save_network(network: WalkingNetwork, path: Path) -> None:
    """Save the network to `path` atomically: a reader sees either the old file or the complete new one.

    Raises NetworkFileUnusable if the file cannot be written.
    """
    streets = network.streets
    arrays: list[NDArray[Any]] = [
        getattr(part, name).astype(np.dtype(kind).newbyteorder("<"), copy=False)
        for part, kinds in ((streets, _STREETS), (network.contracted, _CONTRACTED))
        for name, kind in kinds.items()
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
    header += b" " * (-(_PREAMBLE.size + len(header)) % _ALIGNMENT)
    parts: list[bytes | memoryview] = [header]
    for values in arrays:
        parts += [values.data.cast("B") if values.size else b"", bytes(-values.nbytes % _ALIGNMENT)]
    digest = hashlib.blake2b(digest_size=32)
    for part in parts:
        digest.update(part)
    preamble = _PREAMBLE.pack(_MAGIC, _VERSION, len(header), digest.digest())
    try:
        _write_whole(path, [preamble, *parts])
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

    The arrays are read-only and stay in the file, so it must be replaced, never overwritten. Raises
    NetworkFileUnusable if it is missing, truncated, damaged, of another version, or no network file.
    """
    try:
        with path.open("rb") as file:
            left = os.fstat(file.fileno()).st_size - _PREAMBLE.size
            header_bytes, expected = _read_preamble(path, file.read(_PREAMBLE.size))
            if header_bytes > left:
                raise _unusable(path, "is truncated")
            header = _read_header(path, file.read(header_bytes))
            # Check the size first, since the checksum requires reading the arrays.
            if left - header_bytes != sum(_padded(count) for count in header.array_bytes):
                raise _unusable(path, "is truncated or damaged")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as failure:
        raise NetworkFileUnusable(
            "There is no walking network at {path}. Build one with `aed walking build FILE.osm.pbf`.",
            field="path",
            path=path,
        ) from failure
    except OSError as failure:
        raise _unusable(path, f"cannot be read ({failure.strerror})") from failure
    with memoryview(mapped) as whole:
        if hashlib.blake2b(whole[_PREAMBLE.size :], digest_size=32).digest() != expected:
            raise _unusable(path, "is damaged: its checksum does not match")
    sizes, at = iter(header.array_bytes), _PREAMBLE.size + header_bytes

    def arrays(kinds: dict[str, Any]) -> dict[str, Any]:
        nonlocal at
        found = {}
        for name, kind in kinds.items():
            found[name] = _array(mapped, kind, at=at, size=(size := next(sizes)))
            at += _padded(size)
        return found

    streets = Streets(street_count=header.street_count, **arrays(_STREETS))
    contracted = ContractedEdges(streets=streets, **arrays(_CONTRACTED))
    return WalkingNetwork(streets, header.barriers, contracted)


def _padded(count: int) -> int:
    return count + -count % _ALIGNMENT


def _array(mapped: mmap.mmap, kind: type[np.generic], *, at: int, size: int) -> NDArray[Any]:
    """Return the array of `size` bytes at `at`, without copying it on little-endian machines."""
    stored = np.dtype(kind).newbyteorder("<")
    values = np.frombuffer(mapped, dtype=stored, count=size // stored.itemsize, offset=at)
    if sys.byteorder == "big":
        return values.astype(kind)
    return values.view(kind)  # this very type: memoryview cannot read an equal one


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
        if len(array_bytes) != len(_STREETS) + len(_CONTRACTED) or min(array_bytes) < 0:
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
