"""Test times on stairs and in lifts: in one building, in two, and above the third floor."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE
from aed.settings import Settings
from tests import make
from tests.lookup.asking import ask, chinese, english, fetched, ids, shown
from tests.make import PATIENT, north_of

SAME_DOOR, OTHER_BUILDING = 8.0, 200.0
FLOOR = 16.0


def lift(floors: int) -> float:
    return 45 + 2 * floors


@pytest.mark.parametrize(
    ("metres", "patient", "device", "one_way_seconds"),
    [
        (SAME_DOOR, 0, 0, 0.0),
        (SAME_DOOR, 2, 2, 0.0),
        (SAME_DOOR, 12, 12, 0.0),
        (SAME_DOOR, 1, 3, 2 * FLOOR),
        (SAME_DOOR, 3, 0, 3 * FLOOR),
        (SAME_DOOR, 4, 0, lift(4)),
        (SAME_DOOR, 12, 11, FLOOR),
        (SAME_DOOR, 40, 0, lift(40)),
        (SAME_DOOR, -1, 1, 2 * FLOOR),
        (OTHER_BUILDING, 0, 0, 0.0),
        (OTHER_BUILDING, 2, 2, 4 * FLOOR),
        (OTHER_BUILDING, 12, 0, lift(12)),
        (OTHER_BUILDING, 12, 12, 2 * lift(12)),
        (OTHER_BUILDING, 3, -1, 4 * FLOOR),
    ],
)
def test_floors_cost_stairs_or_the_lift_each_way(
    session: Session, settings: Settings, metres: float, patient: int, device: int, one_way_seconds: float
) -> None:
    make.device(session, at=north_of(PATIENT, metres=metres), floor=device)

    (near,) = ask(session, settings, floor=patient).devices

    walked = fetched(1.5 * near.straight_metres, floors=one_way_seconds, in_estate=False)
    assert near.fetch.floor_seconds == 2 * one_way_seconds
    assert near.fetch.fetch_seconds == pytest.approx(walked)


def test_a_device_high_up_ranks_behind_one_a_little_farther(session: Session, settings: Settings) -> None:
    high = make.device(session, at=north_of(PATIENT, metres=100), floor=20)
    low = make.device(session, at=north_of(PATIENT, metres=200))

    assert ids(ask(session, settings).devices) == [low.id, high.id]


@pytest.mark.parametrize(
    ("device", "patient", "en", "zh"),
    [
        (0, 2, "ground floor, storey 1 (floor 0), 64 s on stairs and in lifts", "1楼（floor 0），上下楼64秒"),
        (1, 0, "storey 2 (floor 1), 32 s on stairs and in lifts", "2楼（floor 1），上下楼32秒"),
        (11, 0, "storey 12 (floor 11), 134 s on stairs and in lifts", "12楼（floor 11），上下楼134秒"),
        (-1, 0, "basement 1 (floor -1), 32 s on stairs and in lifts", "地下1层（floor -1），上下楼32秒"),
        (-3, 0, "basement 3 (floor -3), 96 s on stairs and in lifts", "地下3层（floor -3），上下楼96秒"),
    ],
)
def test_a_floor_is_named_as_people_there_count(
    session: Session, settings: Settings, device: int, patient: int, en: str, zh: str
) -> None:
    """In China the ground floor is storey 1; the answer also has the API's floor, which counts from 0."""
    make.device(session, at=north_of(PATIENT, metres=100), floor=device)

    (found,) = shown(ask(session, settings, floor=patient), ANYONE, settings).devices

    assert found.floor == device
    assert en in english(found)
    assert zh in chinese(found)


def test_floors_are_not_mentioned_without_a_climb(session: Session, settings: Settings) -> None:
    make.device(session)

    (found,) = shown(ask(session, settings), ANYONE, settings).devices

    assert not any("floor" in words for words in english(found))
    assert not any("楼" in words for words in chinese(found))
