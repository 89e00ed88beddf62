"""Read back the points that this project exports as KML and GeoPackage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from aed.imports.formats.descriptions import COLUMNS as KML_COLUMNS
from aed.imports.formats.files import FileLine
from aed.imports.formats.layers import LATITUDE, LONGITUDE
from aed.imports.schemas import DeviceRow, columns

_GIVEN: Final = ("lat", "lon", "datum")


def is_own_points(header: FileLine) -> bool:
    """Return whether all columns, but those of any point, are columns of the project's own format."""
    names = set(header.cells) - {*KML_COLUMNS, LONGITUDE, LATITUDE}
    return names >= {"source", "source_id"} and names <= set(columns(DeviceRow))


def own_rows_of_points(lines: Iterator[FileLine]) -> Iterator[FileLine]:
    """Yield the header and the rows of the project's own table.

    A row that has `lat`, `lon` and `datum` gives its position in them; others at their point, in WGS-84.
    """
    header = next(lines)
    names = [name for name in columns(DeviceRow) if name in header.cells and name not in _GIVEN]
    yield FileLine(header.number, [*_GIVEN, *names])
    for line in lines:
        cells = dict(zip(header.cells, line.cells, strict=True))
        position = [cells.get(name, "") for name in _GIVEN]
        if not all(position):
            position = [cells[LATITUDE], cells[LONGITUDE], ""]
        yield FileLine(line.number, [*position, *(cells[name] for name in names)], line.wrong)
