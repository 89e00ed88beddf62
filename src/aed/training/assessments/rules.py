"""Rules of assessments: theory and practical stations, attempts, retakes, presence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from aed.training.rules import FULL_SCORE, THEORY

type PartMark = int | bool
"""A score out of 100, or whether a part without scores was passed."""
type PartMarks = Mapping[str, PartMark]
"""PartMarks by the code of the part."""


@dataclass(frozen=True, slots=True)
class AssessmentPart:
    """The theory test or a practical station of a course."""

    code: str
    name_en: str
    name_zh: str
    pass_mark: int | None
    """The lowest score that passes; None for a station that is passed or failed without a score."""

    def is_passed(self, mark: PartMark) -> bool:
        return mark >= self.pass_mark if self.pass_mark is not None else mark is True

    def accepts(self, mark: PartMark) -> bool:
        """Return True if a mark is of the right kind, and a score is within its range."""
        if self.pass_mark is None:
            return isinstance(mark, bool)
        return not isinstance(mark, bool) and 0 <= mark <= FULL_SCORE


@dataclass(frozen=True, slots=True)
class AssessmentPlan:
    """How a course is assessed. A person passes once every part is passed, in whichever attempt."""

    parts: tuple[AssessmentPart, ...]
    retakes: int
    retake_within_days: int

    @property
    def has_theory(self) -> bool:
        return any(part.code == THEORY for part in self.parts)

    @property
    def stations(self) -> tuple[AssessmentPart, ...]:
        return tuple(part for part in self.parts if part.code != THEORY)


def plan_of(stored: Mapping[str, Any] | None) -> AssessmentPlan | None:
    """Return the assessment plan of a course as it is stored; None if its trainer only says passed or not."""
    if stored is None:
        return None
    parts = [AssessmentPart(**each) for each in stored["stations"]]
    if stored["theory_pass_mark"] is not None:
        parts.insert(0, AssessmentPart(THEORY, "Theory", "理论", stored["theory_pass_mark"]))
    return AssessmentPlan(tuple(parts), stored["retakes"], stored["retake_within_days"])


def parts_to_take(plan: AssessmentPlan, earlier: Sequence[PartMarks]) -> tuple[AssessmentPart, ...]:
    """Return the parts that were not passed in any of the earlier attempts."""
    return tuple(
        part
        for part in plan.parts
        if not any(part.code in marks and part.is_passed(marks[part.code]) for marks in earlier)
    )


def is_complete(plan: AssessmentPlan, attempts: Sequence[PartMarks]) -> bool:
    """Return True if the last attempt has a mark for each part that it had to include."""
    if not attempts:
        return False
    return all(part.code in attempts[-1] for part in parts_to_take(plan, attempts[:-1]))


def has_passed(plan: AssessmentPlan, attempts: Sequence[PartMarks]) -> bool | None:
    """Return the result: passed once every part is; None while the last attempt lacks marks."""
    if not attempts:
        return None
    if not parts_to_take(plan, attempts):
        return True
    return False if is_complete(plan, attempts) else None


def last_day_of_retakes(plan: AssessmentPlan, ended_on: date) -> date:
    """Return the last day on which a part can be retaken; the session ended on `ended_on`."""
    return ended_on + timedelta(days=plan.retake_within_days)


def can_retake(plan: AssessmentPlan, attempts: Sequence[PartMarks], *, ended_on: date, today: date) -> bool:
    """Return True if another attempt may begin: the last one failed, and number and time are not used up."""
    return (
        has_passed(plan, attempts) is False
        and len(attempts) <= plan.retakes
        and today <= last_day_of_retakes(plan, ended_on)
    )


def was_present_enough(parts_present: int | None, parts: int, min_percent: int | None) -> bool:
    """Return True if a person was present for enough parts of the course; None counts as all of them."""
    if min_percent is None or parts_present is None:
        return True
    return parts_present * 100 >= min_percent * parts
