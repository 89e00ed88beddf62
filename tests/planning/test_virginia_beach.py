"""Places chosen on a city's real arrests of two years, scored on the year after."""

from __future__ import annotations

import pytest

from tests import virginia_beach

pytestmark = [
    pytest.mark.skipif(not virginia_beach.IS_HERE, reason=virginia_beach.WHY_NOT),
    pytest.mark.one_engine("no database is used"),
    pytest.mark.slow,
]


def test_the_optimiser_beats_greedy_on_what_it_sees_and_night_beats_office_hours() -> None:
    city = virginia_beach.read_city(every=4)
    found = {each.what: each for each in virginia_beach.compare(city)}

    assert len(found) == 7
    for hours in ("24/7", "Mo-Fr 9-17"):
        best, beside = found[f"+200 optimiser, {hours}"], found[f"+200 greedy, {hours}"]
        assert best.bound is not None
        assert found[f"+200 spread evenly, {hours}"].seen < beside.seen <= best.seen <= best.bound
        assert best.bound <= 1.01 * best.seen
        noise = 100 * (2 * 0.25 / len(city.rows_of(virginia_beach.HELD_OUT))) ** 0.5
        assert best.held_out > beside.held_out - 2 * noise
    assert found["+200 greedy, 24/7"].held_out > found["+200 greedy, Mo-Fr 9-17"].held_out
    assert found["+200 greedy, 24/7"].held_out > found["+200 spread evenly, 24/7"].held_out
