"""A plan with all that it follows from, as JSON that is kept: what was planned can be planned again."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from aed.incidents.rules.plan import Case, Plan
from aed.incidents.rules.shown_plan import ShownPlan, shown_plan
from aed.settings import Planning, Survival


class Inputs(NamedTuple):
    """All that a plan follows from."""

    case: Case
    planning: Planning
    survival: Survival


_RENAMED = (
    ("price_of_asking", "min_gain_percent"),
    ("least_direct", "min_direct"),
    ("most_at_once", "max_alerts_per_wave"),
)
"""Settings that plans of earlier releases name otherwise."""
_INPUTS = TypeAdapter(Inputs)
_PLAN = TypeAdapter(Plan)


def inputs_as_json(inputs: Inputs) -> str:
    return _INPUTS.dump_json(inputs).decode()


def inputs_of(text: str) -> Inputs:
    """Read back what `inputs_as_json` wrote, by any release. Raises ValueError for anything else."""
    for old, new in _RENAMED:
        text = text.replace(f'"{old}":', f'"{new}":')
    return _INPUTS.validate_json(text)


def plan_as_json(made: Plan) -> str:
    return _PLAN.dump_json(made).decode()


def plan_of(text: str) -> Plan:
    """The same back. Raises ValueError for what is none."""
    return _PLAN.validate_json(text)


def shown_record(inputs: str, outcome: str) -> tuple[Case, ShownPlan]:
    """The case, and what dispatchers may see of the plan. Raises ValueError for what is none."""
    kept = inputs_of(inputs)
    return kept.case, shown_plan(kept.case, plan_of(outcome), kept.survival)


def canonical(said: dict[str, Any]) -> str:
    """One text for one content."""
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
