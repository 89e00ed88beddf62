"""Walking times between the places of a round."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE
from aed.geo import Position, distance_metres
from aed.settings import Settings
from aed.upkeep.rounds.rules import WALKING_METRES_PER_SECOND
from aed.upkeep.rounds.walks import Place, RoundWalks, walks_between
from aed.walking.network import WalkingNetwork
from aed.walking.travel import floor_seconds
from tests.walking.grids import SOUTH_WEST, street_grid

NUMBERS = Settings().arrival
ONE = Position(SOUTH_WEST.lat + 0.008, SOUTH_WEST.lon + 0.008)
OTHER = Position(SOUTH_WEST.lat + 0.014, SOUTH_WEST.lon + 0.012)
AWAY = Position(SOUTH_WEST.lat + 0.008, SOUTH_WEST.lon + 0.2)


def walks(session: Session, network: WalkingNetwork | None, *places: Place) -> RoundWalks:
    at = datetime(2026, 9, 22, 0, 30, tzinfo=UTC)
    return walks_between(
        session.connection(),
        ANYONE,
        network,
        places,
        at=at,
        time_zone="Asia/Shanghai",
        calendar=None,
        numbers=NUMBERS,
    )


def test_walks_follow_the_streets_and_stairs_take_time(session: Session) -> None:
    network = street_grid(2_500)
    reachable = network.reachable(ONE, within_metres=5_000)
    assert reachable is not None
    metres = float(reachable.costs(network.snap([OTHER.lat], [OTHER.lon]))[0])
    assert math.isfinite(metres)

    level = walks(session, network, Place(ONE, 0), Place(OTHER, 0))
    upstairs = walks(session, network, Place(ONE, 0), Place(OTHER, 3))

    assert not level.is_estimated
    assert level.seconds[0][1] == pytest.approx(metres / WALKING_METRES_PER_SECOND, rel=1e-6)
    assert upstairs.seconds[0][1] - level.seconds[0][1] == pytest.approx(floor_seconds(3, NUMBERS))


def test_without_a_street_nearby_walks_are_estimated_from_straight_lines(session: Session) -> None:
    found = walks(session, street_grid(2_500), Place(ONE, 0), Place(AWAY, 0))

    straight = distance_metres(ONE, AWAY) * NUMBERS.detour_factor / WALKING_METRES_PER_SECOND
    assert found.is_estimated
    assert found.seconds[0][1] == found.seconds[1][0] == pytest.approx(straight)
    assert walks(session, None, Place(ONE, 0), Place(AWAY, 0)).seconds == found.seconds
