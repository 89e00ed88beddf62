"""Opening hours compared with an independent evaluator, and stored hours that the library can't evaluate."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opening_hours import ParserError  # type: ignore[attr-defined]  # missing from the package's stub
from tests import hours_oracle
from tests.examples import examples

from aed.errors import InvalidInput
from aed.hours import timetable as timetable
from aed.hours.evaluation import Opening, china_calendar, hours_at, parse_hours
from aed.hours.holiday_calendar import HolidayDates

EXPRESSIONS = examples(400, in_depth=20_000)
MOMENTS = 25


def moment(random: Random) -> datetime:
    minutes = 30 * random.randrange(48 * 365 * 6) + random.choice([0, 0, 7, 29])
    return datetime(2024, 1, 2, tzinfo=UTC) + timedelta(minutes=minutes)


def is_accepted(text: str) -> bool:
    try:
        parse_hours(text)
    except InvalidInput:
        return False
    return True


def test_no_answer_contradicts_the_independent_evaluator() -> None:
    random = Random(17)
    counts = {"asked": 0, "unknown": 0, "refused": 0}
    for expression in islice(hours_oracle.expressions(17), EXPRESSIONS):
        if not is_accepted(expression.text):
            counts["refused"] += 1
            continue
        table = timetable.timetable_of(expression.text)
        assert table is not None
        for at in (moment(random) for _ in range(MOMENTS)):
            minute = at.hour * 60 + at.minute
            spans = table.day(at.date(), None)
            state = max(span for span in spans if span.minute <= minute).state.value
            expected = expression.state(at.replace(tzinfo=None))
            counts["asked"] += 1
            counts["unknown"] += state == "unknown" != expected
            context = f"{expression.text} at {at:%a %Y-%m-%d %H:%M} is {state}, expected {expected}"
            assert state in (expected, "unknown") or (state, expected) == ("closed", "unknown"), context

    assert counts["asked"] > 20 * EXPRESSIONS, counts
    assert counts["refused"] < EXPRESSIONS / 8, counts
    assert counts["unknown"] < counts["asked"] / 15, counts


@pytest.mark.parametrize("kind", hours_oracle.SELECTORS, ids=lambda kind: kind.__name__.strip("_"))
def test_each_kind_of_date_means_the_days_of_the_independent_evaluator(kind: hours_oracle.Kind) -> None:
    random = Random(3)
    accepted = 0
    for _ in range(max(10, EXPRESSIONS // 40)):
        dates = kind(random)
        if not is_accepted(f"{dates.text} 00:00-24:00"):
            continue
        accepted += 1
        table = timetable.timetable_of(f"{dates.text} 00:00-24:00")
        assert table is not None
        for n in range(3 * 366):
            day = date(2026, 1, 1) + timedelta(days=n)
            is_open = table.day(day, None)[0].state is Opening.OPEN
            assert is_open is dates.means(day), f"{dates.text} on {day}"
    assert accepted > 3


# Elements of the library's grammar, combined at random.
EDGES = st.sampled_from(
    ["Jan 20", "Feb 29", "Dec 31", "easter", "easter -60 days", "easter +365 days", "Jan Su[-1]", "Mar Mo[5]",
     "2027 Jan 01", "2027 easter", "Feb", "2026 Oct Su[1]", "Jan 31 +40 days", "Dec 24 -30 days"]
)  # fmt: skip
RANGES = st.builds("{}-{}".format, EDGES, EDGES)
DATES = st.one_of(
    EDGES,
    RANGES,
    st.builds("{},{}".format, RANGES, EDGES),
    st.builds("{}/{}".format, RANGES, st.integers(0, 400)),
    st.sampled_from(["week 53", "week 01-53/2", "2024-2030/3", "2026+", "week 52-53 Jan", "2026+ week 01"]),
)
DAYS = st.sampled_from(
    ["", "", "Mo-Fr", "Su[-1]", "Mo[5] +3 days", "PH", "PH -366 days", "SH,Sa", "PH Mo-Fr"]
)
TIMES = st.sampled_from(
    [
        "08:00-18:00",
        "22:00-04:00+",
        "00:00-24:00",
        "10:00+",
        "sunset-sunrise",
        "23:59-48:00",
        "10:00-16:00/90",
        "",
    ]
)
RULES = st.builds(
    lambda *pieces: " ".join(piece for piece in pieces if piece) or "24/7",
    DATES, DAYS, TIMES, st.sampled_from(["", "", "off", "unknown", '"by the gate"']),
)  # fmt: skip
TEXTS = st.builds(
    lambda rules, separator: separator.join(rules),
    st.lists(RULES, min_size=1, max_size=3),
    st.sampled_from(["; ", ", ", " || "]),
)
CALENDARS: list[HolidayDates | None] = [None, china_calendar()]


@given(text=TEXTS, first=st.dates(date(2024, 1, 1), date(2028, 1, 1)), calendar=st.sampled_from(CALENDARS))
@settings(max_examples=max(120, EXPRESSIONS // 4), deadline=None)
def test_every_text_is_refused_or_answered_on_every_day_of_a_year(
    text: str, first: date, calendar: HolidayDates | None
) -> None:
    at = datetime(first.year, first.month, first.day, 9, tzinfo=UTC)
    if not is_accepted(text):
        assert hours_at(text, at, time_zone="Asia/Shanghai", calendar=calendar).state is Opening.UNKNOWN
        return
    for _ in range(40):  # changes; for daily hours they cover most of a year
        now = hours_at(text, at, time_zone="Asia/Shanghai", calendar=calendar)
        if now.until is None or now.until > datetime(first.year + 1, first.month, first.day, tzinfo=UTC):
            break
        at = now.until
    for n in range(0, 366, 5):
        hours_at(text, at + timedelta(days=n), time_zone="Asia/Shanghai", calendar=calendar)


# --- Failures of the library ---------------------------------------------------------------------


class PanicException(BaseException):
    """A stand-in for the library's exception, which no known text raises any more."""


PanicException.__module__ = "pyo3_runtime"


@pytest.mark.parametrize("error", [PanicException("index out of range"), ParserError("no")])
def test_text_that_makes_the_library_fail_is_unknown_and_refused_as_input(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def __init__(self, text: str) -> None:
            self.text = text

        def is_open(self, at: datetime) -> bool:
            raise error

    monkeypatch.setattr(timetable, "OpeningHours", Failing)
    text = f"Mar 03 10:00-12:{20 + isinstance(error, PanicException)}"
    at = datetime(2026, 3, 3, 10, 15, tzinfo=UTC)
    try:
        assert hours_at(text, at, time_zone="UTC").state is Opening.UNKNOWN
        with pytest.raises(InvalidInput, match="cannot be evaluated"):
            parse_hours(text)
    finally:
        timetable.timetable_of.cache_clear()


def test_a_failure_that_is_not_the_library_s_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def __init__(self, text: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(timetable, "OpeningHours", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        hours_at("Mar 04 10:00-12:22", datetime(2026, 3, 3, tzinfo=UTC), time_zone="UTC")
