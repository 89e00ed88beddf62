"""What follows from a check."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from aed.errors import InvalidInput
from aed.registry.devices.rules import ConsumableKind
from aed.upkeep.rules.policy import CheckKind, Question
from aed.upkeep.rules.quarantine import Reason

MOST_AHEAD: Final = timedelta(minutes=10)
"""Phones' clocks are off by less."""
MOST_LATE: Final = timedelta(days=60)
"""How long answers may wait on a phone without a network."""

MUST_BE_YES: Final = frozenset({Question.STATUS_LIGHT, Question.PADS_IN_DATE, Question.BATTERY_IN_DATE})
"""A no to one of these, and the device must not be offered. A no to another is told to its keeper."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A check as it was answered. A question that is not among the answers was not looked at."""

    kind: CheckKind
    answered_at: datetime
    is_there: bool
    was_used: bool
    answers: Mapping[Question, bool]
    replaced: frozenset[ConsumableKind]
    recall_is_done: bool = False
    has_had_new_pads: bool = False
    """Since the device was used last, by an earlier check."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What a check brings about."""

    quarantines: tuple[Reason, ...]
    lifts: frozenset[Reason]
    is_passed: bool
    """All of what must be yes was asked and is yes: the device counts as checked on that day."""
    to_be_told: tuple[Question, ...]
    """What is wrong and no reason to quarantine."""


def consequences(check: Answered, *, standing: Collection[Reason]) -> Consequences:
    """What follows from a check of a device that is quarantined for the reasons in `standing`.

    1. Not in its place: missing, and nothing else is known of it.
    2. Used, unless the pads were replaced on the spot: its pads are gone.
    3. A no to what must be yes fails the check. A cabinet that does not open is a reason of its own, which a
       check lifts that opens it.
    4. A check (no mere glance) that passes lifts what it answers: missing and not returned because it is
       there, a failed check because it passes now, failed fetches and a cabinet that did not open where one
       gets in as the register says,
       used where pads were replaced with this or an earlier check, a recall where what it asks for has been
       done.
    A glance lifts nothing: it sees a light through a window.
    """
    if not check.is_there:
        return Consequences((Reason.MISSING,), frozenset(), False, ())
    noes = [question for question, is_well in check.answers.items() if not is_well]
    fails = [question for question in noes if question in MUST_BE_YES]
    has_new_pads = ConsumableKind.PADS in check.replaced
    quarantines: list[Reason] = []
    if check.was_used and not has_new_pads:
        quarantines.append(Reason.USED)
    if fails:
        quarantines.append(Reason.FAILED_CHECK)
    if Question.CABINET in noes:
        quarantines.append(Reason.CANNOT_OPEN)
    is_passed = check.kind is not CheckKind.GLANCE and not quarantines and _answers_all(check)
    lifts: set[Reason] = set()
    if is_passed:
        lifts = {Reason.MISSING, Reason.NOT_RETURNED, Reason.FAILED_CHECK}
        if check.answers.get(Question.ACCESS_AS_DESCRIBED):
            lifts |= {Reason.FAILED_FETCHES, Reason.CANNOT_OPEN}
        if check.answers.get(Question.CABINET):
            lifts.add(Reason.CANNOT_OPEN)
        if has_new_pads or check.has_had_new_pads:
            lifts.add(Reason.USED)
        if check.recall_is_done:
            lifts.add(Reason.RECALL)
    return Consequences(
        quarantines=tuple(quarantines),
        lifts=frozenset(lifts & set(standing)),
        is_passed=is_passed,
        to_be_told=tuple(question for question in noes if question not in (*MUST_BE_YES, Question.CABINET)),
    )


def asked_of(asks: Sequence[Question], standing: Collection[Reason]) -> tuple[Question, ...]:
    """What a form asks: what its policy says, and what answers the reasons for which a device is out."""
    could_not_be_had = {Reason.FAILED_FETCHES, Reason.CANNOT_OPEN} & set(standing)
    if could_not_be_had and Question.ACCESS_AS_DESCRIBED not in asks:
        asks = (*asks, Question.ACCESS_AS_DESCRIBED)
    if Reason.CANNOT_OPEN in standing and Question.CABINET not in asks:
        asks = (*asks, Question.CABINET)
    return tuple(asks)


def _answers_all(check: Answered) -> bool:
    """Whether what makes a device ready was looked at: its light, and its pads unless they are new."""
    asked = set(check.answers)
    return Question.STATUS_LIGHT in asked and (
        Question.PADS_IN_DATE in asked or ConsumableKind.PADS in check.replaced
    )


def check_moment(answered_at: datetime, *, now: datetime) -> None:
    """Raises InvalidInput for a check of the future, or of long ago."""
    if answered_at > now + MOST_AHEAD:
        raise InvalidInput(
            "answered_at lies in the future: set the clock of the phone, or leave it out.",
            field="answered_at",
        )
    if answered_at < now - MOST_LATE:
        raise InvalidInput(
            f"answered_at is more than {MOST_LATE.days} days ago: check the device again.",
            field="answered_at",
        )
