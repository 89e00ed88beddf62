"""Rules of the time bank: the default numbers, boundaries to the unit, and nothing lost by cap or expiry."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.timebank.rules import (
    DEFAULT_RULES,
    UNITS_PER_POINT,
    PriorityGroup,
    ServiceKind,
    ServiceRule,
    add_months,
    can_claim,
    credited_minutes,
    due_expiry_notice,
    earned_units,
    expires_at,
    gift_units_left,
    may_order,
    over_cap,
    service_units,
    to_points,
    to_units,
)

ACTIVE = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
END = datetime(2029, 9, 22, 2, 0, tzinfo=UTC)
"""36 months later."""
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
MINUTES = st.integers(1, 10_000)
MOMENTS = st.integers(0, 60 * 366).map(lambda days: datetime(2000, 1, 1, 8, tzinfo=UTC) + days * DAY)


def test_the_default_rules_are_as_agreed() -> None:
    rules = DEFAULT_RULES

    assert UNITS_PER_POINT == 600
    assert (rules.minutes_per_point, rules.spend_from_minutes) == (60, 100 * 60)
    assert (rules.cap_points, rules.gift_points_a_year) == (1500, 50)
    assert (rules.expiry_months, rules.inheritance_months) == (36, 12)
    assert rules.expiry_notice_days == (90, 30, 7)


@pytest.mark.parametrize(
    ("kind", "minutes", "points"),
    [
        (ServiceKind.CHECK, 15, "0.25"),
        (ServiceKind.DRILL, 60, "1"),
        (ServiceKind.TEACHING, 60, "1.5"),
        (ServiceKind.TEACHING_HELP, 60, "1"),
        (ServiceKind.CALL, 60, "0"),
        (ServiceKind.GUIDE, 60, "0"),
        (ServiceKind.PATROL, 60, "1"),
        (ServiceKind.STANDBY, 60, "0.1"),
        (ServiceKind.TRAINING_ATTENDED, 0, "0"),
        (ServiceKind.PAID_SHIFT, 0, "0"),
        (ServiceKind.OTHER, 60, "1"),
    ],
)
def test_an_hour_earns_by_its_kind(kind: ServiceKind, minutes: int, points: str) -> None:
    assert credited_minutes(DEFAULT_RULES, kind, 60) == minutes
    assert earned_units(DEFAULT_RULES, kind, minutes) == to_units(Decimal(points))
    if minutes == 0:
        assert earned_units(DEFAULT_RULES, kind, 60) == 0, "not by its minutes either"


@pytest.mark.hypothesis
@given(parts=st.lists(st.integers(1, 30), min_size=1, max_size=8))
def test_checks_of_a_device_and_day_count_up_to_the_limit_in_any_parts(parts: list[int]) -> None:
    counted = 0
    for part in parts:
        counted += credited_minutes(DEFAULT_RULES, ServiceKind.CHECK, part, counted=counted)

    assert counted == min(15, sum(parts))


def test_a_limit_that_was_lowered_takes_nothing_back() -> None:
    assert credited_minutes(DEFAULT_RULES, ServiceKind.CHECK, 10, counted=40) == 0


@pytest.mark.hypothesis
@given(parts=st.lists(MINUTES, min_size=1, max_size=8), kind=st.sampled_from(ServiceKind))
def test_nothing_is_lost_by_serving_in_parts(parts: list[int], kind: ServiceKind) -> None:
    in_parts = sum(earned_units(DEFAULT_RULES, kind, part) for part in parts)

    assert in_parts == earned_units(DEFAULT_RULES, kind, sum(parts))


@pytest.mark.hypothesis
@given(minutes=MINUTES, tenths=st.integers(0, 30), per_point=st.integers(1, 240))
def test_points_round_down_by_less_than_a_unit(minutes: int, tenths: int, per_point: int) -> None:
    rule = ServiceRule(factor_tenths=tenths)
    rules = replace(DEFAULT_RULES, minutes_per_point=per_point, services={ServiceKind.PATROL: rule})
    exact = Decimal(minutes) * tenths / 10 / per_point * UNITS_PER_POINT

    units = earned_units(rules, ServiceKind.PATROL, minutes)

    assert Decimal(units) <= exact + Decimal("1e-9")
    assert exact < units + 1


@pytest.mark.hypothesis
@given(balance=st.integers(-10_000, 3_000_000), cap=st.integers(0, 4000))
def test_what_is_kept_and_what_is_over_the_cap_are_the_balance(balance: int, cap: int) -> None:
    rules = replace(DEFAULT_RULES, cap_points=cap)
    over = over_cap(rules, balance)

    assert over >= 0
    assert balance - over == min(balance, cap * UNITS_PER_POINT)
    assert over_cap(rules, balance - over) == 0, "nothing more is over afterwards"
    assert over_cap(replace(rules, cap_points=None), balance) == 0


def test_the_cap_is_exact_to_the_unit() -> None:
    assert [over_cap(DEFAULT_RULES, 1500 * 600 + each) for each in (-1, 0, 1)] == [0, 0, 1]


@pytest.mark.hypothesis
@given(gifts=st.lists(st.integers(1, 20_000), max_size=10))
def test_gifts_of_a_year_end_at_the_limit_however_they_are_split(gifts: list[int]) -> None:
    given_units = 0
    for gift in gifts:
        given_units += min(gift, gift_units_left(DEFAULT_RULES, given_units))

    assert given_units == min(sum(gifts), 50 * UNITS_PER_POINT)


def test_nothing_is_left_to_give_once_a_lower_limit_is_exceeded() -> None:
    assert gift_units_left(DEFAULT_RULES, 51 * UNITS_PER_POINT) == 0


@pytest.mark.hypothesis
@given(units=st.integers(0, 10**9))
def test_points_are_units_to_the_hundredth_and_never_more(units: int) -> None:
    points = to_points(units)

    assert points * UNITS_PER_POINT <= units < (points + Decimal("0.01")) * UNITS_PER_POINT
    assert to_units(points) == points * UNITS_PER_POINT


def test_points_that_are_no_whole_number_of_units_are_refused() -> None:
    assert to_units(Decimal("0.01")) == 6
    assert to_units(Decimal("0.001")) is None


@pytest.mark.hypothesis
@given(price=st.integers(1, 10_000), minutes=st.integers(1, 1_000))
def test_a_price_is_rounded_up_by_less_than_a_unit(price: int, minutes: int) -> None:
    assert (service_units(price, minutes) - 1) * 60 < price * minutes <= service_units(price, minutes) * 60


@pytest.mark.parametrize(
    ("first_for", "groups", "may"),
    [
        ((), (), True),
        ((PriorityGroup.OVER_60,), (), False),
        ((PriorityGroup.OVER_60,), (PriorityGroup.OVER_60,), True),
        ((PriorityGroup.OVER_60,), (PriorityGroup.OVER_80,), True),
        ((PriorityGroup.OVER_60,), (PriorityGroup.DISABLED,), False),
        ((PriorityGroup.OVER_80,), (PriorityGroup.OVER_60,), False),
        ((PriorityGroup.OVER_80, PriorityGroup.DISABLED), (PriorityGroup.DISABLED,), True),
    ],
)
def test_goods_are_kept_for_groups_at_first(
    first_for: tuple[PriorityGroup, ...], groups: tuple[PriorityGroup, ...], may: bool
) -> None:
    assert may_order(first_for, END, groups, END - MOMENT) is may
    assert may_order(first_for, None, groups, END) is may, "without an end they are kept for good"
    assert may_order(first_for, END, groups, END), "from the end on anyone may have them"


# --- Expiry and inheritance -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "months", "later"),
    [
        ("2026-01-31T08:00", 1, "2026-02-28T08:00"),
        ("2027-01-31T08:00", 13, "2028-02-29T08:00"),
        ("2028-02-29T08:00", 36, "2031-02-28T08:00"),
        ("2026-12-15T08:00", 1, "2027-01-15T08:00"),
        ("2026-11-30T08:00", 1, "2026-12-30T08:00"),
        ("2026-01-15T08:00", -1, "2025-12-15T08:00"),
    ],
)
def test_months_end_on_the_same_day_or_the_last(moment: str, months: int, later: str) -> None:
    assert add_months(datetime.fromisoformat(moment), months) == datetime.fromisoformat(later)


@pytest.mark.hypothesis
@given(moment=MOMENTS, months=st.integers(0, 120))
def test_months_never_skip_one(moment: datetime, months: int) -> None:
    later = add_months(moment, months)

    assert (later.year - moment.year) * 12 + later.month - moment.month == months
    assert later.timetz() == moment.timetz()
    assert later.day == moment.day or (later.day < moment.day and (later + DAY).day == 1)


def test_points_expire_36_months_after_the_last_activity_or_never() -> None:
    assert expires_at(DEFAULT_RULES, ACTIVE) == END
    never = replace(DEFAULT_RULES, expiry_months=None)
    assert expires_at(never, ACTIVE) is None
    assert due_expiry_notice(never, ACTIVE, END, notified=None) is None


def test_notices_are_due_at_their_days_to_the_moment() -> None:
    def due(before: timedelta, notified: int | None) -> int | None:
        return due_expiry_notice(DEFAULT_RULES, ACTIVE, END - before, notified=notified)

    assert due(90 * DAY + MOMENT, None) is None
    assert due(90 * DAY, None) == 90
    assert due(90 * DAY, 90) is None
    assert due(30 * DAY + MOMENT, 90) is None
    assert due(30 * DAY, 90) == 30
    assert due(7 * DAY, 30) == 7
    assert due(7 * DAY, 7) is None
    assert due(MOMENT, None) == 7, "the latest only, if earlier ones were missed"
    assert due(timedelta(0), None) is None, "what has expired needs no notice"


@pytest.mark.hypothesis
@given(steps=st.lists(st.integers(1, 60), max_size=40))
def test_each_notice_is_sent_once_whenever_the_job_runs(steps: list[int]) -> None:
    at, notified, sent = END - 120 * DAY, None, list[int]()
    for days in steps:
        at += days * DAY
        due = due_expiry_notice(DEFAULT_RULES, ACTIVE, at, notified=notified)
        if due is not None:
            assert END - due * DAY <= at < END
            sent.append(due)
            notified = due

    assert sent == sorted(set(sent), reverse=True)


def test_an_heir_may_claim_for_a_year_to_the_moment() -> None:
    died = datetime(2024, 2, 29, tzinfo=UTC)

    assert can_claim(DEFAULT_RULES, died, datetime(2025, 2, 28, tzinfo=UTC) - MOMENT)
    assert not can_claim(DEFAULT_RULES, died, datetime(2025, 2, 28, tzinfo=UTC))


@pytest.mark.hypothesis
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["earn", "wait", "claim"]), st.integers(1, 100_000), st.integers(0, 2_000)),
        max_size=20,
    )
)
def test_cap_expiry_and_inheritance_conserve_what_was_issued(steps: list[tuple[str, int, int]]) -> None:
    """Follow an account beside its pools: what was issued is in one of them."""
    issued = balance = care = region = heir = 0
    at = active = ACTIVE
    for what, minutes, days in steps:
        at += days * DAY
        end = expires_at(DEFAULT_RULES, active)
        if end is not None and at >= end:
            balance, region = 0, region + balance
        if what == "earn":
            units = earned_units(DEFAULT_RULES, ServiceKind.PATROL, minutes)
            issued, balance, active = issued + units, balance + units, at
            over = over_cap(DEFAULT_RULES, balance)
            balance, care = balance - over, care + over
        elif what == "claim":
            if can_claim(DEFAULT_RULES, active, at):
                heir, balance = heir + balance, 0
            else:
                region, balance = region + balance, 0
        assert 0 <= balance <= 1500 * UNITS_PER_POINT
        assert balance + care + region + heir == issued
