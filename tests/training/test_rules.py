"""Month arithmetic, offers, refreshers and names."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.accounts.masking import mask_name
from aed.certificates.rules import Refresher, is_valid, suggested_refresher
from aed.hours.dates import months_after
from aed.training.rules import (
    OFFER_LASTS,
    EnrolmentState,
    last_valid_day,
    offer_until,
    places_to_offer,
    state_on_arrival,
)

DAYS = st.dates(date(2000, 1, 1), date(2090, 12, 31))


@pytest.mark.parametrize(
    ("issued_on", "months", "last"),
    [
        (date(2026, 9, 22), 36, date(2029, 9, 21)),
        (date(2026, 1, 31), 1, date(2026, 2, 27)),
        (date(2024, 2, 29), 12, date(2025, 2, 27)),
        (date(2026, 12, 1), 1, date(2026, 12, 31)),
    ],
)
def test_a_certificate_ends_on_the_day_before_its_anniversary(
    issued_on: date, months: int, last: date
) -> None:
    assert last_valid_day(issued_on, months) == last


@given(day=DAYS, months=st.integers(0, 120))
def test_adding_months_keeps_the_day_where_the_month_has_it(day: date, months: int) -> None:
    later = months_after(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@given(left=st.timedeltas(timedelta(seconds=1), timedelta(days=400)))
def test_an_offer_expires_before_the_session_and_within_a_day(left: timedelta) -> None:
    at = datetime(2026, 9, 22, tzinfo=UTC)
    until = offer_until(at, at + left)
    assert until is not None
    assert at < until < at + left
    assert until - at <= OFFER_LASTS


@pytest.mark.parametrize("late", [timedelta(0), timedelta(hours=1)])
def test_no_place_is_offered_once_the_session_has_begun(late: timedelta) -> None:
    at = datetime(2026, 9, 22, tzinfo=UTC)
    assert offer_until(at + late, at) is None


@given(capacity=st.integers(1, 50), held=st.integers(0, 60), waiting=st.integers(0, 60))
def test_places_are_given_and_offered_within_the_capacity(capacity: int, held: int, waiting: int) -> None:
    state = state_on_arrival(capacity=capacity, places_held=held, waiting=waiting)
    assert (state is EnrolmentState.ENROLLED) == (held < capacity and waiting == 0)
    offered = places_to_offer(capacity=capacity, places_held=held, waiting=waiting)
    assert 0 <= offered <= waiting
    assert held + offered <= max(capacity, held)
    assert offered == waiting or held + offered >= capacity


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 12, 21), None),
        (date(2026, 12, 22), Refresher.SUGGESTED),
        (date(2027, 3, 21), Refresher.SUGGESTED),
        (date(2027, 3, 22), Refresher.DUE),
        (date(2030, 1, 1), Refresher.DUE),
    ],
)
def test_practice_is_suggested_after_three_months_and_due_after_the_term_of_the_course(
    today: date, expected: Refresher | None
) -> None:
    assert suggested_refresher(practised_on=date(2026, 9, 22), refresher_months=6, today=today) is expected


def test_a_term_of_less_than_three_months_is_due_at_once() -> None:
    assert (
        suggested_refresher(practised_on=date(2026, 9, 22), refresher_months=1, today=date(2026, 10, 22))
        is Refresher.DUE
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("王小明", "王**"),
        ("李华", "李*"),
        ("李", "李*"),
        ("欧阳娜娜", "欧***"),
        ("Anna Berg", "A*** B***"),
        ("Ng", "N***"),
        ("Ærø Østergård", "Æ** Ø***"),
    ],
)
def test_a_name_is_masked_except_for_its_initials(name: str, shown: str) -> None:
    assert mask_name(name) == shown


def test_a_certificate_is_valid_on_its_last_day_unless_revoked() -> None:
    last = date(2026, 9, 22)
    assert is_valid(today=last, valid_until=last, revoked_at=None)
    assert not is_valid(today=last + timedelta(days=1), valid_until=last, revoked_at=None)
    assert not is_valid(today=last, valid_until=last, revoked_at=datetime(2026, 1, 1, tzinfo=UTC))
