"""aed spares."""

from __future__ import annotations

from tests.cli.conftest import Aed


def test_all_errors_of_a_movement_are_reported_at_once(aed: Aed) -> None:
    said = aed("spares", "move", 1, "received", 30_000, "--expires-on", "2028-13-01", fails=True).err
    assert "quantity: must be at most 10000" in said
    assert "expires_on: must be a date such as 2027-05-31" in said
