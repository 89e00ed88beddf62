"""Time several steps in alternation."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

type Step = Callable[[Any], object]


@dataclass
class Timing:
    """The times of one step: the median of each round, and every single time."""

    medians: list[float] = field(default_factory=list)
    all: list[float] = field(default_factory=list)

    @property
    def micros(self) -> float:
        """Return the median of the rounds' medians, in microseconds."""
        return statistics.median(self.medians) * 1e6

    def percentile(self, share: float) -> float:
        ordered = sorted(self.all)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1e6


def by_turns(
    steps: Mapping[str, tuple[Step, Sequence[Any]]], *, rounds: int, a_round: int, warm_up: int = 100
) -> dict[str, Timing]:
    """Time each step on its inputs, `a_round` at a time, in alternation (A B C A B C), after a warm-up.

    All steps have the same inputs but start at different ones, so that no step finds data in the CPU's
    caches that the previous step has just read for the same input.
    """
    timings = {name: Timing() for name in steps}
    for step, inputs in steps.values():
        for i in range(warm_up):
            step(inputs[-1 - i % len(inputs)])
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            for place, (name, (step, inputs)) in enumerate(steps.items()):
                taken: list[float] = []
                first = number * a_round + place * len(inputs) // len(steps)
                for i in range(first, first + a_round):
                    given = inputs[i % len(inputs)]
                    start = time.perf_counter()
                    step(given)
                    taken.append(time.perf_counter() - start)
                timings[name].medians.append(statistics.median(taken))
                timings[name].all += taken
    finally:
        gc.enable()
    return timings
