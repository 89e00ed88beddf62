"""Rules of retrievals: when to follow up, when to give up, and what follows from the outcome."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from aed.settings import Returns
from aed.upkeep.rules import QuarantineReason, RetrievalOutcome

ANSWERABLE_OUTCOMES: Final = (
    RetrievalOutcome.RETURNED,
    RetrievalOutcome.USED,
    RetrievalOutcome.NOT_RETURNED,
    RetrievalOutcome.NOT_FETCHED,
    RetrievalOutcome.NOT_NEEDED,
)
"""Outcomes that a person can report; the others are set automatically."""
OUTCOME_WORDS: Final = {
    RetrievalOutcome.RETURNED: ("back, not used", "已归还，未使用"),
    RetrievalOutcome.USED: ("used", "已使用"),
    RetrievalOutcome.NOT_RETURNED: ("not back", "尚未归还"),
    RetrievalOutcome.NOT_FETCHED: ("could not be had", "未能取到"),
    RetrievalOutcome.NOT_NEEDED: ("nobody took it", "未取用"),
    RetrievalOutcome.CHECKED: ("checked since", "已巡检"),
    RetrievalOutcome.SILENT: ("nobody answered", "无人答复"),
}


def follows_from_outcome(outcome: RetrievalOutcome) -> QuarantineReason | None:
    """Return the reason to quarantine the device after this outcome, or None.

    NOT_FETCHED is counted as a failed fetch instead.
    """
    return {
        RetrievalOutcome.USED: QuarantineReason.USED,
        RetrievalOutcome.NOT_RETURNED: QuarantineReason.NOT_RETURNED,
        RetrievalOutcome.SILENT: QuarantineReason.NOT_RETURNED,
    }.get(outcome)


def first_follow_up_at(since: datetime, numbers: Returns) -> datetime:
    """Return when to follow up first.

    `since` is the end of the call, or when the person was sent if that is unknown.
    """
    return since + timedelta(minutes=min(numbers.ask_after_minutes, numbers.quarantine_after_minutes))


def is_given_up(since: datetime, now: datetime, numbers: Returns) -> bool:
    """Return whether a retrieval has been without an answer long enough to give up."""
    return now >= since + timedelta(minutes=numbers.quarantine_after_minutes)


def next_follow_up_at(since: datetime, now: datetime, numbers: Returns) -> datetime:
    """Return when to follow up next, or to give up if that comes first."""
    again = now + timedelta(minutes=numbers.ask_again_minutes)
    return min(again, since + timedelta(minutes=numbers.quarantine_after_minutes))
