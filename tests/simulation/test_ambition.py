"""The plan compared with other policies at an equal number of alerts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aed.simulation.rules.ambition import COUNTS, EVERYONE, LEVELS, matched, sweep_policies, with_ambition
from aed.simulation.rules.figures import Compared, DeviceSharing, Simulated, StrategyOutcomes
from aed.simulation.rules.running import simulate
from tests.simulation.worlds import NUMBERS, grid_world


@pytest.fixture(scope="module")
def found() -> Simulated:
    return simulate(
        grid_world(),
        incidents=25,
        seed=7,
        numbers=NUMBERS,
        responders=60,
        ways=sweep_policies(NUMBERS),
        sharings=(DeviceSharing.OPEN,),
    )


def alerts(found: Simulated, name: str) -> float:
    return float(found.by[Compared(name, DeviceSharing.OPEN)].alerts.mean())


def test_the_rules_ask_as_many_people_as_the_documentation_says() -> None:
    page = (Path(__file__).parents[2] / "docs/decide/simulation.md").read_text(encoding="utf-8")

    assert f"rules that call {', '.join(map(str, COUNTS))} people" in page
    names = sweep_policies(NUMBERS)
    assert len(names) == 3 * len(COUNTS) + 1 + len(LEVELS)
    assert {f"{rule} {count}" for rule in ("line", "on foot", "split 2:1 of") for count in COUNTS} < set(
        names
    )


def test_a_more_ambitious_plan_alerts_more_people(found: Simulated) -> None:
    counted = [alerts(found, level.name) for level in LEVELS]
    assert counted == sorted(counted)
    assert counted[-1] > 2 * counted[0] > 0


def test_the_plan_compared_with_a_rule_alerts_at_most_as_many(found: Simulated) -> None:
    table = matched(found)

    assert len(table) == len(COUNTS) + 1
    assert table[-1].rules == (EVERYONE,)
    for group in table:
        most = max(alerts(found, name) for name in group.rules)
        fitting = [level.name for level in LEVELS if alerts(found, level.name) <= most]
        assert group.plan == (fitting[-1] if fitting else None)


def test_no_plan_is_compared_where_every_level_alerts_more(found: Simulated) -> None:
    def asking(count: float) -> StrategyOutcomes:
        one, flags = np.full(2, count), np.zeros(2, dtype=bool)
        return StrategyOutcomes(one, one, flags, one, one, one, one, flags)

    by = {which: asking(9.0 if which.way.startswith("plan") else 1.0) for which in found.by}
    none = Simulated(by=by, had_cpr=np.zeros(2, dtype=bool), responders=1, devices=1, private=0)
    assert {group.plan for group in matched(none)} == {None}


def test_a_level_changes_the_plan_and_nothing_else() -> None:
    changed = with_ambition(NUMBERS, LEVELS[0])
    assert changed.settings.planning.promise_probability == LEVELS[0].promise_probability
    assert changed.settings.planning.min_gain_percent == LEVELS[0].min_gain_percent
    assert changed.settings.arrival == NUMBERS.settings.arrival
    assert changed.assumptions == NUMBERS.assumptions
