"""Parse cell values; return None or the reason for whatever is not clearly understood, never a guess."""

from __future__ import annotations

import html
import re
import unicodedata
from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from aed.hours.columns import hours_of_geodae, hours_of_japan, hours_of_taiwan, hours_of_week
from aed.hours.text import UnderstoodHours, understand_hours
from aed.imports.coordinates import (
    interpret_degrees,
    number_of,
    with_english_letters,
    written_degrees,
)
from aed.imports.findings import FindingKind, Severity
from aed.imports.formats.floors import small_number
from aed.imports.formats.mapping import HoursRule, Names
from aed.imports.rules import printable

EARLIEST: Final = date(1990, 1, 1)
LATEST: Final = date(2100, 12, 31)
"""The latest date that the register accepts."""

_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_CHINESE: Final = re.compile("[\u3400-\u9fff]")
_MAX_ENCODINGS: Final = 4
MAX_ARRAY_LENGTH: Final = 2_000
MAX_CACHED: Final = 5_000
"""Number of recent values kept: rows of a list repeat each other's dates, floors and names."""


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


@lru_cache(maxsize=MAX_CACHED)
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

    With decimal commas, as in `48,8566; 2,3522`, both must have one. Degrees and minutes count as well.
    """
    written = unicodedata.normalize("NFKC", text[:200])
    numbers = re.findall(r"[+-]?[0-9]{1,4}(?:\.[0-9]{1,20})?", written)
    if len(numbers) == 4 and "." not in written:
        numbers = [each.replace(",", ".") for each in re.findall(r"[+-]?[0-9]{1,3},[0-9]{3,20}", written)]
    if re.search(r"[0-9]\s*[°º度]", written) or len(numbers) != 2:
        meant = [interpret_degrees(each) for each in written_degrees(text)]
        are_whole = len(numbers) == 2 and all("." in each for each in numbers)
        if meant or not are_whole or re.search("['′’分]", written):
            numbers = [str(round(each, 7)) for each in meant if each is not None]
    is_on_earth = all(abs(float(number)) <= 180 for number in numbers)
    return (numbers[0], numbers[1]) if len(numbers) == 2 and is_on_earth else None


def degrees_by_hand(text: str, *, language: str | None = None) -> str:
    """Normalise a coordinate that a person wrote: also degrees and minutes, with letters or words."""
    text = with_english_letters(text, language)
    number = interpret_degrees(text) if number_of(text) is None else None
    return degrees(text) if number is None else str(round(number, 7))


# --- Dates ---

_ISO: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})\.?(?:[T ].*)?")
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_LAST: Final = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})(?:[T ].*)?")
_EAST: Final = re.compile(
    r"(令和|平成|民國|民国)?\s*([0-9]{1,4}|元)[年년]\s*([0-9]{1,2})[月월]\s*([0-9]{1,2})[日일]?"
)
_ERAS: Final = {"令和": 2018, "平成": 1988, "民國": 1911, "民国": 1911, None: 0}


_MONTH: Final = re.compile(
    r"(?P<year>[0-9]{4})\s*[-/.年년]\s*(?P<month>[0-9]{1,2})\s*[月월]?"
    r"|(?P<month_>[0-9]{1,2})\s*[-/.]\s*(?P<year_>[0-9]{4})"
)
_SHORT: Final = re.compile(r"([0-9]{1,2})\s*[-/.年]\s*([0-9]{1,2})\s*月?")
_SHORT_DAY: Final = re.compile(r"([0-9]{1,2})[-/.年]([0-9]{1,2})[-/.月]([0-9]{1,2})日?")
_SHORT_YEARS: Final = range(15, 61)
"""Years of two digits that a list of devices may have; they cannot be months, and few can be days."""
_BEFORE_A_DATE: Final = re.compile(
    r"^(?:有效期?|使用期限?|到期)?\s*(?:至|到|为|is|exp(?:iry|ires)?\.?|bis|jusqu'au|until)?\s*[:：]?\s*(?=[0-9〇零一二])",
    re.IGNORECASE,
)
_AFTER_A_DATE: Final = re.compile(
    r"\s*(?:(?:之?前|为?止|到期|失效|过期|有效)(?:有效|使用)?|(?<=月)(?:底|末))$"
)
_CHINESE_DIGITS: Final = str.maketrans("〇零一二三四五六七八九", "00123456789")
_CHINESE_DATE: Final = re.compile(
    r"([〇零一二三四五六七八九]{4})年([一二三四五六七八九十]{1,3})月(?:([一二三四五六七八九十]{1,3})[日号])?"
)
_MONTH_NAMES: Final[Mapping[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "jan january janvier janv januar jänner enero ene gennaio gen januari",
            "feb february février fevrier févr fév februar febrero febbraio februari",
            "mar march mars märz mär marzo maart mrt",
            "apr april avril avr abril abr aprile",
            "may mai mayo maggio mag mei",
            "jun june juin juni junio giugno giu",
            "jul july juillet juil juli julio luglio lug",
            "aug august août aout agosto ago augustus",
            "sep sept september septembre septiembre settembre set",
            "oct october octobre okt oktober octubre ottobre ott",
            "nov november novembre noviembre",
            "dec december décembre decembre déc dez dezember diciembre dic dicembre",
        ),
        start=1,
    )
    for name in names.split()
}
_NAMED_MONTH: Final = re.compile(
    r"(?:(?P<day>[0-9]{1,2})(?:\.|er|st|nd|rd|th)?[\s-]+)?(?:de\s+)?(?P<name>[a-zà-ÿ]{3,10})\.?(?:\s+del?(?=\s))?(?:\s+(?P<day_>[0-9]{1,2}),)?[\s-]+"
    r"'?(?P<year>[0-9]{4}|[0-9]{2})"
)


def _tidy_date(text: str) -> str:
    """Return a date without the words around it, with Chinese and named months as numbers."""
    written = unicodedata.normalize("NFKC", text).strip()[:40]
    written = _AFTER_A_DATE.sub("", _BEFORE_A_DATE.sub("", written))
    if found := _CHINESE_DATE.fullmatch(written):
        parts = [found[1].translate(_CHINESE_DIGITS), str(small_number(found[2]))]
        return "-".join([*parts, str(small_number(found[3]))] if found[3] else parts)
    found = _NAMED_MONTH.fullmatch(written.casefold())
    if found and (month := _MONTH_NAMES.get(found["name"])):
        year = found["year"] if len(found["year"]) == 4 else f"20{found['year']}"
        day = found["day"] or found["day_"]
        return f"{year}-{month}-{day}" if day else f"{year}-{month}"
    return written


@lru_cache(maxsize=MAX_CACHED)
def month_of(text: str) -> tuple[date, date] | None:
    """Return the first and last day of a month such as 2027年5月, 12/2026, Mai 2028 or 05/27; None for other
    text.

    Two numbers of two digits are a month only if just one of them can be the year.
    """
    written = _tidy_date(text)
    if found := _MONTH.fullmatch(written):
        year, month = int(found["year"] or found["year_"]), int(found["month"] or found["month_"])
    elif found := _SHORT.fullmatch(written):
        one, other = int(found[1]), int(found[2])
        readings = {
            (2000 + year, month)
            for year, month in ((one, other), (other, one))
            if year in _SHORT_YEARS and 1 <= month <= 12
        }
        if len(readings) != 1:
            return None
        year, month = readings.pop()
    else:
        return None
    if not (EARLIEST.year <= year <= LATEST.year and 1 <= month <= 12):
        return None
    return date(year, month, 1), date(year, month, monthrange(year, month)[1])


def has_short_year(text: str) -> bool:
    """Return whether a text is a month with a year of two digits, which may as well be a day of a month."""
    return _SHORT.fullmatch(_tidy_date(text)) is not None


_SPREADSHEET_DAYS: Final = re.compile(r"[34567][0-9]{4}")


def spreadsheet_date(text: str) -> date | None:
    """Return the date that a spreadsheet stores as this number of days; None for other text."""
    written = text.strip()
    return date(1899, 12, 30) + timedelta(days=int(written)) if _SPREADSHEET_DAYS.fullmatch(written) else None


@lru_cache(maxsize=MAX_CACHED)
def date_of(text: str, *, day_first: bool = True) -> date | None:
    """Parse a date; return None if there is none, or if it is ambiguous."""
    written = _tidy_date(text)
    if found := _ISO.fullmatch(written) or _COMPACT.fullmatch(written):
        year, month, day = (int(part) for part in found.groups())
    elif found := _YEAR_LAST.fullmatch(written):
        first, second, year = (int(part) for part in found.groups())
        day, month = (first, second) if day_first else (second, first)
    elif found := _EAST.fullmatch(written):
        year = _ERAS[found[1]] + (1 if found[2] == "元" else int(found[2]))
        month, day = int(found[3]), int(found[4])
    elif found := _SHORT_DAY.fullmatch(written):
        return _short_date(*(int(part) for part in found.groups()), day_first=day_first)
    else:
        return None
    if 1 <= year <= 9999 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]:
        return date(year, month, day)
    return None


def _short_date(first: int, second: int, third: int, *, day_first: bool) -> date | None:
    """Return the date of three numbers of two digits, if just one of them can be the year."""
    last = (second, first) if day_first else (first, second)
    readings = {
        date(2000 + year, month, day)
        for year, month, day in ((first, second, third), (third, *last))
        if year in _SHORT_YEARS and 1 <= month <= 12 and 1 <= day <= monthrange(2000 + year, month)[1]
    }
    return readings.pop() if len(readings) == 1 else None


# --- Words out of a list ---


def choice_of(text: str, choices: Mapping[str, str]) -> str | None:
    """Return the meaning of a word; the keys of `choices` are normalised with `plain`."""
    return choices.get(plain(text))


_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()/.\-]{0,30}[0-9]|\([0-9]{1,5}\)[0-9 ().\-]{1,26}[0-9]")


_MIN_PHONE_DIGITS: Final = 7
_MAX_PHONE_DIGITS: Final = 15
"""The most digits that a telephone number has anywhere (ITU-T E.164)."""

_SHORTENED: Final = re.compile(r"[0-9](?:[.,][0-9]+)?e\+[0-9]{1,3}", re.IGNORECASE)


def phone_of(text: str) -> str | None:
    """Return the first telephone number in a text, or None.

    A number that a spreadsheet has shortened (1.38E+10) is none.
    """
    found = phones_of(text)
    return found[0] if found else None


def phones_of(text: str) -> list[str]:
    """Return the telephone numbers in a text, such as both of `13800000001/13800000002`."""
    if _SHORTENED.search(text[:200]):
        return []
    written = unicodedata.normalize("NFKC", text).replace("\u2010", "-")[:200]
    found = [phone for each in _PHONE.findall(written) for phone in _separate_phones(each.strip())]
    whole = [phone for phone in found if _count_digits(phone) >= _MIN_PHONE_DIGITS]
    return [phone[:32] for phone in whole or found[:1]]


def _separate_phones(written: str) -> list[str]:
    """Return the numbers of a text that has only a stroke or a space between them."""
    parts = [part.strip() for part in written.split("/")]
    if len(parts) == 1 and _count_digits(written) > _MAX_PHONE_DIGITS:
        parts = written.split()
    if len(parts) > 1 and all(_count_digits(part) >= _MIN_PHONE_DIGITS for part in parts):
        return parts
    return [written] if _count_digits(written) <= _MAX_PHONE_DIGITS else []


def _count_digits(text: str) -> int:
    return sum(map(str.isdigit, text))


_AROUND_A_NAME: Final = re.compile(
    r"电话|電話|手机|联系方式|phone|tel\.?|mobil|转|轉|分机|分機|\bext\b\.?|[()（）\[\]/、,，;；:：|]",
    re.IGNORECASE,
)


def name_of(text: str) -> str | None:
    """Return the name in a cell that may hold a telephone number as well; None if there is no name."""
    written = text.replace("\u2010", "-")[:400]
    phone = _PHONE.search(unicodedata.normalize("NFKC", written)[:200])
    if phone is None:
        return " ".join(written.split()) or None
    rest = _PHONE.sub(" ", unicodedata.normalize("NFKC", written))
    return " ".join(_AROUND_A_NAME.sub(" ", rest).split()).strip(" -–") or None


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
