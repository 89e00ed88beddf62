"""Rules of inspection rounds at their exact limits: turns, states, hours of a device, wall clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from aed.hours.timetable import Opening, StateSpan
from aed.upkeep.rounds.routing import NotVisitedReason, Window
from aed.upkeep.rounds.rules import (
    NOT_VISITED_WORDS,
    RoundState,
    are_hours_known,
    counts_until,
    local_moment,
    reachable_windows,
    repeat_day,
    round_state,
)

TODAY = date(2026, 9, 22)
DAY = timedelta(days=1)


def state(
    days: int,
    *,
    left: int = 1,
    waiting: int = 0,
    every_days: int | None = None,
    is_cancelled: bool = False,
) -> RoundState:
    """Return the state of a round whose day was that many days ago."""
    return round_state(
        TODAY - days * DAY,
        today=TODAY,
        left=left,
        waiting=waiting,
        every_days=every_days,
        is_cancelled=is_cancelled,
    )


@pytest.mark.parametrize(
    ("days", "every_days", "expected"),
    [
        (-1, None, RoundState.PLANNED),
        (0, None, RoundState.TODAY),
        (1, None, RoundState.OVERDUE),
        (29, None, RoundState.OVERDUE),
        (30, None, RoundState.MISSED),
        (-1, 7, RoundState.PLANNED),
        (0, 7, RoundState.TODAY),
        (1, 7, RoundState.OVERDUE),
        (6, 7, RoundState.OVERDUE),
        (7, 7, RoundState.MISSED),
        (0, 1, RoundState.TODAY),
        (1, 1, RoundState.MISSED),
        (30, 31, RoundState.OVERDUE),
        (31, 31, RoundState.MISSED),
    ],
)
def test_a_round_is_overdue_until_its_next_turn(
    days: int, every_days: int | None, expected: RoundState
) -> None:
    assert state(days, every_days=every_days) is expected
    assert state(days, every_days=every_days, waiting=1) is expected
    assert state(days, every_days=every_days, left=0) is RoundState.DONE
    assert state(days, every_days=every_days, left=0, waiting=1) is RoundState.WAITING
    for left in (0, 1):
        assert state(days, every_days=every_days, left=left, is_cancelled=True) is RoundState.CANCELLED
    assert counts_until(TODAY, every_days) == TODAY + (every_days or 30) * DAY


@pytest.mark.parametrize(
    ("ago", "every_days", "ahead"),
    [
        (-3, 7, 10),  # it has not been walked yet: the turn after it
        (0, 7, 7),
        (1, 7, 6),
        (6, 7, 1),
        (7, 7, 0),
        (8, 7, 6),
        (14, 7, 0),
        (15, 7, 6),
        (1, 1, 0),
        (100, 1, 0),
    ],
)
def test_a_round_is_repeated_on_its_next_turn_from_today_on(ago: int, every_days: int, ahead: int) -> None:
    assert repeat_day(TODAY - ago * DAY, every_days, today=TODAY) == TODAY + ahead * DAY


OPEN_8_TO_12 = (
    StateSpan(0, Opening.CLOSED, None),
    StateSpan(8 * 60, Opening.OPEN, None),
    StateSpan(12 * 60, Opening.CLOSED, None),
)


@pytest.mark.parametrize(
    ("begins", "leaves", "is_known"),
    [
        (8 * 3600, 12 * 3600, True),
        (8 * 3600 - 1, 9 * 3600, False),
        (11 * 3600, 12 * 3600 + 1, False),
        (7 * 3600, 8 * 3600, False),
        (12 * 3600, 13 * 3600, False),
    ],
)
def test_a_device_is_open_during_the_whole_visit(begins: float, leaves: float, is_known: bool) -> None:
    assert are_hours_known(OPEN_8_TO_12, begins, leaves) is is_known


def test_times_that_touch_are_one_window_and_others_are_several() -> None:
    assert reachable_windows(OPEN_8_TO_12) == (Window(8 * 3600, 12 * 3600),)
    assert reachable_windows((StateSpan(0, Opening.OPEN, None),)) == (Window(0, 86_400),)
    assert reachable_windows((StateSpan(0, Opening.CLOSED, None),)) == ()
    twice = (*OPEN_8_TO_12, StateSpan(14 * 60, Opening.UNKNOWN, None), StateSpan(18 * 60, Opening.OPEN, None))
    assert reachable_windows(twice) == (Window(8 * 3600, 12 * 3600), Window(14 * 3600, 86_400))


def test_a_wall_clock_is_of_the_place_and_rounds_to_seconds() -> None:
    assert local_moment(TODAY, 0, "Asia/Shanghai") == datetime(2026, 9, 21, 16, tzinfo=UTC)
    assert local_moment(TODAY, 3600.4, "Asia/Shanghai") == datetime(2026, 9, 21, 17, tzinfo=UTC)
    assert local_moment(TODAY, 86_400, "UTC") == datetime(2026, 9, 23, tzinfo=UTC)


def test_each_reason_has_its_words() -> None:
    assert set(NOT_VISITED_WORDS) == set(NotVisitedReason)
    for place in (0, 1):
        words = [each[place] for each in NOT_VISITED_WORDS.values()]
        assert len(set(words)) == len(words), "no two reasons sound the same"
    assert NOT_VISITED_WORDS[NotVisitedReason.NO_WAY][1] == "步行无法到达"
    assert NOT_VISITED_WORDS[NotVisitedReason.CLOSED][1] == "巡检时段内不开放"
