"""Guess the mapping of a list that people keep by hand, from its headings and its values."""

from __future__ import annotations

import hashlib
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from aed.errors import InvalidInput
from aed.geo import Datum
from aed.imports.coordinates import interpret_degrees
from aed.imports.formats import values
from aed.imports.formats.files import (
    FileLine,
    csv_rows,
    head_of,
    likely_encoding,
    require_supported_file,
)
from aed.imports.formats.headers import ROWS_BEFORE_THE_HEADER, Header, header_of
from aed.imports.formats.kml import is_kml, kml_rows
from aed.imports.formats.mapped import is_remark
from aed.imports.formats.mapping import Mapping
from aed.imports.formats.values import understood
from aed.imports.formats.workbook import is_workbook, sheets
from aed.imports.rules import printable

DELIMITERS: Final = (",", ";", "\t", "|")
ROWS_SAMPLED: Final = 300
MIN_HEADINGS: Final = 2
MIN_SHARE: Final = 0.5
"""Minimum share of a column's cells that must be what its heading says."""

type _Role = str
"""What a column holds: a field of the register, a part of the position or place, or the row's number."""

_SIMPLIFIED: Final = str.maketrans(
    "場稱責負聯電號話經緯編點單園區樓層備註說開時間業務檢廠製維護極貼兒項棟築標規營對員裝擺產資",
    "场称责负联电号话经纬编点单园区楼层备注说开时间业务检厂制维护极贴儿项栋筑标规营对员装摆产资",
)
_EDGE: Final = "(?:(?<![a-zà-ž])(?=[a-zà-ž])|(?<=[a-zà-ž])(?![a-zà-ž]))"
"""The edge of a word in letters, also beside Chinese characters and digits."""
_PAST: Final = (
    r"(?!.*(?<!下次)(更换|更換|生产|安装|出厂|购买|replaced|installed|remplac|achat|ersetzt|getauscht))"
)
"""Not the day on which a part was fitted, which is no expiry."""
_HEADINGS: Final[tuple[tuple[_Role, re.Pattern[str]], ...]] = tuple(
    (role, re.compile(pattern.replace(r"\b", _EDGE)))
    for role, pattern in (
        ("number", r"序号|顺序|no\.?|nr\.?|n°|#|num(éro)?|lfd\.? ?nr\.?|pos\.?|item"),
        (
            "text",
            r".*(经纬度|經緯度|坐标|座標|coordinates?|coordonnées|koordinaten|lat.{0,3}lon.*|geo ?point).*"
            r"|gps",
        ),
        ("lon", r".*(经度|經度|东经|東經|经線|längengrad|longitude)|.*\b(lon|lng|long|länge)\b.*|x|x坐标"),
        ("lat", r".*(纬度|緯度|北纬|北緯|breitengrad|latitude)|.*\b(lat|breite)\b.*|y|y坐标"),
        (
            "child_pads_expire_on",
            _PAST
            + r".*(儿童|小儿|child|pediatric|pédiatri|enfant|kinder).*"
            + r"(电极|贴片|pads?|[ée]lectrode|elektrode).*",
        ),
        ("battery_expires_on", _PAST + r".*(电池|電池|batter|akku|\bpile).*"),
        ("pads_expire_on", _PAST + r".*(电极|電極|贴片|\bpads?\b|[ée]lectrode|elektrode|耗材).*"),
        (
            "last_checked_on",
            r"(?!.*(下次|next|prochain|nächste)).*(巡检|检查|点检|检测|维护|last check|inspection"
            r"|vérification|maintenance|prüfung|wartung"
            r"|kontrolle).*",
        ),
        ("keeper_phone", r".*(电话|電話|手机|联系方式|phone|mobile|mobil|telefon|téléphone|\btél?\b).*"),
        (
            "keeper_name",
            r".*(负责人|责任|管理员|管理人|联系人|保管|keeper|contact|responsable|verantwort|ansprechpartner"
            r"|kontakt).*",
        ),
        (
            "hours",
            r".*(开放|使用|营业|服务|可用|取用|对外|开门).*(时间|时段).*|.*(\bhours\b|horaires|öffnungszeit|verfügbarkeit"
            r"|availability|disponibilit).*",
        ),
        (
            "serial",
            r".*(序列号|机身号|出厂编号|出厂号|serial|seriennummer|série).*|s/?n",
        ),
        (
            "id",
            r".*(设备|点位|资产|aed|device).{0,2}(编号|编码|号|id)|编号|编码|.*\bid|identifiant|kennung|inventarn.*",
        ),
        (
            "maker",
            r".*(品牌|厂家|厂商|制造商|maker|manufacturer|brand|marque|fabricant|hersteller)(?!.*型号).*",
        ),
        ("model", r".*(型号|規格|规格|机型|model|modèle|modell|typ\b).*"),
        ("floor", r".*(楼层|層|层数|所在层|floor|étage|stockwerk|etage|geschoss).*"),
        (
            "access_instructions",
            r".*(备注|说明|取用|description|remark|notes?\b|remarque|observation|bemerkung|hinweis|comment).*",
        ),
        (
            "spot",
            r".*(位置|放置|摆放|安放|location|emplacement|standort|placement|position|\bplace\b|lieu).*",
        ),
        (
            "address",
            r".*(地址|住址|address|adresse|straße|strasse|\brue\b|\bplz\b|\bort\b|ville|commune|\bcity\b|postcode).*",
        ),
        (
            "name",
            r".*(项目|小区|楼盘|园区|单位|名称|场所|建筑|楼栋|地点|\bsite\b|\bname\b|\bnom\b|établissement|bezeichnung"
            r"|gebäude|objekt|building).*",
        ),
    )
)
_KEEPER: Final = re.compile("负责|責任|责任|管理|联系人|保管")
_DATES: Final = ("pads_expire_on", "child_pads_expire_on", "battery_expires_on", "last_checked_on")
_PLACE: Final[tuple[_Role, ...]] = ("name", "address", "spot")
_SINGLE: Final[tuple[_Role, ...]] = ("maker", "model", "serial", "keeper_name")
_DATUMS: Final = {
    Datum.BD09: re.compile(r"百度|bd-?09|baidu"),
    Datum.GCJ02: re.compile(r"高德|腾讯|火星|gcj-?02|amap"),
    Datum.WGS84: re.compile(r"wgs-?84|\bgps\b"),
}
_LANGUAGES: Final = {
    "ja": re.compile(r"[ぁ-んァ-ヶ]"),
    "ko": re.compile(r"[가-힣]"),
    "zh": re.compile(r"[一-龥]"),
    "fr": re.compile(r"étage|électrode|batterie|adresse|horaires|nom\b|emplacement|téléphone|responsable"),
    "de": re.compile(
        r"breite|länge|standort|straße|stockwerk|elektrode|öffnungs|ansprech|hersteller|batterie"
    ),
}
_COUNTS_FROM_ONE: Final = ("ja", "ko", "zh", None)
_NUMBER: Final = re.compile(r"[0-9][0-9:./-]*")
MAX_HEADING_LENGTH: Final = 40
MAX_CHINESE_LENGTH: Final = 16
"""Maximum number of Chinese characters in a heading; longer texts are descriptions."""
_DEGREES: Final = re.compile(r"[+-]?[0-9]{1,3}[.,][0-9]{3,}")


@dataclass(frozen=True, slots=True)
class GuessedColumn:
    """A column of the file, and the field that it is read into; None if it is not read."""

    heading: str
    field: str | None
    example: str


@dataclass(frozen=True, slots=True)
class Guess:
    """A guessed mapping, and what it was guessed from."""

    mapping: Mapping
    columns: tuple[GuessedColumn, ...]
    sheet: str | None
    header_row: int
    datum_is_named: bool
    """Whether a heading or title names the datum."""
    notes: tuple[str, ...]
    """What a person should know or check."""


class _Table(NamedTuple):
    sheet: str | None
    encoding: str
    delimiter: str
    rows: list[FileLine]


class _Columns(NamedTuple):
    """The header of a table, the role of each column, and the cells below."""

    table: _Table
    header: Header
    roles: dict[int, _Role]
    cells: dict[int, list[str]]

    def named(self, *roles: _Role) -> list[str]:
        """Return the headings with these roles, in the order of the roles."""
        return [
            self.header.names[place] for role in roles for place, each in self.roles.items() if each == role
        ]

    def place(self, role: _Role) -> int | None:
        return next((place for place, each in self.roles.items() if each == role), None)


def guess_mapping(path: Path, *, source: str | None = None) -> Guess:
    """Guess how a table is to be read.

    1. Find the sheet, the delimiter and the header row with the most headings that are understood.
    2. Give each column the role that its heading names, if most of its cells agree.
    3. Find the position, and the opening hours, by their values where no heading names them.

    Raises InvalidInput if no row names columns, or if there are no coordinates.
    """
    found = _best_table(path)
    notes: list[str] = []
    roles = _checked_roles(found, notes)
    found = found._replace(roles=roles)
    position = _position(found, notes, path.name)
    language = _language(found.header.names)
    place = found.named(*_PLACE)
    if not place and (words := _wordiest(found)) is not None:
        roles[words] = "spot"
        place = found.named("spot")
    fields: dict[str, Any] = {}
    if place:
        fields["place"] = {"columns": [[name] for name in place]}
    ground = 1 if language in _COUNTS_FROM_ONE else 0
    floor = found.named("floor")
    if floor or place:
        fields["floor"] = {
            "columns": [[name] for name in floor or found.named("spot", "name")],
            "transform": "floor",
            "ground": ground,
            "among_words": not floor,
        }
        if not fields["floor"]["columns"]:
            del fields["floor"]
    for role in _SINGLE:
        if names := found.named(role):
            fields[role] = names[:1]
    phones = found.named("keeper_phone", "keeper_name")
    if phones:
        fields["keeper_phone"] = {"columns": phones[:1], "transform": "phone"}
        if "keeper_name" not in fields:
            is_of_both = _KEEPER.search(_plain(phones[0])) is not None
            fields["keeper_name"] = (phones if is_of_both else place)[:1]
            if not fields["keeper_name"]:
                del fields["keeper_name"], fields["keeper_phone"]
    for role in _DATES:
        if names := found.named(role):
            fields[role] = {
                "columns": names[:1],
                "transform": "date",
                "day_first": _is_day_first(found.cells[found.header.names.index(names[0])]),
            }
    if remarks := found.named("access_instructions"):
        fields["access_instructions"] = {"columns": [[name] for name in remarks], "join": "\n"}
    hours = found.named("hours")
    if not hours and (place_of_hours := _hours_by_value(found)) is not None:
        roles[place_of_hours] = "hours"
        hours = found.named("hours")
    content = [[name] for name in place] or [[name] for name in _position_columns(position)]
    ids = _ids(found, notes)
    datum, datum_is_named = _named_datum(found)
    mapping = Mapping.model_validate(
        {
            "name": "guessed",
            "title": printable(f"Guessed from {path.name}", 200),
            "encodings": [found.table.encoding],
            "delimiters": [found.table.delimiter],
            "language": language,
            "source": source or _source_of(path),
            "datum": datum,
            "position": position,
            "id": {"columns": [[each] for each in ids] or None, "content": content},
            "fields": fields,
            "hours": {"how": "text", "text": [[name] for name in hours]} if hours else None,
            "kept_by_hand": True,
        }
    )
    notes += _notes_of_file(path)
    return Guess(
        mapping, _shown(found, mapping), found.table.sheet, _row_number(found), datum_is_named, tuple(notes)
    )


def mapping_text(mapping: Mapping) -> str:
    """Return a mapping as the text of a mapping file."""
    content = mapping.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)


# --- The table and its header ---


def _tables(path: Path) -> Iterator[_Table]:
    head = head_of(path)
    if is_kml(path, head):
        yield _Table(None, "utf-8", ",", list(islice(kml_rows(path), ROWS_SAMPLED)))
        return
    if is_workbook(head):
        for name, found in sheets(path, fill_merged=True):
            yield _Table(name, "utf-8", ",", list(islice(found, ROWS_SAMPLED)))
        return
    require_supported_file(path, head)
    encoding = likely_encoding(path)
    for delimiter in DELIMITERS:
        rows: list[FileLine] = []
        try:
            rows.extend(islice(csv_rows(path, encoding=encoding, delimiter=delimiter), ROWS_SAMPLED))
        except InvalidInput:
            if not rows:
                continue
        yield _Table(None, encoding.removesuffix("-sig"), delimiter, rows)


def _best_table(path: Path) -> _Columns:
    best: tuple[tuple[int, int], _Columns] | None = None
    first: list[str] = []
    for table in _tables(path):
        first = first or (table.rows[0].cells if table.rows else [])
        for count, row in enumerate(table.rows[:ROWS_BEFORE_THE_HEADER], start=1):
            roles = _roles(row.cells)
            known = len(set(roles.values()))
            has_position = len({"lat", "lon", "text"} & set(roles.values()))
            numbers = sum(_NUMBER.fullmatch(cell.strip()) is not None for cell in row.cells)
            score = known + has_position - numbers, sum(bool(cell.strip()) for cell in row.cells)
            if known >= MIN_HEADINGS and (best is None or score > best[0]):
                header = header_of(row.cells, rows_before=count)
                below = [each.cells for each in table.rows[count:] if not is_remark(each.cells, header)]
                cells = {
                    place: [
                        text for each in below if place < len(each) and (text := values.clean(each[place]))
                    ]
                    for place in range(len(header.names))
                }
                best = score, _Columns(table, header, roles, cells)
    if best is None:
        if not first:
            raise InvalidInput("{name} has no sheet with rows in it.", field="file", name=path.name)
        raise InvalidInput(
            "No row of {name} names columns that are understood, such as 安装位置, 经度 and 纬度, or "
            "Location, Longitude and Latitude. Its first row is: {first}. Add such a row, or "
            "write a mapping file.",
            field="file",
            name=path.name,
            first=printable(", ".join(cell for cell in first if cell), 150),
        )
    return best[1]


def _row_number(found: _Columns) -> int:
    return found.table.rows[found.header.rows_before - 1].number


def _plain(heading: str) -> str:
    """Normalise a heading; drop what stands in brackets, such as a unit or an example."""
    text = " ".join(unicodedata.normalize("NFKC", heading).casefold().replace("_", " ").split())
    text = text.translate(_SIMPLIFIED)
    return (re.sub(r"[(（【\[][^)）】\]]*[)）】\]]?", "", text).strip(" *:：") or text)[:60]


def _roles(cells: Sequence[str]) -> dict[int, _Role]:
    roles: dict[int, _Role] = {}
    for place, cell in enumerate(cells):
        heading = _plain(cell)
        chinese = sum("一" <= sign <= "龥" for sign in heading)
        is_short = len(heading) <= MAX_HEADING_LENGTH and chinese <= MAX_CHINESE_LENGTH
        if heading and is_short and not heading.replace(".", "").isdigit():
            found = next((role for role, pattern in _HEADINGS if pattern.fullmatch(heading)), None)
            if found is not None:
                roles[place] = found
    if len(set(cells)) == 1:  # a title over all columns
        return {}
    return roles


def _checked_roles(found: _Columns, notes: list[str]) -> dict[int, _Role]:
    """Return the roles whose columns hold what they say."""
    checks: dict[str, Callable[[str], bool]] = {
        "lat": _is_degrees,
        "lon": _is_degrees,
        "text": lambda cell: values.pair(cell) is not None,
        "keeper_phone": lambda cell: values.phone_of(cell) is not None,
        **dict.fromkeys(_DATES, _is_date),
    }
    roles: dict[int, _Role] = {}
    for place, role in found.roles.items():
        cells = found.cells[place]
        check = checks.get(role)
        if role in ("id", "serial", "lat", "lon", "keeper_phone", *_DATES) and role in roles.values():
            continue  # the first column of its kind
        if check is not None and cells and sum(map(check, cells)) < MIN_SHARE * len(cells):
            if role in ("lat", "lon"):
                notes.append(
                    f"The column {found.header.names[place]} does not hold degrees, so it is not used."
                )
            continue
        roles[place] = role
    return roles


def _is_degrees(cell: str) -> bool:
    return interpret_degrees(cell) is not None or values.pair(cell) is not None


def _is_date(cell: str) -> bool:
    return (
        values.date_of(cell) is not None
        or values.date_of(cell, day_first=False) is not None
        or values.month_of(cell) is not None
    )


def _is_day_first(cells: Sequence[str]) -> bool:
    """Return whether 3/4/2027 is 3 April: unless a cell such as 4/30/2027 shows the opposite."""
    return not any(values.date_of(cell) is None and values.date_of(cell, day_first=False) for cell in cells)


# --- Columns found by their values ---


def _position(found: _Columns, notes: list[str], name: str) -> dict[str, Any]:
    lat, lon, text = found.place("lat"), found.place("lon"), found.place("text")
    names = found.header.names
    if lat is None or lon is None:
        lat = lon = None
        if text is None:
            text, lat, lon = _position_by_value(found, notes)
    if lat is None and text is None:
        raise InvalidInput(
            "{name} has no coordinates: no column for the latitude and the longitude (纬度, 经度), nor one "
            "with both (坐标). Add them, for example by a map's pick-a-point page.",
            field="file",
            name=name,
        )
    if lat is not None and lon is not None:
        if _are_longitudes(found.cells[lat]) and not _are_longitudes(found.cells[lon]) and found.cells[lon]:
            lat, lon = lon, lat
            notes.append(f"The column {names[lat]} holds the latitudes, and {names[lon]} the longitudes.")
        found.roles[lat], found.roles[lon] = "lat", "lon"
    in_one_cell = [
        both
        for place in (text, lat, lon)
        if place is not None
        for cell in found.cells[place]
        if (both := values.pair(cell)) is not None
    ]
    rule: dict[str, Any] = {}
    if lat is not None and lon is not None:
        rule |= {"lat": [names[lat]], "lon": [names[lon]]}
    if text is not None:
        found.roles[text] = "text"
        rule["text"] = [names[text]]
    if text is not None or in_one_cell:
        rule["order"] = _order(in_one_cell, names[text] if text is not None else "")
    return rule


def _position_columns(position: dict[str, Any]) -> list[str]:
    return [name for key in ("lat", "lon", "text") for name in position.get(key, [])]


def _order(pairs: Sequence[tuple[str, str]], heading: str) -> str:
    first = sum(abs(float(one)) > 90 for one, _ in pairs)
    second = sum(abs(float(other)) > 90 for _, other in pairs)
    if first != second:
        return "lon,lat" if first > second else "lat,lon"
    return "lon,lat" if re.match(r"[经經]|lon|lng|x", _plain(heading)) else "lat,lon"


def _are_longitudes(cells: Sequence[str]) -> bool:
    numbers = [float(values.degrees(cell)) for cell in cells if _DEGREES.fullmatch(cell.strip())]
    return sum(abs(number) > 90 for number in numbers) > len(numbers) / 2


def _position_by_value(found: _Columns, notes: list[str]) -> tuple[int | None, int | None, int | None]:
    """Return the column with both coordinates, or those with the latitude and the longitude."""
    free = [place for place in found.cells if place not in found.roles and found.cells[place]]
    degrees = []
    for place in free:
        cells = found.cells[place]
        if sum(values.pair(cell) is not None and "." in cell for cell in cells) > MIN_SHARE * len(cells):
            notes.append(f"The column {found.header.names[place]} is read as the position, by its values.")
            return place, None, None
        if sum(_DEGREES.fullmatch(cell) is not None for cell in cells) > MIN_SHARE * len(cells):
            degrees.append(place)
    if len(degrees) < 2:
        return None, None, None
    first, second = degrees[:2]
    lat, lon = (second, first) if _are_longitudes(found.cells[first]) else (first, second)
    names = found.header.names
    notes.append(f"By their values, {names[lat]} is read as the latitude and {names[lon]} as the longitude.")
    return None, lat, lon


def _wordiest(found: _Columns) -> int | None:
    """Return the column with the longest words among those whose headings mean nothing else."""
    known = _roles(found.header.names)
    lengths = {
        place: sum(map(len, cells)) / len(cells)
        for place, cells in found.cells.items()
        if cells and place not in known and all(any(map(str.isalpha, cell)) for cell in cells)
    }
    best = max(lengths, key=lambda place: lengths[place], default=None)
    return best if best is not None and lengths[best] >= 3 else None


def _hours_by_value(found: _Columns) -> int | None:
    for place, cells in found.cells.items():
        sample = cells[:20]
        if place in found.roles or not sample:
            continue
        certain = [cell for cell in sample if understood(cell[:200]).expression is not None]
        if len(certain) > MIN_SHARE * len(sample):
            return place
    return None


def _ids(found: _Columns, notes: list[str]) -> list[str]:
    """Return the column that identifies a device: its number or serial, if no two rows share one."""
    for role in ("id", "serial"):
        place = found.place(role)
        if place is None:
            continue
        cells = found.cells[place]
        rows = max(map(len, found.cells.values()))
        if len(cells) == rows and len(set(cells)) == len(cells):
            return [found.header.names[place]]
        if role == "id":
            notes.append(
                f"The column {found.header.names[place]} does not identify a device: "
                "some of its cells are empty or alike."
            )
    return []


def _named_datum(found: _Columns) -> tuple[Datum, bool]:
    """Return the datum that a title or heading names."""
    rows = found.table.rows[: found.header.rows_before]
    words = unicodedata.normalize("NFKC", " ".join(cell for row in rows for cell in row.cells)).casefold()
    named = [datum for datum, pattern in _DATUMS.items() if pattern.search(words)]
    return (named[0], True) if len(named) == 1 else (Datum.WGS84, False)


def _language(headings: Sequence[str]) -> str | None:
    words = unicodedata.normalize("NFKC", " ".join(headings)).casefold()
    if any(
        pattern.search(words) for language, pattern in _LANGUAGES.items() if language in ("ja", "ko", "zh")
    ):
        return next(language for language, pattern in _LANGUAGES.items() if pattern.search(words))
    counts = {each: len(set(_LANGUAGES[each].findall(words))) for each in ("fr", "de")}
    best = max(counts, key=lambda each: counts[each])
    return best if counts[best] >= 1 and len(set(counts.values())) > 1 else None


def _source_of(path: Path) -> str:
    """Return a source for a list that names none: from its file name, without dates and numbers."""
    stem = re.sub(r"[0-9年月日.\-_ ()（）]+", "-", unicodedata.normalize("NFKC", path.stem)).strip("-")
    slug = re.sub(r"[^a-z]+", "-", stem.casefold()).strip("-")
    return (
        slug[:40]
        if len(slug) >= 3 and stem.isascii()
        else f"list-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
    )


def _shown(found: _Columns, mapping: Mapping) -> tuple[GuessedColumn, ...]:
    read: dict[str, str] = {}
    for key in ("lat", "lon", "text"):
        for name in getattr(mapping.position, key) or []:
            read.setdefault(name, "lat, lon" if key == "text" else key)
    for field, rule in mapping.fields.items():
        for names in rule.columns:
            if field != "floor" or not rule.among_words:
                read.setdefault(names[0], field)
    for names in mapping.hours.all_columns() if mapping.hours else []:
        read.setdefault(names[0], "opening_hours")
    for names in mapping.id.columns or []:
        read.setdefault(names[0], "source_id")
    return tuple(
        GuessedColumn(name, read.get(name), printable(next(iter(found.cells[place]), ""), 60))
        for place, name in enumerate(found.header.names)
        if found.cells[place] or name in read
    )


def _notes_of_file(path: Path) -> Iterator[str]:
    if is_workbook(head_of(path)) and not is_kml(path, head_of(path)):
        with zipfile.ZipFile(path) as archive:
            if any(name.lower().endswith("vbaproject.bin") for name in archive.namelist()):
                yield "The workbook contains macros; they were not run."
