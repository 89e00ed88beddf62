"""An independent evaluator of a part of `opening_hours`, minute by minute, with a generator of expressions.

It shares no code with the application or its library and parses nothing: an expression is generated as
data, from which both its text and its meaning are derived. Slow and simple. Without public holidays.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from random import Random

WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
type Days = Callable[[date], bool]


@dataclass(frozen=True)
class Selector:
    """A day selector: its text, and a predicate for the days it selects."""

    text: str
    means: Days


@dataclass(frozen=True)
class Times:
    """A time selector: its text, and the minutes from midnight (0 to 48 hours) that are open or unknown."""

    text: str
    open: tuple[tuple[int, int], ...]
    perhaps: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Rule:
    separator: str
    dates: Selector
    weekdays: Selector
    times: Times
    modifier: str

    @property
    def text(self) -> str:
        pieces = (self.dates.text, self.weekdays.text, self.times.text, self.modifier)
        return " ".join(piece for piece in pieces if piece)

    def holds(self, day: date) -> bool:
        return self.dates.means(day) and self.weekdays.means(day)


@dataclass(frozen=True)
class Expression:
    rules: tuple[Rule, ...]

    @cached_property
    def text(self) -> str:
        written = self.rules[0].text
        for rule in self.rules[1:]:
            written += {";": "; ", ",": ", ", "||": " || "}[rule.separator] + rule.text
        return written

    def state(self, at: datetime) -> str:
        """Return `open`, `closed`, or `unknown` where the specification or its readers are ambiguous."""
        groups: list[list[Rule]] = [[]]
        for rule in self.rules:
            if rule.separator == "||":
                groups.append([])
            groups[-1].append(rule)
        for group in groups:
            state = _state(group, at)
            if state != "closed":
                return state
        return "closed"


def _state(rules: list[Rule], at: datetime) -> str:
    """Return the state at `at` by these rules.

    1. Apply the rules of the day: a later rule replaces earlier ones unless it is additional or `off`.
    2. Apply the night of the previous day. Where a later rule of the day replaces or closes anything,
       readers of the specification disagree on whether that night continues: unknown.
    """
    day, minute = at.date(), at.hour * 60 + at.minute
    today, today_of, displaced_before = _day(rules, day, minute)
    night, night_of, _ = _day(rules, day - timedelta(days=1), minute + 1440)
    closing_night = any(
        rule.modifier == "off"
        and rule.holds(day - timedelta(days=1))
        and _is_in((*rule.times.open, *rule.times.perhaps), minute + 1440)
        for rule in rules[today_of + 1 :]
    )
    if closing_night and today != "closed":
        return "unknown"
    if night == "closed" or night == today or today == "open":
        return today
    if displaced_before > night_of:
        return "unknown"
    return night if today == "closed" or night_of > today_of else "unknown"


def _is_in(spans: tuple[tuple[int, int], ...], minute: int) -> bool:
    return any(first <= minute < last for first, last in spans)


def _day(rules: list[Rule], day: date, minute: int) -> tuple[str, int, int]:
    """Return the state at a minute from midnight of `day`, and two rule numbers.

    The first is the rule that decides the state; the second is the last rule that may replace others.
    """
    state, decides, displaces = "closed", -1, -1
    for number, rule in enumerate(rules):
        if not rule.holds(day):
            continue
        within, perhaps = _is_in(rule.times.open, minute), _is_in(rule.times.perhaps, minute)
        means = {"": "open", "open": "open", "off": "closed", "unknown": "unknown"}[rule.modifier]
        if rule.modifier == "off":
            displaces = number if within or perhaps else displaces
            if within:
                state = "closed"
            elif perhaps and state != "closed":
                state = "unknown"
            continue
        if rule.separator != ",":
            displaces = number
            state = "closed"
        if within or perhaps:
            decides = number
            state = means if within else "unknown"
    return state, decides, displaces


# --- Days -----------------------------------------------------------------------------------------


def easter(year: int) -> date:
    """Return the date of Easter by the anonymous Gregorian algorithm (Meeus, Astronomical Algorithms, 8)."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - ((b - (b + 8) // 25 + 1) // 3) + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - (c % 4)) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> date | None:
    days = [date(year, month, n) for n in range(1, monthrange(year, month)[1] + 1)]
    days = [day for day in days if day.weekday() == weekday]
    return days[nth - 1 if nth > 0 else nth] if abs(nth) <= len(days) else None


@dataclass(frozen=True)
class Edge:
    """A start or end of a range of dates that recurs every year."""

    text: str
    of: Callable[[int], date | None]


def _fixed(random: Random) -> Edge:
    month = random.randint(1, 12)
    day = random.randint(1, 28)
    return Edge(f"{MONTHS[month - 1]} {day:02}", lambda year: date(year, month, day))


def _easter(random: Random) -> Edge:
    offset = random.choice([0, 0, 1, 2, 39, 49, 60, -2, -7, -47])
    text = "easter" + (f" {offset:+d} day{'s' * (abs(offset) != 1)}" if offset else "")
    return Edge(text, lambda year: easter(year) + timedelta(days=offset))


def _nth(random: Random) -> Edge:
    month, weekday, nth = random.randint(1, 12), random.randrange(7), random.choice([1, 2, 3, 4, -1, -2])
    text = f"{MONTHS[month - 1]} {WEEKDAYS[weekday]}[{nth}]"
    return Edge(text, lambda year: nth_weekday(year, month, weekday, nth))


def _edge(random: Random) -> Edge:
    return random.choice([_fixed, _fixed, _easter, _nth])(random)


def _date_range(random: Random) -> Selector:
    first, last = _edge(random), _edge(random)

    def means(day: date) -> bool:
        for year in (day.year - 1, day.year):
            start, end = first.of(year), last.of(year)
            if start is None or end is None:
                continue
            if end < start:
                end = last.of(year + 1)
            if end is not None and start <= day <= end:
                return True
        return False

    return Selector(f"{first.text}-{last.text}", means)


def _single_date(random: Random) -> Selector:
    edge = random.choice([_fixed, _easter])(random)
    return Selector(edge.text, lambda day: edge.of(day.year) == day)


def _months(random: Random) -> Selector:
    first, last = random.randint(1, 12), random.randint(1, 12)

    def means(day: date) -> bool:
        return first <= day.month <= last if first <= last else day.month >= first or day.month <= last

    text = MONTHS[first - 1] + (f"-{MONTHS[last - 1]}" if last != first else "")
    return Selector(text, means)


def _days_of_month(random: Random) -> Selector:
    month = random.randint(1, 12)
    chosen = sorted(random.sample(range(1, 29), random.randint(2, 4)))
    text = f"{MONTHS[month - 1]} " + ",".join(f"{day:02}" for day in chosen)
    return Selector(text, lambda day: day.month == month and day.day in chosen)


def _steps(random: Random) -> Selector:
    month, step = random.randint(1, 12), random.randint(2, 12)
    first, last = sorted(random.sample(range(1, 29), 2))
    text = f"{MONTHS[month - 1]} {first:02}-{last:02}/{step}"
    return Selector(text, lambda day: day.month == month and day.day in range(first, last + 1, step))


def _with_year(random: Random) -> Selector:
    year = random.randint(2024, 2029)
    inner = random.choice([_single_date, _months, _days_of_month, _date_range, _steps])(random)
    return Selector(f"{year} {inner.text}", lambda day: day.year == year and inner.means(day))


def _years(random: Random) -> Selector:
    first = random.randint(2024, 2029)
    last = first + random.randint(1, 4)
    match random.randrange(4):
        case 0:
            return Selector(f"{first}", lambda day: day.year == first)
        case 1:
            return Selector(f"{first}-{last}", lambda day: first <= day.year <= last)
        case 2:
            return Selector(f"{first}-{last}/2", lambda day: day.year in range(first, last + 1, 2))
        case _:
            inner = _months(random)
            return Selector(
                f"{first}-{last}/2 {inner.text}",
                lambda day: day.year in range(first, last + 1, 2) and inner.means(day),
            )


def _full_range(random: Random) -> Selector:
    """Return a range of dates with a year at both ends."""
    first = date(random.randint(2024, 2028), random.randint(1, 12), random.randint(1, 28))
    last = first + timedelta(days=random.randint(1, 500))
    text = "-".join(f"{day.year} {MONTHS[day.month - 1]} {day.day:02}" for day in (first, last))
    return Selector(text, lambda day: first <= day <= last)


def _weeks(random: Random) -> Selector:
    first, last = sorted(random.sample(range(1, 54), 2))
    step = random.choice([1, 1, 2, 3])
    text = f"week {first:02}-{last:02}" + (f"/{step}" if step > 1 else "")
    return Selector(text, lambda day: day.isocalendar().week in range(first, last + 1, step))


def _week_list(random: Random) -> Selector:
    chosen = sorted(random.sample(range(1, 54), 3))
    text = "week " + ",".join(f"{week:02}" for week in chosen)
    return Selector(text, lambda day: day.isocalendar().week in chosen)


def _list_of(random: Random) -> Selector:
    kinds = [_months, _single_date, _date_range, _days_of_month]
    parts = [random.choice(kinds)(random) for _ in range(2)]
    return Selector(",".join(part.text for part in parts), lambda day: any(part.means(day) for part in parts))


type Kind = Callable[[Random], Selector]

_ANY_DATE = Selector("", lambda _: True)
SELECTORS: list[Kind] = [
    _date_range, _single_date, _months, _days_of_month, _steps, _with_year, _years, _full_range, _weeks,
    _week_list, _list_of,
]  # fmt: skip


def selector(random: Random) -> Selector:
    return random.choice(SELECTORS)(random)


def _weekdays(random: Random) -> Selector:
    match random.randrange(6):
        case 0:
            chosen = sorted(random.sample(range(7), random.randint(1, 3)))
            return Selector(",".join(WEEKDAYS[n] for n in chosen), lambda day: day.weekday() in chosen)
        case 1:
            weekday, nth = random.randrange(7), random.choice([1, 2, 3, 4, 5, -1, -2])
            offset = random.choice([0, 0, 1, -1, 3])
            return Selector(
                f"{WEEKDAYS[weekday]}[{nth}]"
                + (f" {offset:+d} day{'s' * (abs(offset) != 1)}" if offset else ""),
                lambda day: _is_nth(day - timedelta(days=offset), weekday, nth),
            )
        case _:
            first, last = random.randrange(7), random.randrange(7)
            among = {(first + n) % 7 for n in range((last - first) % 7 + 1)}
            text = WEEKDAYS[first] + (f"-{WEEKDAYS[last]}" if last != first else "")
            return Selector(text, lambda day: day.weekday() in among)


def _is_nth(day: date, weekday: int, nth: int) -> bool:
    return nth_weekday(day.year, day.month, weekday, nth) == day


# --- Times ----------------------------------------------------------------------------------------


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _times(random: Random) -> Times:
    start = random.randrange(0, 1440, 30)
    match random.randrange(6):
        case 0:
            return Times("00:00-24:00", ((0, 1440),))
        case 1:  # across midnight
            start = random.randrange(1080, 1440, 30)
            end = random.randrange(30, 600, 30)
            text = f"{clock(start)}-{clock(random.choice([end, end + 1440]))}"
            return Times(text, ((start, end + 1440),))
        case 2:  # an open end; readers of the specification agree that ten hours may follow
            length = random.randrange(60, 600, 30)
            end = start + length
            shown = clock(end) if end <= 1440 else clock(random.choice([end, end - 1440]))
            return Times(f"{clock(start)}-{shown}+", ((start, end),), ((end, min(2880, end + 600)),))
        case 3:
            last = random.randrange(690, 1440, 30)
            first = random.randrange(0, 660, 30)
            middle = (first + last) // 60 * 30
            if not first < middle - 30 < middle + 30 < last:
                return Times("00:00-24:00", ((0, 1440),))
            spans = ((first, middle - 30), (middle + 30, last))
            return Times(",".join(f"{clock(a)}-{clock(b)}" for a, b in spans), spans)
        case _:
            end = random.randrange(start + 30, 1441, 30)
            return Times(f"{clock(start)}-{clock(end)}", ((start, end),))


def _rule(random: Random, separator: str) -> Rule:
    dates = selector(random) if random.random() < 0.6 else _ANY_DATE
    weekdays = _ANY_DATE
    if random.random() < 0.5 or (
        separator == "," and dates is _ANY_DATE
    ):  # without days it would continue a list
        weekdays = _weekdays(random)
    modifier = random.choices(["", "off", "unknown", "open"], [8, 3, 1, 1])[0]
    return Rule(separator, dates, weekdays, _times(random), modifier)


def expressions(seed: int) -> Iterator[Expression]:
    """Yield expressions of one to four rules without end; the same seed yields the same expressions."""
    random = Random(seed)
    while True:
        count = random.choice([1, 1, 1, 2, 2, 3, 4])
        separators = [""] + [random.choice([";", ";", ",", "||"]) for _ in range(count - 1)]
        yield Expression(tuple(_rule(random, separator) for separator in separators))
