"""What a person may report on a page, and the words for it."""

from __future__ import annotations

from typing import Final

from aed.upkeep.rules import FaultKind, FaultReportState
from aed.web.words import noop

MAX_NOTE: Final = 500
OFFERED: Final = {
    FaultKind.MISSING: noop("It is not there"),
    FaultKind.BEEPING: noop("It beeps, or its light is red"),
    FaultKind.DAMAGED: noop("It is damaged"),
    FaultKind.NO_ACCESS: noop("I cannot get to it"),
    FaultKind.OTHER: noop("Something else"),
}
STATES: Final = {
    FaultReportState.OPEN: noop("The keeper has been asked to look. It is not answered yet."),
    FaultReportState.CONFIRMED: noop("The keeper has confirmed it and is putting it right. Thank you."),
    FaultReportState.DISMISSED: noop(
        "The keeper has looked and found nothing wrong. Thank you all the same."
    ),
    FaultReportState.ANSWERED: noop("The AED has been checked since. Thank you."),
}


def kind_chosen(text: str) -> FaultKind | None:
    """Return the kind of problem that the form sent; None for none or one that is not offered."""
    return next((kind for kind in OFFERED if kind.value == text), None)
