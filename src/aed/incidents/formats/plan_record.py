"""A plan with all that it follows from, as JSON that is kept: what was planned can be planned again."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from aed.incidents.rules.plan import Case, Plan
from aed.settings import Planning, Survival


class Inputs(NamedTuple):
    """All that a plan follows from."""

    case: Case
    planning: Planning
    survival: Survival


_INPUTS = TypeAdapter(Inputs)
_PLAN = TypeAdapter(Plan)


def inputs_as_json(inputs: Inputs) -> str:
    return _INPUTS.dump_json(inputs).decode()


def inputs_of(text: str) -> Inputs:
    """The same back. Raises ValueError for what is none."""
    return _INPUTS.validate_json(text)


def plan_as_json(made: Plan) -> str:
    return _PLAN.dump_json(made).decode()


def plan_of(text: str) -> Plan:
    """The same back. Raises ValueError for what is none."""
    return _PLAN.validate_json(text)


def canonical(said: dict[str, Any]) -> str:
    """One text for one content."""
    return orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()
