"""Rules of service records: minutes that count once, boundaries of flags, working days, hidden counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.hours.holiday_calendar import HolidayDates, china_calendar
from aed.timebank.rules import ServiceKind
from aed.volunteering.rules import (
    CHECK_MINUTES,
    LEDGER_KIND,
    OF_CALLS,
    RECORDED_BY_HAND,
    RULES,
    OtherService,
    Period,
    ServiceRules,
    ServiceSource,
    age_band,
    free_minutes,
    hidden_counts,
    hours_and_minutes,
    is_at_two_sites,
    is_long_day,
    is_photo_at_another_time,
    is_posted,
    is_property_company,
    is_working_day,
    last_day_to_appeal,
    outcome_of_votes,
    whole_minutes,
)

START = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
DAY = START.date()
MINUTE = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)
HOUR = Period(START, START + 60 * MINUTE)
PERIODS = st.tuples(st.integers(0, 300), st.integers(0, 120)).map(
    lambda given: Period(START + given[0] * MINUTE, START + (given[0] + given[1]) * MINUTE)
)
CHINA = china_calendar()


def test_the_default_limits_are_as_agreed() -> None:
    assert (
        ServiceRules(
            version="2026-1",
            max_call_minutes=4 * 60,
            max_hand_minutes=12 * 60,
            max_hand_days=30,
            max_day_minutes=8 * 60,
            site_gap_minutes=60,
            max_proof_metres=500.0,
            photo_minutes=30,
            max_confirmations_a_day=60,
            relative_days=366,
            ring_days=90,
            ring_length=4,
            notice_days=7,
            appeal_working_days=15,
            max_open_proof_requests=3,
            min_count=5,
            collect_days=14,
        )
        == RULES
    )
    assert CHECK_MINUTES == {"glance": 2, "check": 10, "service": 15}


def test_every_source_has_a_kind_and_those_of_calls_are_not_by_hand() -> None:
    assert set(LEDGER_KIND) == set(ServiceSource)
    assert {source for source in ServiceSource if LEDGER_KIND[source] is ServiceKind.CALL} < OF_CALLS
    assert not OF_CALLS & RECORDED_BY_HAND


# --- Minutes --------------------------------------------------------------------------------------------


def test_periods_that_touch_do_not_overlap() -> None:
    after = Period(HOUR.end, HOUR.end + MINUTE)
    before = Period(HOUR.start - MINUTE, HOUR.start)

    for other in (before, after):
        assert not HOUR.overlaps(other)
        assert not other.overlaps(HOUR)
    assert HOUR.overlaps(Period(HOUR.end - MOMENT, HOUR.end + MINUTE))
    assert HOUR.overlaps(HOUR)


def test_minutes_are_whole_and_never_below_0() -> None:
    assert whole_minutes(START, START + 60 * MINUTE - MOMENT) == 59
    assert whole_minutes(START, START + 60 * MINUTE) == 60
    assert whole_minutes(START, START - MINUTE) == 0
    assert [hours_and_minutes(each) for each in (0, 42, 60, 725)] == ["0:00", "0:42", "1:00", "12:05"]


@pytest.mark.hypothesis
@given(period=PERIODS, taken=st.lists(PERIODS, max_size=6))
def test_free_minutes_are_the_minutes_in_no_other_service(period: Period, taken: list[Period]) -> None:
    def minutes_of(each: Period) -> set[int]:
        return set(range(whole_minutes(START, each.start), whole_minutes(START, each.end)))

    others = set[int]().union(*(minutes_of(each) for each in taken if each.start < each.end))

    assert free_minutes(period, taken) == len(minutes_of(period) - others)


@pytest.mark.hypothesis
@given(periods=st.lists(PERIODS, max_size=6))
def test_a_minute_counts_once_in_whatever_order_service_is_recorded(
    periods: list[Period],
) -> None:
    def total(ordered: list[Period]) -> int:
        return sum(free_minutes(each, ordered[:number]) for number, each in enumerate(ordered))

    assert total(periods) == total(list(reversed(periods))) == total(sorted(periods))


def test_parts_of_a_minute_between_two_services_add_up() -> None:
    taken = [
        Period(START + 10 * MINUTE, START + 20 * MINUTE),
        Period(START + 20 * MINUTE + timedelta(seconds=30), START + 59 * MINUTE + timedelta(seconds=30)),
    ]

    assert free_minutes(HOUR, taken) == 11


# --- Flags ----------------------------------------------------------------------------------------------


def other(
    period: Period = HOUR, minutes: int = 60, day: date = DAY, estate_id: int | None = 2
) -> OtherService:
    return OtherService(period, minutes, day, estate_id)


def test_a_day_is_long_above_eight_hours() -> None:
    others = [other(minutes=400), other(minutes=300, day=DAY + timedelta(days=1))]

    assert not is_long_day(80, DAY, others)
    assert is_long_day(81, DAY, others)


def test_two_sites_are_flagged_with_less_than_an_hour_between_them() -> None:
    def at(gap: timedelta) -> Period:
        return Period(HOUR.end + gap, HOUR.end + gap + 60 * MINUTE)

    hour = timedelta(hours=1)
    assert is_at_two_sites(at(hour - MOMENT), 1, [other()])
    assert not is_at_two_sites(at(hour), 1, [other()])
    assert is_at_two_sites(HOUR, 1, [other(at(hour - MOMENT))]), "also before"
    assert not is_at_two_sites(HOUR, 1, [other(at(hour))])


def test_two_sites_need_two_known_estates_and_minutes() -> None:
    assert is_at_two_sites(HOUR, 1, [other(minutes=1)])
    assert not is_at_two_sites(HOUR, 1, [other(minutes=0)])
    assert not is_at_two_sites(HOUR, 1, [other(estate_id=1)])
    assert not is_at_two_sites(HOUR, 1, [other(estate_id=None)])
    assert not is_at_two_sites(HOUR, None, [other()])
    assert not is_at_two_sites(HOUR, 1, [])


def test_a_photo_is_taken_within_half_an_hour_of_the_service() -> None:
    margin = 30 * MINUTE

    for taken_at in (HOUR.start - margin, HOUR.end + margin, None):
        assert not is_photo_at_another_time(HOUR, taken_at)
    for taken_at in (HOUR.start - margin - MOMENT, HOUR.end + margin + MOMENT):
        assert is_photo_at_another_time(HOUR, taken_at)


# --- Days -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_worked"),
    [
        ("2026-09-22", True),  # Tuesday
        ("2026-09-26", False),  # Saturday
        ("2026-10-01", False),  # a holiday, Thursday
        ("2026-10-10", True),  # Saturday, to make up for it
    ],
)
def test_holidays_and_make_up_days_decide_which_days_are_worked(day: str, is_worked: bool) -> None:
    assert is_working_day(date.fromisoformat(day), CHINA) is is_worked


def test_a_day_of_which_nothing_is_known_is_unknown_unless_it_is_a_weekend() -> None:
    tuesday, saturday = date(2026, 9, 22), date(2026, 9, 26)
    elsewhere = HolidayDates("XX", frozenset({2025}), frozenset(), frozenset())

    assert is_working_day(tuesday, None) is None
    assert is_working_day(saturday, None) is False
    assert is_working_day(tuesday, elsewhere) is None
    assert is_working_day(saturday, elsewhere) is None, "it may be a make-up day"


@pytest.mark.hypothesis
@given(decided_on=st.dates(date(2024, 1, 1), date(2026, 11, 1)))
def test_fifteen_working_days_are_left_to_appeal(decided_on: date) -> None:
    last = last_day_to_appeal(decided_on, CHINA)
    days = [decided_on + timedelta(days=each + 1) for each in range((last - decided_on).days)]

    assert sum(is_working_day(day, CHINA) is True for day in days) == 15
    assert is_working_day(last, CHINA)


@pytest.mark.parametrize(
    ("votes", "outcome"),
    [
        ([], None),
        ([True], None),
        ([False], None),
        ([True, False], None),
        ([True, True], True),
        ([False, False], False),
        ([True, False, False], False),
        ([True, False, True], True),
    ],
)
def test_more_than_half_of_the_parties_decide(votes: list[bool], outcome: bool | None) -> None:
    assert outcome_of_votes(votes) is outcome


def test_one_of_one_and_three_of_five_decide() -> None:
    assert outcome_of_votes([False], parties=1) is False
    assert outcome_of_votes([True, True], parties=5) is None
    assert outcome_of_votes([True, True, True], parties=5) is True


def test_a_notice_includes_its_first_and_last_day() -> None:
    first, last = date(2026, 9, 22), date(2026, 9, 28)
    day = timedelta(days=1)

    assert [is_posted(first, last, each) for each in (first - day, first, last, last + day)] == [
        False,
        True,
        True,
        False,
    ]
    assert not is_posted(None, last, first)
    assert not is_posted(first, None, first)


# --- Counts and issuers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "band"),
    [
        (-1, "under_30"),
        (0, "under_30"),
        (29, "under_30"),
        (30, "30_44"),
        (44, "30_44"),
        (45, "45_59"),
        (59, "45_59"),
        (60, "60_69"),
        (69, "60_69"),
        (70, "70_79"),
        (79, "70_79"),
        (80, "80_plus"),
        (101, "80_plus"),
    ],
)
def test_ages_are_counted_in_bands(age: int, band: str) -> None:
    assert age_band(2026 - age, 2026) == band


def test_an_unknown_year_of_birth_is_a_band_of_its_own() -> None:
    assert age_band(None, 2026) == "unknown"


@pytest.mark.hypothesis
@given(counts=st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 12)))
def test_no_hidden_count_follows_from_the_total(counts: dict[str, int]) -> None:
    shown = hidden_counts(counts)
    hidden = [name for name, count in shown.items() if count is None]

    assert all(shown[name] in (None, count) for name, count in counts.items())
    assert all(count is None or count == 0 or count >= 5 for count in shown.values())
    assert all(counts[name] > 0 for name in hidden), "that there is nobody gives nobody away"
    if len(hidden) == 1:
        assert sum(count > 0 for count in counts.values()) == 1, "no other could be hidden with it"
    if not any(0 < count < 5 for count in counts.values()):
        assert not hidden


def test_the_smallest_of_the_others_is_hidden_with_the_only_one() -> None:
    assert hidden_counts({"a": 5, "b": 4, "c": 8, "d": 0}) == {"a": None, "b": None, "c": 8, "d": 0}
    assert hidden_counts({"b": 9, "a": 9, "c": 1}) == {"b": 9, "a": None, "c": None}, "of equals, by name"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("绿城物业服务集团", True),
        ("湖畔物管处", True),
        ("Lake PROPERTY Services", True),
        ("湖畔社区居民委员会", False),
        ("湖畔红十字志愿服务队", False),
    ],
)
def test_a_property_company_is_recognised_by_its_name(name: str, is_one: bool) -> None:
    assert is_property_company(name) is is_one
