"""Hours by day: from an expression to the form and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.errors import InvalidInput
from aed.hours.evaluation import hours_at
from aed.web.estate_desk.rules import FIELDS, WeeklyHours

SHANGHAI = ZoneInfo("Asia/Shanghai")
TIMES = st.integers(0, 23 * 4 + 3).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
SPANS = st.tuples(TIMES, TIMES | st.just("24:00")).filter(lambda span: span[0] != span[1] != "00:00")
WEEKS = st.builds(WeeklyHours, st.tuples(*[st.none() | SPANS] * 7).filter(any), st.booleans())


@pytest.mark.parametrize(
    "expression",
    [
        "Mo-Fr 08:30-17:30; Sa 09:00-12:00; PH off",
        "Mo-Su 07:00-22:00",
        "Mo,We,Fr 08:00-12:00; Tu,Th 14:00-18:00; PH off",
        "Mo-Fr 00:00-24:00",
        "Sa-Su 20:00-02:00; PH off",
    ],
)
def test_an_expression_comes_back_from_the_form(expression: str) -> None:
    week = WeeklyHours.from_expression(expression)
    assert week is not None
    assert WeeklyHours.from_form(week.to_form()).expression() == expression


def test_days_over_the_weekend_are_read() -> None:
    week = WeeklyHours.from_expression("Fr-Mo 10:00-16:00")
    assert week is not None
    assert [each is not None for each in week.days] == [True, False, False, False, True, True, True]


@pytest.mark.parametrize(
    "expression",
    [
        "24/7",
        "Mo-Fr 08:00-12:00,13:00-17:00",
        "Mo-Fr 08:00-12:00; Fr 09:00-10:00",
        "PH off; Mo-Fr 08:00-12:00",
        "PH off",
        "PH 10:00-12:00",
        "Jan Mo 08:00-12:00",
        "Mo-Tu-We 08:00-12:00",
        "Xx 08:00-12:00",
        "Mo[1] 08:00-12:00",
        "Mo-Fr 08:00-12:00 || unknown",
        "",
    ],
)
def test_an_expression_that_says_more_stays_text(expression: str) -> None:
    assert WeeklyHours.from_expression(expression) is None


@given(WEEKS)
def test_the_expression_means_what_was_entered(week: WeeklyHours) -> None:
    expression = week.expression()
    assert WeeklyHours.from_expression(expression) == week
    assert WeeklyHours.from_form(week.to_form()) == week
    on_holidays_too = replace(week, is_closed_on_holidays=False).expression()  # which need no calendar
    monday = datetime(2026, 12, 7, tzinfo=SHANGHAI)
    for number, span in enumerate(week.days):
        if span is not None:
            hours, minutes = map(int, span[0].split(":"))
            opens = monday + timedelta(days=number, hours=hours, minutes=minutes)
            found = hours_at(on_holidays_too, opens.astimezone(UTC), time_zone="Asia/Shanghai", calendar=None)
            assert found.state == "open", (on_holidays_too, opens)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "one day at least"),
        ({"opens_mo": "08:00"}, "both times"),
        ({"closes_su": "08:00"}, "both times"),
        ({"opens_mo": "8:00", "closes_mo": "12:00"}, "like 08:30"),
        ({"opens_mo": "24:00", "closes_mo": "12:00"}, "like 08:30"),
        ({"opens_mo": "08:00", "closes_mo": "08:00"}, "another time"),
    ],
)
def test_times_that_are_missing_or_wrong_get_a_sentence(fields: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        WeeklyHours.from_form(dict.fromkeys(FIELDS, "") | fields)
