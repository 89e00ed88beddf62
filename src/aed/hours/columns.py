"""Convert opening hours from the columns of a list, with an optional free-text note, to `opening_hours`.

A note can only narrow the columns. If it claims longer hours, the difference is unknown. If it is not
understood, all hours are unknown; if it clearly restricts ("開所日のみ"), only the open hours become unknown.
A note never opens a time that the columns close.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from aed.errors import InvalidInput
from aed.hours.statements import Closes, OnlyOn, Opens, Statement, Until, statements_of
from aed.hours.text import (
    MAX_CACHED,
    NO_DAYS_GIVEN,
    UnderstoodHours,
    brought_together,
    languages_of,
    narrow,
    parse_week,
    understand_hours,
)
from aed.hours.tokens import tidied
from aed.hours.week import (
    DAY_MINUTES,
    EVERY_DAY,
    HOLIDAY,
    NOT_KNOWN,
    PUBLIC_HOLIDAY,
    WEEKDAYS,
    WHOLE_DAY,
    Day,
    Spans,
    WeeklyHours,
    days_text,
    expression_of,
    span_of,
    uncertain,
)
from aed.hours.words import DaySet

type Times = tuple[str | None, str | None]
"""The cells with the opening and closing time."""


def hours_of_week(
    times: Mapping[str, Times], *, note: str | None = None, language: str | None = None
) -> UnderstoodHours:
    """Return the hours of groups of days, such as {"Mo-Fr": ("08:00", "17:00"), "Sa": ("", ""), "PH": ...}.

    If the cells of a day are empty or equal (`00:00-00:00`), the note decides; without one it is unknown.
    `00:00-23:59` is the whole day. Weekdays that no group names are closed; holidays that no group names are
    left out of the result. Raises InvalidInput only for a group name that is not a list of days.
    """
    given: dict[Day, Spans] = {}
    if not any(_filled(cell) for pair in times.values() for cell in pair):
        return understand_hours(note or "", language=language)
    for name, (opens, closes) in times.items():
        spans = _spans(opens, closes)
        if spans is None:
            return UnderstoodHours(None, _original_text(times, note))
        for day in _group(name):
            if day.weekday != HOLIDAY or spans != NOT_KNOWN:
                given[day] = spans
    return _with_note(WeeklyHours(given), note, language, _original_text(times, note))


@lru_cache(maxsize=MAX_CACHED)
def hours_of_taiwan(
    *, weekdays: Times, saturday: Times, sunday: Times, always: str | None = None, note: str | None = None
) -> UnderstoodHours:
    """Return the hours from Taiwan's national register (周一至周五起, 周一至周五迄, ..., 開放使用時間備註).

    `always` (全年全天開放大眾使用) is Y if the device is public at all times; X and blank mean nothing.
    """
    flag = (always or "").strip().upper()
    note = None if (note or "").strip() in _NO_NOTE else note
    times = {"Mo-Fr": weekdays, "Sa": saturday, "Su": sunday}
    if flag != "N" and _is_every_day(note) and all(_is_midnight(pair) for pair in times.values()):
        return UnderstoodHours("24/7", None)
    given = any(_filled(cell) for pair in times.values() for cell in pair)
    if flag == "Y" and not given and not _filled(note):
        return UnderstoodHours("24/7", None)
    understood = hours_of_week(times, note=note, language="zh")
    if flag not in ("Y", "N") or understood.expression is None:
        return understood
    if flag == "N":
        is_always = understood.expression == "24/7"
        return UnderstoodHours(None, f"24/7, N {note or ''}".strip()) if is_always else understood
    note = f"全年全天開放\n{note or ''}".strip()
    return hours_of_week(times, note=note, language="zh")


_NO_NOTE: Final = frozenset({"", "無", "无", "-", "NA", "N/A"})


def _is_midnight(times: Times) -> bool:
    """Return whether a day's cells are `00:00-00:00`, which may mean the whole day or nothing."""
    return all(_minute(cell) == 0 for cell in times)


def _is_every_day(note: str | None) -> bool:
    """Return whether a note says only that it is open every day (全年無休)."""
    tidy = tidied(note or "")
    statements = (statements_of(tidy, "zh") if tidy else None) or ()
    return bool(statements) and all(isinstance(each, OnlyOn) and each.days.every for each in statements)


@lru_cache(maxsize=MAX_CACHED)
def hours_of_japan(
    *, days: str | None, opens: str | None, closes: str | None, note: str | None = None
) -> UnderstoodHours:
    """Return the hours of Japan's schema: 利用可能曜日, 開始時間, 終了時間, 利用可能日時特記事項."""
    timed = _filled(opens) or _filled(closes)
    if not timed and not _filled(days):
        return understand_hours(note or "", language="ja")
    original = " ".join(each.strip() for each in (days, opens, closes, note) if each and each.strip())
    spans = _spans(opens, closes)
    if spans is None:
        return UnderstoodHours(None, original)
    if not _filled(days):
        week = WeeklyHours(dict.fromkeys(WEEKDAYS, uncertain(spans)), doubts=(NO_DAYS_GIVEN,))
        return _with_note(week, note, "ja", original)
    on = _week_of_days(days or "", "ja")
    if on is None:
        return UnderstoodHours(None, original)
    return _with_note(_with_hours(on, spans), note, "ja", original)


_NOT_GIVEN: Final = frozenset({"", "non renseigné", "non renseigne", "null", "none"})
_VAGUE_HOURS: Final = frozenset({"heures ouvrables", "heures de nuit", "heures ouvrées"})


@lru_cache(maxsize=MAX_CACHED)
def hours_of_geodae(*, days: str | None, hours: str | None, note: str | None = None) -> UnderstoodHours:
    """Return the hours from the French register: arrays c_disp_j and c_disp_h in braces, and c_disp_complt.

    `{heures ouvrables}` and `{heures de nuit}` give no times: with the days `{lundi,mardi}` they only say
    that all other days are closed.
    """
    named = _array(days)
    stated = _array(hours)
    if not named and not stated:
        return understand_hours(note or "", language="fr")
    original = " ".join(each.strip() for each in (days, hours, note) if each and each.strip())
    if stated == ["24h/24"]:
        spans = WHOLE_DAY
    elif set(stated) <= _VAGUE_HOURS:
        spans = NOT_KNOWN
    else:
        return UnderstoodHours(None, original)
    doubts = tuple(stated) if spans == NOT_KNOWN else ()
    on = _week_of_days(", ".join(named), "fr") if named else None
    if on is None:
        return UnderstoodHours(None, original)
    week = _with_hours(on, spans)
    return _with_note(replace(week, doubts=week.doubts + doubts), note, "fr", original)


def _array(text: str | None) -> list[str]:
    """Return the entries of an array such as `{lundi,"jours fériés"}`."""
    entries = [each.strip(' "').lower() for each in (text or "").strip().strip("{}[]").split(",")]
    return [entry for entry in entries if entry not in _NOT_GIVEN]


# --- Cells ----------------------------------------------------------------------------------------------


def _filled(cell: str | None) -> bool:
    return bool(cell and cell.strip())


_CELL: Final = re.compile(
    r"(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d)(?::00)?|(?P<minute_>[0-5]\d)|[時时點点](?:(?P<minute__>[0-5]?\d)分)?)"
)


def _minute(cell: str | None) -> int | None:
    found = _CELL.fullmatch(tidied(cell or "") or "")
    if found is None:
        return None
    minute = int(found["hour"]) * 60 + int(found["minute"] or found["minute_"] or found["minute__"] or 0)
    return minute if minute <= DAY_MINUTES * 5 // 4 else None


def _spans(opens: str | None, closes: str | None) -> Spans | None:
    """Return a day's hours from two cells: NOT_KNOWN if they are uncertain, None if they cannot be parsed."""
    if not _filled(opens) and not _filled(closes):
        return NOT_KNOWN
    start, end = _minute(opens), _minute(closes)
    if start is None or end is None or start >= DAY_MINUTES:
        return None
    span = span_of(start, end or DAY_MINUTES) if (start, end) != (0, 0) else None
    return NOT_KNOWN if span is None else (span,)


def _group(name: str) -> Iterable[Day]:
    """Yield the days of "Mo-Fr", "Sa,Su" or "PH"; raise InvalidInput for any other name."""
    for part in name.split(","):
        first, _, last = part.strip().partition("-")
        if first == "PH" and not last:
            yield PUBLIC_HOLIDAY
            continue
        if first not in _OSM_NAMES or (last or first) not in _OSM_NAMES:
            raise InvalidInput(
                "“{name}” is not a list of days: write Mo to Su or PH, like Mo-Fr or Sa,Su.",
                field="days",
                name=name,
            )
        start, end = _OSM_NAMES.index(first), _OSM_NAMES.index(last or first)
        yield from (Day((start + n) % 7) for n in range((end - start) % 7 + 1))


_OSM_NAMES: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


def _week_of_days(days: str, language: str) -> WeeklyHours | None:
    """Return a week open all day on the days in a cell: "月火水木金", "土日祝以外", "lundi, mardi"."""
    listed = re.sub(r"[;；\n]", ",", days)  # in this column a semicolon separates days
    tidy = tidied(f"{listed} 00:00-24:00")
    statements = statements_of(tidy, language) if tidy else None
    return parse_week(statements) if statements else None


def _with_hours(week: WeeklyHours, spans: Spans) -> WeeklyHours:
    return replace(
        week,
        hours={
            day: () if not open_ else spans if open_ == WHOLE_DAY else uncertain(spans)
            for day, open_ in week.hours.items()
        },
    )


def _original_text(times: Mapping[str, Times], note: str | None) -> str:
    written = [
        f"{name} {opens or ''}-{closes or ''}"
        for name, (opens, closes) in times.items()
        if _filled(opens) or _filled(closes)
    ]
    return "; ".join([*written, *([note.strip()] if note and note.strip() else [])])


# --- Notes ----------------------------------------------------------------------------------------------


def _with_note(week: WeeklyHours, note: str | None, language: str | None, original: str) -> UnderstoodHours:
    narrowed: WeeklyHours | None = week
    if note and note.strip():
        tidy = tidied(note)
        narrowed = _narrowed(week, tidy, language) if tidy is not None else None
    expression = expression_of(narrowed) if narrowed else None
    if narrowed is None or expression is None:
        return UnderstoodHours(None, original)
    not_stated = [
        day for day, spans in sorted(narrowed.hours.items()) if any(not span.certain for span in spans)
    ]
    rest = list(dict.fromkeys(narrowed.doubts))
    if not_stated and not rest:
        rest.append(f"{days_text(not_stated)} not stated")
    return UnderstoodHours(expression, "; ".join(rest) or None)


_RESTRICTS: Final = re.compile(
    r"のみ|だけ|除く|除き|以外|限る|限り|休|閉|除外|不開|不开|未開|未开|不對外|僅|仅|只|限|暫停|暂停"
    r"|\bonly\b|\bclosed\b|\bexcept|\bunless\b|\bsauf\b|\bhors\b|fermé|uniquement|seulement"
    r"|\bnur\b|außer|geschlossen|만$|제외|휴무|휴관|\btylko\b|oprócz|nieczynn|zamknięt"
)
_MAY_OPEN: Final = re.compile(
    r"\d\s?[:h時时點点시]|24|\b[ap]m\b|全天|全日|終日|常時|隨時|随時|警衛|守衛|警卫|保全|管理員|協助|協力|連絡|聯絡|電話|致電|洽"
    r"|guard|security|phone|\bcall\b|night|gardien|nuit|pförtner|nachts|ochron"
)
"""Words that a restricting clause may also contain, about other ways or times to get in."""


def _narrowed(week: WeeklyHours, note: str, language: str | None) -> WeeklyHours | None:
    """Return the week narrowed by a normalised note, clause by clause if it is not understood as a whole."""
    whole = _statements_in(note, language)
    if whole is not None:
        return _applied(week, whole)
    statements: list[Statement] = []
    doubts: list[str] = []
    for clause in _clauses(note):
        stated = _statements_in(clause, language)
        if stated is not None:
            statements += stated
        elif _RESTRICTS.search(clause) and not _MAY_OPEN.search(clause):
            doubts.append(clause)
        else:
            return None
    applied = _applied(week, statements)
    if applied is None or not doubts:
        return applied
    unsure = {day: uncertain(spans) for day, spans in applied.hours.items()}
    return replace(applied, hours=unsure, doubts=(*applied.doubts, *doubts))


def _statements_in(text: str, language: str | None) -> tuple[Statement, ...] | None:
    """Return the statements of a text; None unless it has exactly one interpretation."""
    readings = {
        statements
        for each in languages_of(text, language)
        if (statements := statements_of(text, each)) is not None
    }
    return readings.pop() if len(readings) == 1 else None


def _clauses(note: str) -> list[str]:
    """Split a note into sentences and lines, without the numbers of numbered lines."""
    lines = note.split("\n")
    if len(lines) > 1 and all(re.match(rf"{n}[.)]", line) for n, line in enumerate(lines, 1)):
        lines = [line.split(line[1], 1)[1] for line in lines]
    parts = (part.strip(" ,") for line in lines for part in re.split(r"[;※]|\.(?=\s|$)", line))
    return [part for part in parts if part]


def _applied(week: WeeklyHours, statements: Iterable[Statement]) -> WeeklyHours | None:
    """Return the week with the statements applied; None if they contradict it."""
    result: WeeklyHours | None = week
    order = (Opens, Until, Closes, OnlyOn)
    for statement in sorted(statements, key=lambda each: order.index(type(each))):
        if result is None:
            return None
        match statement:
            case Opens():
                result = brought_together(result, statement)
            case OnlyOn(days):
                result = _only_on(result, days)
            case _:
                result = narrow(result, statement)
    return result


def _only_on(week: WeeklyHours, days: DaySet) -> WeeklyHours | None:
    """Return the week closed on all weekdays except `days`; None if it is closed on one of `days`."""
    if any(week.hours.get(day) == () or (day in EVERY_DAY and day not in week.hours) for day in days.certain):
        return None
    allowed = days.certain | days.perhaps
    hours = {
        day: spans if day in allowed or day.weekday == HOLIDAY else () for day, spans in week.hours.items()
    }
    if days.except_holidays:
        hours[PUBLIC_HOLIDAY] = ()
    return replace(week, hours=hours)
