"""Timed fetches of devices, and their effect on the lookup."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from aed import schedule
from aed.accounts.permissions import ANYONE, Role
from aed.database.geometry import position_of
from aed.database.session import Database
from aed.errors import AedError, Conflict, InvalidInput, NotAllowed, NotFound
from aed.incidents.drills.actions import withdraw_drill
from aed.lookup.arrival import Basis
from aed.registry.devices.actions import withdraw_device
from aed.registry.devices.models import Device
from aed.registry.estates.models import Estate, EstatePace
from aed.settings import Settings
from aed.walking.travel import Pace, walk_seconds
from tests import make
from tests.lookup.asking import ask, chinese, english, ids, place, shown, streets
from tests.make import NOW, PATIENT, north_of
from tests.registry.conftest import Desk

ENOUGH = Settings().drills.min_drills


def timed(
    session: Session, device: Device, *, speed: float, overhead: float, count: int, **given: Any
) -> None:
    """Add `count` drills over 50 to 500 m, with straight-line estimates."""
    for number in range(count):
        metres = 50.0 + 450.0 * number / ENOUGH
        start = north_of(position_of(device.position), metres=metres)
        pace = Pace(speed, overhead)
        seconds = overhead + 2 * walk_seconds(1.5 * metres, pace, Settings().arrival)
        make.drill(session, device, start=start, seconds=seconds, **given)


def test_enough_drills_give_the_estate_its_own_pace(session: Session, settings: Settings) -> None:
    """The estate's device is farther away but is fetched sooner; other devices keep the default pace."""
    home, other = make.estate(session), make.estate(session)
    near = make.device(session, at=north_of(PATIENT, metres=100), of=other)
    far = make.device(session, at=north_of(PATIENT, metres=-150), of=home)
    timed(session, far, speed=0.2, overhead=60.0, count=ENOUGH - 1)

    before = ask(session, settings)
    assert ids(before.devices) == [near.id, far.id]
    assert session.get(EstatePace, home.id) is None

    timed(session, far, speed=0.2, overhead=60.0, count=1)
    after = ask(session, settings)

    assert ids(after.devices) == [far.id, near.id]
    assert after.devices[0].fetch.fetch_seconds == pytest.approx(60 + 2 * (0.2 * 225 + 44 * 0.75), abs=0.5)
    assert after.devices[1].fetch == before.devices[0].fetch
    devices_shown = shown(after, ANYONE, settings).devices
    assert "time based on drills at this estate" in english(devices_shown[0])
    assert "用时按本园区演练推算" in chinese(devices_shown[0])
    assert "time based on drills at this estate" not in english(devices_shown[1])
    pace = session.get(EstatePace, home.id)
    assert pace is not None
    assert pace.drills == ENOUGH


def test_a_withdrawn_drill_does_not_count(session: Session, settings: Settings) -> None:
    device = make.device(session, of=make.estate(session))
    timed(session, device, speed=0.5, overhead=90.0, count=ENOUGH - 1)
    last = make.drill(session, device, start=north_of(PATIENT, metres=400), seconds=600)
    assert device.estate_id is not None
    assert session.get(EstatePace, device.estate_id) is not None

    for _ in range(2):
        withdraw_drill(session, make.ADMINISTRATOR, last.id, settings=settings, at=NOW)

    assert session.get(EstatePace, device.estate_id) is None
    assert (last.withdrawn_at, last.withdrawn_by) == (NOW, "test")
    assert ask(session, settings).devices[0].fetch.fetch_seconds == pytest.approx(60, abs=1)


def test_a_job_estimates_paces_of_a_former_formula_again(
    session: Session, settings: Settings, database: Database
) -> None:
    stale, enough, few = (make.estate(session) for _ in range(3))
    for of, count in ((stale, ENOUGH), (enough, ENOUGH), (few, ENOUGH - 1)):
        timed(session, make.device(session, of=of), speed=0.5, overhead=90.0, count=count)
    kept = session.get_one(EstatePace, stale.id)
    kept.seconds_per_metre, kept.pick_up_seconds = 0.9, 10.0
    session.add(EstatePace(estate_id=few.id, seconds_per_metre=0.9, pick_up_seconds=10.0, drills=ENOUGH))
    session.delete(session.get_one(EstatePace, enough.id))
    session.commit()

    (job,) = [each for each in schedule.TIMETABLE if each.name == "paces"]
    assert job.run(database, settings, lambda: NOW) == {"changed": 3}
    assert job.run(database, settings, lambda: NOW) == {"changed": 0}

    session.expire_all()
    for each in (stale, enough):
        pace = session.get_one(EstatePace, each.id)
        assert pace.seconds_per_metre == pytest.approx(0.5, abs=0.005)
        assert pace.pick_up_seconds == pytest.approx(90.0, abs=2)
    assert session.get(EstatePace, few.id) is None, "too few drills"


def test_walks_on_the_network_are_not_mixed_with_estimated_ones(session: Session, settings: Settings) -> None:
    """A corner: 200 m on foot, 141 m in a straight line."""
    network = streets(settings, {1: (0, 0), 2: (100, 0), 3: (100, 100)}, [1, 2, 3])
    device = make.device(session, at=place(100, 100), of=make.estate(session))
    estimated = make.drill(session, device, floor=2)
    measured = make.drill(session, device, floor=2, network=network)

    assert (estimated.basis, measured.basis) == (Basis.STRAIGHT_LINE, Basis.WALKING_NETWORK)
    assert estimated.walk_metres == pytest.approx(1.5 * 141.4, abs=1)
    assert measured.walk_metres == pytest.approx(200, abs=1)
    assert measured.floor_seconds == 2 * 2 * 16

    timed(session, device, speed=0.5, overhead=90.0, count=ENOUGH)
    assert device.estate_id is not None
    assert session.get(EstatePace, device.estate_id) is None, "only one was measured on the streets"


def test_the_reporter_or_the_estates_lead_can_withdraw_a_drill(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    one, other, lead = (
        make.person_with_role(session, held, estate=estate)
        for held in (Role.RESIDENT, Role.RESIDENT, Role.LEAD)
    )
    first, second = (make.drill(session, device, who=one) for _ in range(2))

    with pytest.raises(NotAllowed):
        withdraw_drill(session, other, first.id, settings=settings, at=NOW)
    withdraw_drill(session, one, first.id, settings=settings, at=NOW)
    withdraw_drill(session, lead, second.id, settings=settings, at=NOW)
    with pytest.raises(NotFound):
        withdraw_drill(session, make.member(make.estate(session)), first.id, settings=settings, at=NOW)
    assert (first.by_id, first.by_name) == (one.person_id, one.name)


@pytest.mark.parametrize(
    ("given", "error", "field"),
    [
        ({"start": north_of(PATIENT, metres=4_000)}, InvalidInput, "start"),
        ({"ran_at": NOW - timedelta(days=400)}, InvalidInput, "ran_at"),
        ({"ran_at": NOW + timedelta(days=1)}, InvalidInput, "ran_at"),
    ],
)
def test_impossible_drills_are_refused(
    session: Session, given: dict[str, Any], error: type[AedError], field: str
) -> None:
    device = make.device(session, of=make.estate(session))
    with pytest.raises(error) as refused:
        make.drill(session, device, **given)
    assert refused.value.field == field


def test_a_device_without_an_estate_takes_no_drills(session: Session) -> None:
    with pytest.raises(Conflict):
        make.drill(session, make.device(session))
    withdrawn = make.device(session, of=make.estate(session))
    withdraw_device(session, make.ADMINISTRATOR, withdrawn.id, version=withdrawn.version, at=NOW)
    with pytest.raises(Conflict):
        make.drill(session, withdrawn)


def a_drill(**given: Any) -> dict[str, Any]:
    return {
        "key": str(uuid.uuid4()),
        "start": {"lat": PATIENT.lat + 0.002, "lon": PATIENT.lon},
        "seconds": 250,
    } | given


def test_a_drill_is_recorded_once_over_http(
    session: Session, office: Desk, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    estate: Estate = make.estate(session)
    device_id = make.device(session, of=estate).id
    desk = desk_of(estate)
    path, sent = f"/v1/devices/{device_id}/drills", a_drill(floor=4, note="stairs")
    assert nobody.post(path, sent).status_code == 401

    first, again = desk.post(path, sent), desk.post(path, sent)

    assert (first.status_code, again.status_code) == (200, 200), first.text
    assert first.json() == again.json()
    assert first.json()["walk_metres"] == pytest.approx(1.5 * 222, abs=3)
    assert desk.post(path, sent | {"seconds": 251}).status_code == 409
    for wrong, field in (({"seconds": 5}, "seconds"), ({"start": {"lat": 99, "lon": 0}}, "start")):
        refused = desk.post(path, a_drill(**wrong))
        assert refused.status_code == 422
        assert field in refused.text
    assert [each["note"] for each in office.get(path).json()["drills"]] == ["stairs"]
    pages = [desk.post(path, a_drill(seconds=200 + each)).json()["id"] for each in range(2)]
    page = office.get(f"{path}?limit=1").json()
    assert [each["id"] for each in page["drills"]] == pages[1:]
    assert office.get(f"{path}?limit=1&cursor={page['next']}").json()["drills"][0]["id"] == pages[0]

    pace = desk.get(f"/v1/estates/{estate.id}/pace").json()
    assert (pace["drills"], pace["drills_needed"], pace["is_used"]) == (3, ENOUGH, False)
    assert pace["seconds_per_metre"] is None, "all three went the same way"
    for number in range(ENOUGH):
        start = north_of(PATIENT, metres=50 + 40 * number)
        desk.post(path, a_drill(start={"lat": start.lat, "lon": start.lon}, seconds=100 + 60 * number))
    pace = desk.get(f"/v1/estates/{estate.id}/pace").json()
    assert (pace["drills"], pace["is_used"]) == (ENOUGH + 3, True)
    speed = pace["seconds_per_metre"]
    assert speed["low"] <= speed["value"] <= speed["high"]
    assert speed["value"] == pytest.approx(0.45, abs=0.02), "without the slow start, of 100 s"
    assert pace["general_seconds_per_metre"] == 0.4322

    last = office.get(path).json()["drills"][0]["id"]
    assert desk.delete(f"/v1/drills/{last}", etag=None).status_code == 204
    assert office.get(path).json()["drills"][0]["id"] == last - 1
