"""Read the points of a GeoPackage or a zipped shapefile as rows of a table, in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import numpy as np
import shapely

from aed.errors import InvalidInput, requires_extra
from aed.imports.formats.files import GB18030, MAX_CELL_LENGTH, FileLine, reads_like_chinese

LONGITUDE: Final = "Longitude"
LATITUDE: Final = "Latitude"
MAX_FEATURES: Final = 200_000
MAX_UNPACKED_BYTES: Final = 200_000_000
MAX_MEMORY_BYTES: Final = 3_000_000_000
"""Address space of the reading process; the libraries alone map about one gigabyte."""
MAX_SECONDS: Final = 60
_DBF_BYTES: Final = 1_000_000


def is_layer_file(path: Path, head: bytes) -> bool:
    """Return whether the file is a GeoPackage, or a zip archive with a shapefile."""
    if head.startswith(b"SQLite format 3\0") and head[68:72] in (b"GPKG", b"GP10", b"GP11"):
        return True
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(_shapefiles(archive))
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def layer_rows(path: Path) -> Iterator[FileLine]:
    """Yield a header and a row for each point of the largest layer with points, in WGS-84.

    The file is read in a process with a limit of memory and time. Raises ExtraNotInstalled without the extra
    `gis`, and InvalidInput if the file is damaged, too large, or has no points or no coordinate system.
    """
    with requires_extra("gis", needed_by="A GeoPackage or shapefile", field="file"):
        import pyogrio  # noqa: F401 - only to say at once that it is missing
    with TemporaryFile("w+", encoding="utf-8") as waiting:
        try:
            reading = subprocess.run(
                [sys.executable, "-m", __name__, str(path)],
                stdout=waiting,
                stderr=subprocess.DEVNULL,
                check=False,
                timeout=MAX_SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise _refused(path, f"reading it takes longer than {MAX_SECONDS} seconds") from None
        if reading.returncode:
            raise _refused(path, "it is damaged, or needs too much memory")
        waiting.seek(0)
        for number, line in enumerate(waiting, start=1):
            row = json.loads(line)
            if isinstance(row, dict):
                raise _refused(path, row["wrong"])
            yield FileLine(number, row)


def _refused(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(
        "{name} cannot be read as a map layer: {reason}.", field="file", name=path.name, reason=reason
    )


def _shapefiles(archive: zipfile.ZipFile) -> list[str]:
    return [name for name in archive.namelist() if name.lower().endswith(".shp") and "__MACOSX" not in name]


class _UnreadableLayer(Exception):
    """Why a file cannot be read, as the end of a sentence."""


def _source(path: Path) -> tuple[str, str | None]:
    """Return what the library opens, and the encoding of a shapefile that does not name it."""
    if not zipfile.is_zipfile(path):
        return str(path), None
    with zipfile.ZipFile(path) as archive:
        if sum(each.file_size for each in archive.infolist()) > MAX_UNPACKED_BYTES:
            raise _UnreadableLayer(f"unpacked it is larger than {MAX_UNPACKED_BYTES // 1_000_000} MB")
        found = _shapefiles(archive)
        if len(found) != 1:
            raise _UnreadableLayer(f"it has {len(found)} shapefiles; send each in an archive of its own")
        stem = found[0][:-4].casefold()
        parts = {name.casefold(): name for name in archive.namelist()}
        table = parts.get(f"{stem}.dbf")
        encoding = None
        if f"{stem}.cpg" not in parts and table is not None:
            with archive.open(table) as opened:
                encoding = _likely(opened.read(_DBF_BYTES))
    return f"/vsizip/{path}/{found[0]}", encoding


def _likely(table: bytes) -> str | None:
    if table.isascii():
        return None
    text = table[32:]
    with suppress(UnicodeDecodeError):
        text[: -4 or None].decode()
        return "UTF-8"
    return GB18030 if reads_like_chinese(bytes(each for each in text if each >= 32)) else None


def _rows(path: Path) -> Iterator[list[str]]:
    import pyogrio  # an extra
    import pyogrio.raw
    from pyproj import CRS, Transformer  # only here: SpatiaLite brings another PROJ along

    source, encoding = _source(path)
    layers = [str(name) for name, kind in pyogrio.list_layers(source) if kind and "Point" in str(kind)]
    if not layers:
        raise _UnreadableLayer("it has no layer of points")
    counts = {
        name: int(pyogrio.read_info(source, layer=name, force_feature_count=True)["features"])
        for name in layers
    }
    layer = max(layers, key=lambda name: counts[name])
    if counts[layer] > MAX_FEATURES:
        raise _UnreadableLayer(f"it has {counts[layer]:,} points; at most {MAX_FEATURES:,} are read")
    found, _, shapes, columns = pyogrio.raw.read(source, layer=layer, force_2d=True, encoding=encoding)
    if not found["crs"]:
        raise _UnreadableLayer(
            "it does not say its coordinate system (a shapefile needs its .prj file). Export it in WGS-84"
        )
    points = shapely.centroid(shapely.from_wkb(shapes))
    x, y = shapely.get_x(points), shapely.get_y(points)
    crs = CRS.from_user_input(found["crs"])
    if crs != CRS.from_epsg(4326):
        x, y = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    yield [LONGITUDE, LATITUDE, *map(str, found["fields"])]  # first, since a table may have others
    for place in range(len(points)):
        if np.isfinite(x[place]) and np.isfinite(y[place]):
            cells = [_text(column[place]) for column in columns]
            yield [f"{x[place]:.7f}", f"{y[place]:.7f}", *cells]


def _text(value: object) -> str:
    if value is None or value != value or (isinstance(value, np.datetime64) and np.isnat(value)):
        return ""
    if isinstance(value, np.datetime64):
        return str(value).removesuffix("T00:00:00.000").replace("T", " ")
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(float(value)) < 1e15:
        return str(int(value))
    return str(value).strip()[:MAX_CELL_LENGTH]


def _print_rows(path: Path) -> None:
    """Print the rows as JSON lines, or a line with the reason; the main function of the separate process."""
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    from pyogrio.errors import DataLayerError, DataSourceError
    from pyproj.exceptions import CRSError

    try:
        for row in _rows(path):
            sys.stdout.write(json.dumps(row) + "\n")
    except _UnreadableLayer as error:
        sys.stdout.write(json.dumps({"wrong": str(error)}) + "\n")
    except (DataLayerError, DataSourceError, CRSError, zipfile.BadZipFile, ValueError) as error:
        sys.stdout.write(json.dumps({"wrong": " ".join(str(error).split())[:200].rstrip(".")}) + "\n")


if __name__ == "__main__":
    _print_rows(Path(sys.argv[1]))
