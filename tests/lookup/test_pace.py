"""Test the pace estimated from an estate's drills: accurate, and robust to outliers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.lookup.pace import Timed, estimate
from aed.settings.arrival import Arrival, Drills
from aed.walking.travel import slow_start_seconds

NUMBERS, ARRIVAL = Drills(), Arrival()
METRES = st.lists(st.integers(0, 600).map(float), min_size=NUMBERS.min_drills, max_size=25, unique=True)
SPEEDS, OVERHEADS = st.floats(0.16, 1.4), st.floats(15.0, 500.0)
ANYTHING = st.builds(Timed, st.floats(0.0, 3_000.0), st.floats(0.0, 600.0), st.floats(10.0, 3_600.0))


def drill(metres: float, speed: float, overhead: float, *, floors: float = 0.0) -> Timed:
    return Timed(
        metres, floors, overhead + 2 * (speed * metres + slow_start_seconds(metres, ARRIVAL)) + floors
    )


@given(METRES, SPEEDS, OVERHEADS, st.floats(0.0, 240.0), st.data())
def test_a_pace_that_is_kept_is_found_whatever_the_order(
    metres: list[float], speed: float, overhead: float, floors: float, data: st.DataObject
) -> None:
    drills = [drill(each, speed, overhead, floors=floors) for each in metres]
    found = estimate(drills, NUMBERS, ARRIVAL)

    assert found.seconds_per_metre is not None
    assert found.pick_up_seconds is not None
    assert found.seconds_per_metre.value == pytest.approx(speed, abs=1e-6)
    assert found.pick_up_seconds.value == pytest.approx(overhead, abs=1e-3)
    assert found.spread_metres == max(metres) - min(metres)
    assert found.is_enough == (found.spread_metres >= NUMBERS.spread_metres)
    again = estimate(data.draw(st.permutations(drills)), NUMBERS, ARRIVAL)
    assert again.seconds_per_metre == pytest.approx(found.seconds_per_metre)
    assert again.pick_up_seconds == pytest.approx(found.pick_up_seconds)


@given(METRES, SPEEDS, OVERHEADS, st.data())
def test_a_fifth_of_the_drills_may_be_wrong_by_anything(
    metres: list[float], speed: float, overhead: float, data: st.DataObject
) -> None:
    """With a fifth of outliers, more than half of all pairs and of all drills are still on the line."""
    wrong = data.draw(st.lists(ANYTHING, max_size=len(metres) // 5))
    drills = [drill(each, speed, overhead) for each in metres[len(wrong) :]] + wrong

    found = estimate(drills, NUMBERS, ARRIVAL)

    assert found.seconds_per_metre is not None
    assert found.pick_up_seconds is not None
    assert found.seconds_per_metre.value == pytest.approx(speed, abs=1e-6)
    assert found.pick_up_seconds.value == pytest.approx(overhead, abs=1e-3)


@given(st.lists(ANYTHING, max_size=30))
def test_whatever_was_timed_the_pace_is_a_possible_one_within_its_interval(drills: list[Timed]) -> None:
    found = estimate(drills, NUMBERS, ARRIVAL)

    assert found.drills == len(drills)
    assert not found.is_enough or len(drills) >= NUMBERS.min_drills
    if found.seconds_per_metre is None or found.pick_up_seconds is None:
        assert not found.is_enough
        return
    speed, pick_up = found.seconds_per_metre, found.pick_up_seconds
    assert NUMBERS.quickest_seconds_per_metre <= speed.low <= speed.value <= speed.high
    assert speed.high <= NUMBERS.slowest_seconds_per_metre
    assert NUMBERS.min_pick_up_seconds <= pick_up.low <= pick_up.value <= pick_up.high
    assert pick_up.high <= NUMBERS.max_pick_up_seconds


@pytest.mark.parametrize("count", [10, 20])
def test_the_interval_contains_the_true_pace_as_often_as_promised(count: int) -> None:
    """Simulate 500 estates with errors of 20 seconds, and a minute more in one of ten drills."""
    numbers = np.random.default_rng(5)
    held = np.zeros(2)
    for _ in range(500):
        metres = numbers.uniform(50, 500, count)
        off = numbers.normal(0, 20, count) + np.where(numbers.random(count) < 0.1, 60, 0)
        starts = np.array([slow_start_seconds(each, ARRIVAL) for each in metres.tolist()])
        seconds = 100 + 2 * (0.4 * metres + starts) + off
        found = estimate([Timed(m, 0.0, s) for m, s in zip(metres, seconds, strict=True)], NUMBERS, ARRIVAL)
        assert found.seconds_per_metre is not None
        assert found.pick_up_seconds is not None
        held += [
            found.seconds_per_metre.low <= 0.4 <= found.seconds_per_metre.high,
            found.pick_up_seconds.low <= 100 <= found.pick_up_seconds.high,
        ]
    assert (held / 500 >= 0.92).all(), held


def test_walks_of_equal_length_do_not_determine_the_pace() -> None:
    alike = [Timed(100.0, 0.0, 180.0 + each) for each in range(20)]
    found = estimate(alike, NUMBERS, ARRIVAL)
    assert (found.seconds_per_metre, found.is_enough) == (None, False)

    nearly = [Timed(100.0 + each, 0.0, 180.0 + each) for each in range(20)]
    assert not estimate(nearly, NUMBERS, ARRIVAL).is_enough
    assert not estimate([], NUMBERS, ARRIVAL).is_enough
