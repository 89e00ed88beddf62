"""Devices that SQLite need not read, being too far on foot: no answer is another one for that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Viewer
from aed.database.boxes import window_around
from aed.database.geometry import point
from aed.database.nearest import ExpandingSearch
from aed.database.sieve import sifted
from aed.geo import Position, in_mainland_china
from aed.lookup.answer import Answer
from aed.lookup.walks import Ways
from aed.registry import nearby as nearby_queries
from aed.registry.devices.models import Device
from aed.registry.nearby import OutOfService
from aed.settings import Settings
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from tests import make
from tests.incidents.asking import GATE, STREET, ask, ids, place, shown, streets
from tests.make import NOW, PATIENT, east_of, north_of
from tests.walking.osm_files import write_osm

pytestmark = pytest.mark.parametrize("database_url", ["spatialite"], indirect=True)
"""PostgreSQL has been asked for its rows before the walk, and is not asked back."""

ALONG_THE_RIVER = {1: (0, 0), 2: (3_000, 0), 3: (3_000, 60), 4: (0, 60)}
"""The patient's side, the one bridge 3 km away, and the other side: 60 m across, 6 km on foot."""


@pytest.fixture
def river(settings: Settings) -> WalkingNetwork:
    return streets(settings, ALONG_THE_RIVER, [1, 2, 3, 4])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    """Which devices were read for each ring, as it goes on. The real one works and is watched: no answer
    tells what was not read for it."""
    rings: list[set[int]] = []
    widen = ExpandingSearch.widen

    def noting(self: ExpandingSearch[Any], **given: Any) -> Sequence[Any]:
        rows = widen(self, **given)
        if OutOfService not in getattr(
            self._nearest.row, "args", ()
        ):  # their search reads what is out of service, and no ways
            rings.append({row.id for row in rows})
        return rows

    monkeypatch.setattr(ExpandingSearch, "widen", noting)
    return rings


def on_this_side(session: Session, *metres: float, **given: Any) -> list[Device]:
    return [make.device(session, at=place(east, 2), **given) for east in metres]


def on_the_other(session: Session, *metres: float, **given: Any) -> list[Device]:
    return [make.device(session, at=place(east, 62), **given) for east in metres]


def asked_twice(
    session: Session,
    settings: Settings,
    network: WalkingNetwork,
    viewer: Viewer = ANYONE,
    **given: Any,
) -> Answer:
    """The second answer, which is the first one."""
    first, second = (ask(session, settings, viewer, network=network, **given) for _ in range(2))
    assert shown(second, viewer, settings) == shown(first, viewer, settings)
    return second


def test_what_is_too_far_on_foot_is_not_read_the_second_time(
    session: Session, settings: Settings, river: WalkingNetwork, read: list[set[int]]
) -> None:
    near = on_this_side(session, 20, 120, 220)
    far = on_the_other(session, 100, 150, 200)

    answer = asked_twice(session, settings, river, limit=3)

    assert ids(answer.devices) == [device.id for device in near]
    assert read[0] >= {device.id for device in (*near, *far)}
    assert read[1:] == [{device.id for device in near}]


def test_an_amendment_since_the_first_time_is_seen(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    """Nothing of a device is remembered but where it would stand on the streets."""
    near = on_this_side(session, 20, 120, 220)
    across = on_the_other(session, 100)
    asked_twice(session, settings, river, limit=3)

    near[0].place_en = "By the lift"
    near[1].audience = "dispatch"
    across[0].position = point(place(60, 2))
    new = on_this_side(session, 150)
    answer = asked_twice(session, settings, river, limit=3)

    assert ids(answer.devices) == [near[0].id, across[0].id, new[0].id]
    assert answer.devices[0].row.place_en == "By the lift"


def test_the_nearest_on_the_straight_line_says_which_number_to_call_even_across_the_river(
    session: Session, settings: Settings, river: WalkingNetwork, read: list[set[int]]
) -> None:
    make.region(session, "CN-33")
    make.region(session, "CN-31", emergency_number="999")
    near = on_this_side(session, 120, 220, 320)
    (across,) = on_the_other(session, 5, in_region="CN-31")

    answer = asked_twice(session, settings, river, limit=3)

    assert ids(answer.devices) == [device.id for device in near]
    assert answer.emergency_number == "999"
    assert across.id not in read[1]
    assert across.id in read[2], "it was looked for once more"


def test_at_the_border_of_mainland_china_the_number_is_that_of_this_side(
    session: Session, settings: Settings, tmp_path: Path, read: list[set[int]]
) -> None:
    """Two of Hong Kong's are the nearest; who is called is whom the next one in Shenzhen, too far on foot,
    would call."""
    north = Position(22.5400, 114.1130)
    to_the_border = next(
        metres for metres in range(0, 3_000, 10) if not in_mainland_china(north_of(north, metres=-metres))
    )
    here = north_of(north, metres=50 - to_the_border)
    assert in_mainland_china(here)
    plan = {1: (0, 0), 2: (0, -300), 3: (0, 3_000), 4: (-100, 3_000), 5: (-100, 0)}
    source = write_osm(tmp_path / "border.osm", plan, [([2, 1, 3, 4, 5], STREET)], origin=here)
    network = build_network(source)
    make.region(session, "CN-44", emergency_number="121")
    make.region(session, "HK", emergency_number="999", country="HK", holiday_calendar=None)
    beyond = [make.device(session, at=north_of(here, metres=-m), in_region="HK") for m in (70, 150)]
    on_this_side = make.device(session, at=east_of(here, metres=-100), in_region="CN-44")

    answer = asked_twice(session, settings, network, here=here, limit=2)

    assert ids(answer.devices) == [device.id for device in beyond]
    assert on_this_side.id not in read[1]
    assert answer.emergency_number == "121"


def test_the_nearest_on_the_straight_line_says_what_time_it_is_even_across_the_river(
    session: Session, settings: Settings, read: list[set[int]]
) -> None:
    """By the clocks there, where it is an hour later, the gate of the map on this side has closed."""
    network = streets(
        settings,
        {1: (-700, 0), 2: (0, 0), 3: (400, 0), 4: (3_000, 0), 5: (3_000, 60), 6: (0, 60)},
        [1, 2, 3, 4, 5, 6],
        gates={3: {**GATE, "opening_hours": "06:00-23:00"}},
    )
    make.region(session, "JP", country="JP", time_zone="Asia/Tokyo", holiday_calendar=None)
    on_this_side(session, 100, opening_hours="08:00-20:00")
    (across,) = on_the_other(session, 5, in_region="JP")
    _behind, west = on_this_side(session, 500, -650)
    night = NOW.replace(hour=14, minute=30)
    ask(session, settings, network=network, limit=1)
    read.clear()

    answer = ask(session, settings, network=network, limit=1, at=night)

    assert across.id not in read[0]
    assert ids(answer.devices) == [west.id]
    assert shown(asked_twice(session, settings, network, limit=1, at=night), ANYONE, settings) == shown(
        answer, ANYONE, settings
    )


def test_of_two_beyond_reach_that_are_estimated_alike_the_nearer_is_told(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    """The farther one is new: where it would stand on the streets is not known yet, so that it is read."""
    limits = settings.model_copy(update={"walking_reach_metres": 300.0})
    checked = {"last_checked_on": NOW.date()}
    near = on_this_side(session, 20, 60, **checked)
    across = on_the_other(session, 10, **checked)
    ask(session, limits, network=river, limit=3)
    on_the_other(session, 90, **checked)

    answer = ask(session, limits, network=river, limit=3)

    assert ids(answer.devices) == [device.id for device in (*near, *across)]


def test_what_is_read_at_once_after_all_is_not_looked_for_again(
    session: Session, settings: Settings, river: WalkingNetwork, read: list[set[int]]
) -> None:
    """Where a sieve leaves fewer than are asked for, the first ring goes on without it."""
    on_this_side(session, 20)
    on_the_other(session, 100, 150)
    ask(session, settings, network=river, limit=2)
    rings = len(read)
    read.clear()

    ask(session, settings, network=river, limit=2)

    assert len(read) <= rings


def test_where_too_few_are_within_reach_the_others_are_told(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    near = on_this_side(session, 20, 120)
    across = on_the_other(session, 100)
    asked_twice(session, settings, river, limit=2)

    near[1].audience = "dispatch"
    answer = asked_twice(session, settings, river, limit=2)

    assert ids(answer.devices) == [near[0].id, across[0].id]


@pytest.mark.parametrize("reach", [100.0, 500.0, 5_000.0])
@pytest.mark.parametrize("radius", [150.0, 1_000.0, 20_000.0])
def test_whatever_the_limits_of_the_search_are(
    session: Session, settings: Settings, river: WalkingNetwork, reach: float, radius: float
) -> None:
    limits = settings.model_copy(update={"walking_reach_metres": reach, "search_radius_metres": radius})
    on_this_side(session, 20, 120, 400, opening_hours="off")
    on_this_side(session, 60, 300, 480, 900)
    on_the_other(session, 10, 90, 300, 700)
    for limit in (1, 2, 3, 5, 8):
        asked_twice(session, limits, river, limit=limit)
        asked_twice(session, limits, river, limit=limit, floor=6)


def test_a_device_behind_a_gate_that_could_be_opened_is_read(
    session: Session, settings: Settings, read: list[set[int]]
) -> None:
    network = streets(settings, {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (-3_100, 0)}, [1, 2, 3], [1, 4])
    estate = make.estate(session)
    make.gate(session, estate, at=place(50, 0), passage="residents", opening_hours="24/7")
    behind = make.device(session, at=place(100, 0), of=estate)
    west = [make.device(session, at=place(east, 0)) for east in (-60, -3_000)]
    closed = make.device(session, at=place(-80, 0), opening_hours="off")

    ask(session, settings, network=network, limit=2)
    read.clear()
    answer = ask(session, settings, network=network, limit=2)

    assert ids(answer.devices) == [west[0].id, behind.id]
    assert answer.devices[1].by_closed_gate
    assert read == [{west[0].id, behind.id, closed.id}]


def test_what_goes_wrong_while_it_is_asked_back_is_told_as_it_is_and_the_next_question_is_answered(
    session: Session, settings: Settings, river: WalkingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = on_this_side(session, 20, 120)
    asked_twice(session, settings, river, limit=2)

    def broken(lat: float, lon: float) -> bool:
        raise ZeroDivisionError("no such street")

    with monkeypatch.context() as patched:  # nothing that can be asked makes it fail
        patched.setattr(Ways, "may_reach", lambda self: broken)
        with pytest.raises(ZeroDivisionError, match="no such street"):
            ask(session, settings, network=river, limit=2)

    assert ids(asked_twice(session, settings, river, limit=2).devices) == [device.id for device in near]


def test_a_statement_that_goes_wrong_by_itself_says_so(session: Session) -> None:
    asked = nearby_queries.nearest_devices(session.connection().dialect, ANYONE)
    told = {**asked.constants, **window_around(PATIENT, 500.0)}

    with pytest.raises(DBAPIError, match="no such table: nowhere"):
        sifted(session.connection(), "SELECT 1 FROM nowhere", told, lambda lat, lon: True)


def test_a_locked_gate_of_the_map_keeps_what_is_behind_it_out_of_reach(
    session: Session, settings: Settings
) -> None:
    network = streets(
        settings,
        {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (-400, 0)},
        [1, 2, 3],
        [1, 4],
        gates={2: {**GATE, "locked": "yes"}},
    )
    make.device(session, at=place(100, 0))
    west = [make.device(session, at=place(east, 0)) for east in (-100, -200)]

    answer = asked_twice(session, settings, network, limit=2)

    assert ids(answer.devices) == [device.id for device in west]
