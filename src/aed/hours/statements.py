"""Parse the words of a text about hours into statements: times, closings and exceptions with their days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from aed.hours.tokens import Gap, Word, words_of
from aed.hours.week import (
    DAY_MINUTES,
    EVERY_DAY,
    HOLIDAY,
    WHOLE_DAY,
    Dates,
    Day,
    MinuteSpan,
    Spans,
    in_order,
    span_of,
)
from aed.hours.words import LATIN, Clock, DaySet, Doubt, Half, Mark, Style, Token

EARLIEST_BARE_HOUR: Final = 5
"""Earliest hour written as a bare number; "1-5" is more likely days, floors or the afternoon."""
EARLIEST_PLAIN: Final = 6 * 60
"""Earliest minute at which a time such as 8:00 is taken for the morning without further evidence."""
MIN_OPENING_DAYS: Final = 3
"""Minimum number of adjacent weekdays that are taken for opening days, not for closed days."""


@dataclass(frozen=True, slots=True)
class Opens:
    """Open at these times on these days (None if no days are named). `loosely` is true for 全日."""

    days: DaySet | None
    spans: Spans
    loosely: bool = False


@dataclass(frozen=True, slots=True)
class Closes:
    """Closed on these days, dates and doubtful days; if `spans` is not empty, only at those times."""

    days: DaySet | None
    dates: tuple[Dates, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    spans: Spans = ()
    clearly: bool = True
    """True if it follows that it is open on all other days."""


@dataclass(frozen=True, slots=True)
class Until:
    """Closes at `minute` on these days; the opening time is unchanged."""

    days: DaySet
    minute: int


@dataclass(frozen=True, slots=True)
class OnlyOn:
    """Open on no other weekdays than these; if these are all weekdays, open every day."""

    days: DaySet


type Statement = Opens | Closes | Until | OnlyOn


@dataclass(frozen=True, slots=True)
class _Times:
    spans: Spans
    loosely: bool = False


@dataclass(frozen=True, slots=True)
class _EndsAt:
    minute: int


type _Item = DaySet | Dates | Doubt | _Times | _EndsAt | Mark


_TO: Final = (Mark.TO, Mark.DASH)


class _NotUnderstood(Exception):
    """All words are known, but their meaning is ambiguous."""


def statements_of(tidy: str, language: str) -> tuple[Statement, ...] | None:
    """Return the statements of a normalised text in a language; None if any word is not understood."""
    words = words_of(tidy, language)
    if words is None:
        return None
    try:
        return tuple(_statements(_items(words, language)))
    except _NotUnderstood:
        return None


def _items(words: list[Word], language: str) -> list[_Item]:
    """Combine words into items: ranges and lists of days, and ranges of times."""
    tokens = [word.token for word in words]
    of_24_hours = any(
        isinstance(token, Clock)
        and token.half is None
        and (token.hour > 12 or token.hour == 0 or token.padded)
        and not (n and isinstance(tokens[n - 1], Half))
        for n, token in enumerate(tokens)
    )
    items: list[_Item] = []
    place = 0
    while place < len(tokens):
        token, gap = words[place]
        before = items[-1] if items else None
        place += 1
        match token:
            case Clock() | Half():
                item, place = _time(tokens, place - 1, language, of_24_hours)
                items.append(item)
            case DaySet():
                days, place = _days(token, words, place)
                if isinstance(before, DaySet) and gap is Gap.EMPTY and before.certain != days.certain:
                    raise _NotUnderstood
                if isinstance(before, DaySet) and gap is Gap.NONE:
                    items[-1] = _all_days((before, days))
                elif isinstance(before, _Times) and gap is Gap.COMMA:
                    items += [Mark.COMMA, days]
                else:
                    items.append(days)
            case Mark.WHOLE_DAY | Mark.LONG:
                items.append(_Times(WHOLE_DAY, loosely=token is Mark.LONG))
            case Mark.ALWAYS:
                items += [DaySet(EVERY_DAY), _Times(WHOLE_DAY)]
            case Mark.FROM:
                pass
            case Mark.DASH if isinstance(before, DaySet):
                if not isinstance(_token_at(tokens, place), Clock | Half):
                    raise _NotUnderstood
            case Mark.TO | Mark.DASH:
                raise _NotUnderstood
            case Mark.UNTIL:
                if not isinstance(before, DaySet):
                    raise _NotUnderstood
            case Mark.OFF | Mark.OFF_BEFORE if before in (Mark.OFF, Mark.OFF_BEFORE):
                pass  # "closed, not open"
            case _:
                items.append(token)
    return items


def _token_at(tokens: list[Token], place: int) -> Token | None:
    while place < len(tokens) and tokens[place] is Mark.FROM:
        place += 1
    return tokens[place] if place < len(tokens) else None


def _days(first: DaySet, words: list[Word], place: int) -> tuple[DaySet, int]:
    """Parse a day or range of days; return it and the next index. `place` follows the first day."""
    if place >= len(words) or words[place].token not in _TO:
        return first, place
    last_at = place + 1
    while last_at < len(words) and words[last_at].token is Mark.FROM:
        last_at += 1
    last = words[last_at].token if last_at < len(words) else None
    if not isinstance(last, DaySet):
        return first, place
    if any(word.after in (Gap.COMMA, Gap.EMPTY) for word in words[place : last_at + 1]):
        raise _NotUnderstood  # a dash instead of hours: "Saturday -, Sunday 9-12"
    start, end = _weekday(first), _weekday(last)
    if start is None or end is None or start == end:
        raise _NotUnderstood
    named = frozenset(Day((start + n) % 7) for n in range((end - start) % 7 + 1))
    return DaySet(named), last_at + 1


def _weekday(days: DaySet) -> int | None:
    if len(days.certain) != 1 or days.perhaps:
        return None
    (day,) = days.certain
    return None if day.weekday == HOLIDAY or day.nth else day.weekday


# --- Times --------------------------------------------------------------------------------------------


def _time(tokens: list[Token], place: int, language: str, of_24_hours: bool) -> tuple[_Times | _EndsAt, int]:
    """Parse a range of times, or an end time ("until"); return it and the next index."""
    start, place = _clock(tokens, place)
    if place < len(tokens) and tokens[place] is Mark.UNTIL:
        return _EndsAt(_single_time(start)), place + 1
    if place >= len(tokens) or tokens[place] not in _TO:
        raise _NotUnderstood
    place += 1
    while place < len(tokens) and tokens[place] is Mark.FROM:
        place += 1
    if place < len(tokens) and tokens[place] is Mark.WHOLE_DAY:  # "0-24h"
        end, place = Clock(24, 0, Style.UNIT), place + 1
    else:
        end, place = _clock(tokens, place)
    if place < len(tokens) and tokens[place] is Mark.UNTIL:
        place += 1
    span = _span(start, end, language, of_24_hours)
    if span is None:
        raise _NotUnderstood
    return _Times((span,)), place


def _clock(tokens: list[Token], place: int) -> tuple[Clock, int]:
    half: Half | None = None
    if place < len(tokens) and isinstance(found := tokens[place], Half):
        half, place = found, place + 1
    clock = tokens[place] if place < len(tokens) else None
    if not isinstance(clock, Clock) or (half and (clock.half or clock.style is Style.WORD)):
        raise _NotUnderstood
    return (replace(clock, half=half) if half else clock), place + 1


def _single_time(clock: Clock) -> int:
    """Return the minute of day of a single time; raise _NotUnderstood if it is ambiguous."""
    minute = _minute(clock)
    sure = clock.half or clock.style is Style.WORD or clock.hour > 12
    if minute is None or not (sure or (clock.hour == 12 and clock.style is Style.COLON)):
        raise _NotUnderstood
    return minute or DAY_MINUTES


def _minute(clock: Clock) -> int | None:
    """Return minutes from midnight, by the part of the day if one is given, else by the 24-hour clock."""
    hour = clock.hour if clock.half is None else clock.half.of(clock.hour)
    return None if hour is None else hour * 60 + clock.minute


def _span(start: Clock, end: Clock, language: str, of_24_hours: bool) -> MinuteSpan | None:
    first, last = _minute(start), _minute(end)
    if first is None or last is None or last > 30 * 60:
        return None
    if start.half and end.half:
        return span_of(first, last or DAY_MINUTES) if first != last else None
    if start.half:
        return _span_from_a_half(first, start, end, language)
    if end.half:
        return _span_to_a_half(start, first, last)
    if Style.WORD in (start.style, end.style):
        return _span_with_a_word(start, first, end, last)
    return _span_of_24_hours(start, first, end, last, language, of_24_hours)


def _says_24_hours(clock: Clock) -> bool:
    return clock.hour > 12 or clock.hour == 0 or clock.padded


def _span_from_a_half(first: int, start: Clock, end: Clock, language: str) -> MinuteSpan | None:
    """Return the span of "午前9時〜11時" or "上午9點至17點".

    The second time is in the same part of the day, or on the 24-hour clock.
    """
    if _says_24_hours(end) or end.style is Style.WORD:
        return span_of(first, _minute(end) or DAY_MINUTES)
    if language in ("zh", "ja", "ko") and first < DAY_MINUTES // 2 and end.hour == 12 and end.minute == 0:
        return span_of(first, DAY_MINUTES // 2)
    hour = start.half.of(end.hour) if start.half else None
    if language not in ("zh", "ja", "ko") or hour is None:
        return None
    last = hour * 60 + end.minute
    return span_of(first, last) if last > first else None


def _span_to_a_half(start: Clock, first: int, last: int) -> MinuteSpan | None:
    """Return the span of "9-5pm"; None if the first time precedes the second both as a.m. and as p.m."""
    last = last or DAY_MINUTES
    if start.style is Style.WORD or _says_24_hours(start):
        return span_of(first, last)
    in_the_morning = (start.hour % 12) * 60 + start.minute
    possible = [minute for minute in (in_the_morning, in_the_morning + DAY_MINUTES // 2) if minute < last]
    return span_of(possible[0], last) if len(possible) == 1 else None


def _span_with_a_word(start: Clock, first: int, end: Clock, last: int) -> MinuteSpan | None:
    """Return the span of "8:00 to noon" or "18:00 to midnight"."""
    if start.style is Style.WORD and end.style is Style.WORD:
        return span_of(first, last or DAY_MINUTES) if first != last else None
    if end.style is Style.WORD:
        if last == 0 and not _says_24_hours(start):
            return None
        last = last or DAY_MINUTES
        return span_of(first, last) if first < last else None
    return span_of(first, last) if _says_24_hours(end) and first < last else None


def _span_of_24_hours(
    start: Clock, first: int, end: Clock, last: int, language: str, of_24_hours: bool
) -> MinuteSpan | None:
    """Return the span of two plain times; None unless they are certainly on a 24-hour clock.

    "8-5", "8点到12点" and "1:00-5:00" may be on a 12-hour clock. Evidence of a 24-hour clock is an hour above
    12 or with a leading zero, here or elsewhere in the text, or a language that only uses that clock.
    """
    styles = {start.style, end.style}
    if Style.FOUR_DIGITS in styles:
        is_a_year = not start.padded and not 10 <= start.hour <= 18
        return (
            span_of(first, last) if styles == {Style.FOUR_DIGITS} and first < last and not is_a_year else None
        )
    if last <= first:
        over_midnight = start.hour > 12 or (end.padded or end.hour == 0)
        if last == 0:
            return span_of(first, DAY_MINUTES) if Style.BARE not in styles else None
        return span_of(first, last) if over_midnight else None
    if styles == {Style.BARE}:
        of_hours = language not in ("zh", "ja", "ko") and of_24_hours and start.hour >= EARLIEST_BARE_HOUR
        return span_of(first, last) if of_hours or (start.hour, end.hour) == (0, 24) else None
    if of_24_hours:
        return span_of(first, last)
    if Style.UNIT in styles:
        return span_of(first, last) if language in LATIN - {"en"} else None
    return span_of(first, last) if first >= EARLIEST_PLAIN and Style.BARE not in styles else None


# --- Grammar ------------------------------------------------------------------------------------------


def _statements(items: list[_Item]) -> Iterator[Statement]:
    """Yield statements that assign times, closings and exceptions to days.

    Days are queued until times or a closing follow. Times or a closing with an empty queue belong to the days
    after them. Raises _NotUnderstood if both are possible, or if days remain in the queue.
    """
    waiting: list[DaySet | Dates | Doubt] = []
    bracket = 0
    before_break = 0
    only = False
    times_first = 0
    place = 0
    while place < len(items):
        item = items[place]
        place += 1
        match item:
            case DaySet() | Dates() | Doubt():
                waiting.append(item)
            case Mark.BRACKET:
                bracket = len(waiting)
            case Mark.BRACKET_END:
                if place > 1 and items[place - 2] is Mark.BRACKET:
                    raise _NotUnderstood
                bracket = 0
            case Mark.COMMA:
                pass
            case Mark.BREAK:
                if only and waiting:
                    yield OnlyOn(_all_days(waiting))
                    waiting, only = [], False
                before_break = len(waiting)
            case Mark.ONLY:
                only = True
            case _Times() | _EndsAt() if 0 < before_break < len(waiting):
                raise _NotUnderstood  # "Saturday; Sunday 9-12" gives no hours for Saturday
            case _Times():
                times, place = _times(item, items, place)
                if place < len(items) and items[place] is Mark.OFF_BEFORE:
                    yield Closes(_all_days(waiting) if waiting else None, spans=times.spans)
                    place += 1
                elif waiting:
                    if times_first:
                        raise _NotUnderstood
                    yield Opens(_all_days(waiting), times.spans, times.loosely)
                else:
                    days, place = _days_behind(items, place)
                    times_first += days is not None
                    yield Opens(days, times.spans, times.loosely)
                waiting, bracket, only = [], 0, False
            case _EndsAt(minute):
                yield Until(_all_days(waiting), minute)
                waiting, bracket, only = [], 0, False
            case Mark.OFF if not waiting:
                closed, place = _adjacent_days(items, place)
                if not closed or (place < len(items) and items[place] not in (Mark.BREAK, Mark.BRACKET_END)):
                    raise _NotUnderstood
                yield _closes(closed, named_after=True)
            case Mark.OFF | Mark.OFF_BEFORE if waiting:
                first = bracket if 0 < bracket < len(waiting) else _first_closed(waiting)
                if first < before_break < len(waiting):
                    raise _NotUnderstood  # "Saturday; Sunday closed"
                yield _closes(waiting[first:])
                waiting, bracket, only = waiting[:first], 0, False
            case Mark.OFF_NEXT:
                closed, place = _adjacent_days(items, place)
                if not closed:
                    raise _NotUnderstood
                yield _closes(closed, named_after=True)
                if place < len(items) and items[place] is Mark.OFF_END:
                    place += 1
            case _:
                raise _NotUnderstood
    if waiting:
        days = _all_days(waiting)
        if not only and not days.every:
            raise _NotUnderstood
        yield OnlyOn(days)


def _first_closed(run: list[DaySet | Dates | Doubt]) -> int:
    """Return the index of the first day in a run that the closing word after it closes.

    The word closes all of them (index 0), except in "Mo-Fr, holidays excepted" (index 1).
    """
    first = run[0]
    others = [each for each in run[1:] if isinstance(each, DaySet)]
    is_week = isinstance(first, DaySet) and len(first.certain & EVERY_DAY) >= MIN_OPENING_DAYS
    return int(is_week and len(run) > 1 and all(each.certain.isdisjoint(EVERY_DAY) for each in others))


def _times(first: _Times, items: list[_Item], place: int) -> tuple[_Times, int]:
    """Collect adjacent times, in order; return them and the next index."""
    spans = [*first.spans]
    while place < len(items) and isinstance(item := items[place], _Times):
        spans += item.spans
        place += 1
    ordered = in_order(spans)
    if ordered is None:
        raise _NotUnderstood
    return _Times(ordered, first.loosely), place


def _adjacent_days(items: list[_Item], place: int) -> tuple[list[DaySet | Dates | Doubt], int]:
    """Collect adjacent days from index `place`; return them and the next index."""
    run: list[DaySet | Dates | Doubt] = []
    while place < len(items) and isinstance(item := items[place], DaySet | Dates | Doubt):
        run.append(item)
        place += 1
    return run, place


def _days_behind(items: list[_Item], place: int) -> tuple[DaySet | None, int]:
    """Return the days after times that no days precede, and the next index.

    Returns None if there are none, or if the following words close them.
    """
    comma = place < len(items) and items[place] is Mark.COMMA
    begins = place + 1 if place < len(items) and items[place] in (Mark.COMMA, Mark.BRACKET) else place
    run, after = _adjacent_days(items, begins)
    if not run:
        return None, place
    following = items[after] if after < len(items) else None
    if following in (Mark.OFF, Mark.OFF_BEFORE):
        first = _first_closed(run)
        return (_all_days(run[:first]), begins + first) if first else (None, place)
    if comma and any(isinstance(each, _Times) for each in items[after:]):
        raise _NotUnderstood  # "9-17, Sa 9-12, Mo-Fr"
    if isinstance(following, _EndsAt):
        raise _NotUnderstood
    return _all_days(run), after + (following is Mark.ONLY)


def _all_days(run: Iterable[DaySet | Dates | Doubt]) -> DaySet:
    """Return the union of adjacent days; raise _NotUnderstood for contradictions such as "Daily Mo-Fr"."""
    together: DaySet | None = None
    for each in run:
        if not isinstance(each, DaySet):
            raise _NotUnderstood
        if together is not None and together.every is not each.every and not _only_holidays(together, each):
            raise _NotUnderstood
        together = each if together is None else together | each
    if together is None:
        raise _NotUnderstood
    return together


def _only_holidays(one: DaySet, other: DaySet) -> bool:
    """Return whether one of the two is every day and the other only holidays: "daily and on holidays"."""
    named = other.certain if one.every else one.certain
    return all(day.weekday == HOLIDAY for day in named)


def _closes(run: list[DaySet | Dates | Doubt], *, named_after: bool = False) -> Closes:
    days = [each for each in run if isinstance(each, DaySet)]
    closed = _all_days(days) if days else None
    if closed is not None and closed.every:
        raise _NotUnderstood
    return Closes(
        closed,
        tuple(each for each in run if isinstance(each, Dates)),
        tuple(each for each in run if isinstance(each, Doubt)),
        clearly=_is_clear(run, named_after),
    )


def _is_clear(run: list[DaySet | Dates | Doubt], named_after: bool) -> bool:
    """Return whether all of the run is certainly closed, so that all other days are open.

    "Sundays, holidays excepted" may mean open on Sundays, and "except holidays, Monday to Friday" open on
    weekdays.
    """
    weekdays = [isinstance(each, DaySet) and not each.certain.isdisjoint(EVERY_DAY) for each in run]
    if named_after:
        return sorted(weekdays, reverse=True) == weekdays
    return len(run) == 1 or not any(weekdays)
