"""Which format a file is in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from aed.interchange.formats.geojson import features, read_own
from aed.interchange.formats.osm_geojson import is_osm, read_osm
from aed.interchange.formats.records import Record, file_bytes
from aed.interchange.formats.table import read_table
from aed.interchange.schemas import DeviceRow


class DeviceFormat(StrEnum):
    """The formats of device lists that are read. A new one is a module beside these and a line here."""

    CSV = "csv"
    GEOJSON = "geojson"
    OSM_GEOJSON = "osm-geojson"


_READERS: dict[DeviceFormat, Callable[[Path], Iterator[Record]]] = {
    DeviceFormat.CSV: lambda path: read_table(
        path,
        known=list(DeviceRow.model_fields),
        needed=[name for name, field in DeviceRow.model_fields.items() if field.is_required()],
    ),
    DeviceFormat.GEOJSON: read_own,
    DeviceFormat.OSM_GEOJSON: read_osm,
}


def read_devices(path: Path, form: DeviceFormat | None = None) -> Iterator[Record]:
    """The records of a list of devices, in the named format or the recognised one."""
    return _READERS[form or recognise_devices(path)](path)


def recognise_devices(path: Path) -> DeviceFormat:
    """By the content, not by the name. Raises InvalidInput for none of them."""
    if is_json(path):
        return DeviceFormat.OSM_GEOJSON if is_osm(features(path)[0]) else DeviceFormat.GEOJSON
    return DeviceFormat.CSV


def is_json(path: Path) -> bool:
    return file_bytes(path).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")
