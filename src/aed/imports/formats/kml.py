"""Read the points of a map service's export, KML or KMZ, as rows of a table."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from aed.errors import InvalidInput
from aed.imports.formats.descriptions import COLUMNS, described_values
from aed.imports.formats.files import MAX_CELL_LENGTH, FileLine
from aed.imports.formats.values import without_tags

MAX_BYTES: Final = 50_000_000
MAX_NAMES: Final = 200


def is_kml(path: Path, head: bytes) -> bool:
    """Return whether the file is KML, or a zip archive with a KML inside (KMZ)."""
    if head.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                return _member(archive) is not None
        except (zipfile.BadZipFile, OSError, ValueError):
            return False
    beginning = head[:4096].lower()
    return b"<kml" in beginning and beginning.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<")


def kml_rows(path: Path) -> Iterator[FileLine]:
    """Yield a header and a row for each placemark with a point: name, description, address, position, data.

    Other shapes and entities are ignored; nothing is fetched. Raises InvalidInput if the file is damaged, too
    large or has no points.
    """
    placemarks = list(_placemarks(path))
    if not placemarks:
        raise InvalidInput("{name} contains no placemark with a point.", field="file", name=path.name)
    extra = list(dict.fromkeys(name for each in placemarks for name in each if name not in COLUMNS))[
        :MAX_NAMES
    ]
    names = [*COLUMNS, *extra]
    yield FileLine(1, names)
    for number, each in enumerate(placemarks, start=2):
        yield FileLine(number, [each.get(name, "") for name in names])


def _placemarks(path: Path) -> Iterator[dict[str, str]]:
    text = _text(path)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise InvalidInput(
            "{name} contains XML entities, which no map export has.", field="file", name=path.name
        )
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InvalidInput(
            "{name} is not complete KML ({reason}).", field="file", name=path.name, reason=str(error)[:100]
        ) from None
    for placemark in root.iterfind(".//{*}Placemark"):
        point = placemark.find(".//{*}Point/{*}coordinates")
        numbers = (point.text or "").strip().split(",") if point is not None else []
        if len(numbers) < 2:
            continue
        found = {"Longitude": numbers[0].strip(), "Latitude": numbers[1].strip()}
        for column in ("Name", "Address"):
            element = placemark.find(f"{{*}}{column.lower()}")
            if element is not None and (element.text or "").strip():
                found[column] = without_tags(element.text or "")[:MAX_CELL_LENGTH]
        description = placemark.find("{*}description")
        described, rest = described_values((description.text or "") if description is not None else "")
        if rest:
            found["Description"] = rest[:MAX_CELL_LENGTH]
        for data in placemark.iter():
            name = (data.get("name") or "").strip()
            tag = data.tag.rpartition("}")[2]
            value = data.find("{*}value") if tag == "Data" else data
            if tag in ("Data", "SimpleData") and name and value is not None and (value.text or "").strip():
                found.setdefault(name[:200], (value.text or "").strip()[:MAX_CELL_LENGTH])
        for label, described_value in described.items():
            found.setdefault(label, described_value)
        yield found


def _text(path: Path) -> bytes:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                member = _member(archive)
                if member is None:
                    raise InvalidInput("{name} contains no KML.", field="file", name=path.name)
                with archive.open(member) as opened:
                    text = opened.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as opened:
                text = opened.read(MAX_BYTES + 1)
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError):
        raise InvalidInput("{name} is damaged.", field="file", name=path.name) from None
    if len(text) > MAX_BYTES:
        raise InvalidInput(
            "{name} is larger than {max_bytes} MB.",
            field="file",
            name=path.name,
            max_bytes=MAX_BYTES // 1_000_000,
        )
    return text


def _member(archive: zipfile.ZipFile) -> str | None:
    names = [name for name in archive.namelist() if name.lower().endswith(".kml")]
    return next((name for name in names if name.lower() == "doc.kml"), names[0] if names else None)
