"""Opening hours on holidays, make-up days and ordinary days, and when they are unknown."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opening_hours import OpeningHours, State
from tests.examples import examples

from aed.errors import InvalidInput
from aed.hours.evaluation import (
    HolidayDates,
    HoursAt,
    Opening,
    china_calendar,
    hours_at,
    parse_hours,
)
from aed.hours.grammar import MAX_EXPRESSION_LENGTH
from aed.hours.holiday_calendar import last_day_held, special

OPEN, CLOSED, UNKNOWN = Opening.OPEN, Opening.CLOSED, Opening.UNKNOWN
CHINA = china_calendar()
NO_HOLIDAYS = HolidayDates("none", frozenset(range(2000, 2101)), frozenset(), frozenset())
SHANGHAI = "Asia/Shanghai"
OFFICE = "Mo-Fr 09:00-17:00"
OFFICE_OFF_ON_HOLIDAYS = "Mo-Fr 09:00-17:00; PH off"
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


def local(text: str, time_zone: str = SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def in_shanghai(expression: str | None, text: str, calendar: HolidayDates | None = CHINA) -> HoursAt:
    return hours_at(expression, local(text), time_zone=SHANGHAI, calendar=calendar)


def state(expression: str | None, text: str, calendar: HolidayDates | None = CHINA) -> Opening:
    return in_shanghai(expression, text, calendar).state


# --- The calendar ------------------------------------------------------------------------------


def test_china_has_its_statutory_periods_and_make_up_workdays() -> None:
    holidays = {year: sum(day.year == year for day in CHINA.holidays) for year in CHINA.years}
    workdays = {year: sum(day.year == year for day in CHINA.workdays) for year in CHINA.years}

    assert holidays == {2024: 28, 2025: 28, 2026: 33}
    assert workdays == {2024: 8, 2025: 5, 2026: 6}
    assert all(day.weekday() >= 5 for day in CHINA.workdays)
    assert CHINA.holidays.isdisjoint(CHINA.workdays)


def test_a_year_that_nobody_has_arranged_yet_is_refused() -> None:
    with pytest.raises(InvalidInput, match="2090") as refused:
        china_calendar([2026, 2090])
    assert refused.value.field == "years"


def test_calendars_with_the_same_days_are_the_same_key() -> None:
    assert china_calendar([2026]) == china_calendar([2026])
    assert hash(china_calendar([2026])) == hash(china_calendar([2026]))
    assert china_calendar([2026]) != CHINA


# Each day as in the State Council's notices for 2024, 2025 and 2026.
HOLIDAYS = [
    "2024-01-01", "2024-02-10", "2024-02-17", "2024-04-04", "2024-05-01", "2024-06-10", "2024-09-17",
    "2024-10-07", "2025-01-01", "2025-01-28", "2025-02-04", "2025-04-06", "2025-05-05", "2025-06-02",
    "2025-10-01", "2025-10-08", "2026-01-02", "2026-02-15", "2026-02-23", "2026-04-06", "2026-05-05",
    "2026-06-19", "2026-09-25", "2026-10-01", "2026-10-07",
]  # fmt: skip
MAKE_UP_WORKDAYS = [
    "2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11", "2024-09-14", "2024-09-29",
    "2024-10-12", "2025-01-26", "2025-02-08", "2025-04-27", "2025-09-28", "2025-10-11", "2026-01-04",
    "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10",
]  # fmt: skip
ORDINARY_WORKDAYS = ["2024-02-09", "2024-10-08", "2025-01-27", "2025-10-09", "2026-02-24", "2026-09-30"]
ORDINARY_WEEKENDS = ["2024-10-13", "2025-01-25", "2025-02-09", "2026-02-07", "2026-10-11"]


@pytest.mark.parametrize("day", HOLIDAYS)
def test_an_office_that_names_holidays_is_closed_on_one(day: str) -> None:
    assert state(OFFICE_OFF_ON_HOLIDAYS, f"{day}T10:00") is CLOSED
    assert state("PH 10:00-12:00; 24/7", f"{day}T10:00") is OPEN
    assert state("PH,Su 10:00-12:00", f"{day}T11:00") is OPEN
    assert state("24/7; PH off", f"{day}T00:00") is CLOSED


@pytest.mark.parametrize("day", HOLIDAYS)
def test_an_office_that_does_not_name_holidays_is_not_known_to_be_open_on_one(day: str) -> None:
    at_ten = state(OFFICE, f"{day}T10:00")

    assert at_ten is (CLOSED if date.fromisoformat(day).weekday() >= 5 else UNKNOWN)
    assert state(OFFICE, f"{day}T22:00") is CLOSED


@pytest.mark.parametrize("day", MAKE_UP_WORKDAYS)
def test_a_make_up_workday_is_worked(day: str) -> None:
    assert state(OFFICE_OFF_ON_HOLIDAYS, f"{day}T10:00") is OPEN
    assert state("Sa-Su,PH 10:00-12:00", f"{day}T11:00") is CLOSED
    assert state(OFFICE, f"{day}T10:00") is UNKNOWN
    assert state(OFFICE, f"{day}T22:00") is CLOSED


@pytest.mark.parametrize("day", ORDINARY_WORKDAYS)
def test_an_ordinary_workday_is_read_as_written(day: str) -> None:
    assert state(OFFICE_OFF_ON_HOLIDAYS, f"{day}T10:00") is OPEN
    assert state(OFFICE, f"{day}T10:00") is OPEN


@pytest.mark.parametrize("day", ORDINARY_WEEKENDS)
def test_an_ordinary_weekend_is_read_as_written(day: str) -> None:
    assert state(OFFICE_OFF_ON_HOLIDAYS, f"{day}T10:00") is CLOSED
    assert state(OFFICE, f"{day}T10:00") is CLOSED


# --- Known and unknown states ------------------------------------------------------------------


def test_a_make_up_workday_is_unknown_where_the_working_week_differs_in_itself() -> None:
    short_friday = "Mo-Th 09:00-17:00; Fr 09:00-12:00; PH off"

    assert state(short_friday, "2026-10-10T10:00") is OPEN
    assert state(short_friday, "2026-10-10T15:00") is UNKNOWN
    assert state(short_friday, "2026-10-10T18:00") is CLOSED


def test_a_year_outside_the_calendar_is_unknown_where_a_holiday_would_matter() -> None:
    assert state(OFFICE_OFF_ON_HOLIDAYS, "2027-10-07T10:00") is UNKNOWN  # a Thursday
    assert state(OFFICE_OFF_ON_HOLIDAYS, "2027-10-07T03:00") is CLOSED
    assert state(OFFICE_OFF_ON_HOLIDAYS, "2027-10-09T10:00") is UNKNOWN  # a Saturday, possibly a make-up day
    assert state(OFFICE_OFF_ON_HOLIDAYS, "2027-10-09T10:00", None) is CLOSED  # no calendar: a plain Saturday
    assert state(OFFICE_OFF_ON_HOLIDAYS, "2026-09-30T10:00", None) is UNKNOWN
    assert state("24/7; PH 00:00-24:00", "2027-10-07T10:00") is OPEN
    assert state(OFFICE, "2027-10-07T10:00") is UNKNOWN
    assert state(OFFICE, "2027-10-07T10:00", None) is OPEN  # no calendar: a plain Thursday


def test_an_always_open_place_is_unknown_from_the_first_moment_that_the_calendar_does_not_cover() -> None:
    assert in_shanghai("24/7; PH off", "2026-10-08T09:00") == HoursAt(OPEN, local("2027-01-01T00:00"))
    assert in_shanghai("24/7; PH off", "2027-03-01T09:00") == HoursAt(OPEN, local("2027-04-01T00:00"))
    of_japan = HolidayDates("JP", frozenset({2026}), frozenset(), frozenset())
    assert in_shanghai("24/7; PH off", "2027-03-01T09:00", of_japan) == HoursAt(UNKNOWN, None)


@pytest.mark.parametrize(
    "expression", ["24/7", "08:00-20:00", "Mo-Su 07:00-22:00", "Mo-Fr 07:00-22:00; Sa-Su 07:00-22:00"]
)
@pytest.mark.parametrize("day", ["2026-10-01", "2026-10-10", "2024-02-04", "2027-10-01"])
def test_hours_that_do_not_tell_weekdays_apart_hold_on_every_day(expression: str, day: str) -> None:
    assert state(expression, f"{day}T10:00") is OPEN


# The statutory days, days around them that were free in other years, weekends that may be worked.
MAY_BE_FREE_IN_2027 = [
    "2027-01-01", "2027-02-05", "2027-02-08", "2027-02-12", "2027-04-05", "2027-05-03", "2027-05-05",
    "2027-06-09", "2027-09-15", "2027-10-01", "2027-10-07", "2027-10-08",
]  # fmt: skip
MAY_BE_WORKED_IN_2027 = ["2027-01-31", "2027-02-20", "2027-04-25", "2027-05-08", "2027-09-19", "2027-10-09"]
ORDINARY_IN_2027 = ["2027-01-13", "2027-03-10", "2027-07-15", "2027-08-16", "2027-11-17", "2027-12-15"]


@pytest.mark.parametrize("day", MAY_BE_FREE_IN_2027)
@pytest.mark.parametrize("expression", [OFFICE, OFFICE_OFF_ON_HOLIDAYS, "Mo-Fr 08:30-17:30; Sa-Su off"])
def test_a_day_that_may_become_a_holiday_is_unknown_while_its_year_is_not_announced(
    expression: str, day: str
) -> None:
    assert state(expression, f"{day}T10:00") is UNKNOWN
    assert state(expression, f"{day}T22:00") is CLOSED
    assert state("08:00-20:00", f"{day}T10:00") is OPEN


@pytest.mark.parametrize("day", MAY_BE_WORKED_IN_2027)
@pytest.mark.parametrize("expression", [OFFICE, OFFICE_OFF_ON_HOLIDAYS, "10:00-20:00; Sa-Su off"])
def test_a_weekend_day_that_may_be_worked_is_unknown_while_its_year_is_not_announced(
    expression: str, day: str
) -> None:
    assert date.fromisoformat(day).weekday() >= 5
    assert state(expression, f"{day}T11:00") is UNKNOWN
    assert state(expression, f"{day}T22:00") is CLOSED


@pytest.mark.parametrize("day", ORDINARY_IN_2027)
def test_the_weekly_hours_apply_on_ordinary_days_of_a_year_without_calendar(day: str) -> None:
    assert state(OFFICE, f"{day}T10:00") is OPEN
    assert state(OFFICE_OFF_ON_HOLIDAYS, f"{day}T10:00") is OPEN
    assert state("Mo-Fr 09:00-17:00; PH 10:00-12:00", f"{day}T16:00") is OPEN


def test_the_last_days_of_a_held_year_are_unknown_where_the_next_new_year_may_take_them() -> None:
    until_2028 = HolidayDates("CN", frozenset({2027, 2028}), frozenset(), frozenset())

    assert state(OFFICE, "2028-12-29T10:00", until_2028) is UNKNOWN  # 2029 begins on a Monday
    assert state(OFFICE, "2026-12-31T10:00") is OPEN  # 2027 begins on a Friday
    assert state(OFFICE, "2028-12-22T10:00", until_2028) is OPEN


def test_every_day_that_was_announced_since_2008_lies_in_a_window() -> None:
    proclaimed_once = {date(2015, 9, 3), date(2015, 9, 4), date(2015, 9, 6)}
    announced = china_calendar(range(2008, 2027))
    nothing = HolidayDates("CN", frozenset(), frozenset(), frozenset())

    for day in announced.holidays - proclaimed_once:
        assert special(day, nothing).holiday is None, day
    for day in announced.workdays - proclaimed_once:
        assert special(day, nothing).workday is None, day


def test_the_windows_leave_most_of_a_year_as_written() -> None:
    nothing = HolidayDates("CN", frozenset(), frozenset(), frozenset())
    for year in range(2027, 2051):
        days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
        kinds = [special(day, nothing) for day in days]
        assert sum(kind.holiday is None or kind.workday is None for kind in kinds) < 105
    assert special(date(2060, 2, 10), nothing).holiday is None  # beyond the table: the widest window
    assert special(date(2060, 7, 15), nothing).holiday is False


def test_a_calendar_ends_with_the_last_year_without_a_gap() -> None:
    with_a_gap = HolidayDates("CN", frozenset({2026, 2028}), frozenset(), frozenset())

    assert last_day_held(CHINA, date(2026, 11, 30)) == date(2026, 12, 31)
    assert last_day_held(with_a_gap, date(2026, 11, 30)) == date(2026, 12, 31)
    assert last_day_held(with_a_gap, date(2027, 1, 1)) is None


def test_hours_given_by_date_apply_regardless_of_holidays() -> None:
    named = f"{OFFICE}; 2026 Oct 01-07 off; 2026 Oct 05 10:00-12:00"

    assert state(named, "2026-10-01T10:00") is CLOSED
    assert state(named, "2026-10-05T11:00") is OPEN


def test_the_later_rule_wins_on_a_holiday_as_in_osm() -> None:
    assert state("PH 10:00-12:00; Mo-Fr 09:00-17:00", "2026-10-01T16:00") is OPEN
    assert state("Mo-Fr 09:00-17:00; PH 10:00-12:00", "2026-10-01T16:00") is CLOSED
    assert state("Mo-Fr 09:00-17:00, PH 18:00-19:00", "2026-10-01T18:30") is OPEN
    assert state("24/7, PH off", "2026-10-01T18:30") is CLOSED


def test_a_selector_of_months_bounds_the_holidays_too() -> None:
    summer = "Apr-Oct Mo-Fr,PH 10:00-12:00"

    assert state(summer, "2026-10-04T11:00") is OPEN  # a Sunday, and a holiday
    assert state(summer, "2026-10-11T11:00") is CLOSED  # a Sunday
    assert state(summer, "2026-02-16T11:00") is CLOSED  # a holiday in February


def test_holidays_and_weekdays_without_a_comma_are_both_at_once() -> None:
    assert state("PH Mo-Fr 10:00-12:00", "2026-10-01T11:00") is OPEN  # a Thursday
    assert state("PH Mo-Fr 10:00-12:00", "2026-10-03T11:00") is CLOSED  # a Saturday
    assert state("PH Mo-Fr 10:00-12:00", "2026-10-08T11:00") is CLOSED  # no holiday
    assert parse_hours("PH Mo-Fr 10:00-12:00") == "PH Mo-Fr 10:00-12:00"


def test_the_day_after_a_holiday() -> None:
    assert state("PH +1 day 10:00-12:00", "2026-10-08T11:00") is OPEN
    assert state("PH +1 day 10:00-12:00", "2026-10-01T11:00") is CLOSED
    assert state("PH -1 day 10:00-12:00", "2026-09-30T11:00") is OPEN
    assert state("PH +1 day 10:00-12:00", "2024-01-01T11:00") is UNKNOWN  # 2023 is not in the calendar


def test_school_holidays_are_unknown_where_they_would_matter() -> None:
    assert state("24/7; SH off", "2026-09-30T10:00") is UNKNOWN
    assert state("Mo-Fr 09:00-17:00; SH 10:00-12:00", "2026-09-30T11:00") is OPEN
    assert state("Mo-Fr 09:00-17:00; SH 10:00-12:00", "2026-09-30T15:00") is UNKNOWN
    assert state("Mo-Fr 09:00-17:00; SH 10:00-12:00", "2026-09-30T20:00") is CLOSED


def test_the_nth_weekday_of_a_month() -> None:
    assert state("Mo[1] 10:00-12:00", "2026-11-02T11:00") is OPEN
    assert state("Mo[1] 10:00-12:00", "2026-11-09T11:00") is CLOSED
    assert state("Mo[-1] 10:00-12:00", "2026-11-30T11:00") is OPEN


@pytest.mark.parametrize(
    "expression",
    [None, "", "  ", "by appointment", "24 hours", "Apr 31 10:00-12:00", "00:00-00:00", "\0", "x" * 100_000],
)
def test_hours_that_do_not_parse_are_unknown(expression: str | None) -> None:
    assert in_shanghai(expression, "2026-09-30T10:00") == HoursAt(UNKNOWN, None)


def test_hours_in_an_unknown_time_zone_are_unknown() -> None:
    at = local("2026-09-30T10:00")

    assert hours_at("24/7", at, time_zone="Mars/Olympus", calendar=CHINA) == HoursAt(UNKNOWN, None)
    assert hours_at("24/7", at, time_zone="../../etc/passwd") == HoursAt(UNKNOWN, None)


def test_a_time_without_a_time_zone_raises_value_error() -> None:
    with pytest.raises(ValueError, match="time zone"):
        hours_at("Mo 01:00-02:00", datetime(2026, 1, 1), time_zone=SHANGHAI)  # noqa: DTZ001 - the point


@pytest.mark.parametrize("at", [datetime.min, datetime.max, datetime(1800, 1, 1), datetime(9995, 1, 1)])  # noqa: DTZ001, DTZ901 - made aware below
def test_moments_beyond_every_calendar_are_unknown(at: datetime) -> None:
    assert hours_at("24/7", at.replace(tzinfo=UTC), time_zone=SHANGHAI).state is UNKNOWN


# --- Open ends and sun times -------------------------------------------------------------------


def test_a_comment_alone_is_unknown_and_with_open_it_is_open() -> None:
    assert in_shanghai('Mo-Fr 09:00-17:00 "ask the guard"', "2026-09-30T10:00") == HoursAt(
        UNKNOWN, local("2026-09-30T17:00"), "ask the guard"
    )
    assert in_shanghai('24/7 open "ring; the bell"', "2026-09-30T10:00") == HoursAt(
        OPEN, None, "ring; the bell"
    )
    assert state('"by appointment"', "2026-09-30T10:00") is UNKNOWN
    assert state("Mo-Fr 09:00-17:00 unknown", "2026-09-30T10:00") is UNKNOWN


def test_a_comment_ends_before_the_state_does() -> None:
    assert in_shanghai('00:00-12:00 open "ring", Mo-Su 12:00-24:00', "2026-09-30T10:00") == HoursAt(
        OPEN, None, "ring"
    )
    assert in_shanghai('00:00-12:00 open "ring", Mo-Su 12:00-24:00', "2026-09-30T13:00").comment is None


def test_the_sun_is_unknown_without_coordinates() -> None:
    assert state("Mo-Fr sunrise-sunset", "2026-09-29T12:00") is UNKNOWN
    assert state("Mo-Fr sunrise-sunset", "2026-09-27T12:00") is CLOSED  # a Sunday
    assert state("08:00-sunset", "2026-09-29T07:00") is CLOSED
    assert state("sunrise-18:00", "2026-09-29T19:00") is CLOSED
    assert state("Mo sunset-sunrise", "2026-09-29T03:00") is UNKNOWN  # the night after Monday
    assert state("24/7; (sunset+01:00)-sunrise off", "2026-09-29T12:00") is UNKNOWN


def test_an_open_end_is_unknown_until_the_morning() -> None:
    assert in_shanghai("Mo-Su 10:00+", "2026-09-30T11:00") == HoursAt(UNKNOWN, local("2026-10-01T06:00"))
    assert state("10:00+", "2026-09-30T09:00") is CLOSED
    assert state("10:00-16:00/01:30", "2026-09-30T11:00") is UNKNOWN


def test_an_open_end_after_hours_is_open_within_them_and_unknown_afterwards() -> None:
    assert in_shanghai("Mo 22:00-04:00+", "2026-11-09T23:00") == HoursAt(OPEN, local("2026-11-10T04:00"))
    assert in_shanghai("Mo 22:00-04:00+", "2026-11-10T05:00") == HoursAt(UNKNOWN, local("2026-11-10T14:00"))
    assert state("Mo 22:00-04:00+", "2026-11-10T15:00") is CLOSED
    assert in_shanghai("Mo-Fr 08:00-14:00+", "2026-11-09T09:00") == HoursAt(OPEN, local("2026-11-09T14:00"))
    assert state("Mo-Fr 08:00-14:00+", "2026-11-09T20:00") is UNKNOWN
    assert state("Mo-Fr 08:00 till late", "2026-11-09T20:00") is UNKNOWN


def test_a_vague_closing_time_leaves_the_rest_of_the_day_open() -> None:
    assert state("24/7; Mo 17:30+ off", "2026-11-09T10:00") is OPEN
    assert state("24/7; Mo 17:30+ off", "2026-11-09T20:00") is UNKNOWN
    assert state("24/7; Mo 12:00-13:00+ off", "2026-11-09T10:00") is OPEN


def test_a_date_counted_from_easter_holds_in_its_year_only() -> None:
    after_easter = "easter +1 day-Oct 15 10:00-12:00"

    assert state(after_easter, "2027-03-28T11:00") is CLOSED  # Easter Sunday
    assert state(after_easter, "2027-03-29T11:00") is OPEN
    assert state(after_easter, "2027-02-01T11:00") is CLOSED
    assert state("easter-Apr 10 10:00-12:00", "2028-02-01T11:00") is UNKNOWN  # Easter is on 16 April


def test_a_fallback_holds_whenever_the_rules_before_it_are_closed() -> None:
    asked_for = 'Mo-Fr 09:00-17:00 || unknown "ring 123"'

    assert state(asked_for, "2026-09-30T10:00") is OPEN
    assert in_shanghai(asked_for, "2026-09-29T18:00") == HoursAt(
        UNKNOWN, local("2026-09-30T09:00"), "ring 123"
    )


# --- Nights and daylight saving ----------------------------------------------------------------


def test_a_night_runs_into_the_next_day() -> None:
    for night in ("22:00-06:00", "22:00-30:00"):
        assert in_shanghai(night, "2026-09-29T23:00") == HoursAt(OPEN, local("2026-09-30T06:00"))
        assert in_shanghai(night, "2026-09-30T03:00") == HoursAt(OPEN, local("2026-09-30T06:00"))
    assert in_shanghai("Mo-Su,PH 22:00-06:00", "2026-10-01T03:00") == HoursAt(OPEN, local("2026-10-01T06:00"))


def test_the_night_into_and_out_of_a_holiday_is_unknown() -> None:
    night = "20:00-26:00; PH off"

    assert in_shanghai(night, "2026-09-30T21:00") == HoursAt(OPEN, local("2026-10-01T00:00"))
    assert in_shanghai(night, "2026-10-01T01:00") == HoursAt(UNKNOWN, local("2026-10-01T02:00"))
    assert state(night, "2026-10-01T21:00") is CLOSED
    assert state(night, "2026-10-08T01:00") is UNKNOWN  # the night that would have begun on the holiday
    assert state(night, "2026-10-08T21:00") is OPEN
    assert state("Mo-Fr 22:00-06:00", "2026-10-08T03:00") is UNKNOWN
    assert state("Mo-Fr 22:00-06:00", "2026-10-09T03:00") is OPEN


def test_a_night_overridden_by_another_rule_is_not_open() -> None:
    assert state("22:00-06:00; Su off", "2026-11-08T03:00") is UNKNOWN  # Sunday
    assert state("22:00-06:00; Su off", "2026-11-09T03:00") is UNKNOWN  # Monday
    assert state("22:00-06:00; Su off", "2026-11-10T03:00") is OPEN
    assert state("Mo-Fr 20:00-26:00; Sa 10:00-12:00", "2026-11-07T01:00") is UNKNOWN


def test_a_night_in_which_the_clock_is_put_forward_ends_by_the_wall_clock() -> None:
    before = local("2026-03-28T23:00", "Europe/Zurich")

    assert hours_at("22:00-06:00", before, time_zone="Europe/Zurich") == HoursAt(
        OPEN, datetime(2026, 3, 29, 4, tzinfo=UTC)
    )
    skipped = hours_at("02:15-02:45", datetime(2026, 3, 28, 12, tzinfo=UTC), time_zone="Europe/Zurich")
    assert skipped == HoursAt(CLOSED, datetime(2026, 3, 30, 0, 15, tzinfo=UTC))


def test_an_hour_that_the_clock_shows_twice_has_its_hours_twice() -> None:
    changes: list[tuple[str, Opening]] = []
    at = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)
    for _ in range(5):
        now = hours_at("01:00-02:30", at, time_zone="Europe/Zurich")
        assert now.until is not None
        changes.append((f"{now.until:%d %H:%M}", now.state))
        at = now.until

    assert changes == [
        ("24 23:00", CLOSED),  # 01:00 CEST
        ("25 00:30", OPEN),  # 02:30 CEST
        ("25 01:00", CLOSED),  # 02:00 CET, after the clock went back
        ("25 01:30", OPEN),  # 02:30 CET
        ("26 00:00", CLOSED),  # 01:00 CET
    ]


# --- Parsing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("24/7", "24/7"),
        ("Mo - Fr 7:00 - 17:00", "Mo-Fr 07:00-17:00"),
        ("Mo-Fr 08:00-12:00, 13:30-17:00", "Mo-Fr 08:00-12:00,13:30-17:00"),
        ("Mo-Th 08:00-12:00, 13:00-17:00, Fr 08:00-12:00", "Mo-Th 08:00-12:00,13:00-17:00, Fr 08:00-12:00"),
        ("Mo-Fr 09:00-17:00,Sa 10:00-12:00", "Mo-Fr 09:00-17:00, Sa 10:00-12:00"),
        ("Mo, We 09:00-17:00", "Mo,We 09:00-17:00"),
        ("mo-fr 09:00-17:00;ph OFF", "Mo-Fr 09:00-17:00; PH off"),
        ("Ｍｏ－Ｆｒ　０９：００－１７：００；ＰＨ　ｏｆｆ", "Mo-Fr 09:00-17:00; PH off"),
        ("Mo-Fr 09:00–17:00", "Mo-Fr 09:00-17:00"),
        ("08:00～20:00", "08:00-20:00"),
        ("Mo-Fr: 09:00-17:00;; Sa off;", "Mo-Fr 09:00-17:00; Sa off"),
        ("Jan-Dec: 24/7", "Jan-Dec 00:00-24:00"),
        ("2026 oct 1-7 off", "2026 Oct 01-07 off"),
        ("week 1-20 Mo[ 1 , 3 ] 10:00-12:00", "week 01-20 Mo[1,3] 10:00-12:00"),
        ("easter -2 days off", "easter -2 days off"),
        ("Mar Su[-1]-Oct Su[-1] Mo 10:00-12:00", "Mar Su[-1]-Oct Su[-1] Mo 10:00-12:00"),
        ("24/7 open “按门铃；谢谢”", '24/7 open "按门铃；谢谢"'),
        ("Dec 24,25 off", "Dec 24,Dec 25 off"),
        ("2026 Dec 24,25,31 off", "2026 Dec 24,2026 Dec 25,2026 Dec 31 off"),
        ("Jan 01-31/8 10:00-12:00", "Jan 01,Jan 09,Jan 17,Jan 25 10:00-12:00"),
        ("Jan 20-Jan Su[-1] 08:00-18:00", "Jan 20-Jan Su[-1] 08:00-18:00"),
        ("jan su [1] - jan 20 08:00-18:00", "Jan Su[1]-Jan 20 08:00-18:00"),
        ("Jan 1-easter 08:00-18:00", "Jan 01-easter 08:00-18:00"),
        ("Mo-Fr 08:00 till late", "Mo-Fr 08:00+"),
        ("2026-2027/2 Jan 10:00-12:00", "2026 Jan 10:00-12:00"),
    ],
)
def test_hours_with_only_one_meaning_are_corrected(typed: str, stored: str) -> None:
    assert parse_hours(typed) == stored
    assert parse_hours(stored) == stored


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        (" ; ", "empty"),
        ("Mo-Fr 9-5", "where it is not allowed"),
        ("Mo-Fr 09:00", "something is missing"),
        ("Mo-Fr 09:00-17:60", "not understood"),
        ("Mo-Fr, 09:00-17:00", "comma"),
        ("Mo-Fr 09:00-17:00 PH off", "PH"),
        ("Mo-Fr 24/7", "24/7"),
        ("Mo PH 10:00-12:00", "Mo PH"),
        ("08:00-20:00, 12:00-13:00 off", "which times"),
        ("00:00-00:00", "no duration"),
        ("Feb 30 off", "does not have"),
        ("Oct 07-01 off", "wrong way round"),
        ("week 50-2 off", "wrong way round"),
        ('24/7 "ring', "without its closing"),
        ("24/7 ||", "one side of `||`"),
        ("24/7\0", "control"),
        ("Mo-Fr 25:00-26:00", "after the end of the day"),
        ("Mo[6] 10:00-12:00", "[5]"),
        ("PH +4000 days off", "366 days"),
        ("; ".join(["Mo off"] * 60), "50 rules"),
        ("sometimes", "sometimes"),
        ("10-12", "write `10:00-12:00`"),
        ("Mo-Fr 10-12", "hours with their minutes"),
        ("Nov-Feb 00-24", "write `00:00-24:00`"),
        ("Feb 00-24", "write `00:00-24:00`"),
        ("till late", "till late"),
        ("Dec 25,24 off", "out of order"),
        ("easter-Apr 10 10:00-12:00", "before its start in some years"),
        ("easter-Mar Su[-1] 10:00-12:00", "before its start in some years"),
        ("Jan 28-Jan Su[-1] 10:00-12:00", "before its start in some years"),
        ("Jan 20-Feb 10:00-12:00", "write them like"),
        ("easter +200 days off", "80 days"),
        ("2026 Dec 24,Dec 31 off", "the year belongs to one date or to all"),
        ("2026 Oct-Feb 10:00-12:00", "another year"),
        ("Apr Su[-1] +3 days 10:00-12:00", "into another month"),
        ("24/7; " * 1_000, "longer"),
    ],
)
def test_invalid_hours_are_refused_with_the_reason(typed: str, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_hours(typed)
    assert reason in refused.value.detail
    assert "Mo-Fr 08:00-18:00" in refused.value.detail
    assert refused.value.field == "opening_hours"
    assert len(refused.value.detail) < 400


def test_a_list_of_times_with_spaces_does_not_open_the_weekend() -> None:
    assert state("Mo-Fr 08:00-12:00, 13:30-17:00", "2026-11-08T14:00") is CLOSED  # a Sunday
    assert state("Mo, We 09:00-17:00", "2026-11-09T03:00") is CLOSED  # a Monday, before 9:00


@pytest.mark.parametrize("where", ["liechtenstein/liechtenstein_aeds.geojson", "poland/aed_poland.csv"])
def test_the_hours_of_real_devices_parse(where: str) -> None:
    path = SHARED_DATA / where
    if not path.exists():
        pytest.skip(f"{where} is not beside the repository")
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            rows: list[dict[str, str]] = list(csv.DictReader(file))
        else:
            rows = [feature["properties"] for feature in json.load(file)["features"]]
    expressions = {row["opening_hours"] for row in rows if row.get("opening_hours")}

    assert len(expressions) > 30
    for expression in expressions:
        assert hours_at(
            expression, local("2026-10-14T10:00"), time_zone="Europe/Zurich"
        ).state is not UNKNOWN or ("PH" in expression)
        parse_hours(expression)


# --- Properties --------------------------------------------------------------------------------

MOMENTS = st.datetimes(datetime(2023, 12, 1), datetime(2027, 6, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
SELECTORS = [
    "",
    "",
    "",
    "Apr-Oct",
    "Nov-Feb",
    "2026 Oct 01-07",
    "week 01-20",
    "Dec 24-Jan 02",
    "easter +1 day",
    "2026",
]
WEEKDAYS = ["", "", "Mo-Fr", "Sa-Su", "Fr-Mo", "Mo,We", "Su", "Mo[1]", "Fr[-1]", "Th[2] +1 day", "Mo-Su"]
HOLIDAYS_TOO = [*WEEKDAYS, "PH", "Mo-Fr,PH", "PH,Su", "SH", "PH Mo-Fr", "PH +1 day"]
DAYTIMES = ["", "08:00-20:00", "09:00-12:00,13:30-17:00", "00:00-06:00", "10:00-24:00", "12:00-13:00"]
NIGHTS = ["22:00-06:00", "20:00-26:00", "18:00-00:00", "23:30-30:15"]
MODIFIERS = ["", "", "", "off", "unknown", "open"]
VAGUE = ["10:00+", "sunrise-sunset", "sunset-sunrise"]


def expressions(days: list[str], times: list[str], separators: list[str]) -> st.SearchStrategy[str]:
    """Return a strategy for expressions of one to four rules."""
    pieces = st.tuples(*map(st.sampled_from, (SELECTORS, days, times, MODIFIERS)))
    rule = pieces.map(lambda pieces: " ".join(piece for piece in pieces if piece) or "24/7")
    more = st.lists(st.tuples(st.sampled_from(separators), rule), max_size=3)
    return st.builds(lambda first, rest: first + "".join(map("".join, rest)), rule, more)


ANY_HOURS = expressions(HOLIDAYS_TOO, [*DAYTIMES, *NIGHTS, *VAGUE], ["; ", "; ", ", ", " || "])
CALENDARS = st.sampled_from([None, CHINA, NO_HOLIDAYS])
TIME_ZONES = st.sampled_from([SHANGHAI, "Europe/Zurich", "America/New_York", "Australia/Lord_Howe"])


def accepted(expression: str) -> bool:
    try:
        parse_hours(expression)
    except InvalidInput:
        return False
    return True


def according_to_the_library(expression: str, at: datetime) -> Opening:
    on_the_wall = at.astimezone(ZoneInfo(SHANGHAI)).replace(tzinfo=None)
    found, _ = OpeningHours(expression).state(on_the_wall)
    return {State.OPEN: OPEN, State.CLOSED: CLOSED, State.UNKNOWN: UNKNOWN}[found]


@given(
    expression=ANY_HOURS.filter(accepted),
    at=MOMENTS,
    time_zone=TIME_ZONES,
    calendar=CALENDARS,
    part=st.floats(0, 1),
)
@settings(max_examples=examples(300), deadline=None)
def test_the_state_changes_exactly_at_the_announced_time(
    expression: str, at: datetime, time_zone: str, calendar: HolidayDates | None, part: float
) -> None:
    def ask(moment: datetime, attempt: int) -> HoursAt:
        """Evaluate without the cache: extra spaces change the text, its key, but not the meaning."""
        return hours_at(expression + " " * attempt, moment, time_zone=time_zone, calendar=calendar)

    now = ask(at, 0)
    end = now.until or at + timedelta(days=366)
    soon = min(end - at, timedelta(days=1))
    between = [at + (end - at) * part, at + soon * part, end - timedelta(microseconds=1)]
    for attempt, rounded in enumerate(between, start=1):
        moment = min(rounded, end - timedelta(microseconds=1))
        again = ask(moment, attempt)
        assert again.state is now.state
        assert now.until is None or again.until == now.until
        assert hours_at(expression, moment, time_zone=time_zone, calendar=calendar).state is again.state
    if now.until is not None:
        assert ask(now.until, 0).state is not now.state


@given(expression=expressions(WEEKDAYS, DAYTIMES, ["; ", ", "]).filter(accepted), at=MOMENTS)
@settings(max_examples=examples(300), deadline=None)
def test_without_holidays_and_nights_the_answer_is_the_library_s(expression: str, at: datetime) -> None:
    stored = parse_hours(expression)
    expected = according_to_the_library(stored, at)

    for calendar in (NO_HOLIDAYS, None):
        now = hours_at(expression, at, time_zone=SHANGHAI, calendar=calendar)
        assert now.state is expected
        if now.until is not None and now.until - at < timedelta(days=30):
            assert according_to_the_library(stored, now.until) is not expected
            assert according_to_the_library(stored, now.until - timedelta(minutes=1)) is expected


@given(expression=expressions(WEEKDAYS, [*DAYTIMES, *NIGHTS], ["; ", ", "]).filter(accepted), at=MOMENTS)
@settings(max_examples=examples(300), deadline=None)
def test_with_nights_the_answer_is_the_library_s_or_unknown(expression: str, at: datetime) -> None:
    now = hours_at(expression, at, time_zone=SHANGHAI, calendar=NO_HOLIDAYS)

    assert now.state in (UNKNOWN, according_to_the_library(parse_hours(expression), at))


@given(expression=ANY_HOURS.filter(accepted), at=MOMENTS)
@settings(max_examples=examples(200), deadline=None)
def test_stored_hours_mean_the_same_as_the_typed_ones(expression: str, at: datetime) -> None:
    stored = parse_hours(expression)

    assert parse_hours(stored) == stored
    assert hours_at(stored, at, time_zone=SHANGHAI, calendar=CHINA) == hours_at(
        expression, at, time_zone=SHANGHAI, calendar=CHINA
    )


@given(expression=ANY_HOURS.filter(accepted), at=MOMENTS)
@settings(max_examples=examples(200), deadline=None)
def test_a_known_calendar_never_contradicts_the_answer_without_it(expression: str, at: datetime) -> None:
    without = hours_at(
        expression,
        at,
        time_zone=SHANGHAI,
        calendar=HolidayDates("CN", frozenset(), frozenset(), frozenset()),
    )
    with_calendar = hours_at(expression, at, time_zone=SHANGHAI, calendar=CHINA)

    if "PH" in expression and without.state is not UNKNOWN:
        assert with_calendar.state is without.state


PIECES = [
    *("Mo", "Tu", "Su", "PH", "SH", "Jan", "Feb", "Oct", "Dec", "week", "easter", "days", "sunrise", "dusk"),
    *("2026", "9999", "1", "29", "31", "53", "+1", "-1", "[1]", "[-1]", "24/7", "00:00", "24:00", "48:00"),
    *(
        "09:00-17:00",
        "22:00-06:00",
        "20:00-26:00",
        "open",
        "unknown",
        "off",
        '"x"',
        '"',
        "Ｍｏ",
        "\0",
        "\ud800",
    ),
    *("(", ")", "+", "-", "/", ":", ",", ";", "||", " ", " ", " "),
]
ANY_TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=14).map("".join),
    st.just("1" * MAX_EXPRESSION_LENGTH),
)


@given(text=ANY_TEXT, at=st.datetimes(timezones=st.just(UTC)), time_zone=TIME_ZONES, calendar=CALENDARS)
@settings(max_examples=examples(500), deadline=None)
def test_any_text_is_refused_or_answered(
    text: str, at: datetime, time_zone: str, calendar: HolidayDates | None
) -> None:
    now = hours_at(text, at, time_zone=time_zone, calendar=calendar)
    if accepted(text):
        stored = parse_hours(text)
        assert parse_hours(stored) == stored
    else:
        assert now == HoursAt(UNKNOWN, None)
