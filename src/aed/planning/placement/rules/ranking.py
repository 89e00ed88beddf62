"""The ranked answer: what each chosen option adds, and what a unit of it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aed.planning.placement.rules.problem import Action, CoverProblem, Option
from aed.planning.placement.rules.solving import Solution


@dataclass(frozen=True, slots=True)
class RankedOption:
    """One line of the answer. `option` is None in the first, which is to do nothing."""

    rank: int
    option: Option | None
    gain: float
    """What it adds to the lines above."""
    covered: float
    """Covered with all lines to this one."""
    loss: float
    """What is lost if it alone is left out of the whole choice."""
    cost: float
    spent: float
    """Cost of all lines to this one."""

    @property
    def cost_per_unit(self) -> float | None:
        """Return the money per unit gained; None where nothing is gained."""
        return self.cost / self.gain if self.gain > 0 else None


def ranked(problem: CoverProblem, solution: Solution) -> list[RankedOption]:
    """Return doing nothing, then the chosen options, the largest gain first.

    Gains are marginal, each on top of the lines above. A device that is kept where it is counts to nothing
    being done, one that is moved is missing from there.
    """
    options, weights, by_option = problem.options, problem.weights, problem.covers.tocsc()
    rows = [by_option.indices[by_option.indptr[i] : by_option.indptr[i + 1]] for i in range(len(options))]
    kept = {options[i].site: i for i, option in enumerate(options) if option.action is Action.KEEP}
    in_all = _times(problem, [rows[i] for i in solution.chosen])
    times = _times(problem, [rows[i] for i in kept.values()])

    def gain(option: int) -> float:
        new = float(weights[rows[option][times[rows[option]] == 0]].sum())
        if options[option].site not in kept:
            return new
        before = rows[kept[options[option].site]]
        lost = before[(times[before] == 1) & ~np.isin(before, rows[option])]
        return new - float(weights[lost].sum())

    covered, spent = problem.base + float(weights[times > 0].sum()), 0.0
    lines = [RankedOption(0, None, 0.0, covered, 0.0, 0.0, 0.0)]
    left = [i for i in solution.chosen if options[i].action is not Action.KEEP]
    while left:
        gains = [gain(i) for i in left]
        best = int(np.argmax(gains))
        option = left.pop(best)
        if options[option].site in kept:
            times[rows[kept[options[option].site]]] -= 1
        times[rows[option]] += 1
        covered, spent = covered + gains[best], spent + options[option].cost
        lines.append(
            RankedOption(
                rank=len(lines),
                option=options[option],
                gain=gains[best],
                covered=covered,
                loss=float(weights[rows[option][in_all[rows[option]] == 1]].sum()),
                cost=options[option].cost,
                spent=spent,
            )
        )
    return lines


def _times(problem: CoverProblem, rows: Sequence[NDArray[np.integer]]) -> NDArray[np.intp]:
    """Return how often each row is covered."""
    times = np.zeros(len(problem.weights), dtype=np.intp)
    for each in rows:
        times[each] += 1
    return times
