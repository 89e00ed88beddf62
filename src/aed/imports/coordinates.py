"""Check the coordinates of a row: present, numeric, in range; suggest the intended values if not."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal

import numpy as np

from aed.geo import Datum, to_wgs84
from aed.imports.findings import Finding, FindingKind, Severity
from aed.imports.outlines import is_in
from aed.imports.rules import printable

NEARLY_ZERO_DEGREES: Final = 0.01
POLE_DEGREES: Final = 89.9
MAX_DIGITS_BEFORE_POINT: Final = 12
"""A number with more digits before its lost decimal point is not a coordinate."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_SEXAGESIMAL: Final = re.compile(
    r"(?P<first>[NSEW])?\s*(?P<sign>[+-])?(?P<degrees>[0-9]{1,3})\s*[°º度]\s*(?:(?P<minutes>[0-9]{1,2}(?:\.[0-9]+)?)\s*"
    r"(?:['′’分]\s*(?:(?P<seconds>[0-9]{1,2}(?:\.[0-9]+)?)\s*(?:[\"″”秒]|'')?)?)?)?\s*(?P<last>[NSEW])?"
)
_WITH_LETTER: Final = re.compile(
    r"(?P<first>[NSEW])?\s*(?P<number>[+-]?[0-9]{1,3}(?:\.[0-9]+)?)\s*°?\s*(?P<last>[NSEW])?"
)

_DIRECTIONS: Final = (
    (re.compile("北[纬緯]|NORD"), "N"),
    (re.compile("南[纬緯]|SÜD|SUD"), "S"),
    (re.compile("[东東][经經]|OST|EST"), "E"),
    (re.compile("西[经經]|WEST|OUEST"), "W"),
)
_PLAIN_SEXAGESIMAL: Final = (
    r"[+-]?[0-9]{1,3}\s*[°º度]\s*(?:[0-9]{1,2}(?:[.,][0-9]+)?\s*['′’分]\s*"
    r"(?:[0-9]{1,2}(?:[.,][0-9]+)?\s*(?:[\"″”秒]|''|′′))?)?"
)
_ONE_SEXAGESIMAL: Final = re.compile(
    rf"[NSEW]\s*{_PLAIN_SEXAGESIMAL}|(?<![0-9.])(?<![0-9],){_PLAIN_SEXAGESIMAL}\s*[NSEW]?"
)
_ONE_WITH_LETTER: Final = re.compile(r"[NSEW]\s*[0-9]{1,3}\.[0-9]+|[0-9]{1,3}\.[0-9]+\s*°?\s*[NSEW]")


@dataclass(frozen=True, slots=True)
class GivenCoordinates:
    """The coordinates of a row as given, and their errors."""

    lat: float
    lon: float
    """NaN where there is no number."""
    finding: Finding | None = None

    @property
    def is_number(self) -> bool:
        return math.isfinite(self.lat) and math.isfinite(self.lon)

    @property
    def is_on_earth(self) -> bool:
        return abs(self.lat) <= 90.0 and abs(self.lon) <= 180.0


def read_pair(lat: object, lon: object, *, where: str, columns: tuple[str, str]) -> GivenCoordinates:
    """Read the coordinates of a row, with the first error. `columns` are the file's names for them.

    Coordinates out of range are left to `check_places`, which knows the area of the list.
    """
    missing = [name for value, name in zip((lat, lon), columns, strict=True) if is_blank(value)]
    if missing:
        wrong = "The position is missing." if len(missing) == 2 else f"{missing[0]} is missing."
        right = "Latitude and longitude in degrees, such as 30.2911 and 120.0998."
        return _wrong(
            FindingKind.COORDINATES_MISSING, where, ", ".join(dict.fromkeys(missing)), None, wrong, right
        )
    numbers = number_of(lat), number_of(lon)
    if numbers[0] is None or numbers[1] is None:
        place = 0 if numbers[0] is None else 1
        given = (lat, lon)[place]
        meant = interpret_pair(str(lat), str(lon))
        right = f"{meant[0]:.8g}, {meant[1]:.9g}" if meant else "Degrees as a number, such as 30.2911."
        wrong = "This is not a number of degrees."
        read = printable(str(given), 60)
        return _wrong(FindingKind.COORDINATES_UNREADABLE, where, columns[place], read, wrong, right)
    found = GivenCoordinates(numbers[0], numbers[1])
    if not found.is_on_earth:
        return found
    read = f"{lat}, {lon}"
    both = ", ".join(dict.fromkeys(columns))
    if abs(found.lat) >= POLE_DEGREES:
        finding = Finding(
            FindingKind.AT_THE_POLE_OR_ZERO,
            Severity.ERROR,
            where,
            columns[0],
            read,
            "This is a pole, which is used as a placeholder.",
            "The position, or remove the row.",
        )
        return GivenCoordinates(found.lat, found.lon, finding)
    if abs(found.lat) < NEARLY_ZERO_DEGREES and abs(found.lon) < NEARLY_ZERO_DEGREES:
        finding = Finding(
            FindingKind.AT_THE_POLE_OR_ZERO,
            Severity.ERROR,
            where,
            both,
            read,
            "This is 0, 0 in the Gulf of Guinea, which is used as a placeholder.",
            "The position, or remove the row.",
        )
        return GivenCoordinates(found.lat, found.lon, finding)
    if found.lat == 0.0 or found.lon == 0.0:
        name = columns[0] if found.lat == 0.0 else columns[1]
        finding = Finding(
            FindingKind.AT_THE_POLE_OR_ZERO,
            Severity.WARNING,
            where,
            name,
            read,
            f"{name} is exactly 0, which usually means that the number is missing.",
            "The position.",
        )
        return GivenCoordinates(found.lat, found.lon, finding)
    return found


def _wrong(
    kind: FindingKind, where: str, column: str | None, read: str | None, wrong: str, right: str
) -> GivenCoordinates:
    finding = Finding(kind, Severity.ERROR, where, column, read, wrong, right)
    return GivenCoordinates(math.nan, math.nan, finding)


def is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def number_of(value: object) -> float | None:
    """Return the number in a cell; None for text, booleans, and numbers that are too large."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return None
    elif isinstance(value, str) and _NUMBER.fullmatch(value.strip()[:60]):
        number = float(value.strip()[:60])
    else:
        return None
    return number if math.isfinite(number) else None


def wgs84_of(lat: float, lon: float, datum: object) -> tuple[float, float]:
    """Convert a valid pair to WGS-84; an unknown datum counts as WGS-84."""
    if datum in (Datum.GCJ02, Datum.BD09):
        position = to_wgs84(lat, lon, Datum(str(datum)))
        return position.lat, position.lon
    return lat, lon


# --- Suggestions ---


def interpret_pair(lat: str, lon: str) -> tuple[float, float] | None:
    """Return the pair in degrees that two texts clearly mean, or None.

    Handles degrees and minutes, letters for directions, a decimal comma, an extra point, and both numbers in
    one cell.
    """
    both = re.findall(r"[+-]?[0-9]{1,3}\.[0-9]{2,}", lat)
    if len(both) == 2 and (lat == lon or number_of(lon) is None):
        first, second = map(float, both)
        if abs(first) <= 90.0 and abs(second) <= 180.0:
            return first, second
        return (second, first) if abs(second) <= 90.0 and abs(first) <= 180.0 else None
    found = interpret_degrees(lat), interpret_degrees(lon)
    if found[0] is None or found[1] is None or abs(found[0]) > 90.0 or abs(found[1]) > 180.0:
        return None
    return found[0], found[1]


def interpret_degrees(text: str) -> float | None:
    """Return the degrees that a text clearly means, or None."""
    written = unicodedata.normalize("NFKC", text).replace("′′", '"').strip().upper()[:60]  # NFKC splits ″
    for words, letter in _DIRECTIONS:
        written = words.sub(letter, written)
    number = number_of(written)
    if number is not None:
        return number
    written = re.sub(r"([0-9]),([0-9])", r"\1.\2", written)
    number = number_of(written)
    if number is not None:
        return number
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:\.[0-9]+){2,}", written):
        whole, _, rest = written.partition(".")
        return float(f"{whole}.{rest.replace('.', '')}")
    if found := _WITH_LETTER.fullmatch(written):
        return _signed(float(found["number"]), found["first"] or found["last"])
    if found := _SEXAGESIMAL.fullmatch(written):
        value = (
            float(found["degrees"]) + float(found["minutes"] or 0) / 60 + float(found["seconds"] or 0) / 3600
        )
        return _signed(-value if found["sign"] == "-" else value, found["first"] or found["last"])
    return None


_LETTER_O: Final = {"de": "E", "fr": "W", "es": "W", "it": "W"}
"""What an O beside degrees stands for: Ost, or Ouest, Oeste and Ovest."""
_O_BESIDE_DEGREES: Final = re.compile(r"(?<=[0-9°'\"′″ ])O$|^O(?=[0-9 ])")


def with_english_letters(text: str, language: str | None) -> str:
    """Replace the O beside degrees, which is the east in German and the west in French, by E or W."""
    letter = _LETTER_O.get(language or "")
    return text if letter is None else _O_BESIDE_DEGREES.sub(letter, text.strip())


def axis_of(text: str) -> Literal["lat", "lon"] | None:
    """Return which coordinate a text says that it is, by a letter or word for its direction."""
    written = unicodedata.normalize("NFKC", text).strip().upper()[:60]
    for words, letter in _DIRECTIONS:
        written = words.sub(letter, written)
    letters = set(re.findall("[NSEW]", written))
    if not letters or not re.fullmatch(r"[NSEW]?[^A-Z]*[NSEW]?", written):
        return None
    return "lat" if letters <= {"N", "S"} else "lon" if letters <= {"E", "W"} else None


def written_degrees(text: str) -> list[str]:
    """Return the parts of a text that are degrees and minutes, or degrees with a letter, in their order."""
    written = unicodedata.normalize("NFKC", text).replace("′′", '"').upper()[:200]
    for words, letter in _DIRECTIONS:
        written = words.sub(letter, written)
    return [
        found[0].strip()
        for pattern in (_ONE_SEXAGESIMAL, _ONE_WITH_LETTER)
        if len(found_all := list(pattern.finditer(written))) == 2
        for found in found_all
    ][:2]


def _signed(value: float, letter: str | None) -> float:
    return -abs(value) if letter in ("S", "W") else value


def restore_decimal_points(value: float, *, most: float) -> Iterator[float]:
    """Yield the values with a lost decimal point restored: for 3435.12 and 34351234, 34.35… and 3.43…"""
    for power in range(1, MAX_DIGITS_BEFORE_POINT):
        moved = value / 10**power
        if abs(moved) <= most and abs(moved) >= 1.0:
            yield moved


def points_moved(value: float, *, most: float) -> Iterator[float]:
    """Yield the values with the decimal point moved by one or two places."""
    for factor in (10.0, 0.1, 100.0, 0.01):
        moved = value * factor
        if 1.0 <= abs(moved) <= most:
            yield moved


def _is_in(country: str, lat: float, lon: float) -> bool:
    return bool(is_in(country, np.array([lat]), np.array([lon]))[0])


MIN_USUAL_ROWS: Final = 3
MIN_USUAL_SHARE: Final = 0.6
USUAL_DEGREES: Final = 1.0


def usual_place(pairs: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Return the middle of a list's pairs; None if there are few, or if they are not all in one area."""
    if len(pairs) < MIN_USUAL_ROWS:
        return None
    middle = median(lat for lat, _ in pairs), median(lon for _, lon in pairs)
    near = sum(_is_near(pair, middle) for pair in pairs)
    return middle if near >= MIN_USUAL_SHARE * len(pairs) else None


def is_swapped(lat: float, lon: float, usual: tuple[float, float]) -> bool:
    """Return whether a pair is far from the other rows of its list, and among them if exchanged."""
    return not _is_near((lat, lon), usual) and _is_near((lon, lat), usual)


def _is_near(pair: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(pair[0] - other[0]) <= USUAL_DEGREES and abs(pair[1] - other[1]) <= USUAL_DEGREES


def position_problem(lat: float, lon: float, *, country: str | None) -> str | None:
    """Return why a pair in range cannot be a real position, or None.

    `country` is the country of the whole list. A pair outside it that lies inside when exchanged is swapped.
    A pair outside it either way is left to the linter, since an outline may lack an island.
    """
    if abs(lat) >= POLE_DEGREES:
        return f"lat: {lat:g} is a pole, which is used as a placeholder"
    if abs(lat) < NEARLY_ZERO_DEGREES and abs(lon) < NEARLY_ZERO_DEGREES:
        return f"lat, lon: {lat:g}, {lon:g} is in the Gulf of Guinea, which is used as a placeholder"
    if lat == lon and lat != round(lat, 1) and (country is None or not _is_in(country, lat, lon)):
        return f"lat, lon: {lat:g} is in both columns, so one of them holds the other's number"
    if country is None or abs(lon) > 90.0:
        return None
    lats, lons = np.array([lat, lon]), np.array([lon, lat])
    if is_in(country, lats[:1], lons[:1])[0] or not is_in(country, lats[1:], lons[1:], within_metres=0.0)[0]:
        return None
    return f"lat, lon: {lat:g}, {lon:g} is outside {country}, and inside it if swapped. Swap them"
