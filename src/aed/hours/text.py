"""Convert free-text hours, in the languages of AED lists, to `opening_hours` without guessing.

Every word of a text must be understood, or the result is unknown. If the meaning is only partly certain, the
rest is unknown: the hours on days that an expression cannot name (年末年始, 休館日) are unknown; times
without days ("9:00-17:00") only mean that it is closed outside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from aed.errors import InvalidInput
from aed.hours.evaluation import parse_hours
from aed.hours.statements import (
    EARLIEST_PLAIN,
    MIN_OPENING_DAYS,
    Closes,
    OnlyOn,
    Opens,
    Statement,
    Until,
    statements_of,
)
from aed.hours.tokens import tidied
from aed.hours.week import (
    DAY_MINUTES,
    EVERY_DAY,
    HOLIDAY,
    PUBLIC_HOLIDAY,
    WHOLE_DAY,
    Day,
    MinuteSpan,
    Spans,
    WeeklyHours,
    agreed,
    expression_of,
    in_order,
    is_within,
    span_of,
    uncertain,
    without,
)
from aed.hours.words import LANGUAGES, DaySet

MAX_CLOSED_DAYS: Final = MIN_OPENING_DAYS - 1
NO_DAYS_GIVEN: Final = "days not stated"
MAX_CACHED: Final = 20_000


@dataclass(frozen=True, slots=True)
class UnderstoodHours:
    """Hours from a list, as far as they are certain.

    `expression` may contain `unknown` for uncertain times; it is None if nothing is known.
    `rest` holds the words that were not understood or are uncertain, for a person to read.
    """

    expression: str | None
    rest: str | None

    @property
    def certain(self) -> bool:
        """Whether the expression covers everything that was written."""
        return self.expression is not None and self.rest is None


NOTHING_SAID: Final = UnderstoodHours(None, None)


@lru_cache(maxsize=MAX_CACHED)
def understand_hours(text: str, *, language: str | None = None) -> UnderstoodHours:
    """Return the hours in `text`, in a given language ("zh", "ja-JP", ...) or in any that it may be in.

    1. Text that is already `opening_hours` with days is used unchanged. In the language "osm" (OSM tags)
       times without days are accepted too, and mean every day.
    2. Other text is parsed in every language that uses its script. If results differ, the hours are unknown:
       "Di" is Tuesday in German and Sunday in French, "Mar" is March in OpenStreetMap and Tuesday in French.

    Never raises. The registry accepts every expression that is returned.
    """
    if not text.strip():
        return NOTHING_SAID
    written = text.strip()
    tidy = tidied(text)
    if tidy is None:
        return UnderstoodHours(None, written)
    languages = languages_of(tidy, language)
    already = _expression_already(text, tidy, whole=language == "osm")
    has_mar = language != "osm" and re.search(r"\bmar\b", tidy) is not None
    may_be_tuesday = has_mar and not {"fr", "es", "it"}.isdisjoint(languages)
    if already is not None and not may_be_tuesday:
        return UnderstoodHours(already, written if _is_vague(already) else None)
    if may_be_tuesday and language is None:
        return UnderstoodHours(None, written)
    readings = set[tuple[str, tuple[str, ...]]]()
    for each in languages:
        statements = statements_of(tidy, each)
        week = parse_week(statements) if statements else None
        expression = expression_of(week) if week else None
        if week and expression:
            readings.add((expression, week.doubts))
    if len(readings) != 1:
        return UnderstoodHours(None, written)
    expression, doubts = readings.pop()
    return UnderstoodHours(expression, "; ".join(dict.fromkeys(doubts)) or None)


def languages_of(tidy: str, language: str | None) -> tuple[str, ...]:
    """Return the given language if it is supported, else the languages that use the script of the text."""
    if language is not None:
        named = re.split("[-_]", language.lower())[0]
        if named in LANGUAGES:
            return (named,)
    if re.search("[ぁ-んァ-ヶ]", tidy):
        return ("ja",)
    if re.search("[가-힣]", tidy):
        return ("ko",)
    if re.search("[一-龥]", tidy):
        return ("zh", "ja")
    return ("en", "fr", "de", "pl")


_OSM_DAYS: Final = re.compile(r"(?i)\b(?:mo|tu|we|th|fr|sa|su|ph|24/7)\b")
_PLAIN_SPAN: Final = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")


def _expression_already(text: str, tidy: str, *, whole: bool) -> str | None:
    """Return the text if it is unambiguously an expression with days; with `whole`, days are optional.

    Returns None for "open", times alone, and `9:00-5:00`.
    """
    if not (whole or _OSM_DAYS.search(tidy)):
        return None
    if not re.search(r"\d:\d\d|24/7", tidy):
        return None
    for hour, minute, to_hour, to_minute in _PLAIN_SPAN.findall(tidy):
        start, end = int(hour) * 60 + int(minute), int(to_hour) * 60 + int(to_minute)
        if not _is_of_24_hours(hour, to_hour) and (end <= start or not (whole or start >= EARLIEST_PLAIN)):
            return None
        if end <= start and span_of(start, end) is None:
            return None
    try:
        expression = parse_hours(text)
    except InvalidInput:
        return None
    return None if _names_days_without_times(expression) else expression


_A_DAY: Final = r"(?:Mo|Tu|We|Th|Fr|Sa|Su|PH|SH)(?:\[[^\]]*\])?"
_DAYS_ALONE: Final = re.compile(rf"{_A_DAY}(?:[-,]{_A_DAY})*")


def _names_days_without_times(expression: str) -> bool:
    """Return whether a rule has days only, such as `Tu` in `Mo 09:00-12:00; Tu; We 09:00-12:00`.

    In OpenStreetMap that means open all day, but more likely a field was left empty for a closed day.
    """
    rules = re.split(r";|\|\||, ", re.sub(r'"[^"]*"', '""', expression))
    return any(_DAYS_ALONE.fullmatch(rule.strip()) for rule in rules)


def _is_vague(expression: str) -> bool:
    return re.search(r'unknown|"|sun|dawn|dusk|\+$|SH', expression) is not None


def _is_of_24_hours(*hours: str) -> bool:
    return any(hour[0] == "0" or int(hour) > 12 for hour in hours)  # 0:30, 09:00, 17:00


# --- From statements to a week --------------------------------------------------------------------------


def parse_week(statements: Iterable[Statement]) -> WeeklyHours | None:
    """Return the week that the statements describe; None if they contradict each other.

    If days are named twice, the second statement must narrow the first, or be about other times.
    """
    statements = tuple(statements)
    openings = [each for each in statements if isinstance(each, Opens)]
    hours: dict[Day, Spans] = {}
    doubts: list[str] = []
    if not openings or any(each.loosely for each in openings):
        return None
    if any(each.days is None for each in openings):
        closings = [each for each in statements if isinstance(each, Closes)]
        closed = frozenset[Day]().union(*(each.days.certain for each in closings if each.days)) & EVERY_DAY
        if len(openings) > 1 or len(closed) > MAX_CLOSED_DAYS or not all(each.clearly for each in closings):
            return None
        hours, doubts = _of_no_days(openings[0].spans, statements)
    by_days: dict[frozenset[Day], Spans] = {}
    for opening in openings:
        if opening.days is None:
            continue
        spans = opening.spans
        named = opening.days.certain | opening.days.perhaps
        if named in by_days:
            together = by_days[named] if spans == by_days[named] else in_order((*by_days[named], *spans))
            if together is None:
                return None
            spans = together
        elif not _is_an_exception(named, spans, hours):
            return None
        by_days[named] = spans
        hours |= _hours_on(opening.days, spans)
        if opening.days.perhaps:
            doubts.append("perhaps " + _names(opening.days.perhaps))
    week = WeeklyHours(hours, doubts=tuple(doubts))
    for place, statement in enumerate(statements):
        if (
            isinstance(statement, Closes)
            and _gives_holidays(statements[:place])
            and _closes_holidays(statement)
        ):
            return None
        if not isinstance(statement, Opens | OnlyOn):
            if isinstance(statement, Closes) and _gives_holidays(statements[place:]):
                statement = _without_holidays(statement)
            narrowed = narrow(week, statement)
            if narrowed is None or (isinstance(statement, Closes) and statement.spans):
                return None
            week = narrowed
    for opening in openings:
        if opening.days and opening.days.except_holidays and PUBLIC_HOLIDAY not in week.hours:
            week = replace(week, hours={**week.hours, PUBLIC_HOLIDAY: ()})
    for statement in statements:
        if isinstance(statement, OnlyOn) and not {day for day in week.hours if week.hours[day]} <= (
            statement.days.certain | {PUBLIC_HOLIDAY}
        ):
            return None
        if isinstance(statement, OnlyOn) and not statement.days.certain <= week.hours.keys():
            return None
    return week


def _gives_holidays(statements: Iterable[Statement]) -> bool:
    """Return whether holidays have hours: "Mo-Sa (holidays excepted) 8-22, Su and holidays 8-17"."""
    return any(
        isinstance(each, Opens) and each.days is not None and PUBLIC_HOLIDAY in each.days.certain
        for each in statements
    )


def _closes_holidays(statement: Closes) -> bool:
    return statement.days is not None and PUBLIC_HOLIDAY in statement.days.certain and not statement.spans


def _without_holidays(statement: Closes) -> Closes:
    if statement.days is None or statement.spans:
        return statement
    return replace(statement, days=replace(statement.days, certain=statement.days.certain - {PUBLIC_HOLIDAY}))


def _is_an_exception(days: frozenset[Day], spans: Spans, hours: dict[Day, Spans]) -> bool:
    """Return whether the hours only shorten hours that were given before, on few days.

    "Daily 9:00-21:00, Sunday to 17:00" has an exception; "always, Mo-Fr 9:00-17:00" contradicts itself.
    """
    again = [day for day in days if hours.get(day)]
    return len(again) <= MAX_CLOSED_DAYS and all(
        hours[day] != WHOLE_DAY and is_within(spans, hours[day]) for day in again
    )


def _of_no_days(spans: Spans, statements: tuple[Statement, ...]) -> tuple[dict[Day, Spans], list[str]]:
    """Return the hours and doubts for times without days.

    They apply to every day if they are "24 hours", or if the text says "daily" or names closed weekdays.
    """
    days_are_clear = spans == WHOLE_DAY or any(
        (isinstance(each, OnlyOn) and each.days.every)
        or (
            isinstance(each, Closes) and each.days is not None and not each.days.certain.isdisjoint(EVERY_DAY)
        )
        for each in statements
    )
    if days_are_clear:
        return dict.fromkeys(EVERY_DAY, spans), []
    return dict.fromkeys(EVERY_DAY, uncertain(spans)), [NO_DAYS_GIVEN]


def _hours_on(days: DaySet, spans: Spans) -> dict[Day, Spans]:
    return {
        **dict.fromkeys(days.certain, spans),
        **dict.fromkeys(days.perhaps, uncertain(spans)),
    }


_NAMES: Final = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "PH")


def _names(days: Iterable[Day]) -> str:
    return ",".join(_NAMES[day.weekday] for day in sorted(days))


def narrow(week: WeeklyHours, statement: Closes | Until) -> WeeklyHours | None:
    """Return the week with a closing or an earlier end applied; None if that is ambiguous."""
    hours = dict(week.hours)
    match statement:
        case Closes(days, dates, doubts, spans):
            for day in days.certain if days else ():
                hours[day] = ()
            for day in days.perhaps if days else ():
                if hours.get(day):
                    hours[day] = uncertain(hours[day])
            if spans:
                hours = dict(week.hours)
                for day in days.certain | days.perhaps if days else week.hours:
                    if hours.get(day):
                        hours[day] = without(hours[day], spans)
            if any(not doubt.dates for doubt in doubts):
                hours = {day: uncertain(each) for day, each in hours.items()}
            words = [doubt.words for doubt in doubts]
            if days and any(hours.get(day) for day in days.perhaps):
                words.append("perhaps closed " + _names(days.perhaps))
            return WeeklyHours(
                hours,
                week.closed + dates,
                week.doubtful + tuple(each for doubt in doubts for each in doubt.dates),
                week.doubts + tuple(words),
            )
        case Until(days, minute):
            for day in days.certain | days.perhaps:
                spans_now = hours.get(day) or (_common_hours(week) if day.weekday == HOLIDAY else ())
                if not spans_now or spans_now[-1].end < minute or spans_now[0].start >= minute:
                    return None
                hours[day] = without(spans_now, (MinuteSpan(minute, 2 * DAY_MINUTES),))
            return replace(week, hours=hours)


def _common_hours(week: WeeklyHours) -> Spans:
    """Return the shortest hours of the weekdays, if all start at the same time; else no hours."""
    given = [spans for day, spans in week.hours.items() if day.weekday != HOLIDAY and not day.nth and spans]
    if not given or len({(len(spans), spans[0].start) for spans in given}) > 1:
        return ()
    return min(given, key=lambda spans: spans[-1].end)


def brought_together(week: WeeklyHours, statement: Opens) -> WeeklyHours:
    """Return the week of a table combined with the hours in its note.

    1. A note that names days and is within the table's hours narrows them.
    2. A day without certain hours in the table takes those of the note, if the two agree on all other days.
    3. Otherwise it is open when both are open, closed when both are closed, and unknown elsewhere.
    """
    hours = dict(week.hours)
    doubts = week.doubts
    if statement.days is not None:
        named = _hours_on(statement.days, statement.spans)
    else:
        open_on = [day for day, spans in hours.items() if spans and day.weekday != HOLIDAY and not day.nth]
        named = dict.fromkeys(open_on, statement.spans)
    differ = False
    for day, spans in named.items():
        given = hours.get(day)
        if given is None and day.weekday == HOLIDAY:
            given = _common_hours(week)
            hours[day] = spans if is_within(spans, given) else agreed(spans, given)
        elif day.nth:
            hours[day] = agreed(spans, hours.get(Day(day.weekday), ()))
        elif given is not None and _has_open_end(given):
            continue
        elif given is not None and statement.days and is_within(spans, given):
            hours[day] = spans
        else:
            hours[day] = agreed(given or (), spans)
        differ = differ or any(not span.certain for span in hours[day])
    for day, spans in named.items():
        given = hours.get(day)
        if given is not None and _has_open_end(given) and not differ:
            hours[day] = spans
    if statement.days and statement.days.except_holidays:
        hours.setdefault(PUBLIC_HOLIDAY, ())
    if differ:
        doubts = (*doubts, "table and note differ")
    return replace(week, hours=hours, doubts=doubts)


def _has_open_end(spans: Spans) -> bool:
    return spans == (MinuteSpan(0, DAY_MINUTES, certain=False),)
