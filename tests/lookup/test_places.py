"""Test places of the patient: on and off the network, in and outside regions, in all three datums."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE
from aed.geo import Datum, Position, distance_metres, from_wgs84
from aed.lookup.arrival import Basis
from aed.settings import Settings
from tests import make
from tests.lookup.asking import ask, chinese, english, get, ids, offered, place, shown, streets
from tests.make import PATIENT, east_of, north_of

ALONG_THE_STREET = {1: (0, 0), 2: (600, 0), 3: (600, 2000)}


# --- with and without streets ---------------------------------------------------------------------------


def test_without_a_network_walks_are_estimated_at_one_and_a_half_times_the_straight_line(
    session: Session, settings: Settings
) -> None:
    make.device(session, at=north_of(PATIENT, metres=200))

    answer = ask(session, settings)

    (near,) = answer.devices
    assert answer.basis is near.basis is Basis.STRAIGHT_LINE
    assert near.walk_metres == pytest.approx(1.5 * near.straight_metres)
    (found,) = shown(answer, ANYONE, settings).devices
    assert english(found)[0] == "about 299 m, estimated from 199 m straight"
    assert chinese(found)[0] == "约299米，由直线199米估算"


def test_with_a_network_walks_are_measured_and_marked_so(session: Session, settings: Settings) -> None:
    network = streets(settings, ALONG_THE_STREET, [1, 2, 3])
    make.device(session, at=place(600, 300))

    answer = ask(session, settings, network=network)

    (near,) = answer.devices
    assert answer.basis is near.basis is Basis.WALKING_NETWORK
    assert near.walk_metres == pytest.approx(900, rel=0.01)
    (found,) = offered(shown(answer, ANYONE, settings))
    assert english(found)[0] == f"{found.walk_metres} m on foot ({found.straight_metres} m straight)"
    assert chinese(found)[0] == f"步行{found.walk_metres}米（直线{found.straight_metres}米）"


def test_the_straight_line_names_the_wrong_one_of_two(session: Session, settings: Settings) -> None:
    network = streets(
        settings, {1: (0, 0), 2: (0, 900), 3: (80, 900), 4: (80, 0), 5: (-300, 0)}, [1, 2, 3, 4], [1, 5]
    )
    across_the_river = make.device(session, at=place(80, 0))
    down_the_road = make.device(session, at=place(-300, 0))

    assert ids(ask(session, settings).devices) == [across_the_river.id, down_the_road.id]
    assert ids(ask(session, settings, network=network).devices) == [down_the_road.id, across_the_river.id]


def test_a_patient_far_from_any_street_is_answered_from_straight_lines(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, ALONG_THE_STREET, [1, 2, 3])
    device = make.device(session)

    answer = ask(session, settings, network=network, here=place(0, -400))

    assert answer.basis is Basis.STRAIGHT_LINE
    assert ids(answer.devices) == [device.id]
    assert answer.devices[0].basis is Basis.STRAIGHT_LINE


def test_a_device_far_from_any_street_is_estimated_among_others_that_are_measured(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, ALONG_THE_STREET, [1, 2, 3])
    on_the_hill = make.device(session, at=place(0, 400))
    in_town = make.device(session, at=place(500, 0))
    near_town = make.device(session, at=place(650, 0))

    answer = ask(session, settings, network=network)

    assert answer.basis is Basis.WALKING_NETWORK
    assert [(near.row.id, near.basis) for near in answer.devices] == [
        (in_town.id, Basis.WALKING_NETWORK),
        (on_the_hill.id, Basis.STRAIGHT_LINE),
        (near_town.id, Basis.WALKING_NETWORK),
    ]


def test_a_device_beyond_the_walking_reach_is_estimated_at_the_reach_or_more(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, ALONG_THE_STREET, [1, 2, 3])
    within, just_beyond, far_beyond = (
        make.device(session, at=place(600, north)) for north in (300, 500, 1900)
    )
    short = settings.model_copy(update={"walking_reach_metres": 1000.0})

    answer = ask(session, short, network=network)

    assert ids(answer.devices) == [within.id, just_beyond.id, far_beyond.id]
    measured, at_the_reach, estimated = answer.devices
    assert measured.basis is Basis.WALKING_NETWORK
    assert at_the_reach.basis is estimated.basis is Basis.STRAIGHT_LINE
    assert at_the_reach.walk_metres == pytest.approx(max(1000.0, 1.5 * at_the_reach.straight_metres))
    assert estimated.walk_metres == pytest.approx(1.5 * estimated.straight_metres)


def test_disconnected_streets_are_not_used(session: Session, settings: Settings) -> None:
    network = streets(
        settings, {1: (0, 0), 2: (300, 0), 3: (0, 120), 4: (600, 120), 5: (600, 500)}, [1, 2], [3, 4, 5]
    )
    over_there = make.device(session, at=place(0, 120))
    over_here = make.device(session, at=place(300, 0))

    answer = ask(session, settings, network=network)

    assert ids(answer.devices) == [over_here.id, over_there.id]
    assert answer.devices[1].basis is Basis.STRAIGHT_LINE
    assert answer.devices[1].walk_metres == settings.walking_reach_metres


def test_devices_beyond_the_search_radius_are_not_returned(session: Session, settings: Settings) -> None:
    make.device(session, at=north_of(PATIENT, metres=60_000))

    answer = ask(session, settings)

    assert answer.devices == answer.unusable == []
    assert answer.is_complete


def test_a_closed_device_is_measured_too_where_no_other_can_be_used(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, ALONG_THE_STREET, [1, 2, 3])
    closed = make.device(session, at=place(600, 1900), opening_hours="off")
    nearer = make.device(session, at=place(0, 20), opening_hours="off")

    answer = ask(session, settings, network=network, limit=1)

    assert ids(answer.unusable) == [nearer.id, closed.id]
    assert answer.unusable[1].walk_metres == pytest.approx(2500, rel=0.01)


def test_where_there_is_no_device_the_walking_network_still_counts(
    session: Session, settings: Settings
) -> None:
    network = streets(settings, ALONG_THE_STREET, [1, 2, 3])
    make.responder(session, at=place(600, 0))

    answer = ask(session, settings, make.dispatcher(make.region(session)), network=network)

    assert answer.basis is Basis.WALKING_NETWORK
    assert answer.responders is not None
    assert [person.basis for person in answer.responders] == [Basis.WALKING_NETWORK]


def test_a_search_that_stops_early_is_marked_incomplete(
    session: Session, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aed.lookup.answer.MAX_CANDIDATES", 12)
    for number in range(20):
        make.device(session, at=north_of(PATIENT, metres=10 * number), opening_hours="off")
    make.device(session, at=north_of(PATIENT, metres=3_000))

    answer = ask(session, settings)

    assert not answer.is_complete
    assert not shown(answer, ANYONE, settings).is_complete
    monkeypatch.undo()
    answer = ask(session, settings)
    assert answer.is_complete
    assert len(answer.devices) == 1


# --- the server and its network file --------------------------------------------------------------------


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _of_another_version(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:8] + (99).to_bytes(4, "little") + whole[12:])


@pytest.mark.parametrize("spoil", [Path.unlink, _cut_short, _of_another_version])
def test_without_a_sound_network_file_the_server_starts_and_answers_from_straight_lines(
    session: Session,
    settings: Settings,
    client_on: Callable[[Settings], TestClient],
    spoil: Callable[[Path], None],
) -> None:
    streets(settings, ALONG_THE_STREET, [1, 2, 3])
    device = make.device(session, at=place(100, 0))
    session.commit()
    sound = client_on(settings)
    assert sound.get("/readyz").json()["walking"] == "network"
    assert get(sound).basis is Basis.WALKING_NETWORK

    spoil(settings.walking_network)
    spoilt = client_on(settings)

    ready = spoilt.get("/readyz").json()  # may contain other warnings too
    assert (ready["status"], ready["walking"]) == ("ok", "straight lines only")
    answer = get(spoilt)
    assert answer.basis is Basis.STRAIGHT_LINE
    assert [near.id for near in answer.devices] == [device.id]
    assert english(answer.devices[0])[0].startswith("about 1")


# --- emergency numbers ----------------------------------------------------------------------------------


def test_the_emergency_number_is_that_of_the_region(session: Session, settings: Settings) -> None:
    vaduz = Position(47.141, 9.521)
    make.region(
        session, "LI", country="LI", time_zone="Europe/Vaduz", emergency_number="144", holiday_calendar=None
    )
    make.device(session, at=vaduz, in_region="LI")

    answer = ask(session, settings, here=vaduz)

    emergency = shown(answer, ANYONE, settings).emergency
    assert emergency.number == "144"
    assert emergency.en.startswith("Call 144 first.")
    assert emergency.zh.startswith("请先拨打144。")
    assert "never replaces it" in emergency.en
    assert "不能代替急救电话" in emergency.zh


def test_a_device_that_is_always_closed_still_sets_the_region_of_the_place(
    session: Session, settings: Settings
) -> None:
    make.region(session, "LI", country="LI", emergency_number="144", holiday_calendar=None)
    make.device(session, in_region="LI", opening_hours="off")

    assert ask(session, settings).emergency_number == "144"


@pytest.mark.parametrize(
    ("here", "number"),
    [
        (Position(30.29, 120.10), "120"),  # Hangzhou
        (Position(22.281, 114.158), "112"),  # Hong Kong
        (Position(25.04, 121.56), "112"),  # Taipei
        (Position(47.141, 9.521), "112"),
        (Position(-89.9, 0.0), "112"),
        (Position(0.0, 180.0), "112"),
    ],
)
def test_where_no_device_is_near_the_number_is_that_of_mainland_china_or_the_one_phones_know(
    session: Session, settings: Settings, here: Position, number: str
) -> None:
    answer = ask(session, settings, here=here)

    assert answer.emergency_number == number
    assert answer.devices == answer.unusable == []


# --- datums ---------------------------------------------------------------------------------------------


def test_the_same_place_in_any_datum_gets_the_same_answer(
    session: Session, settings: Settings, client: TestClient
) -> None:
    for number in range(8):
        make.device(session, at=east_of(north_of(PATIENT, metres=70 * number), metres=30 * number))
    session.commit()

    answers = []
    for datum in Datum:
        lat, lon = from_wgs84(PATIENT, datum)
        answers.append(get(client, lat=lat, lon=lon, datum=datum, limit=8))

    for answer in answers:
        where = Position(answer.query.position.lat, answer.query.position.lon)
        assert distance_metres(where, PATIENT) < 1e-6
        assert answer.devices == answers[0].devices


@pytest.mark.parametrize("datum", [Datum.GCJ02, Datum.BD09])
def test_an_answer_for_a_chinese_map_has_all_coordinates_in_its_datum(
    session: Session, client: TestClient, datum: Datum
) -> None:
    make.device(session, at=north_of(PATIENT, metres=70))
    make.device(session, at=PATIENT, state="out_of_service", out_of_service_reason="Battery is empty.")
    session.commit()

    plain = get(client, lat=PATIENT.lat, lon=PATIENT.lon)
    moved = get(client, lat=PATIENT.lat, lon=PATIENT.lon, answer_datum=datum)

    for there, here in (
        (moved.query, plain.query),
        (moved.devices[0], plain.devices[0]),
        (moved.quarantined[0], plain.quarantined[0]),
    ):
        expected = from_wgs84(Position(here.position.lat, here.position.lon), datum)
        assert (there.position.lat, there.position.lon) == expected
    assert moved.devices[0].links == plain.devices[0].links
    assert moved.devices[0].walk_metres == plain.devices[0].walk_metres


def test_coordinates_in_the_wrong_datum_are_another_place(session: Session, client: TestClient) -> None:
    make.device(session)
    session.commit()
    lat, lon = from_wgs84(PATIENT, Datum.GCJ02)

    (right,) = get(client, lat=lat, lon=lon, datum="gcj02").devices
    (wrong,) = offered(get(client, lat=lat, lon=lon))

    assert right.straight_metres == 0
    assert 450 < wrong.straight_metres < 600


# --- the way there --------------------------------------------------------------------------------------


def test_a_route_leads_from_the_patient_to_the_device_and_is_as_long_as_the_walk(
    session: Session, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    streets(settings, ALONG_THE_STREET, [1, 2, 3])
    beside = make.device(session, at=place(560, 300))
    make.device(session, at=place(0, 400))
    session.commit()
    here = place(100, 25)

    estimated, measured = offered(get(client_on(settings), lat=here.lat, lon=here.lon, route=True))

    assert estimated.route is None, "an estimate has no way to show"
    assert measured.id == beside.id
    assert measured.route is not None
    line = [Position(lat, lon) for lon, lat in measured.route.coordinates]
    assert line[0] == here
    assert line[-1] == Position(measured.position.lat, measured.position.lon)
    length = sum(distance_metres(a, b) for a, b in pairwise(line))
    assert length == pytest.approx(measured.walk_metres, abs=0.7)
    assert length == pytest.approx(25 + 500 + 300 + 40, rel=0.01)


def test_routes_are_returned_only_on_request(
    session: Session, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    streets(settings, ALONG_THE_STREET, [1, 2, 3])
    make.device(session, at=place(300, 0))
    session.commit()

    (near,) = get(client_on(settings)).devices

    assert near.route is None


def test_links_open_each_map_at_the_device(session: Session, client: TestClient) -> None:
    make.device(session, place_en="Lobby", place_zh="大堂")
    session.commit()

    (near,) = get(client).devices

    assert set(near.links) == {"amap", "apple", "baidu", "google", "osm", "tencent"}


def test_a_device_across_the_border_does_not_lend_its_emergency_number(
    session: Session, settings: Settings
) -> None:
    futian, lok_ma_chau = Position(22.5280, 114.0650), Position(22.5080, 114.0650)
    make.region(
        session, "HK", country="HK", time_zone="Asia/Hong_Kong", emergency_number="999", holiday_calendar=None
    )
    make.device(session, at=lok_ma_chau, in_region="HK")

    assert ask(session, settings, here=futian).emergency_number == "120"
    assert ask(session, settings, here=lok_ma_chau).emergency_number == "999"
