"""Parse cell values; return None or the reason for whatever is not clearly understood, never a guess."""

from __future__ import annotations

import html
import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from aed.hours.columns import hours_of_geodae, hours_of_japan, hours_of_taiwan, hours_of_week
from aed.hours.text import UnderstoodHours, understand_hours
from aed.imports.findings import FindingKind, Severity
from aed.imports.formats.mapping import HoursRule, Names
from aed.imports.rules import printable

EARLIEST: Final = date(1990, 1, 1)
LATEST: Final = date(2100, 12, 31)
"""The latest date that the register accepts."""

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CHINESE: Final = re.compile("[\u3400-\u9fff]")
_MAX_ENCODINGS: Final = 4
MAX_ARRAY_LENGTH: Final = 2_000


def clean(text: str) -> str:
    """Return a cell without control characters, and with uniform line breaks."""
    if text.isascii() and text.isprintable():
        return text.strip()
    one_kind = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u3000", " ")
    return _UNPRINTABLE.sub(" ", one_kind).strip()


def without_entities(text: str) -> str:
    """Decode HTML entities such as &amp;amp;, including those encoded up to four times."""
    for _ in range(_MAX_ENCODINGS):
        decoded = html.unescape(text)
        if decoded == text:
            break
        text = decoded
    return text.replace("\xa0", " ")


def without_tags(text: str) -> str:
    """Return the text of an HTML fragment, one line per block element."""
    lines = re.sub(r"<\s*/?\s*(?:br|p|div|li|ul|ol|tr|table|h[1-6])\b[^<>]{0,500}>", "\n", text, flags=re.I)
    words = without_entities(re.sub(r"<[^<>]{0,500}>", " ", lines))
    return "\n".join(line for each in words.split("\n") if (line := " ".join(each.split())))


def plain(text: str) -> str:
    """Normalise text for comparison: ignore width, case and surrounding spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_chinese(text: str) -> bool:
    return _CHINESE.search(text) is not None


def array_items(text: str) -> list[str]:
    """Return the items of an array in braces, `{lundi,"jours fériés"}`; for other text, the text itself."""
    inner = text[:MAX_ARRAY_LENGTH].strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    quoted = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,"]+)')
    items = [(a or b).replace('\\"', '"').strip() for a, b in quoted.findall(inner)]
    return [item for item in items if item]


# --- Positions ---


def degrees(text: str) -> str:
    """Normalise a number of degrees: full-width digits, a decimal comma, a degree sign."""
    written = unicodedata.normalize("NFKC", text).strip().strip("°'\"").strip()
    return re.sub(r"^([+-]?[0-9]+),([0-9]+)$", r"\1.\2", written)


def pair(text: str) -> tuple[str, str] | None:
    """Return the two numbers of `(121.5,25.0)`, `POINT (121.5 25.0)` and the like, in their order.

    With decimal commas, as in `48,8566; 2,3522`, both must have one.
    """
    written = unicodedata.normalize("NFKC", text[:200])
    numbers = re.findall(r"[+-]?[0-9]{1,4}(?:\.[0-9]{1,20})?", written)
    if len(numbers) == 4 and "." not in written:
        numbers = [each.replace(",", ".") for each in re.findall(r"[+-]?[0-9]{1,3},[0-9]{3,20}", written)]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


# --- Dates ---

_ISO: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})\.?(?:[T ].*)?")
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_LAST: Final = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})(?:[T ].*)?")
_EAST: Final = re.compile(
    r"(令和|平成|民國|民国)?\s*([0-9]{1,4}|元)[年년]\s*([0-9]{1,2})[月월]\s*([0-9]{1,2})[日일]?"
)
_ERAS: Final = {"令和": 2018, "平成": 1988, "民國": 1911, "民国": 1911, None: 0}


_MONTH: Final = re.compile(
    r"(?P<year>[0-9]{4})\s*[-/.年]\s*(?P<month>[0-9]{1,2})\s*[月월]?(?:底|末)?"
    r"|(?P<month_>[0-9]{1,2})\s*[-/.]\s*(?P<year_>[0-9]{4})"
)


def month_of(text: str) -> tuple[date, date] | None:
    """Return the first and last day of a month such as 2027年5月, 2027.5 or 12/2026; None for other text."""
    found = _MONTH.fullmatch(unicodedata.normalize("NFKC", text).strip()[:40])
    if found is None:
        return None
    year, month = int(found["year"] or found["year_"]), int(found["month"] or found["month_"])
    if not (EARLIEST.year <= year <= LATEST.year and 1 <= month <= 12):
        return None
    return date(year, month, 1), date(year, month, monthrange(year, month)[1])


def date_of(text: str, *, day_first: bool = True) -> date | None:
    """Parse a date; return None if there is none, or if it is ambiguous."""
    written = unicodedata.normalize("NFKC", text).strip()[:40]
    if found := _ISO.fullmatch(written) or _COMPACT.fullmatch(written):
        year, month, day = (int(part) for part in found.groups())
    elif found := _YEAR_LAST.fullmatch(written):
        first, second, year = (int(part) for part in found.groups())
        day, month = (first, second) if day_first else (second, first)
    elif found := _EAST.fullmatch(written):
        year = _ERAS[found[1]] + (1 if found[2] == "元" else int(found[2]))
        month, day = int(found[3]), int(found[4])
    else:
        return None
    if 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]:
        return date(year, month, day)
    return None


# --- Floors ---

_NUMERALS: Final = {"一": 1, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_N: Final = r"(?:[0-9]{1,3}|[一二三四五六七八九]?十[一二三四五六七八九]?|[一二三四五六七八九])"
_UNIT: Final = r"(?:階(?!建|段)|樓(?!梯)|楼(?!梯)|层|層|층)"
_BETWEEN: Final = r"\s*(?:[・,、/~〜\-–&+]|和|及|與|与|から)\s*"
_UNDERGROUND: Final = re.compile(
    rf"(?:地下|지하)\s*(?P<a>{_N})\s*(?:{_UNIT}|f)|(?<![a-z0-9])b\s*(?P<b>[0-9]{{1,2}})\s*(?:f|{_UNIT})?(?![a-z0-9])"
)
_ABOVE: Final = re.compile(
    rf"(?P<many>{_N}(?:{_UNIT}|f)?(?:{_BETWEEN}{_N}(?:{_UNIT}|f)?)*{_BETWEEN}{_N}\s*(?:{_UNIT}|f(?![a-z0-9])))"
    rf"|(?<![0-9.・,、/~〜\-–])(?P<a>{_N})\s*{_UNIT}"
    r"|(?<![a-z0-9.])(?P<b>[0-9]{1,3})\s*/?\s*f(?![a-z0-9])"
    r"|(?<![a-z0-9.])(?P<c>[0-9]{1,3})(?:st|nd|rd|th)\s+floor"
    r"|(?<![a-z0-9.])(?P<d>[0-9]{1,3})\s*(?:er|ère|e|ème|eme|è|nd|nde)\.?\s*(?:étage|etage|etg)"
    r"|(?<![a-z0-9])r\s*\+\s*(?P<e>[0-9]{1,3})|(?:étage|etage|niveau|level|floor)\s*(?P<f>-?[0-9]{1,3})(?![0-9.])"
)
_GROUND: Final = re.compile(
    r"(?<![a-z])(?:g\s*/\s*f|ground\s+floor|rez[\s-]*de[\s-]*chauss[ée]{1,2}e?|r\.?d\.?c\.?|erdgeschoss|parterre"
    r"|parter)(?![a-z])"
)
_BETWEEN_FLOORS: Final = re.compile(r"中[0-9二三]+階|mezzanine|entresol|m[0-9]f|夾層|夹层")
_SOME_FLOOR: Final = re.compile(r"地下|지하|地庫|sous[\s-]*sol|basement|underground")


def floor_of(text: str, *, ground: int) -> int | str | None:
    """Parse a floor; 0 is at street level.

    Returns None if no floor is named, or a sentence with the reason if it is ambiguous. `ground` is the local
    number of the floor at street level: 1 where it is called 1F (East Asia, North America), else 0 (most of
    Europe). B1 and 地下1階 are always one floor below it.
    """
    written = unicodedata.normalize("NFKC", text).casefold().strip()[:300]
    if re.fullmatch(r"[+-]?[0-9]{1,3}", written):
        return _counted(int(written), ground)
    if _BETWEEN_FLOORS.search(written):
        return "the floor is between two floors"
    found = {
        -number for each in _UNDERGROUND.finditer(written) if (number := _number(each["a"] or each["b"]))
    }
    rest = _UNDERGROUND.sub(" ", written)
    if _GROUND.search(rest):
        found.add(0)
        rest = _GROUND.sub(" ", rest)
    for each in _ABOVE.finditer(rest):
        if each["many"]:
            return "several floors are named"
        number = _number(next(part for part in each.groups()[1:] if part is not None))
        found.add(_counted(number, ground))
    if len(found) > 1:
        return "several floors are named"
    if found:
        return found.pop()
    return "the number of the floor below ground is missing" if _SOME_FLOOR.search(rest) else None


def _counted(number: int, ground: int) -> int:
    return number - ground if number >= ground else number


def _number(text: str) -> int:
    if text.lstrip("-").isdigit():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    return (10 * _NUMERALS.get(tens, 1) if ten else 0) + _NUMERALS.get(ones, 0)


# --- Words out of a list ---


def choice_of(text: str, choices: Mapping[str, str]) -> str | None:
    """Return the meaning of a word; the keys of `choices` are normalised with `plain`."""
    return choices.get(plain(text))


_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.\-]{0,30}[0-9]|\([0-9]{1,5}\)[0-9 ().\-]{1,26}[0-9]")


def phone_of(text: str) -> str | None:
    """Return the first telephone number in a text, or None."""
    found = _PHONE.search(unicodedata.normalize("NFKC", text).replace("\u2010", "-")[:200])
    return found[0].strip()[:32] if found else None


type Cell = Callable[[Names | None], str]

_TAIWAN = {"Mo-Fr", "Sa", "Su"}


@dataclass(frozen=True, slots=True)
class HoursReading:
    """Opening hours as understood, with the original text."""

    expression: str | None
    written: str | None
    rest: str | None = None
    """The part of the text that was not understood or is ambiguous."""

    def doubt(self) -> tuple[FindingKind, Severity, str] | None:
        """Return the finding about the hours; None if the expression covers the whole text."""
        if self.written is None:
            return None
        if self.expression is None:
            reason = "The opening hours were not understood and are treated as unknown; the words are stored."
            return FindingKind.HOURS_NOT_UNDERSTOOD, Severity.WARNING, reason
        if self.rest is not None:
            reason = (
                "Some of the opening hours are unclear and are treated as unknown: "
                f"{printable(self.rest, 150)}"
            )
            return FindingKind.HOURS_AMBIGUOUS, Severity.NOTE, reason
        return None


def hours_of(rule: HoursRule, cell: Cell, *, language: str | None) -> HoursReading:
    """Parse the opening hours of a row according to the rule of its list."""
    notes = _notes(rule, cell)
    match rule.how:
        case "text":
            return understood(notes, language)
        case "weekly":
            return _weekly(rule, cell, notes, language)
        case "days_and_times":
            days, opens, closes = cell(rule.which_days), cell(rule.start), cell(rule.end)
            times = f"{opens}-{closes}" if opens or closes else ""
            if language in (None, "ja"):
                found = hours_of_japan(days=days, opens=opens, closes=closes, note=notes)
            else:
                found = understand_hours(_written(" ", days, times, notes), language=language)
            return _hours_reading(found, _written(" ", days, times, notes))
        case "days_and_words":
            days, hours = cell(rule.which_days), cell(rule.which_hours)
            found = hours_of_geodae(days=days, hours=hours, note=notes)
            items = [", ".join(array_items(text)) for text in (days, hours)]
            return _hours_reading(found, _written(" · ", *items, notes))


def understood(text: str, language: str | None = None) -> HoursReading:
    """Parse opening hours in words, in the given language or in any."""
    return _hours_reading(understand_hours(text, language=language), text.strip())


def _weekly(rule: HoursRule, cell: Cell, notes: str, language: str | None) -> HoursReading:
    times = {days: (cell(span.start), cell(span.end)) for days, span in rule.days.items()}
    always = cell(rule.always)
    is_always = plain(always) in set(map(plain, rule.always_words)) if always else False
    if set(times) == _TAIWAN and rule.always is not None:
        found = hours_of_taiwan(
            weekdays=times["Mo-Fr"],
            saturday=times["Sa"],
            sunday=times["Su"],
            always="Y" if is_always else always,
            note=notes,
        )
    else:
        found = hours_of_week(times, note=notes, language=language)
        if is_always and found.expression != "24/7":
            given = any(part for span in times.values() for part in span) or notes
            found = UnderstoodHours(None if given else "24/7", None)
    written = [f"{days} {opens}-{closes}" for days, (opens, closes) in times.items() if opens or closes]
    always_text = f"{rule.always[0]}: {always}" if rule.always and is_always else ""
    return _hours_reading(found, _written("; ", always_text, *written, notes))


def _hours_reading(found: UnderstoodHours, written: str) -> HoursReading:
    return HoursReading(found.expression, written or None, found.rest)


def _written(between: str, *parts: str) -> str:
    return between.join(part for part in parts if part)


def _notes(rule: HoursRule, cell: Cell) -> str:
    texts: Sequence[str] = [text for names in rule.text or [] if (text := cell(names))]
    if rule.html:
        texts = [without_tags(text) for text in texts]
    return re.sub(r"\n{2,}", "\n", "\n".join(texts)).strip()
