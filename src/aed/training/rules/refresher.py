"""Skills fade within months, long before the card runs out: who should practise again."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Final

from aed.training.rules.course import months_after

WORTHWHILE_AFTER_MONTHS: Final = 3
"""IFRC guidelines; PAD trial: skills are worse after 3 months and poor after 6."""


class Refresher(StrEnum):
    SUGGESTED = "suggested"
    """It would do good, and there is still time."""
    DUE = "due"
    """The course's own term is over."""


def refresher(*, practised_on: date, refresher_months: int, today: date) -> Refresher | None:
    """What is suggested to somebody who last practised then; None: nothing yet.

    The card's validity is another matter: it is not asked.
    """
    if today >= months_after(practised_on, refresher_months):
        return Refresher.DUE
    if today >= months_after(practised_on, min(WORTHWHILE_AFTER_MONTHS, refresher_months)):
        return Refresher.SUGGESTED
    return None
