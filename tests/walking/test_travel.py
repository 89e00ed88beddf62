"""Test travel times against published measurements, and properties that hold for all settings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aed.settings.arrival import Arrival
from aed.walking.travel import (
    Leg,
    Pace,
    direct_seconds,
    estate_pace,
    fetch_seconds,
    floor_seconds,
    floors_between,
    general_pace,
    least_leg_seconds,
    leg_seconds,
    max_cost_metres,
    metres_of_wait,
    metres_walked_in,
    quickest_pace,
    seconds_of_wait,
    walk_seconds,
)

NUMBERS = Arrival()
GENERAL, ESTATE = general_pace(NUMBERS), estate_pace(NUMBERS)
METRES = st.floats(0.0, 5_000.0)
WAITS = st.floats(0.0, 1_000.0)
FLOORS = st.integers(-20, 200)
PACES = st.builds(Pace, st.floats(0.15, 1.5), st.floats(10.0, 600.0))


def there_and_back(metres: float, pace: Pace = GENERAL) -> float:
    leg = leg_seconds(Leg(metres), 0.0, pace, NUMBERS)
    return fetch_seconds(leg, leg, pace)


@pytest.mark.parametrize(("one_way", "minutes"), [(200, 4.05), (400, 6.62), (600, 8.62)])
def test_a_fetch_takes_as_long_as_gramm_measured(one_way: float, minutes: float) -> None:
    """Gramm 2025 measured 4:03, 6:37 and 8:37 minutes there and back."""
    assert there_and_back(one_way) == pytest.approx(60 * minutes, abs=5)


def test_a_device_beside_the_patient_is_there_in_about_a_minute() -> None:
    assert there_and_back(6) == pytest.approx(66, abs=1), "reacting, opening the cabinet, six steps each way"
    assert there_and_back(0) == NUMBERS.reaction_seconds + NUMBERS.open_cabinet_seconds


@pytest.mark.parametrize(("pace", "metres_per_second"), [(GENERAL, 2.3), (ESTATE, 1.8)])
def test_going_direct_is_as_fast_as_jonsson_measured_from_receipt_of_the_call(
    pace: Pace, metres_per_second: float
) -> None:
    """No time for answering the call is added."""
    walked = leg_seconds(Leg(600), 0.0, pace, NUMBERS)
    assert direct_seconds(walked, NUMBERS) == pytest.approx(600 / metres_per_second)


@pytest.mark.parametrize(
    ("floors", "seconds"), [(0, 0), (1, 16), (3, 48), (4, 53), (-4, 53), (10, 65), (40, 125), (-1, 16)]
)
def test_floors_are_climbed_or_the_lift_is_taken(floors: int, seconds: float) -> None:
    assert floor_seconds(floors, NUMBERS) == seconds


def test_a_lift_that_is_held_saves_the_wait_and_only_where_it_is_worth_taking() -> None:
    saved = [
        floor_seconds(floors, NUMBERS) - floor_seconds(floors, NUMBERS, lift_held_seconds=30)
        for floors in (0, 1, 2, 3, 4, 40)
    ]
    assert saved == [0, 0, 13, 27, 30, 30]


@given(FLOORS, FLOORS, st.booleans())
def test_floors_are_the_same_up_and_down_and_no_more_in_one_building(
    one: int, other: int, is_same: bool
) -> None:
    def between(a: int, b: int, *, same: bool) -> float:
        return floors_between(a, b, is_same_building=same, numbers=NUMBERS)

    assert between(one, other, same=is_same) == between(other, one, same=is_same)
    assert between(one, one, same=True) == 0
    assert between(one, 0, same=True) == between(one, 0, same=False) == floor_seconds(one, NUMBERS)
    if one * other >= 0:
        assert between(one, other, same=True) <= between(one, other, same=False)


@given(FLOORS, st.integers(0, 50))
def test_a_higher_floor_never_takes_less(floor: int, more: int) -> None:
    assert floor_seconds(abs(floor) + more, NUMBERS) >= floor_seconds(floor, NUMBERS)


@given(METRES, METRES, PACES)
def test_a_longer_walk_takes_longer_and_back_again_it_is_the_same_walk(
    one: float, other: float, pace: Pace
) -> None:
    near, far = sorted((one, other))
    assert walk_seconds(near, pace, NUMBERS) <= walk_seconds(far, pace, NUMBERS)
    assert walk_seconds(one + other, pace, NUMBERS) <= (
        walk_seconds(one, pace, NUMBERS) + walk_seconds(other, pace, NUMBERS) + 1e-9
    )
    seconds = walk_seconds(one, pace, NUMBERS)
    assert metres_walked_in(seconds, pace, NUMBERS) == pytest.approx(one, abs=1e-6)
    assert metres_walked_in(-1.0, pace, NUMBERS) == 0


@given(WAITS, METRES, PACES)
def test_a_wait_takes_the_same_seconds_at_every_pace(wait: float, metres: float, pace: Pace) -> None:
    assert seconds_of_wait(metres_of_wait(wait, NUMBERS), NUMBERS) == pytest.approx(wait, abs=1e-9)
    without = leg_seconds(Leg(metres), 0.0, pace, NUMBERS)
    assert leg_seconds(Leg(metres, wait), 0.0, pace, NUMBERS) - without == pytest.approx(wait, abs=1e-6)


@given(METRES, WAITS, PACES)
def test_the_cost_of_a_path_bounds_its_travel_time(metres: float, wait: float, pace: Pace) -> None:
    """The search stops by costs in metres, so no way may take less time than its cost implies."""
    cost = metres + metres_of_wait(wait, NUMBERS)
    seconds = leg_seconds(Leg(metres, wait), 0.0, pace, NUMBERS)
    assert least_leg_seconds(cost, pace, NUMBERS) <= seconds + 1e-6
    assert max_cost_metres(seconds, pace, NUMBERS) >= cost - 1e-6
    quickest = quickest_pace(
        NUMBERS, seconds_per_metre=pace.seconds_per_metre, pick_up_seconds=pace.pick_up_seconds
    )
    assert quickest.pick_up_seconds <= pace.pick_up_seconds
    assert walk_seconds(cost, quickest, NUMBERS) <= seconds + 1e-6
