"""Test devices that are near on the straight line but far on foot: across a river, gate or border.

Each lookup runs twice, to check that what the search remembers of the first does not change the answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Audience, Viewer
from aed.database.geometry import point
from aed.geo import Position, in_mainland_china
from aed.lookup.answer import LookupAnswer
from aed.registry.devices.models import Device
from aed.settings import Settings
from aed.walking.build import build_network
from aed.walking.network import WalkingNetwork
from tests import make
from tests.lookup.asking import GATE, STREET, ask, ids, place, shown, streets
from tests.make import NOW, east_of, north_of
from tests.walking.osm_files import write_osm

ALONG_THE_RIVER = {1: (0, 0), 2: (3_000, 0), 3: (3_000, 60), 4: (0, 60)}
"""The patient's side, the one bridge 3 km away, and the other side: 60 m across, 6 km on foot."""


@pytest.fixture
def river(settings: Settings) -> WalkingNetwork:
    return streets(settings, ALONG_THE_RIVER, [1, 2, 3, 4])


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
) -> LookupAnswer:
    """Return the second answer, after checking that it equals the first."""
    first, second = (ask(session, settings, viewer, network=network, **given) for _ in range(2))
    assert shown(second, viewer, settings) == shown(first, viewer, settings)
    return second


def test_a_change_between_two_lookups_is_seen(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    """Only a device's position on the streets is cached."""
    near = on_this_side(session, 20, 120, 220)
    across = on_the_other(session, 100)
    asked_twice(session, settings, river, limit=3)

    near[0].place_en = "By the lift"
    near[1].audience = Audience.DISPATCH
    across[0].position = point(place(60, 2))
    new = on_this_side(session, 150)
    answer = asked_twice(session, settings, river, limit=3)

    assert ids(answer.devices) == [near[0].id, across[0].id, new[0].id]
    assert answer.devices[0].row.place_en == "By the lift"


def test_the_nearest_device_by_straight_line_decides_the_emergency_number_even_across_the_river(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    make.region(session, "CN-33")
    make.region(session, "CN-31", emergency_number="999")
    near = on_this_side(session, 120, 220, 320)
    (_across,) = on_the_other(session, 5, in_region="CN-31")

    answer = asked_twice(session, settings, river, limit=3)

    assert ids(answer.devices) == [device.id for device in near]
    assert answer.emergency_number == "999"


def test_at_the_border_of_mainland_china_the_emergency_number_is_that_of_the_patients_side(
    session: Session, settings: Settings, tmp_path: Path
) -> None:
    """The two nearest devices are in Hong Kong, but the number is that of the next one, in Shenzhen."""
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
    make.device(session, at=east_of(here, metres=-100), in_region="CN-44")

    answer = asked_twice(session, settings, network, here=here, limit=2)

    assert ids(answer.devices) == [device.id for device in beyond]
    assert answer.emergency_number == "121"


def test_the_nearest_device_by_straight_line_decides_the_time_zone_even_across_the_river(
    session: Session, settings: Settings
) -> None:
    """In that time zone, where it is an hour later, the gate from the map on this side has closed."""
    network = streets(
        settings,
        {1: (-700, 0), 2: (0, 0), 3: (400, 0), 4: (3_000, 0), 5: (3_000, 60), 6: (0, 60)},
        [1, 2, 3, 4, 5, 6],
        gates={3: {**GATE, "opening_hours": "06:00-23:00"}},
    )
    make.region(session, "JP", country="JP", time_zone="Asia/Tokyo", holiday_calendar=None)
    on_this_side(session, 100, opening_hours="08:00-20:00")
    (_across,) = on_the_other(session, 5, in_region="JP")
    _behind, west = on_this_side(session, 500, -650)
    night = NOW.replace(hour=14, minute=30)
    ask(session, settings, network=network, limit=1)

    answer = ask(session, settings, network=network, limit=1, at=night)

    assert ids(answer.devices) == [west.id]
    assert shown(asked_twice(session, settings, network, limit=1, at=night), ANYONE, settings) == shown(
        answer, ANYONE, settings
    )


def test_of_two_devices_beyond_reach_with_equal_estimates_the_nearer_is_listed(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    """The farther device is new, so that its position on the streets is not cached yet."""
    limits = settings.model_copy(update={"walking_reach_metres": 300.0})
    checked = {"last_checked_on": NOW.date()}
    near = on_this_side(session, 20, 60, **checked)
    across = on_the_other(session, 10, **checked)
    ask(session, limits, network=river, limit=3)
    on_the_other(session, 90, **checked)

    answer = ask(session, limits, network=river, limit=3)

    assert ids(answer.devices) == [device.id for device in (*near, *across)]


def test_where_too_few_devices_are_within_reach_others_are_listed(
    session: Session, settings: Settings, river: WalkingNetwork
) -> None:
    near = on_this_side(session, 20, 120)
    across = on_the_other(session, 100)
    asked_twice(session, settings, river, limit=2)

    near[1].audience = Audience.DISPATCH
    answer = asked_twice(session, settings, river, limit=2)

    assert ids(answer.devices) == [near[0].id, across[0].id]


@pytest.mark.parametrize("reach", [100.0, 500.0, 5_000.0])
@pytest.mark.parametrize("radius", [150.0, 1_000.0, 20_000.0])
def test_any_limits_of_the_search_give_the_same_answer_twice(
    session: Session, settings: Settings, river: WalkingNetwork, reach: float, radius: float
) -> None:
    limits = settings.model_copy(update={"walking_reach_metres": reach, "search_radius_metres": radius})
    on_this_side(session, 20, 120, 400, opening_hours="off")
    on_this_side(session, 60, 300, 480, 900)
    on_the_other(session, 10, 90, 300, 700)
    for limit in (1, 2, 3, 5, 8):
        asked_twice(session, limits, river, limit=limit)
        asked_twice(session, limits, river, limit=limit, floor=6)


def test_a_device_behind_a_gate_that_could_be_opened_is_listed(session: Session, settings: Settings) -> None:
    network = streets(settings, {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (-3_100, 0)}, [1, 2, 3], [1, 4])
    estate = make.estate(session)
    make.gate(session, estate, at=place(50, 0), passage="residents", opening_hours="24/7")
    behind = make.device(session, at=place(100, 0), of=estate)
    west = [make.device(session, at=place(east, 0)) for east in (-60, -3_000)]
    make.device(session, at=place(-80, 0), opening_hours="off")

    ask(session, settings, network=network, limit=2)
    answer = ask(session, settings, network=network, limit=2)

    assert ids(answer.devices) == [west[0].id, behind.id]
    assert answer.devices[1].by_closed_gate


def test_a_locked_gate_on_the_map_keeps_devices_behind_it_out_of_reach(
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
