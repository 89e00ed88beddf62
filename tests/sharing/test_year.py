"""Some weeks of agreements that start, end, lapse and are taken back; the year is `make year`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

import pytest

from aed.database.session import Database
from aed.settings import Settings
from aed.sharing import rules
from aed.sharing.rules import DerivedAudience
from tests.year.agreements import contradictions, run
from tests.year.world import Size


def test_nothing_is_offered_outside_its_agreement_and_nothing_goes_dark_without_a_rule(
    database: Database, settings: Settings
) -> None:
    year = run(database, settings, Size(estates=4, first_day=date(2027, 1, 1), days=45))

    assert contradictions(year) == []
    assert year.counts["agreements"] >= 4
    assert year.counts["offered to a neighbour"] >= 20
    assert year.counts["offered to anyone"] >= 5


def test_a_program_that_forgets_a_rule_is_noticed(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Insurance does not matter, and no device keeps the emergency override."""
    derive: Callable[..., DerivedAudience] = rules.audience_at

    def forgetful(shares: list[rules.ShareTerms], at: datetime) -> DerivedAudience:
        insured = [replace(each, insured=None) for each in shares]
        return replace(derive(insured, at), emergency_override=False)

    monkeypatch.setattr("aed.sharing.shares.actions.audience_at", forgetful)
    year = run(database, settings, Size(estates=6, first_day=date(2027, 1, 1), days=50))

    assert year.offered_outside
    assert year.dark
