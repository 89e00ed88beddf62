"""Decisions about one gate: who passes, when, and at what cost."""

from __future__ import annotations

from enum import StrEnum

from aed.hours.evaluation import Opening


class Passage(StrEnum):
    """Who may pass a gate while it is open."""

    OPEN = "open"
    GUARDED = "guarded"
    """A guard lets others in, after a moment."""
    RESIDENTS = "residents"
    """Members of the estate only."""


class GateState(StrEnum):
    STANDING = "standing"
    WITHDRAWN = "withdrawn"


class Passing(StrEnum):
    """What a gate means for one traveller at one moment."""

    FREELY = "freely"
    AFTER_A_WAIT = "after_a_wait"
    NOT = "not"


def passing(passage: Passage, hours: Opening, *, is_member: bool, guard_can_be_rung: bool) -> Passing:
    """A closed gate stops everyone. Hours that are not known stop nobody: they are said in the reasons.

    A dispatcher can ring the guard (`guard_can_be_rung`), who opens a residents' gate too.
    """
    if hours is Opening.CLOSED:
        return Passing.NOT
    if is_member or passage is Passage.OPEN:
        return Passing.FREELY
    if passage is Passage.GUARDED or guard_can_be_rung:
        return Passing.AFTER_A_WAIT
    return Passing.NOT
