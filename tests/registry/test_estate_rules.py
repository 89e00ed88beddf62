"""How a person passes a gate."""

from __future__ import annotations

import pytest

from aed.hours.evaluation import Opening
from aed.registry.estates.rules import GatePassing, Passage, passing

OPEN, GUARDED, RESIDENTS = Passage.OPEN, Passage.GUARDED, Passage.RESIDENTS
FREELY, AFTER_A_WAIT, NOT = GatePassing.FREELY, GatePassing.AFTER_A_WAIT, GatePassing.NOT


@pytest.mark.parametrize("hours", [each for each in Opening if each is not Opening.CLOSED])
@pytest.mark.parametrize(
    ("passage", "is_member", "guard_can_be_rung", "passed"),
    [
        (OPEN, False, False, FREELY),
        (GUARDED, True, False, FREELY),
        (RESIDENTS, True, False, FREELY),
        (GUARDED, False, False, AFTER_A_WAIT),
        (GUARDED, False, True, AFTER_A_WAIT),
        (RESIDENTS, False, True, AFTER_A_WAIT),
        (RESIDENTS, False, False, NOT),
    ],
)
def test_members_pass_and_others_as_the_gate_is_guarded(
    passage: Passage, is_member: bool, guard_can_be_rung: bool, passed: GatePassing, hours: Opening
) -> None:
    """Hours that are not known stop nobody."""
    assert passing(passage, hours, is_member=is_member, guard_can_be_rung=guard_can_be_rung) is passed


@pytest.mark.parametrize("passage", Passage)
def test_nobody_passes_a_closed_gate(passage: Passage) -> None:
    assert passing(passage, Opening.CLOSED, is_member=True, guard_can_be_rung=True) is NOT
