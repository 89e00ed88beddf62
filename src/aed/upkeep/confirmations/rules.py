"""Rules of the facts confirmed from time to time: position, access hours and readiness."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from aed.settings import Trust
from aed.upkeep.rules import CheckKind, Fact, Question

ASKED: Final = (Fact.POSITION, Fact.HOURS)
"""Facts that anyone can verify in passing, so that people nearby are asked about them."""
FACT_QUESTIONS: Final = {
    Fact.POSITION: ("Is the AED still there?", "AED还在原处吗？"),
    Fact.HOURS: ("Can one get to the AED as described?", "能按登记的时间和方式取到AED吗？"),
    Fact.READINESS: ("Is the AED ready?", "AED状态正常吗？"),
}


class FactAnswer(StrEnum):
    """An answer to a confirmation request about a fact."""

    YES = "yes"
    NO = "no"
    NOT_NOW = "not_now"
    """The person cannot say; someone else may be asked."""


def half_life_days(fact: Fact, numbers: Trust) -> float:
    """Return the number of days in which confidence in a fact halves."""
    return {
        Fact.POSITION: numbers.position_half_life_days,
        Fact.HOURS: numbers.hours_half_life_days,
        Fact.READINESS: numbers.readiness_half_life_days,
    }[fact]


def confirmed_by_check(
    kind: CheckKind, *, is_there: bool, is_passed: bool, answers: Mapping[Question, bool]
) -> frozenset[Fact]:
    """Return the facts that a check confirms."""
    found = set()
    if is_there:
        found.add(Fact.POSITION)
    if answers.get(Question.ACCESS_AS_DESCRIBED):
        found.add(Fact.HOURS)
    if is_passed and kind is not CheckKind.GLANCE:
        found.add(Fact.READINESS)
    return frozenset(found)
