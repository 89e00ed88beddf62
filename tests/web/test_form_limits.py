"""Forms of pages take values up to their limits and no further."""

from __future__ import annotations

import uuid
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from aed.upkeep.rules import Question
from aed.web.checks.rules import BadForm, check_in_form
from aed.web.find_help.rules import position_from_form
from aed.web.region_dashboard.rules import FigureTable, year_until
from aed.web.sign_up.rules import HOME, MAX_PATH, own_path
from tests.make import NOW


def battery_percent(written: str) -> int | None:
    form = {"key": str(uuid.uuid4()), "battery_percent": written}
    asks = (Question.STATUS_LIGHT,)
    check = check_in_form(
        form, asks, today=NOW.date(), language="en", counts_ground_as_one=True, now=NOW, has_cartridge=False
    )
    return check.readings.battery_percent if check.readings is not None else None


def test_a_battery_has_between_0_and_100_percent() -> None:
    right = {"0": 0, "100": 100, "100%": 100, " 7 % ": 7, "099": 99, "": None}
    assert {each: battery_percent(each) for each in right} == right
    for wrong in ("101", "1000", "-1", "99.5", "99999", "001000", "9" * 5_000, "half", "%%"):
        with pytest.raises(BadForm, match="from 0 to 100") as refused:
            battery_percent(wrong)
        assert refused.value.field == "battery_percent"


def test_a_path_to_return_to_has_at_most_300_characters() -> None:
    longest = "/".ljust(MAX_PATH, "x")
    assert (len(longest), own_path(longest)) == (300, longest)
    assert own_path(longest + "x") == HOME


def test_an_estate_is_chosen_by_a_number_that_databases_can_hold() -> None:
    assert position_from_form({"estate": "9" * 18}).estate_id == 10**18 - 1
    for none in ("9" * 19, "", "-1", "１２", "1x"):
        assert position_from_form({"estate": none}).estate_id is None
    assert position_from_form({"estate": "1", "q": "Lake Garden"}).estate_id is None


def test_a_hidden_count_and_words_have_no_bar() -> None:
    rows = (("a", 3, None), ("b", None, 2), ("c", 2.5, 1), ("d", "few", 1))
    table = FigureTable(key="k", title="t", columns=("c", "n", "m"), rows=rows)

    assert table.bars == [
        ("a", 3.0, "3 / –"),
        ("b", 0.0, "– / 2"),
        ("c", 2.5, "2.5 / 1"),
        ("d", 0.0, "few / 1"),
    ]
    assert FigureTable(key="k", title="t", columns=(), rows=(("a", 0, None),)).is_empty
    assert not table.is_empty


def test_a_moment_is_in_the_month_that_begins_with_it() -> None:
    year = year_until(date(2026, 3, 31), "Asia/Shanghai")
    begins = year.bounds[-2]

    assert (len(year.months), year.months[0], year.month) == (12, date(2025, 4, 1), date(2026, 3, 1))
    assert begins == year.bounds[11]
    assert begins.astimezone(ZoneInfo("Asia/Shanghai")).isoformat() == "2026-03-01T00:00:00+08:00"
    assert year.month_of(begins) == 11
    assert year.month_of(begins - (begins - year.bounds[10]) / 10**6) == 10
    assert year.month_of(year.bounds[0]) == 0
