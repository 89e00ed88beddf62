"""KML with one placemark per device, for desktop maps."""

from __future__ import annotations

from collections.abc import Iterator

from aed.exports.formats.tables import Pages, own_row
from aed.exports.queries import PublishedDevice
from aed.files.xml import xml_attribute, xml_text

_BEGINS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<kml xmlns="http://www.opengis.net/kml/2.2"><Document><name>AED</name>\n'
)
_ENDS = "</Document></kml>\n"


def kml(pages: Pages) -> Iterator[bytes]:
    """Yield a KML document: WGS-84, longitude first, with every field as ExtendedData.

    Coordinates given in another datum are kept among the fields, which an import reads in preference.
    """
    yield _BEGINS.encode()
    for page in pages:
        yield "".join(_placemark(device) for device in page).encode()
    yield _ENDS.encode()


def _placemark(device: PublishedDevice) -> str:
    row = device.row
    name = row.place_zh or row.place_en or f"AED {row.source_id}"
    left_out = ("lat", "lon", "datum") if (row.origin_lon, row.origin_lat) == (row.lon, row.lat) else ()
    fields = "".join(
        f'<Data name="{xml_attribute(key)}"><value>{xml_text(str(value))}</value></Data>'
        for key, value in own_row(device).items()
        if value is not None and key not in left_out
    )
    return (
        f'<Placemark id="device-{row.id}"><name>{xml_text(name)}</name><ExtendedData>{fields}</ExtendedData>'
        f"<Point><coordinates>{row.lon!r},{row.lat!r}</coordinates></Point></Placemark>\n"
    )
