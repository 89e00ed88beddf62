"""Measure the placement solver: 3,000 candidates, 400 demand cells, four parts of the week."""

from __future__ import annotations

import time

import numpy as np
from scipy.sparse import csr_array

from aed.planning.bands import BANDS, SHARE_OF_ARRESTS
from aed.planning.placement.rules.problem import Action, Limits, Option, cover_problem, within_seconds
from aed.planning.placement.rules.solving import greedy, solve
from tests.bench.ratio import Ratio

CANDIDATES, CELLS, CITY_METRES = 3_000, 400, 12_000.0
MAX_GAP_PERCENT = 1.0


def placement() -> list[Ratio]:
    """Return how far the answer after at most 60 s may be below the best, in per cent."""
    random = np.random.default_rng(1)
    sites, cells = (random.uniform(0, CITY_METRES, (count, 2)) for count in (CANDIDATES, CELLS))
    away = np.hypot(*(sites[:, None, axis] - cells[None, :, axis] for axis in (0, 1)))
    by_site = np.where(away < 900.0, 60.0 + 0.4 * away, 0.0)
    seconds = csr_array(np.repeat(by_site, 2, axis=0))
    weights = np.outer(random.pareto(1.5, CELLS) + 0.1, [SHARE_OF_ARRESTS[band] for band in BANDS])
    options = [
        Option(
            f"{i}:{'always' if always else 'day'}",
            f"{i}",
            Action.BUY,
            20_000.0 if always else 15_000.0,
            tuple(always or band == "day" for band in BANDS),
        )
        for i in range(CANDIDATES)
        for always in (True, False)
    ]
    began = time.perf_counter()
    problem = cover_problem(
        options,
        [seconds] * len(BANDS),
        within_seconds(weights, 300.0),
        existing=np.full(weights.shape, np.inf),
        limits=Limits(1_000_000.0),
    )
    found, beside = solve(problem), greedy(problem)
    took = time.perf_counter() - began
    assert beside is not None
    behind = (
        f"{took:.1f} s; {found.value / problem.total:.1%} covered, greedy {beside.value / problem.total:.1%}"
    )
    return [
        Ratio(
            "placement of 3,000 candidates: gap in % after at most 60 s",
            100 * found.gap,
            MAX_GAP_PERCENT,
            behind,
        )
    ]
