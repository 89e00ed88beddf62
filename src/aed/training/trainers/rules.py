"""Rules of trainers: grades, learners per trainer and per manikin."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

DEFAULT_LEARNERS_PER_TRAINER: Final = 6
"""American Heart Association, Basic Life Support: 6 students, 2 manikins and 1 instructor."""
DEFAULT_LEARNERS_PER_MANIKIN: Final = 3
"""The same: 3 students to a manikin."""


class SessionWarning(StrEnum):
    """What those who run a session should mend; it can be held all the same, except as the issuer demands."""

    TOO_FEW_TRAINERS = "too_few_trainers"
    TOO_FEW_MANIKINS = "too_few_manikins"
    TRAINER_GRADE_EXPIRED = "trainer_grade_expired"
    """The trainer's grade is no longer valid on the day of the session."""
    TRAINER_GRADE_MISSING = "trainer_grade_missing"
    """The issuer demands a grade, and none is recorded for the trainer."""


def warnings_of(
    *,
    learners: int,
    trainers: int,
    manikins: int | None,
    learners_per_trainer: int | None,
    learners_per_manikin: int | None,
    is_grade_required: bool,
    grade_valid_until: date | None,
    held_on: date,
) -> list[SessionWarning]:
    """Return the warnings about a session. Limits that are None do not apply, nor do unknown manikins."""
    found = []
    if learners_per_trainer is not None and learners > trainers * learners_per_trainer:
        found.append(SessionWarning.TOO_FEW_TRAINERS)
    if (
        learners_per_manikin is not None
        and manikins is not None
        and learners > manikins * learners_per_manikin
    ):
        found.append(SessionWarning.TOO_FEW_MANIKINS)
    if grade_valid_until is not None and grade_valid_until < held_on:
        found.append(SessionWarning.TRAINER_GRADE_EXPIRED)
    if is_grade_required and grade_valid_until is None:
        found.append(SessionWarning.TRAINER_GRADE_MISSING)
    return found
