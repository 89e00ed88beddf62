"""Choose the best options: exactly with HiGHS, and greedily beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array, hstack

from aed.errors import InvalidInput
from aed.planning.placement.rules.problem import Action, CoverProblem, Lock

MAX_SECONDS: Final = 60.0
GAP: Final = 0.0001
"""The search ends when the best possible is at most this share better."""

type Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Solution:
    """The chosen options, in order of their number, and how good they can be said to be."""

    chosen: tuple[int, ...]
    value: float
    """Covered weight, including what is covered if nothing is done."""
    bound: float
    """No choice within the limits can cover more."""

    @property
    def gap(self) -> float:
        """Return by what share of the bound the value may be below the best; 0 if it is proven optimal."""
        return max(0.0, (self.bound - self.value) / self.bound) if self.bound > 0 else 0.0


def solve(problem: CoverProblem, *, max_seconds: float = MAX_SECONDS, gap: float = GAP) -> Solution:
    """Return the best choice that HiGHS finds in that time, with its bound; never worse than `greedy`.

    maximise    sum w_r z_r
    subject to  z_r <= sum of x_i over the options i that cover row r
                one option a site (exactly one where it holds a device that may be moved)
                at most n options an estate, at most the budget, every building of the floor served
                x_i = 1 if locked in, 0 if locked out

    Raises InvalidInput if no choice keeps to the limits, with the least money that would.
    """
    count, rows = len(problem.options), len(problem.weights)
    if count == 0:
        return Solution((), problem.base, problem.base)
    from scipy.optimize import Bounds, LinearConstraint, milp  # 10 MB, for this alone

    constraints = _limits(problem)
    if rows:
        constraints = [
            each._replace(matrix=csr_array(hstack([each.matrix, csr_array((each.matrix.shape[0], rows))])))
            for each in constraints
        ]
        cover = csr_array(hstack([-problem.covers, eye_array(rows)]))
        constraints.append(_Constraint(cover, -np.inf, 0.0))
    low, high = _bounds(problem)
    found = milp(
        np.concatenate([_tie_break(problem), -problem.weights]),
        constraints=[LinearConstraint(*each) for each in constraints],
        bounds=Bounds(np.concatenate([low, np.zeros(rows)]), np.concatenate([high, np.ones(rows)])),
        integrality=np.concatenate([np.ones(count), np.zeros(rows)]).astype(np.int8),
        options={"time_limit": max_seconds, "mip_rel_gap": gap, "presolve": True},
    )
    if found.status == 2:
        raise _infeasible(problem)
    beside = greedy(problem)
    best = beside
    if found.x is not None:
        chosen = tuple(np.flatnonzero(found.x[:count] > 0.5).tolist())
        exact = Solution(chosen, problem.value(chosen), problem.total)
        if best is None or exact.value >= best.value:
            best = exact
    if best is None:
        raise InvalidInput("No choice was found in {seconds} seconds.", seconds=max_seconds)
    bound = problem.total
    if found.mip_dual_bound is not None and np.isfinite(found.mip_dual_bound):
        bound = min(bound, problem.base - float(found.mip_dual_bound))
    return Solution(best.chosen, best.value, max(bound, best.value))


def greedy(problem: CoverProblem) -> Solution | None:
    """Return the better of two greedy choices, by gain and by gain per money; None if it finds none.

    1. Take what is locked in, and keep the devices that may be moved where they are.
    2. Serve the floor of equity: most buildings per money first.
    3. Add the option with the largest gain (per money) that keeps to the limits, until none gains.
    """
    if not problem.options:
        return Solution((), problem.base, problem.total)
    found = [each for by_money in (False, True) if (each := _greedy(problem, by_money=by_money)) is not None]
    return max(found, key=lambda each: each.value, default=None)


class _Limits:
    """What may still be chosen."""

    def __init__(self, problem: CoverProblem) -> None:
        options = problem.options
        self._problem = problem
        self.costs = np.array([option.cost for option in options])
        sites: dict[str, int] = {}
        self._site = np.array([sites.setdefault(option.site, len(sites)) for option in options])
        estates: dict[str, int] = {}
        self._estate = np.array(
            [
                -1 if option.estate is None else estates.setdefault(option.estate, len(estates))
                for option in options
            ]
        )
        self._counts = np.array([option.action is not Action.KEEP for option in options])
        self._used = np.zeros(len(estates) + 1, dtype=np.intp)
        self.left = problem.limits.budget
        self.free = np.array([option.lock is not Lock.OUT for option in options])
        self.chosen: list[int] = []

    def allowed(self) -> NDArray[np.bool_]:
        limits = self._problem.limits
        allowed = self.free & (self.costs <= self.left + 1e-9)
        if limits.max_per_estate is not None:
            full = self._used >= limits.max_per_estate
            full[-1] = False
            allowed &= ~(full[self._estate] & self._counts)
        if limits.max_options is not None and int(self._counts[self.chosen].sum()) >= limits.max_options:
            allowed &= ~self._counts
        return allowed

    def take(self, option: int) -> None:
        self.chosen.append(option)
        self.left -= self.costs[option]
        self.free[self._site == self._site[option]] = False
        if self._counts[option]:
            self._used[self._estate[option]] += 1


def _greedy(problem: CoverProblem, *, by_money: bool) -> Solution | None:
    options = problem.options
    limits = _Limits(problem)
    locked = [i for i, option in enumerate(options) if option.lock is Lock.IN]
    taken = {options[i].site for i in locked}
    kept = [
        i for i, option in enumerate(options) if option.action is Action.KEEP and option.site not in taken
    ]
    for option in (*locked, *kept):
        if not limits.allowed()[option]:
            return None
        limits.take(option)
    by_row = problem.covers.tocsc()
    per = np.maximum(limits.costs, 1e-9) if by_money else np.ones(len(options))
    if problem.floor is not None and not _serve_floor(problem.floor, limits):
        return None
    uncovered = np.ones(len(problem.weights), dtype=np.bool_)
    for option in limits.chosen:
        uncovered[by_row.indices[by_row.indptr[option] : by_row.indptr[option + 1]]] = False
    transposed = problem.covers.T.tocsr()
    while True:
        gains = transposed @ np.where(uncovered, problem.weights, 0.0)
        gains[~limits.allowed()] = 0.0
        option = int(np.argmax(gains / per))
        if gains[option] <= 0.0:
            break
        limits.take(option)
        uncovered[by_row.indices[by_row.indptr[option] : by_row.indptr[option + 1]]] = False
    chosen = tuple(sorted(limits.chosen))
    return Solution(chosen, problem.value(chosen), problem.total)


def _serve_floor(floor: csr_array, limits: _Limits) -> bool:
    """Choose options until every building is served; return False if that fails."""
    transposed, unserved = floor.T.tocsr(), np.ones(floor.shape[0], dtype=np.bool_)
    for option in limits.chosen:
        unserved[transposed.indices[transposed.indptr[option] : transposed.indptr[option + 1]]] = False
    while unserved.any():
        gains = transposed @ unserved.astype(np.float64)
        gains[~limits.allowed()] = 0.0
        option = int(np.argmax(gains / np.maximum(limits.costs, 1e-9)))
        if gains[option] <= 0.0:
            return False
        limits.take(option)
        unserved[transposed.indices[transposed.indptr[option] : transposed.indptr[option + 1]]] = False
    return True


def _bounds(problem: CoverProblem) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = np.array([float(option.lock is Lock.IN) for option in problem.options])
    high = np.array([float(option.lock is not Lock.OUT) for option in problem.options])
    return low, high


def _tie_break(problem: CoverProblem) -> NDArray[np.float64]:
    """Return a price on each option so small that it only keeps out those that gain nothing."""
    spending = np.array([option.cost for option in problem.options])
    scale = GAP / 100 * max(problem.total, 1e-12) / max(float(spending.sum()), 1.0)
    return spending * scale


class _Constraint(NamedTuple):
    """low <= matrix @ choice <= high."""

    matrix: csr_array
    low: float | NDArray[np.float64]
    high: float


def _limits(problem: CoverProblem, *, with_budget: bool = True) -> list[_Constraint]:
    options, limits = problem.options, problem.limits
    count = len(options)
    found: list[_Constraint] = []
    if with_budget:
        costs = csr_array(np.array([[option.cost for option in options]]))
        found.append(_Constraint(costs, -np.inf, limits.budget))
    sites: dict[str, list[int]] = {}
    estates: dict[str, list[int]] = {}
    counted = [i for i, option in enumerate(options) if option.action is not Action.KEEP]
    for i, option in enumerate(options):
        sites.setdefault(option.site, []).append(i)
    for i in counted:
        if (estate := options[i].estate) is not None:
            estates.setdefault(estate, []).append(i)
    shared = [each for each in sites.values() if len(each) > 1 or options[each[0]].action is Action.KEEP]
    if shared:
        must = np.array([float(any(options[i].action is Action.KEEP for i in each)) for each in shared])
        found.append(_Constraint(_ones(shared, count), must, 1.0))
    if limits.max_per_estate is not None and estates:
        found.append(_Constraint(_ones([*estates.values()], count), -np.inf, limits.max_per_estate))
    if limits.max_options is not None and counted:
        found.append(_Constraint(_ones([counted], count), -np.inf, limits.max_options))
    if problem.floor is not None and problem.floor.shape[0]:
        found.append(_Constraint(problem.floor, 1.0, np.inf))
    return found


def _ones(groups: list[list[int]], count: int) -> csr_array:
    rows = np.repeat(np.arange(len(groups)), [len(each) for each in groups])
    columns = np.array([i for each in groups for i in each])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(groups), count))


def _infeasible(problem: CoverProblem) -> InvalidInput:
    """Return the error for limits that contradict each other, with the least money that would do."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    low, high = _bounds(problem)
    costs = np.array([option.cost for option in problem.options])
    found = milp(
        costs,
        constraints=[LinearConstraint(*each) for each in _limits(problem, with_budget=False)],
        bounds=Bounds(low, high),
        integrality=np.ones(len(costs), dtype=np.int8),
        options={"time_limit": MAX_SECONDS},
    )
    if found.x is None:
        return InvalidInput("The limits contradict each other: no choice keeps to all of them.")
    return InvalidInput(
        "What is locked in, and the floor for every building, cost at least {least}; the budget is {budget}.",
        field="budget",
        least=round(float(found.fun), 2),
        budget=problem.limits.budget,
    )


__all__ = ["GAP", "MAX_SECONDS", "Solution", "greedy", "solve"]
