"""Test gates on the way: whom they stop or delay, and how the answer describes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, TokenRole, Viewer
from aed.geo import Position
from aed.lookup.arrival import Basis
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate, Gate
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from tests import make
from tests.lookup.asking import (
    GATE,
    ask,
    chinese,
    english,
    fetched,
    get,
    ids,
    offered,
    place,
    shown,
    streets,
)
from tests.make import NOW
from tests.walking.osm_files import Tags

NOON = NOW + timedelta(hours=2)
MIDNIGHT = NOW + timedelta(hours=14)
PLAN = {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (0, 300), 5: (100, 300), 6: (-250, 0)}
DRIVE = [1, 2, 3]
"""The way east to a device 100 m away, with a gate half-way."""
ROUND_THE_BACK = [1, 4, 5, 3]
"""A way of 700 m to the same device."""
TO_THE_WEST = [1, 6]


@pytest.fixture
def round_about(settings: Settings) -> WalkingNetwork:
    """Build a network with the drive and the long way round; the map has no gate."""
    return streets(settings, PLAN, DRIVE, ROUND_THE_BACK, TO_THE_WEST)


def gate_at(session: Session, estate: Estate, *, at: Position, **given: str) -> Gate:
    """Register a gate, by default open at all times."""
    return make.gate(session, estate, at=at, **{"opening_hours": "24/7", **given})


def behind(session: Session, estate: Estate) -> Device:
    return make.device(session, at=place(100, 0), of=estate)


def to_the_west(session: Session) -> Device:
    return make.device(session, at=place(-250, 0))


def seconds(answer_seconds: float) -> object:
    """Compare seconds with a tolerance, since the planar metres differ slightly from the spheroid."""
    return pytest.approx(answer_seconds, abs=1)


def test_a_gate_closed_at_night_makes_the_longer_way_the_nearest(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate = make.estate(session)
    gate_at(session, estate, at=place(50, 0), opening_hours="06:00-22:00")
    inside, outside = behind(session, estate), to_the_west(session)

    by_day = ask(session, settings, network=round_about, at=NOON)
    at_night = ask(session, settings, network=round_about, at=MIDNIGHT)

    assert ids(by_day.devices) == [inside.id, outside.id]
    assert by_day.devices[0].walk_metres == pytest.approx(100, abs=1)
    assert ids(at_night.devices) == [outside.id, inside.id]
    assert at_night.devices[1].walk_metres == pytest.approx(700, abs=2)
    assert not at_night.devices[1].by_closed_gate


def test_a_residents_gate_stops_a_stranger_but_not_a_member(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate, neighbour = make.estate(session), make.estate(session)
    gate_at(session, estate, at=place(50, 0), passage="residents")
    inside, outside = behind(session, estate), to_the_west(session)

    def order(viewer: Viewer) -> list[int]:
        return ids(ask(session, settings, viewer, network=round_about).devices)

    assert order(ANYONE) == [outside.id, inside.id]
    assert order(make.member(neighbour, estate)) == [outside.id, inside.id]
    assert order(make.member(estate)) == [inside.id, outside.id]


def test_a_guarded_gate_costs_strangers_its_wait_each_way_and_is_named(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate = make.estate(session)
    gate_at(session, estate, at=place(50, 0), name_en="East gate", name_zh="东门", passage="guarded")
    behind(session, estate)

    stranger = ask(session, settings, network=round_about)
    member = ask(session, settings, make.member(estate), network=round_about)

    assert member.devices[0].fetch.fetch_seconds == seconds(fetched(100))
    assert stranger.devices[0].fetch.fetch_seconds == seconds(fetched(100, wait=30))
    assert stranger.devices[0].walk_metres == pytest.approx(100, abs=1)
    (found,) = shown(stranger, ANYONE, settings).devices
    assert "through East gate (30 s wait)" in english(found)
    assert "经东门（等候30秒）" in chinese(found)
    (quiet,) = shown(member, make.member(estate), settings).devices
    assert not any("East gate" in words for words in english(quiet))


def test_a_long_wait_sends_a_stranger_round_the_back(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate = make.estate(session)
    gate_at(session, estate, at=place(50, 0), passage="guarded")
    behind(session, estate)
    slow = settings.model_copy(
        update={"arrival": settings.arrival.model_copy(update={"guarded_gate_seconds": 600})}
    )

    (near,) = ask(session, slow, network=round_about).devices

    assert near.walk_metres == pytest.approx(700, abs=2)
    assert near.gates == ()


def test_a_dispatcher_can_have_a_residents_gate_opened(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate = make.estate(session)
    gate = gate_at(session, estate, at=place(50, 0), passage="residents")
    inside, outside = behind(session, estate), to_the_west(session)
    dispatcher = make.dispatcher(make.region(session))

    answer = ask(session, settings, dispatcher, network=round_about)

    assert ids(answer.devices) == [inside.id, outside.id]
    assert answer.devices[0].fetch.fetch_seconds == seconds(fetched(100, wait=30))
    assert f"through {gate.name_en} (30 s wait)" in english(shown(answer, dispatcher, settings).devices[0])


def test_a_gate_with_unknown_hours_is_passable_and_flagged(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate = make.estate(session)
    gate = gate_at(session, estate, at=place(50, 0), opening_hours="sunrise-sunset")
    behind(session, estate)

    answer = ask(session, settings, network=round_about)

    assert answer.devices[0].fetch.fetch_seconds == seconds(fetched(100))
    (found,) = shown(answer, ANYONE, settings).devices
    assert f"through {gate.name_en}, opening hours not known" in english(found)
    assert f"经{gate.name_zh}，开放时间未知" in chinese(found)


def test_a_gate_that_the_map_and_the_register_have_counts_once(session: Session, settings: Settings) -> None:
    network = streets(settings, PLAN, DRIVE, TO_THE_WEST, gates={2: {**GATE, "access": "private"}})
    estate = make.estate(session)
    gate_at(session, estate, at=place(54, 6), passage="guarded")
    behind(session, estate)

    answer = ask(session, settings, network=network)

    assert answer.devices[0].fetch.fetch_seconds == seconds(fetched(100, wait=30))
    assert len(answer.devices[0].gates) == 1


def test_the_register_speaks_for_a_gate_that_the_map_calls_locked(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, PLAN, DRIVE, TO_THE_WEST, gates={2: {**GATE, "locked": "yes"}})
    estate = make.estate(session)
    behind(session, estate)

    before = ask(session, settings, network=network)
    gate_at(session, estate, at=place(50, 3), passage="open")
    after = ask(session, settings, network=network)

    assert before.devices[0].by_closed_gate
    assert not after.devices[0].by_closed_gate
    assert after.devices[0].gates == ()


@pytest.mark.parametrize(
    ("tags", "at", "is_stopped"),
    [
        ({}, NOON, False),
        ({"access": "permit"}, NOON, False),
        ({"access": "private"}, NOON, True),
        ({"access": "private", "foot": "yes"}, NOON, False),
        ({"locked": "yes"}, NOON, True),
        ({"opening_hours": "06:00-22:00"}, NOON, False),
        ({"opening_hours": "06:00-22:00"}, MIDNIGHT, True),
        ({"opening_hours": "by arrangement, maybe"}, MIDNIGHT, False),
    ],
)
def test_a_gate_known_only_from_the_map_stops_the_people_that_the_map_excludes(
    session: Session, settings: Settings, tags: Tags, at: datetime, is_stopped: bool
) -> None:
    network = streets(settings, PLAN, DRIVE, ROUND_THE_BACK, TO_THE_WEST, gates={2: {**GATE, **tags}})
    make.device(session, at=place(100, 0))

    (near,) = ask(session, settings, network=network, at=at).devices

    assert near.walk_metres == pytest.approx(700 if is_stopped else 100, abs=2)


def test_a_private_gate_on_the_map_keeps_a_dispatcher_waiting_only(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, PLAN, DRIVE, TO_THE_WEST, gates={2: {**GATE, "access": "private"}})
    make.device(session, at=place(100, 0))
    dispatcher = make.dispatcher(make.region(session))

    answer = ask(session, settings, dispatcher, network=network)

    assert answer.devices[0].fetch.fetch_seconds == seconds(fetched(100, wait=30, in_estate=False))
    assert "through a private gate (30 s wait)" in english(shown(answer, dispatcher, settings).devices[0])


def test_a_device_behind_a_closed_gate_ranks_last_and_names_the_gate(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, PLAN | {6: (-300, 0)}, DRIVE, TO_THE_WEST)
    estate = make.estate(session)
    gate = gate_at(session, estate, at=place(50, 0), passage="residents")
    inside = behind(session, estate)
    outside = make.device(session, at=place(-300, 0))

    answer = ask(session, settings, network=network)

    assert ids(answer.devices) == [outside.id, inside.id]
    closed = answer.devices[1]
    assert closed.by_closed_gate
    assert closed.basis is Basis.WALKING_NETWORK
    assert closed.fetch.fetch_seconds == seconds(fetched(100, wait=180))
    assert closed.fetch.probability_usable == pytest.approx(0.98 * (0.85 + 0.1 * 0.5 ** (1 / 35)) * 0.5)
    found = offered(shown(answer, ANYONE, settings))[1]
    assert f"only through {gate.name_en}, closed to you now: ask the guard to open it" in english(found)
    assert f"只能经{gate.name_zh}，现对您关闭：请联系门岗开门" in chinese(found)
    assert found.contacts.guard_phone == estate.guard_phone, (
        "the guard's phone number is shown with the closed gate"
    )
    assert shown(answer, ANYONE, settings).devices[0].contacts.guard_phone is None


def test_a_long_way_round_that_is_found_late_is_still_taken_before_a_gate_to_be_opened(
    session: Session, settings: Settings
) -> None:
    """The first searches reach the device only by the closed gate, which must not be the final result."""
    plan = {1: (0, 0), 2: (150, 0), 3: (300, 0), 4: (0, 440), 5: (300, 440), 6: (-1006, 0)}
    network = streets(settings, plan, DRIVE, ROUND_THE_BACK, TO_THE_WEST)
    estate = make.estate(session, boundary=make.square(place(0, 0), metres=500))
    gate_at(session, estate, at=place(150, 0), passage="residents")
    inside = make.device(session, at=place(300, 0))
    make.device(session, at=place(-1006, 0), opening_hours=None)

    (near,) = ask(session, settings, network=network, limit=1).devices

    assert near.row.id == inside.id
    assert near.walk_metres == pytest.approx(1180, rel=0.01)
    assert not near.by_closed_gate


def test_people_behind_the_same_gate_do_not_pass_it(session: Session, settings: Settings) -> None:
    network = streets(settings, PLAN, DRIVE, TO_THE_WEST)
    estate = make.estate(session)
    gate_at(session, estate, at=place(50, 0), passage="residents")
    inside, outside = behind(session, estate), to_the_west(session)

    answer = ask(session, settings, network=network, here=place(90, 0))

    assert ids(answer.devices) == [inside.id, outside.id]
    assert answer.devices[0].gates == ()
    assert answer.devices[1].by_closed_gate


def test_a_gate_without_a_street_near_it_stops_nobody(
    session: Session, settings: Settings, round_about: WalkingNetwork
) -> None:
    estate = make.estate(session)
    gate_at(session, estate, at=place(50, 40), passage="residents")
    inside = behind(session, estate)

    answer = ask(session, settings, network=round_about)

    assert ids(answer.devices) == [inside.id]
    assert answer.devices[0].walk_metres == pytest.approx(100, abs=1)


def test_a_gate_just_beyond_the_first_search_is_not_forgotten(session: Session, settings: Settings) -> None:
    """A gate may be registered up to 15 m off its street, farther away than the search reaches."""
    network = streets(settings, {1: (0, 0), 2: (60, 0), 3: (60, 200)}, [1, 2, 3])
    estate = make.estate(session)
    gate_at(session, estate, at=place(74.5, 3), passage="residents")
    make.device(session, at=place(60, 6), of=estate)
    narrow = settings.model_copy(update={"walking_reach_metres": 66.5})

    (near,) = ask(session, narrow, network=network).devices

    assert near.basis is Basis.STRAIGHT_LINE, "the gate stops the only way that is within reach"


def test_a_gate_amended_over_http_changes_the_next_answer(
    session: Session,
    settings: Settings,
    round_about: WalkingNetwork,
    client_on: Callable[[Settings], TestClient],
) -> None:
    estate = make.estate(session)
    gate = gate_at(session, estate, at=place(50, 0), passage="open")
    inside, outside = behind(session, estate), to_the_west(session)
    administrator = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    client = client_on(settings)

    def order() -> list[int]:
        return [device.id for device in offered(get(client))]

    def amend(version: int, **change: object) -> None:
        headers = {**administrator, "If-Match": f'"{version}"'}
        assert client.patch(f"/v1/gates/{gate.id}", json=change, headers=headers).status_code == 200

    assert order() == [inside.id, outside.id]
    amend(1, passage="residents")
    assert order() == [outside.id, inside.id]
    amend(2, passage="guarded")
    assert order() == [inside.id, outside.id]
    amend(3, opening_hours="22:00-23:00")
    assert order() == [outside.id, inside.id]
    there = place(-100, 0)
    amend(4, opening_hours=None, passage="residents", position={"lat": there.lat, "lon": there.lon})
    assert order() == [inside.id, outside.id]
    assert offered(get(client))[1].expected_seconds > 500
    (last, *_) = client.get(f"/v1/estates/{estate.id}/gates", headers=administrator).json()
    assert last["version"] == 5
    headers = {**administrator, "If-Match": '"5"'}
    assert client.delete(f"/v1/gates/{gate.id}", headers=headers).status_code == 204
    assert offered(get(client))[1].expected_seconds < 400
