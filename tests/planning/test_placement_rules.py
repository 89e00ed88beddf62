"""The placement problem: compared with every possible choice, with spopt, and by hand."""

from __future__ import annotations

import re
import warnings
from importlib import import_module
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from aed.errors import InvalidInput
from aed.planning.arrests import share_of_arrests
from aed.planning.placement.rules.problem import (
    Action,
    CoverProblem,
    Demand,
    Floor,
    Limits,
    Lock,
    Option,
    by_survival,
    cover_problem,
    within_seconds,
)
from aed.planning.placement.rules.ranking import ranked
from aed.planning.placement.rules.solving import Solution, greedy, solve
from aed.planning.survival import larsen_survival, valenzuela_survival
from aed.settings import Settings


def option(
    key: str, *, cost: float = 1.0, bands: str = "11", site: str | None = None, **more: object
) -> Option:
    given = {"action": Action.BUY, **more}
    return Option(key, site or key, cost=cost, bands=tuple(band == "1" for band in bands), **given)  # type: ignore[arg-type]  # by name


def problem(
    options: list[Option],
    seconds: list[list[float]],
    weights: list[list[float]],
    *,
    budget: float = 1e9,
    limit: float = 300.0,
    existing: list[list[float]] | None = None,
    floor: Floor | None = None,
    **limits: int,
) -> CoverProblem:
    cells = np.array(weights)
    return cover_problem(
        options,
        [reach(seconds)] * cells.shape[1],
        within_seconds(cells, limit),
        existing=np.full(cells.shape, np.inf) if existing is None else np.array(existing),
        limits=Limits(budget, **limits),
        floor=floor,
    )


def reach(seconds: list[list[float]]) -> csr_array:
    """Return a sparse matrix without the zeros, which mean out of reach."""
    return csr_array(np.array(seconds))


def keys(found: CoverProblem, chosen: tuple[int, ...]) -> set[str]:
    return {found.options[i].key for i in chosen}


def keeps_to_limits(found: CoverProblem, chosen: tuple[int, ...]) -> bool:
    """Return whether the choice may be made, by the words of the documentation, not by a matrix."""
    options, limits = found.options, found.limits
    those = [options[i] for i in chosen]
    acting = [each for each in those if each.action is not Action.KEEP]
    estates = [each.estate for each in acting if each.estate is not None]
    sites = [each.site for each in those]
    must = {each.site for each in options if each.action is Action.KEEP}
    if (
        sum(each.cost for each in those) > limits.budget + 1e-9
        or len(set(sites)) < len(sites)
        or not must <= set(sites)
        or any(each.lock is Lock.OUT for each in those)
        or any(each.lock is Lock.IN for each in options if each not in those)
        or (limits.max_options is not None and len(acting) > limits.max_options)
        or (
            limits.max_per_estate is not None
            and any(estates.count(each) > limits.max_per_estate for each in estates)
        )
    ):
        return False
    if found.floor is None:
        return True
    mask = np.zeros(len(options))
    mask[list(chosen)] = 1
    return not ((found.floor @ mask) < 1).any()


def best_of_all(found: CoverProblem) -> float | None:
    """Return the best value over every subset that keeps to the limits; None if none does."""
    numbers = range(len(found.options))
    every = [
        found.value(chosen)
        for count in range(len(numbers) + 1)
        for chosen in combinations(numbers, count)
        if keeps_to_limits(found, chosen)
    ]
    return max(every, default=None)


def _sites(actions: list[Action]) -> list[str]:
    return ["s0", "s1", "s2", *(f"device{i}" for i, each in enumerate(actions) if each is Action.KEEP)]


@st.composite
def problems(draw: st.DrawFn) -> CoverProblem:
    count, cells = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    actions = [draw(st.sampled_from([*Action, Action.BUY])) for _ in range(count)]
    options = [
        option(
            f"o{i}",
            cost=draw(st.integers(0, 4)),
            bands=draw(st.sampled_from(["11", "10", "01"])),
            site=f"device{i}" if action is Action.KEEP else draw(st.sampled_from(_sites(actions))),
            estate=draw(st.sampled_from([None, "a", "b"])),
            lock=draw(st.sampled_from([None, None, None, Lock.IN, Lock.OUT])),
            action=action,
        )
        for i, action in enumerate(actions)
    ]
    matrix = st.lists(
        st.lists(st.sampled_from([0.0, 100.0, 250.0, 400.0]), min_size=cells, max_size=cells),
        min_size=count,
        max_size=count,
    )
    floor = None
    if draw(st.booleans()):
        floor = Floor([reach(draw(matrix))] * 2, np.zeros((cells, 2), dtype=bool), 300.0, (True, False))
    return problem(
        options,
        draw(matrix),
        [[float(draw(st.integers(0, 5))) for _ in range(2)] for _ in range(cells)],
        existing=[[draw(st.sampled_from([np.inf, 90.0])) for _ in range(2)] for _ in range(cells)],
        budget=float(draw(st.integers(0, 9))),
        floor=floor,
        **({"max_per_estate": draw(st.integers(0, 2))} if draw(st.booleans()) else {}),
        **({"max_options": draw(st.integers(0, 4))} if draw(st.booleans()) else {}),
    )


@given(problems())
def test_the_solution_is_the_best_of_all_choices(found: CoverProblem) -> None:
    best = best_of_all(found)
    if best is None:
        with pytest.raises(InvalidInput):
            solve(found)
        return
    exact = solve(found)
    assert exact.value == pytest.approx(best)
    assert exact.bound == pytest.approx(best, rel=1e-3)
    assert exact.value <= exact.bound
    assert keeps_to_limits(found, exact.chosen)
    assert exact.value == found.value(exact.chosen)


@given(problems())
def test_the_greedy_choice_keeps_to_the_limits_and_leaves_out_nothing_that_gains(found: CoverProblem) -> None:
    beside, best = greedy(found), best_of_all(found)

    if beside is None:
        return
    assert best is not None
    assert keeps_to_limits(found, beside.chosen)
    assert beside.chosen == tuple(sorted(beside.chosen))
    assert beside.value == found.value(beside.chosen) <= best + 1e-9
    for more in set(range(len(found.options))) - set(beside.chosen):
        larger = (*beside.chosen, more)
        assert not keeps_to_limits(found, larger) or found.value(larger) == beside.value


@given(problems())
def test_the_lines_add_up_to_the_whole(found: CoverProblem) -> None:
    if best_of_all(found) is None:
        return
    exact = solve(found)
    lines = ranked(found, exact)
    assert lines[0].option is None
    assert lines[-1].covered == pytest.approx(exact.value)
    assert lines[-1].covered == pytest.approx(lines[0].covered + sum(line.gain for line in lines))
    assert lines[-1].spent == pytest.approx(sum(line.cost for line in lines))


@pytest.mark.parametrize("count", [3, 8])
def test_spopt_finds_the_same_optimum(count: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of geopandas and pulp, which it imports
        pulp, locate = import_module("pulp"), import_module("spopt.locate")
    random = np.random.default_rng(count)
    away = random.uniform(10.0, 1_000.0, (40, 60))
    weights = random.integers(1, 50, 60).astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = locate.MCLP.from_cost_matrix(
            away.T, weights, service_radius=150.0, p_facilities=count
        ).solve(pulp.PULP_CBC_CMD(msg=False))
    ours = problem(
        [option(f"o{i}", bands="1") for i in range(40)],
        away.tolist(),
        [[each] for each in weights.tolist()],
        limit=150.0,
        budget=count,
    )

    assert solve(ours).value == pytest.approx(theirs.problem.objective.value())


def test_opening_at_night_competes_with_buying() -> None:
    options = [
        option("buy, office hours", cost=9, bands="10", site="new"),
        option("open at night", cost=2, bands="01", site="lobby", action=Action.OPEN),
    ]
    found = problem(options, [[100.0], [100.0]], [[3.0, 7.0]], existing=[[50.0, np.inf]], budget=10)

    assert keys(found, solve(found).chosen) == {"open at night"}
    lines = ranked(found, solve(found))
    assert [line.covered for line in lines] == [3.0, 10.0]
    assert lines[1].cost_per_unit == pytest.approx(2 / 7)


def test_a_moved_device_is_missing_where_it_was() -> None:
    options = [
        option("stays", cost=0, site="device 1", action=Action.KEEP),
        option("moves", cost=1, site="device 1", action=Action.MOVE),
    ]
    few_there = problem(options, [[100.0, 0.0], [0.0, 100.0]], [[5.0, 5.0], [3.0, 3.0]])
    many_there = problem(options, [[100.0, 0.0], [0.0, 100.0]], [[5.0, 5.0], [9.0, 9.0]])

    assert keys(few_there, solve(few_there).chosen) == {"stays"}
    assert keys(many_there, solve(many_there).chosen) == {"moves"}
    assert [(line.gain, line.covered) for line in ranked(many_there, solve(many_there))] == [
        (0.0, 10.0),
        (8.0, 18.0),
    ]


def test_the_greedy_choice_counts_a_cell_once() -> None:
    options = [option("first"), option("twin"), option("elsewhere")]
    seconds = [[100.0, 100.0, 0.0], [100.0, 100.0, 0.0], [0.0, 0.0, 100.0]]
    found = problem(options, seconds, [[3.0, 3.0], [3.0, 3.0], [1.0, 1.0]], max_options=2)

    chosen = greedy(found)

    assert chosen is not None
    assert keys(found, chosen.chosen) == {"first", "elsewhere"}
    assert chosen.value == pytest.approx(14.0)


def test_the_greedy_choice_buys_nothing_for_a_cell_that_what_is_locked_in_covers() -> None:
    options = [option("locked", lock=Lock.IN), option("twin"), option("elsewhere", cost=9)]
    seconds = [[100.0, 0.0], [100.0, 0.0], [0.0, 100.0]]

    chosen = greedy(problem(options, seconds, [[3.0, 3.0], [1.0, 1.0]]))

    assert chosen is not None
    assert chosen.chosen == (0, 2)


def test_the_greedy_choice_is_by_gain_or_by_gain_for_the_money_whichever_covers_more() -> None:
    options = [option("dear", cost=8), option("cheap", cost=2), option("fair", cost=7)]
    apart = [[100.0, 0.0, 0.0], [0.0, 100.0, 0.0], [0.0, 0.0, 100.0]]
    by_gain = problem(options, apart, [[8.0, 0.0], [3.0, 0.0], [0.0, 0.0]], budget=8)
    by_money = problem(options, apart, [[8.0, 0.0], [3.0, 0.0], [6.0, 0.0]], budget=9)

    assert [keys(each, chosen.chosen) for each in (by_gain, by_money) if (chosen := greedy(each))] == [
        {"dear"},
        {"cheap", "fair"},
    ]


def test_the_greedy_choice_fails_where_what_must_be_costs_more_than_the_budget() -> None:
    locked = [option("locked", cost=5, lock=Lock.IN), option("other", cost=1)]
    alone = [[100.0], [100.0]]

    assert greedy(problem(locked, alone, [[1.0, 1.0]], budget=4.9)) is None
    exactly = greedy(problem(locked, alone, [[1.0, 1.0]], budget=5))
    assert exactly is not None
    assert exactly.chosen == (0,)


def test_the_greedy_choice_serves_the_floor_with_most_buildings_for_the_money() -> None:
    """Two buildings for 3 are dearer than one each for 1; what is left buys what gains most."""
    options = [option("both", cost=3), option("one", cost=1), option("other", cost=1), option("many", cost=2)]
    floor = Floor(
        [reach([[100.0, 100.0], [100.0, 0.0], [0.0, 100.0], [0.0, 0.0]])] * 2,
        np.zeros((2, 2), dtype=bool),
        300.0,
        (True, False),
    )
    seconds = [[0.0, 0.0], [0.0, 0.0], [100.0, 0.0], [0.0, 100.0]]
    for budget, expected in ((4.0, {"one", "other", "many"}), (2.0, {"one", "other"})):
        found = problem(options, seconds, [[1.0, 1.0], [9.0, 9.0]], budget=budget, floor=floor)

        chosen = greedy(found)

        assert chosen is not None
        assert keys(found, chosen.chosen) == expected
    assert greedy(problem(options, seconds, [[1.0, 1.0], [9.0, 9.0]], budget=1.9, floor=floor)) is None


def test_the_greedy_choice_serves_a_building_by_the_cheapest_however_little_it_costs() -> None:
    options = [option("dear", cost=0.9), option("cheap", cost=0.2)]
    floor = Floor([reach([[100.0], [100.0]])] * 2, np.zeros((1, 2), dtype=bool), 300.0, (True, True))

    found = greedy(problem(options, [[0.0], [0.0]], [[1.0, 1.0]], floor=floor))

    assert found is not None
    assert found.chosen == (1,)


def test_nothing_is_bought_that_gains_nothing_and_of_equals_the_cheaper() -> None:
    options = [option("dear", cost=1_000), option("cheap", cost=900), option("useless", cost=1)]
    found = problem(options, [[100.0], [100.0], [0.0]], [[40.0, 40.0]], budget=5_000)

    assert keys(found, solve(found).chosen) == {"cheap"}
    assert found.out_of_reach == 0, "without a floor nobody is"


def test_a_place_for_a_new_device_may_stay_empty_and_a_device_that_is_there_does_not_vanish() -> None:
    options = [
        option("small", site="new"),
        option("large", site="new"),
        option("stays", site="old", cost=0, action=Action.KEEP),
        option("moves", site="old", action=Action.MOVE),
    ]
    seconds = [[100.0, 0.0], [100.0, 0.0], [0.0, 0.0], [0.0, 100.0]]

    for budget, expected in ((0.5, {"stays"}), (1.0, {"small", "stays"}), (2.0, {"small", "moves"})):
        found = problem(options, seconds, [[3.0, 3.0], [1.0, 1.0]], budget=budget)
        chosen = keys(found, solve(found).chosen)
        assert chosen == expected or chosen == {each.replace("small", "large") for each in expected}


def test_a_gain_that_costs_the_whole_budget_is_still_bought() -> None:
    """The price that breaks ties must not outweigh a single person among a hundred thousand."""
    options = [option("most", cost=1), option("one more", cost=1e6)]
    found = problem(options, [[100.0, 0.0], [0.0, 100.0]], [[9_000.0, 0.0], [1.0, 0.0]], budget=2e6)

    assert keys(found, solve(found, gap=0.0).chosen) == {"most", "one more"}


def test_the_gap_is_the_share_of_the_bound_that_may_be_missing() -> None:
    assert Solution((), 90.0, 100.0).gap == pytest.approx(0.1)
    assert Solution((), 0.25, 0.5).gap == pytest.approx(0.5)
    assert Solution((), 100.0, 100.0).gap == 0.0
    assert Solution((), 100.0, 99.999).gap == 0.0, "the bound is rounded"
    assert Solution((), 0.0, 0.0).gap == 0.0


def test_a_search_without_time_gives_the_greedy_choice_with_what_could_be_more() -> None:
    random = np.random.default_rng(3)
    away = random.uniform(10.0, 900.0, (60, 80))
    found = problem(
        [option(f"o{i}", cost=float(1 + i % 7), bands="1") for i in range(60)],
        away.tolist(),
        [[each] for each in random.integers(1, 50, 80).astype(float).tolist()],
        limit=100.0,
        budget=20,
    )
    beside = greedy(found)
    assert beside is not None

    at_once = solve(found, max_seconds=0.0)

    assert at_once.chosen == beside.chosen
    assert at_once.value == beside.value <= solve(found).value <= at_once.bound <= found.total


def test_a_line_of_the_answer_says_what_is_lost_without_it() -> None:
    """The middle cell is covered twice: leaving one out loses only the cell that it alone covers."""
    options = [option("left", cost=3), option("right", cost=2), option("far", cost=4)]
    seconds = [[100.0, 100.0, 0.0, 0.0], [0.0, 100.0, 100.0, 0.0], [0.0, 0.0, 0.0, 100.0]]
    found = problem(options, seconds, [[4.0, 0.0], [5.0, 0.0], [2.0, 0.0], [0.5, 0.0]])

    lines = ranked(found, solve(found))

    assert [(line.rank, line.option and line.option.key) for line in lines] == [
        (0, None),
        (1, "left"),
        (2, "right"),
        (3, "far"),
    ]
    assert [(line.gain, line.covered, line.loss) for line in lines] == [
        (0.0, 0.0, 0.0),
        (9.0, 9.0, 4.0),
        (2.0, 11.0, 2.0),
        (0.5, 11.5, 0.5),
    ]
    assert [(line.cost, line.spent) for line in lines] == [(0, 0), (3, 3), (2, 5), (4, 9)]
    assert [line.cost_per_unit for line in lines] == [None, pytest.approx(1 / 3), 1.0, 8.0]


def test_a_place_that_another_device_covers_too_is_not_lost_by_a_move() -> None:
    options = [
        option("first stays", cost=0, site="device 1", action=Action.KEEP),
        option("first moves", cost=1, site="device 1", action=Action.MOVE),
        option("second stays", cost=0, site="device 2", action=Action.KEEP),
    ]
    seconds = [[100.0, 100.0, 0.0], [0.0, 0.0, 100.0], [100.0, 0.0, 0.0]]
    found = problem(options, seconds, [[5.0, 0.0], [2.0, 0.0], [6.0, 0.0]])

    assert [(line.gain, line.covered, line.loss) for line in ranked(found, solve(found))] == [
        (0.0, 7.0, 0.0),
        (4.0, 11.0, 6.0),
    ]


def test_a_device_that_is_bought_for_a_place_that_a_move_left_gains_it() -> None:
    options = [
        option("stays", cost=0, site="device 1", action=Action.KEEP),
        option("moves", cost=1, site="device 1", action=Action.MOVE),
        option("bought", cost=2),
    ]
    found = problem(options, [[100.0, 0.0], [0.0, 100.0], [100.0, 0.0]], [[5.0, 0.0], [20.0, 0.0]])

    assert [(line.gain, line.covered, line.loss) for line in ranked(found, solve(found))] == [
        (0.0, 5.0, 0.0),
        (15.0, 20.0, 20.0),
        (5.0, 25.0, 5.0),
    ]


def test_the_floor_comes_before_the_gain() -> None:
    options = [option("centre"), option("far house")]
    floor = Floor([reach([[0.0, 0.0], [100.0, 0.0]])] * 2, np.zeros((2, 2), dtype=bool), 300.0, (True, False))
    found = problem(options, [[100.0, 0.0], [0.0, 100.0]], [[50.0, 50.0], [1.0, 1.0]], budget=1, floor=floor)

    assert keys(found, solve(found).chosen) == {"far house"}
    assert found.out_of_reach == 1


def test_a_budget_below_the_floor_is_refused_with_what_it_would_cost() -> None:
    floor = Floor([reach([[100.0]])] * 2, np.zeros((1, 2), dtype=bool), 300.0, (True, True))
    for cost, least in ((7.5, "7.5"), (7.256, "7.26")):
        found = problem([option("only", cost=cost)], [[100.0]], [[1.0, 1.0]], budget=5, floor=floor)

        with pytest.raises(InvalidInput, match=rf"at least {re.escape(least)}; the budget is 5"):
            solve(found)


def test_a_building_exactly_at_the_limit_of_the_floor_is_served() -> None:
    for seconds, is_served in ((300.0, True), (300.5, False)):
        floor = Floor([reach([[seconds]])] * 2, np.zeros((1, 2), dtype=bool), 300.0, (True, True))
        found = problem([option("only")], [[seconds]], [[1.0, 1.0]], budget=5, floor=floor)

        assert found.out_of_reach == (0 if is_served else 1)


def test_a_cell_that_a_device_reaches_exactly_at_the_limit_is_covered_already() -> None:
    for seconds, is_covered in ((300.0, True), (300.5, False)):
        found = problem([option("near")], [[100.0]], [[2.0, 1.0]], existing=[[seconds, seconds]])

        assert found.base == (3.0 if is_covered else 0.0)
        assert keys(found, solve(found).chosen) == (set() if is_covered else {"near"})


def test_contradictory_input_is_refused() -> None:
    options = [option("a", site="one", lock=Lock.IN), option("b", site="one", lock=Lock.IN)]

    with pytest.raises(InvalidInput, match="contradict each other"):
        solve(problem(options, [[1.0], [1.0]], [[1.0, 1.0]]))


@pytest.mark.parametrize("cost", [-1.0, np.inf, np.nan])
def test_a_cost_that_is_no_number_is_refused(cost: float) -> None:
    with pytest.raises(InvalidInput, match="cost of a"):
        problem([option("a", cost=cost)], [[1.0]], [[1.0, 1.0]])


def test_nothing_to_choose_is_an_answer() -> None:
    found = cover_problem(
        [],
        [csr_array((0, 1))] * 2,
        within_seconds(np.array([[2.0, 3.0]]), 300.0),
        existing=np.array([[10.0, np.inf]]),
        limits=Limits(5.0),
    )

    assert [line.covered for line in ranked(found, solve(found))] == [2.0]


def test_survivors_prefer_the_sooner_device() -> None:
    survival = Settings().survival
    demand: Demand = by_survival(
        np.array([[1.0]]),
        np.array([600.0]),
        lambda shock, ambulance: larsen_survival(120.0, shock, ambulance, survival) / 100,
    )
    found = cover_problem(
        [option("near", bands="1"), option("far", bands="1")],
        [reach([[100.0], [290.0]])],
        demand,
        existing=np.array([[np.inf]]),
        limits=Limits(1.0),
    )

    assert keys(found, solve(found).chosen) == {"near"}
    # 1.1 percentage points a minute, delays rounded up to half a minute: 120 s instead of 600 s.
    assert solve(found).value == pytest.approx(1.1 * 480 / 60 / 100)


def test_both_formulas_are_as_printed() -> None:
    minutes = np.array([0.0, 5.0, 30.0])

    assert larsen_survival(60 * minutes, 60 * minutes, 60 * minutes, Settings().survival) == pytest.approx(
        [67.0, 67.0 - 5 * 5.5, 0.0]
    )
    assert valenzuela_survival(0.0, 0.0) == pytest.approx(100 / (1 + np.exp(-0.26)))


def test_the_hours_of_a_week_add_up() -> None:
    assert share_of_arrests(lambda weekday, hour: True) == pytest.approx(1.0)
    assert share_of_arrests(lambda weekday, hour: weekday >= 5) == pytest.approx(2 / 7)
