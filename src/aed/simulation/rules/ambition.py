"""Run the plan at several levels of ambition, to compare it with rules that ask as many people.

The plan decides how many to ask, while a rule is given a number. They are compared at equal mean alerts:
`matched` finds for each rule the level that asks at most as many.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple

from aed.simulation.rules.assumptions import Numbers
from aed.simulation.rules.figures import Compared, DeviceSharing, Simulated
from aed.simulation.rules.policies import Policy, everyone_near, fixed_split, nearest_by_line, nearest_on_foot
from aed.simulation.rules.waves import plan_in_waves


class Ambition(NamedTuple):
    """A level: a target, and the minimum gain of each person beyond it."""

    promise_probability: float
    min_gain_percent: float

    @property
    def name(self) -> str:
        return f"plan {self.promise_probability:g}/{self.min_gain_percent:g}"


LEVELS: Final = (
    Ambition(0.0, 3.0),
    Ambition(0.3, 0.8),
    Ambition(0.9, 0.1),
    Ambition(0.9, 0.02),
    Ambition(0.99, 0.0001),
)
"""From few people to everybody who can arrive before the ambulance."""
COUNTS: Final = (5, 9, 15, 30)
EVERYONE: Final = "everyone within 1 km"


def sweep_policies(numbers: Numbers) -> Mapping[str, Policy]:
    """Return the rules with each number of people, and the plan at each level."""
    found: dict[str, Policy] = {}
    for count in COUNTS:
        found[f"line {count}"] = partial(nearest_by_line, count=count)
        found[f"on foot {count}"] = partial(nearest_on_foot, count=count)
        found[f"split 2:1 of {count}"] = partial(fixed_split, count=count)
    found[EVERYONE] = everyone_near
    for level in LEVELS:
        at_level = with_ambition(numbers, level)
        found[level.name] = partial(plan_in_waves, numbers=at_level, waves=numbers.assumptions.waves)
    return found


def with_ambition(numbers: Numbers, level: Ambition) -> Numbers:
    """Return the numbers with a plan of that ambition."""
    planning = numbers.settings.planning.model_copy(update=level._asdict())
    return replace(numbers, settings=numbers.settings.model_copy(update={"planning": planning}))


class Matched(NamedTuple):
    """Rules that ask about as many people, and the plan that asks at most as many.

    The plan is None if every level asks more.
    """

    rules: tuple[str, ...]
    plan: str | None


def matched(found: Simulated) -> list[Matched]:
    """Return the table at equal alerts, by how many people the rules ask, and everyone within 1 km."""

    def alerts(name: str) -> float:
        return float(found.by[Compared(name, DeviceSharing.OPEN)].alerts.mean())

    groups = [tuple(f"{rule} {count}" for rule in ("line", "on foot", "split 2:1 of")) for count in COUNTS]
    table = []
    for rules in (*groups, (EVERYONE,)):
        most = max(alerts(name) for name in rules)
        within = [level.name for level in LEVELS if alerts(level.name) <= most]
        table.append(Matched(rules, max(within, key=alerts) if within else None))
    return table
