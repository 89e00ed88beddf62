"""Recognise the format of a file and read its records."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from aed.errors import InvalidInput
from aed.imports.formats import headers, json_stream, mapped, osm
from aed.imports.formats.feature_table import feature_rows
from aed.imports.formats.files import (
    UTF_8,
    UTF_16,
    FileLine,
    csv_rows,
    encoding_of,
    head_of,
    head_text,
    require_supported_file,
)
from aed.imports.formats.geojson import (
    features,
    may_be_features,
    members_of,
    not_geojson,
    raw_of,
    read_own,
)
from aed.imports.formats.json_stream import JsonShape, json_object, objects, shape_of
from aed.imports.formats.kml import is_kml, kml_rows
from aed.imports.formats.layers import is_layer_file, layer_rows
from aed.imports.formats.mapping import FileKind, Mapping, built_in_mappings
from aed.imports.formats.osm import PREFIX, is_pbf, read_overpass, read_pbf
from aed.imports.formats.own_points import is_own_points, own_rows_of_points
from aed.imports.formats.records import Record, RecordReader
from aed.imports.formats.table import PASSED_OVER, read_own_rows, read_table
from aed.imports.formats.workbook import is_workbook, sheets, table_rows
from aed.imports.rules import printable
from aed.imports.schemas import DeviceRow, columns, needed_columns

DELIMITERS: Final = (",", ";", "\t", "|")


class DeviceFormat(StrEnum):
    """The supported formats of device lists. The last group is defined by mapping files, `*.yaml`."""

    CSV = "csv"
    XLSX = "xlsx"
    GEOJSON = "geojson"
    KML = "kml"
    GEOPACKAGE = "gpkg"

    OSM_GEOJSON = "osm-geojson"
    OSM_CSV = "osm-csv"
    OSM_PBF = "osm-pbf"
    OVERPASS = "overpass"

    FRANCE = "geodae"
    HONG_KONG = "hongkong"
    JAPAN = "japan"
    KOREA = "korea"
    TAIWAN = "taiwan"
    TAIWAN_SCRAPE = "taiwan-scrape"


_TITLES: Final = {
    DeviceFormat.CSV: "the project's own CSV",
    DeviceFormat.XLSX: "the project's own XLSX",
    DeviceFormat.GEOJSON: "the project's own GeoJSON",
    DeviceFormat.KML: "the project's own KML",
    DeviceFormat.GEOPACKAGE: "the project's own GeoPackage",
    DeviceFormat.OSM_GEOJSON: "OpenStreetMap, GeoJSON",
    DeviceFormat.OSM_CSV: "OpenStreetMap, CSV of tags",
    DeviceFormat.OSM_PBF: "OpenStreetMap, extract",
    DeviceFormat.OVERPASS: "OpenStreetMap, Overpass JSON",
}
OWN_FORMATS: Final = (
    DeviceFormat.CSV,
    DeviceFormat.XLSX,
    DeviceFormat.GEOJSON,
    DeviceFormat.KML,
    DeviceFormat.GEOPACKAGE,
)


def read_devices(
    path: Path,
    form: DeviceFormat | None = None,
    mapping: Mapping | None = None,
    *,
    source: str | None = None,
) -> RecordReader:
    """Read a list of devices, in the given format, with the given mapping, or in the format recognised.

    `source` overrides the source that a mapping names, for a list format that several publishers share.
    Raises InvalidInput if the file matches no format.
    """
    head = head_of(path)
    if mapping is None and form is not None:
        mapping = next((each for each in built_in_mappings() if each.name == form), None)
    if is_pbf(head) or form is DeviceFormat.OSM_PBF:
        return _reading(DeviceFormat.OSM_PBF, read_pbf(path))
    if is_kml(path, head):
        return _of_kml(path, mapping, source)
    if is_layer_file(path, head):
        return _of_layer(path, mapping, source)
    if is_workbook(head) or form is DeviceFormat.XLSX:
        return _of_workbook(path, form, mapping, source)
    is_utf_16_named = mapping is not None and UTF_16 in mapping.encodings
    require_supported_file(path, head, may_be_utf_16=is_utf_16_named)
    json_named = form in (DeviceFormat.GEOJSON, DeviceFormat.OSM_GEOJSON, DeviceFormat.OVERPASS)
    table_named = form in (DeviceFormat.CSV, DeviceFormat.OSM_CSV)
    if json_named or (not table_named and json_stream.is_json(head, path)):
        return _of_json(path, form, mapping, source)
    return _of_text(path, head, form, mapping, source)


def read_table_or_own(
    path: Path, *, known: Collection[str], needed: Collection[str], may_be_chinese: bool = False
) -> Iterator[Record]:
    """Read a list that exists only in the project's own formats.

    `may_be_chinese`: a CSV that is not UTF-8 may be in the encoding of Chinese Windows.
    """
    head = head_of(path)
    if is_workbook(head):
        return read_own_rows(table_rows(path), path.name, known=known, needed=needed, unit="row")
    if json_stream.is_json(head, path):
        return read_own(features(path))
    return read_table(path, known=known, needed=needed, may_be_chinese=may_be_chinese)


def is_json(path: Path) -> bool:
    """Return whether the file is JSON, judging by its first character or its suffix (.json, .geojson)."""
    return json_stream.is_json(head_of(path), path)


def _reading(form: DeviceFormat, records: Iterator[Record]) -> RecordReader:
    return RecordReader(form, _TITLES[form], records, source=None if form in OWN_FORMATS else osm.SOURCE)


def _mapped(mapping: Mapping, records: Iterator[Record], source: str | None) -> RecordReader:
    return RecordReader(mapping.name, mapping.title, records, mapping.country, source or mapping.source)


# --- Tables as text ---


def _of_text(
    path: Path, head: bytes, form: DeviceFormat | None, mapping: Mapping | None, source: str | None
) -> RecordReader:
    if form is DeviceFormat.CSV:
        return _own_table(path)
    if form is DeviceFormat.OSM_CSV:
        return _osm_table(path, head)
    if mapping is not None:
        return _mapped_table(path, head, [mapping], source, is_named=True)
    first = _first_rows(path, ",", UTF_8) if head_text(head, UTF_8) is not None else []
    if _is_own(first):
        return _own_table(path)
    if any(_is_osm(_first_rows(path, delimiter, UTF_8)) for delimiter in DELIMITERS):
        return _osm_table(path, head)
    known = [each for each in built_in_mappings() if FileKind.CSV in each.kinds]
    return _mapped_table(path, head, known, source, is_named=False)


def _own_table(path: Path) -> RecordReader:
    records = read_table(path, known=columns(DeviceRow), needed=needed_columns(DeviceRow))
    return _reading(DeviceFormat.CSV, records)


def _osm_table(path: Path, head: bytes) -> RecordReader:
    require_supported_file(path, head)

    def records() -> Iterator[Record]:
        encoding = encoding_of(path)
        for delimiter in DELIMITERS:
            if _is_osm(_first_rows(path, delimiter, encoding), is_named=True):
                rows = csv_rows(path, encoding=encoding, delimiter=delimiter)
                header = headers.header_of(next(rows).cells)
                yield from _require_devices(path, osm.read_osm_rows(rows, header), "row")
                return
        raise InvalidInput(
            "{name} is not a CSV of OpenStreetMap tags. Its first line must name columns "
            "for the position, such as @lat and @lon, and the tags.",
            field="file",
            name=path.name,
        )

    return _reading(DeviceFormat.OSM_CSV, records())


class _Match(NamedTuple):
    """A mapping that matches a file, and the encoding and delimiter to read it with."""

    known: int
    mapping: Mapping
    delimiter: str
    encoding: str


def _mapped_table(
    path: Path, head: bytes, mappings: Sequence[Mapping], source: str | None, *, is_named: bool
) -> RecordReader:
    best: _Match | None = None
    rows: list[FileLine] = []
    for mapping in mappings:
        for encoding in _encodings(mapping, head):
            for delimiter in mapping.delimiters:
                rows = _first_rows(path, delimiter, encoding)
                header = headers.header_among(rows, mapping, is_named=is_named)
                if header is not None:
                    found = _Match(headers.how_much_is_known(header, mapping), mapping, delimiter, encoding)
                    best = found if best is None or found.known > best.known else best
    if best is None:
        encoding_of(path, _all_encodings(mappings) if is_named else (UTF_8,))
        if is_named:
            raise headers.no_header(path.name, mappings[0], rows)
        return _refused_table(path)
    return _mapped(best.mapping, _records_of_table(path, head, best, source, is_named=is_named), source)


def _records_of_table(
    path: Path, head: bytes, found: _Match, source: str | None, *, is_named: bool
) -> Iterator[Record]:
    fitting = _encodings(found.mapping, head)
    encoding = encoding_of(path, [found.encoding, *(each for each in fitting if each != found.encoding)])
    first, rows = headers.peeked(csv_rows(path, encoding=encoding, delimiter=found.delimiter))
    header = headers.header_among(first, found.mapping, is_named=is_named)
    if header is None:
        raise headers.no_header(path.name, found.mapping, first)
    yield from mapped.read_mapped(rows, header, found.mapping, unit="line", source=source)


def _refused_table(path: Path) -> RecordReader:
    """Handle a table in no known format.

    If its first line resembles the project's own format, read it as such to get a specific error; otherwise
    raise InvalidInput with all formats.
    """
    first = _first_rows(path, ",", UTF_8)
    names = {cell.strip().casefold() for cell in first[0].cells} if first else set()
    looks_own = len(names & set(columns(DeviceRow))) >= 2 or len(names) == 1
    if looks_own or not first:
        return _own_table(path)
    forms = ", ".join(form for form in DeviceFormat)
    raise InvalidInput(
        "{name} is in none of the known formats ({forms}). Its first line must name "
        "the columns, but is: {printable}. For a list in another format, write a "
        "mapping file.",
        field="file",
        name=path.name,
        forms=forms,
        printable=printable(", ".join(first[0].cells), 150),
    )


def _encodings(mapping: Mapping, head: bytes) -> list[str]:
    return [each for each in _all_encodings([mapping]) if head_text(head, each) is not None]


def _all_encodings(mappings: Sequence[Mapping]) -> list[str]:
    named = [encoding for mapping in mappings for encoding in mapping.encodings]
    return list(dict.fromkeys(UTF_8 if codecs.lookup(each).name == "utf-8" else each for each in named))


def _first_rows(path: Path, delimiter: str, encoding: str) -> list[FileLine]:
    """Return the first rows of a table; stop at a row that cannot be read."""
    rows = csv_rows(path, encoding=encoding, delimiter=delimiter, strict=False)
    first: list[FileLine] = []
    try:
        first.extend(islice(rows, headers.ROWS_LOOKED_AT))
    except InvalidInput:
        return first
    finally:
        rows.close()
    return first


def _is_own(rows: Sequence[FileLine]) -> bool:
    header = {cell.strip() for cell in rows[0].cells} if rows else set()
    return header >= set(needed_columns(DeviceRow)) and header <= {*columns(DeviceRow), *PASSED_OVER}


def _is_osm(rows: Sequence[FileLine], *, is_named: bool = False) -> bool:
    if not rows:
        return False
    header = headers.header_of(rows[0].cells)
    has_position = header.column(osm.LAT_COLUMNS) is not None and header.column(osm.LON_COLUMNS) is not None
    return has_position and (is_named or header.column(["emergency"]) is not None)


def _require_devices(
    path: Path, records: Iterator[Record], unit: Literal["row", "feature"], seen: list[int] | None = None
) -> Iterator[Record]:
    """Yield the records; raise InvalidInput if there are none, since an extract without devices is an
    error."""
    first = next(records, None)
    if first is None:
        among = f" among {seen[0]}" if seen else ""
        raise InvalidInput(
            "{name} contains no {unit} with emergency=defibrillator{among}.",
            field="file",
            name=path.name,
            unit=unit,
            among=among,
        )
    yield first
    yield from records


# --- Workbooks ---


def _of_workbook(
    path: Path, form: DeviceFormat | None, mapping: Mapping | None, source: str | None
) -> RecordReader:
    first_lines: list[FileLine] = []
    for _, found in sheets(path, fill_merged=mapping is not None and mapping.kept_by_hand):
        first, rows = headers.peeked(found)
        first_lines = first_lines or first[:1]
        if mapping is None and (form in (DeviceFormat.XLSX, DeviceFormat.CSV) or _is_own(first)):
            records = read_own_rows(
                rows, path.name, known=columns(DeviceRow), needed=needed_columns(DeviceRow), unit="row"
            )
            return _reading(DeviceFormat.XLSX, records)
        if mapping is None and _is_osm(first, is_named=form is DeviceFormat.OSM_CSV):
            header = headers.header_of(first[0].cells)
            records = osm.read_osm_rows(islice(rows, 1, None), header, unit="row")
            return _reading(DeviceFormat.OSM_CSV, _require_devices(path, records, "row"))
        candidates = (
            [mapping] if mapping else [each for each in built_in_mappings() if FileKind.XLSX in each.kinds]
        )
        fitting = [
            (headers.how_much_is_known(fits, each), each, fits)
            for each in candidates
            if (fits := headers.header_among(first, each, is_named=mapping is not None)) is not None
        ]
        if fitting:
            _, best, fits = max(fitting, key=lambda each: each[0])
            return _mapped(best, mapped.read_mapped(rows, fits, best, unit="row", source=source), source)
    if mapping is not None:
        raise headers.no_header(path.name, mapping, first_lines)
    shown = printable(", ".join(first_lines[0].cells), 150) if first_lines else "nothing"
    raise InvalidInput(
        "{name} is an Excel workbook in none of the known formats. The first line of a "
        "sheet must name the columns, but is: {shown}",
        field="file",
        name=path.name,
        shown=shown,
    )


# --- KML ---


def _of_kml(path: Path, mapping: Mapping | None, source: str | None) -> RecordReader:
    if mapping is None:
        first, rows = headers.peeked(kml_rows(path))
        if first and is_own_points(first[0]):
            return _own_points(DeviceFormat.KML, path, rows)
        raise InvalidInput(
            "{name} is KML, which differs from map to map. Guess its mapping first (--guess, or a preview).",
            field="file",
            name=path.name,
        )
    return _of_points(path, kml_rows(path), mapping, source)


def _of_layer(path: Path, mapping: Mapping | None, source: str | None) -> RecordReader:
    if mapping is None:
        first, rows = headers.peeked(layer_rows(path))
        if first and is_own_points(first[0]):
            return _own_points(DeviceFormat.GEOPACKAGE, path, rows)
        raise InvalidInput(
            "{name} is a map layer, whose columns differ from one to the next. Guess its mapping first "
            "(--guess, or a preview).",
            field="file",
            name=path.name,
        )
    return _of_points(path, layer_rows(path), mapping, source)


def _own_points(form: DeviceFormat, path: Path, lines: Iterator[FileLine]) -> RecordReader:
    known, needed = columns(DeviceRow), needed_columns(DeviceRow)
    records = read_own_rows(own_rows_of_points(lines), path.name, known=known, needed=needed, unit="row")
    return _reading(form, records)


def _of_points(path: Path, lines: Iterator[FileLine], mapping: Mapping, source: str | None) -> RecordReader:
    first, rows = headers.peeked(lines)
    header = headers.header_among(first, mapping, is_named=True)
    if header is None:
        raise headers.no_header(path.name, mapping, first)
    return _mapped(mapping, mapped.read_mapped(rows, header, mapping, unit="row", source=source), source)


# --- JSON ---


def _of_json(
    path: Path, form: DeviceFormat | None, mapping: Mapping | None, source: str | None
) -> RecordReader:
    shape = shape_of(path)
    if form is DeviceFormat.OVERPASS or (form is None and mapping is None and shape.prefix == PREFIX):
        return _reading(DeviceFormat.OVERPASS, read_overpass(path))
    if form is DeviceFormat.GEOJSON:
        return _reading(DeviceFormat.GEOJSON, read_own(features(path, shape)))
    if form is DeviceFormat.OSM_GEOJSON:
        return _reading(DeviceFormat.OSM_GEOJSON, _osm_features(path, shape))
    is_geojson = may_be_features(shape)
    if mapping is None:
        recognised = _recognised(path, shape) if is_geojson else _mapping_of_objects(path, shape)
        if recognised is DeviceFormat.OSM_GEOJSON:
            return _reading(DeviceFormat.OSM_GEOJSON, _osm_features(path, shape))
        if recognised is DeviceFormat.GEOJSON:
            return _reading(DeviceFormat.GEOJSON, read_own(features(path, shape)))
        if not isinstance(recognised, Mapping):
            raise not_geojson(path, shape)
        mapping = recognised
    if mapping.kept_by_hand and FileKind.JSON not in mapping.kinds and is_geojson:
        return _of_points(path, feature_rows(path), mapping, source)
    if FileKind.JSON not in mapping.kinds:
        raise InvalidInput(
            "{name} is JSON, but the format {name_2} must be {names}.",
            field="file",
            name=path.name,
            name_2=mapping.name,
            names=" or ".join(mapping.kinds),
        )
    found = _members(path, shape, is_geojson=is_geojson)
    unit: Literal["feature", "row"] = "feature" if is_geojson else "row"
    return _mapped(mapping, mapped.read_objects(found, mapping, unit=unit, source=source), source)


def _osm_features(path: Path, shape: JsonShape) -> Iterator[Record]:
    seen = [0]

    def counted() -> Iterator[object]:
        for each in features(path, shape):
            seen[0] += 1
            yield each

    return _require_devices(path, osm.read_osm_features(counted()), "feature", seen)


def _recognised(path: Path, shape: JsonShape) -> DeviceFormat | Mapping | None:
    """Return the format of the first feature that reveals it, or None.

    The project's own features have a `source_id`, those of OpenStreetMap an `emergency` tag.
    """
    known = [each for each in built_in_mappings() if FileKind.JSON in each.kinds]
    for number, feature in enumerate(features(path, shape), start=1):
        properties = json_object(json_object(feature).get("properties"))
        if "source_id" in properties:
            return DeviceFormat.GEOJSON
        if "emergency" in properties:
            return DeviceFormat.OSM_GEOJSON
        if number <= headers.ROWS_LOOKED_AT and properties:
            fitting = _fitting(list(raw_of(json_object(feature))), known)
            if fitting is not None:
                return fitting
    # A single feature without any evidence is not accepted as a list.
    return DeviceFormat.GEOJSON if shape.prefix or number > 1 else None


def _mapping_of_objects(path: Path, shape: JsonShape) -> Mapping | None:
    known = [each for each in built_in_mappings() if FileKind.JSON in each.kinds]
    for each in islice(objects(path, shape.prefix), headers.ROWS_LOOKED_AT):
        fitting = _fitting(list(members_of(json_object(each))), known)
        if fitting is not None:
            return fitting
    return None


def _fitting(names: Sequence[str], known: Sequence[Mapping]) -> Mapping | None:
    row = [FileLine(1, list(names))]
    fitting = [
        (headers.how_much_is_known(header, each), each)
        for each in known
        if not each.no_header and (header := headers.header_among(row, each, is_named=False)) is not None
    ]
    return max(fitting, key=lambda each: each[0])[1] if fitting else None


def _members(path: Path, shape: JsonShape, *, is_geojson: bool) -> Iterator[tuple[int, dict[str, str]]]:
    found: Iterator[object] = features(path, shape) if is_geojson else objects(path, shape.prefix)
    first = next(found, None)
    if first is None:
        raise InvalidInput("{name} contains no rows.", field="file", name=path.name)
    for number, each in enumerate(chain([first], found), start=1):
        given: dict[str, Any] = json_object(each)
        yield number, raw_of(given) if is_geojson else members_of(given)
