"""What a phone keeps of an estate: the same devices, walks and hours as the lookup's."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from shapely.geometry import shape
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Viewer
from aed.geo import distance_metres
from aed.lookup.answer import answer_lookup
from aed.lookup.offline import MAX_PLACES, REACH_METRES, Pack, pack_of, places_in
from aed.lookup.question import LookupQuestion
from aed.registry.devices.rules import Access, Readiness
from aed.settings import Settings
from aed.walking.network import WalkingNetwork
from tests import make
from tests.lookup.asking import fetched, place, streets
from tests.make import NOW, PATIENT, north_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
AROUND = shape(make.square(PATIENT))
PLAN = {1: (0, 0), 2: (50, 0), 3: (100, 0), 4: (0, 300), 5: (100, 300)}
DRIVE, ROUND_THE_BACK = [1, 2, 3], [1, 4, 5, 3]


def keep(
    session: Session,
    settings: Settings,
    *,
    viewer: Viewer = ANYONE,
    network: WalkingNetwork | None = None,
) -> Pack:
    session.flush()
    return pack_of(
        session.connection(),
        viewer,
        AROUND,
        time_zone="Asia/Shanghai",
        at=NOW,
        network=network,
        settings=settings,
    )


def test_a_stranger_keeps_public_devices_alone(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    public = make.device(session, at=north_of(PATIENT, metres=60), of=estate)
    own = make.device(session, at=north_of(PATIENT, metres=90), of=estate, audience="estate")
    make.device(session, at=north_of(PATIENT, metres=2_000))

    def kept(viewer: Viewer) -> list[int]:
        return [each.near.row.id for each in keep(session, settings, viewer=viewer).devices]

    assert kept(ANYONE) == [public.id]
    assert kept(make.member(estate)) == [public.id, own.id]


def test_places_cover_the_estate_and_its_surroundings() -> None:
    for metres in (200.0, 2_000.0):
        boundary = shape(make.square(PATIENT, metres=metres))
        places, spacing = places_in(boundary)
        assert len(places) < 2.2 * MAX_PLACES
        for here in (
            PATIENT,
            north_of(PATIENT, metres=metres),
            north_of(PATIENT, metres=metres + 450),
        ):
            assert min(distance_metres(here, each) for each in places) <= spacing


def test_without_streets_walks_are_estimated(session: Session, settings: Settings) -> None:
    make.device(session, at=PATIENT)
    pack = keep(session, settings)
    (device,) = pack.devices
    for here, way in zip(pack.places, device.ways, strict=True):
        if way is None:
            assert 1.5 * distance_metres(here, PATIENT) > REACH_METRES
            continue
        assert way.metres == pytest.approx(1.5 * distance_metres(here, PATIENT))
        assert way.seconds == pytest.approx(fetched(way.metres, in_estate=False), abs=0.01)
    assert device.base_seconds + 2 * 600 * device.near.pace.seconds_per_metre == pytest.approx(
        fetched(600, in_estate=False), abs=0.01
    )


def test_walks_are_those_of_the_streets_and_gates(session: Session, settings: Settings) -> None:
    network = streets(settings, PLAN, DRIVE, ROUND_THE_BACK)
    estate = make.estate(session)
    make.device(session, at=place(100, 0), of=estate)
    pack = keep(session, settings, network=network)
    here = min(range(len(pack.places)), key=lambda i: distance_metres(pack.places[i], PATIENT))
    way = pack.devices[0].ways[here]
    assert way is not None
    make.gate(session, estate, at=place(50, 0), passage="residents", opening_hours="24/7")
    barred = keep(session, settings, network=network).devices[0].ways[here]
    assert barred is not None
    assert barred.metres > way.metres + 400
    resident = keep(session, settings, network=network, viewer=make.member(estate)).devices[0].ways[here]
    assert resident is not None
    assert resident.metres == pytest.approx(way.metres, abs=1)


def test_hours_and_expiry_are_known_for_two_weeks(session: Session, settings: Settings) -> None:
    office = make.device(session, at=PATIENT, opening_hours="Mo-Su 08:00-20:00")
    in_three_days = (NOW + timedelta(days=3)).date()
    worn = make.device(session, at=north_of(PATIENT, metres=50), pads_expire_on=in_three_days)
    unknown = make.device(session, at=north_of(PATIENT, metres=70), opening_hours=None)
    by_id = {each.near.row.id: each.states for each in keep(session, settings).devices}

    accesses = [each.access.access for each in by_id[office.id][:4]]
    assert accesses == [Access.CLOSED, Access.OPEN, Access.CLOSED, Access.OPEN]
    assert [f"{each.since.astimezone(SHANGHAI):%d %H}" for each in by_id[office.id][:4]] == [
        "22 00",
        "22 08",
        "22 20",
        "23 08",
    ]
    readiness = [each.readiness for each in by_id[worn.id]]
    assert readiness[-1] is Readiness.PADS_EXPIRED
    assert readiness[0] is not Readiness.PADS_EXPIRED
    assert {each.access.access for each in by_id[unknown.id]} == {Access.UNKNOWN}


def test_a_pack_is_the_same_all_day(session: Session, settings: Settings) -> None:
    make.device(session, at=PATIENT, opening_hours="Mo-Su 08:00-20:00")
    first = keep(session, settings)
    assert first.since.hour == first.since.minute == 0
    assert first.devices[0].states == keep(session, settings).devices[0].states


def test_a_guard_brings_it_as_soon_as_online(session: Session, settings: Settings) -> None:
    estate = make.estate(session, guard_phone="+86 571 8500 0001")
    make.device(session, at=PATIENT, of=estate, entry="assisted")
    (kept,) = keep(session, settings).devices
    session.flush()
    question = LookupQuestion(here=PATIENT, at=NOW, responders=0)
    answer = answer_lookup(session.connection(), ANYONE, question, network=None, settings=settings)
    (near,) = answer.devices
    assert near.bringing is not None
    assert kept.near.row.guard_phone == near.bringing.phone
    assert kept.brought_offset_seconds + near.fetch.fetch_seconds / 2 == pytest.approx(near.bringing.seconds)
