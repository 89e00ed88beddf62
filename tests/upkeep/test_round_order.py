"""The order of a day's inspection rounds, against the exact optimum of small problems."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from aed.upkeep.rounds.routing import NotVisitedReason, RoundOrder, Shift, Stop, Window, order_stops

HOUR = 3600.0
DAY = (Window(0.0, 24 * HOUR),)
OFFICE = (Window(9 * HOUR, 12 * HOUR), Window(13.5 * HOUR, 17.5 * HOUR))
MORNING = Shift(8 * HOUR, 12 * HOUR)


def on_a_line(*metres: float) -> list[list[float]]:
    """Return the walks between places on a straight street, at one metre per second."""
    return [[abs(one - other) for other in metres] for one in metres]


def order_of(found: RoundOrder) -> list[list[int]]:
    return [[visit.stop for visit in route.visits] for route in found.routes]


def test_devices_along_a_street_are_visited_one_after_the_other() -> None:
    found = order_stops([Stop(300, DAY)] * 3, on_a_line(300, 100, 200, 0), shift=MORNING, has_end=False)

    assert order_of(found) == [[1, 2, 0]]
    assert found.routes[0].ends_at == MORNING.starts_at + 300 + 3 * 300
    assert found.routes[0].walking_seconds == 300


def test_a_device_that_closes_early_comes_first_and_one_that_opens_late_last() -> None:
    closes_early = Stop(300, (Window(0, 8 * HOUR + 700),))
    opens_late = Stop(300, (Window(11 * HOUR, 20 * HOUR),))

    found = order_stops(
        [opens_late, Stop(300, DAY), closes_early], on_a_line(100, 200, 300, 0), shift=MORNING, has_end=False
    )

    assert order_of(found) == [[2, 1, 0]]
    last = found.routes[0].visits[-1]
    assert (last.begins, last.closes) == (11 * HOUR, 20 * HOUR)
    assert last.arrives < last.begins


def test_a_check_is_not_begun_in_one_window_and_ended_in_another() -> None:
    lunch = Stop(1200, (Window(8 * HOUR, 8 * HOUR + 1199), Window(9 * HOUR, 10 * HOUR)))

    found = order_stops([lunch], on_a_line(0, 0), shift=MORNING, has_end=False)

    assert found.routes[0].visits[0].begins == 9 * HOUR


def test_every_device_that_is_not_visited_has_a_reason() -> None:
    stops = [
        Stop(300, DAY),
        Stop(300, (Window(14 * HOUR, 18 * HOUR),)),
        Stop(300, DAY),
        Stop(300, (Window(8 * HOUR, 8 * HOUR + 600),)),
        Stop(300, DAY),
        Stop(2 * HOUR, DAY),
    ]
    walks = on_a_line(10, 20, 30, 1000, 4 * HOUR, 40, 0)
    walks[6][2] = math.inf

    found = order_stops(stops, walks, shift=Shift(8 * HOUR, 10 * HOUR + 100), has_end=False)

    assert order_of(found) == [[0]]
    assert {each.stop: each.reason for each in found.not_visited} == {
        1: NotVisitedReason.CLOSED,
        2: NotVisitedReason.NO_WAY,
        3: NotVisitedReason.HOURS_MISSED,
        4: NotVisitedReason.TOO_FAR,
        5: NotVisitedReason.NO_TIME_LEFT,
    }


def test_inspectors_share_the_work_and_the_end_is_reached_in_time() -> None:
    walks = on_a_line(-300, -200, 200, 300, 0, 0)
    shift = Shift(8 * HOUR, 12 * HOUR, inspectors=2)

    found = order_stops([Stop(600, DAY)] * 4, walks, shift=shift, has_end=True)

    assert sorted(sorted(each) for each in order_of(found)) == [[0, 1], [2, 3]]
    assert [each.ends_at for each in found.routes] == [8 * HOUR + 1800] * 2


def test_no_device_is_no_round() -> None:
    found = order_stops([], on_a_line(0), shift=MORNING, has_end=False)

    assert (order_of(found), found.not_visited) == ([[]], ())


# --- against the optimum ----------------------------------------------------------------------------------


def a_problem(seed: int, size: int, *, has_end: bool) -> tuple[list[Stop], list[list[float]]]:
    """Return devices in a town of 2 km with hours of all kinds, and the walks between them."""
    chance = random.Random(seed)
    hours = [DAY, DAY, OFFICE, (Window(7 * HOUR, 17.5 * HOUR),), (Window(10 * HOUR, 22 * HOUR),)]
    stops = [Stop(chance.choice((180.0, 300.0, 600.0)), chance.choice(hours)) for _ in range(size)]
    if seed % 3 == 0:  # narrow hours
        opens = [chance.uniform(8, 11) * HOUR for _ in stops]
        stops = [
            Stop(each.service_seconds, (Window(at, at + HOUR),))
            for each, at in zip(stops, opens, strict=True)
        ]
    places = [(chance.uniform(0, 2000), chance.uniform(0, 2000)) for _ in range(size + 1 + has_end)]
    ways = [[math.dist(one, other) * chance.uniform(1.2, 1.6) / 1.3 for other in places] for one in places]
    for middle in range(len(ways)):
        for row in ways:
            row[:] = [min(way, row[middle] + ways[middle][i]) for i, way in enumerate(row)]
    return stops, ways


def earliest_ends(
    stops: Sequence[Stop], walks: Sequence[Sequence[float]], shift: Shift, *, has_end: bool
) -> list[float]:
    """Return, for each set of stops as a bit mask, when one inspector can be done; infinite if too late.

    Held-Karp: arriving earlier is never worse, since one can wait.
    """
    size = len(stops)

    def leaves(stop: int, arrives: float) -> float:
        service, windows = stops[stop]
        starts = (max(arrives, opens) for opens, closes in windows if max(arrives, opens) + service <= closes)
        return min(starts, default=math.inf) + service

    best = [[math.inf] * size for _ in range(1 << size)]
    ends = [math.inf] * (1 << size)
    ends[0] = shift.starts_at
    for mask in range(1, 1 << size):
        row = best[mask]
        for last in range(size):
            if not mask & 1 << last:
                continue
            before = mask ^ 1 << last
            if not before:
                row[last] = leaves(last, shift.starts_at + walks[size][last])
                continue
            arrives = min(moment + walks[i][last] for i, moment in enumerate(best[before]))
            row[last] = leaves(last, arrives)
        done = min(moment + (walks[i][size + 1] if has_end else 0.0) for i, moment in enumerate(row))
        ends[mask] = done if done <= shift.ends_by else math.inf
    return ends


def optimum(ends: Sequence[float], size: int, inspectors: int) -> tuple[int, float]:
    """Return the most stops that can be visited, and when the last inspector is done with as many."""
    shared = list(ends)
    for _ in range(inspectors - 1):
        wider = list(shared)
        for mask in range(1 << size):
            part = mask
            while part:
                wider[mask] = min(wider[mask], max(ends[part], shared[mask ^ part]))
                part = (part - 1) & mask
        shared = wider
    most = max(mask.bit_count() for mask in range(1 << size) if math.isfinite(shared[mask]))
    return most, min(shared[mask] for mask in range(1 << size) if mask.bit_count() == most)


@pytest.mark.parametrize("seed", range(30))
def test_orders_are_within_3_percent_of_the_optimum(seed: int) -> None:
    inspectors = 1 + seed % 2
    size = (12 if seed % 10 == 0 else 9) if inspectors == 1 else 7
    has_end = seed % 4 < 2
    shift = Shift(8 * HOUR, (18 if seed % 5 else 9.5) * HOUR, inspectors=inspectors)
    stops, walks = a_problem(seed, size, has_end=has_end)

    found = order_stops(stops, walks, shift=shift, has_end=has_end)

    most, ends_at = optimum(earliest_ends(stops, walks, shift, has_end=has_end), size, inspectors)
    assert size - len(found.not_visited) == most
    took = max(each.ends_at for each in found.routes) - shift.starts_at
    assert took <= 1.03 * (ends_at - shift.starts_at) + 1e-6
    assert_possible(found, stops, walks, shift)


def assert_possible(
    found: RoundOrder, stops: Sequence[Stop], walks: Sequence[Sequence[float]], shift: Shift
) -> None:
    """Assert that each stop is visited once or named, that walks take their time, and that hours are kept."""
    named = [visit.stop for route in found.routes for visit in route.visits]
    named += [each.stop for each in found.not_visited]
    assert sorted(named) == list(range(len(stops)))
    for route in found.routes:
        for one, other in pairwise(route.visits):
            assert other.arrives == pytest.approx(one.leaves + walks[one.stop][other.stop])
        for visit in route.visits:
            service, windows = stops[visit.stop]
            assert visit.leaves == visit.begins + service
            assert any(opens <= visit.begins and visit.leaves <= closes for opens, closes in windows)
        assert route.ends_at <= shift.ends_by


def test_sixty_devices_take_less_than_two_seconds_and_the_same_question_has_the_same_answer() -> None:
    stops, walks = a_problem(1, 60, has_end=True)
    shift = Shift(8 * HOUR, 18 * HOUR, inspectors=2)

    before = time.process_time()
    found = order_stops(stops, walks, shift=shift, has_end=True)
    took = time.process_time() - before

    assert took < 2
    assert_possible(found, stops, walks, shift)
    few, ways = a_problem(2, 8, has_end=False)
    once, again = (order_stops(few, ways, shift=MORNING, has_end=False) for _ in range(2))
    assert once == again
