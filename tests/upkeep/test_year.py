"""A simulated year of a small network; the large one is `make year`."""

from __future__ import annotations

from datetime import date

import pytest

from aed.database.session import Database, read_session
from aed.settings import Settings
from tests.year.run import run
from tests.year.story import contradictions
from tests.year.world import Size

pytestmark = pytest.mark.slow


def test_every_devices_story_is_consistent(database: Database, settings: Settings) -> None:
    """No expired device was offered, no expiry lacked its notices, and no notice lacked a cause.

    The simulation records events apart from the program, and expectations are derived from those records
    alone.
    """
    year = run(database, settings, Size(estates=5, first_day=date(2027, 1, 1), days=75))

    with read_session(database) as session:
        assert contradictions(session, year) == []
    assert year.counts["lookups"] >= 10
    assert year.counts["checks"] >= 20
    assert len(year.received) >= 50


def test_a_notice_too_many_and_one_too_few_are_seen(database: Database, settings: Settings) -> None:
    """The consistency check finds errors in a ledger with forged entries."""
    year = run(database, settings, Size(estates=1, first_day=date(2027, 1, 1), days=10))
    device_id = year.world.device_ids[0]
    year.world.ledger.stories[device_id].fitted.clear()

    with read_session(database) as session:
        found = contradictions(session, year)
    assert any("fitted otherwise" in each for each in found)
