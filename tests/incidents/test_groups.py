"""Groups in a lookup result: in time, being fetched, too far, last resort, quarantined; and the advice."""

from __future__ import annotations

from datetime import date

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.incidents.calls.actions import report_patient
from aed.incidents.models import Alert
from aed.incidents.schemas import PatientReportIn
from aed.lookup.schemas import NearbyDeviceOut
from aed.registry.devices.actions import fit_consumable
from aed.registry.devices.rules import ConsumableKind, Readiness
from aed.registry.devices.schemas import ConsumableIn
from aed.settings import Settings
from tests import make
from tests.lookup.asking import get
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

GONE_BY = date(2026, 9, 1)


def numbers(near: list[NearbyDeviceOut]) -> list[int]:
    return [each.id for each in near]


def test_the_first_aid_instruction_comes_first(session: Session, client: TestClient) -> None:
    make.device(session)
    session.commit()

    response = client.get("/v1/nearest", params={"lat": PATIENT.lat, "lon": PATIENT.lon})

    assert next(iter(response.json())) == "first_aid"
    words = get(client).first_aid
    assert "Call 120" in words.en
    assert "do not stop" in words.en
    assert "If you are alone, stay" in words.en
    assert "拨打120" in words.zh
    assert "不要停" in words.zh
    assert "一人在场勿离开患者" in words.zh


def test_a_device_that_would_come_too_late_is_listed_as_too_far(session: Session, client: TestClient) -> None:
    far = make.device(session, at=north_of(PATIENT, metres=280))  # estimated at 420 m on foot
    near = make.device(session, at=east_of(PATIENT, metres=200), opening_hours=None)
    session.commit()

    answer = get(client, limit=2)
    assert (numbers(answer.devices), numbers(answer.too_far)) == ([near.id], [far.id])

    alone = get(client, limit=1)
    assert (numbers(alone.devices), numbers(alone.too_far)) == ([near.id], []), "in time goes first"


def test_the_ambulance_time_of_the_region_decides_what_is_too_late(
    session: Session, settings: Settings, client: TestClient
) -> None:
    device = make.device(session, at=north_of(PATIENT, metres=150))
    session.commit()
    assert numbers(get(client).devices) == [device.id]

    planning = settings.planning.model_copy(update={"ambulance_seconds_by_region": {"CN-33": 120.0}})
    client.app.state.settings = settings.model_copy(update={"planning": planning})  # type: ignore[attr-defined]  # of the application
    answer = get(client)
    assert (numbers(answer.devices), numbers(answer.too_far)) == ([], [device.id])


def test_people_near_a_device_are_called_to_bring_it(session: Session, client: TestClient) -> None:
    estate = make.estate(session, guard_phone="+86 571 0555 1000")
    free = make.device(session, at=north_of(PATIENT, metres=130))
    staffed = make.device(session, of=estate, at=east_of(PATIENT, metres=120), entry="assisted")
    at_night = make.device(
        session, of=estate, at=east_of(PATIENT, metres=135), entry="assisted", opening_hours="22:00-23:00"
    )
    session.commit()

    answer = get(client)

    first, second = answer.devices
    assert (first.id, second.id) == (staffed.id, free.id), "brought it is there sooner than fetched"
    assert first.bring is not None
    assert first.bring.call == "tel:+8657105551000"
    assert first.bring.seconds < first.fetch_seconds
    assert "they bring it" in first.bring.en
    assert "请对方送来" in first.bring.zh
    assert second.bring is None, "nobody is known to be there"
    (closed,) = answer.unusable_now
    assert (closed.id, closed.bring) == (at_night.id, None), "nobody is there now"


def test_a_device_too_far_to_fetch_is_brought_in_time(session: Session, client: TestClient) -> None:
    estate = make.estate(session)
    staffed = make.device(session, of=estate, at=north_of(PATIENT, metres=350), entry="assisted")
    unstaffed = make.device(session, of=estate, at=north_of(PATIENT, metres=360))
    session.commit()

    answer = get(client)

    assert (numbers(answer.devices), numbers(answer.too_far)) == ([staffed.id], [unstaffed.id])


def fitted(session: Session, kind: ConsumableKind, *, metres: float) -> int:
    device = make.device(session, at=north_of(PATIENT, metres=metres))
    fit_consumable(session, ADMINISTRATOR, device.id, ConsumableIn(kind=kind, expires_on=GONE_BY), at=NOW)
    return device.id


def test_expired_pads_are_a_last_resort_and_an_expired_battery_is_none(
    session: Session, client: TestClient
) -> None:
    pads = fitted(session, ConsumableKind.PADS, metres=10)
    battery = fitted(session, ConsumableKind.BATTERY, metres=20)
    good = make.device(session, at=north_of(PATIENT, metres=100))
    session.commit()

    answer = get(client)

    assert numbers(answer.devices) == [good.id]
    assert [(each.id, each.readiness) for each in answer.last_resort] == [(pads, Readiness.PADS_EXPIRED)]
    assert any(words.zh == "电极片过期，仅在无其他 AED 时使用" for words in answer.last_resort[0].reasons)
    assert [(each.id, each.readiness) for each in answer.unusable_now] == [(battery, Readiness.EXPIRED)]


@pytest.mark.parametrize("has_another", [True, False])
def test_a_device_with_expired_pads_is_fetched_only_without_another(
    session: Session, settings: Settings, has_another: bool
) -> None:
    pads = fitted(session, ConsumableKind.PADS, metres=30)
    another = make.device(session, at=east_of(PATIENT, metres=90)).id if has_another else None
    for number in range(8):
        make.responder(session, at=north_of(PATIENT, metres=40 + 10 * number))
    report = PatientReportIn(
        key="7d0a8f2e-8d3b-4b63-9c0e-2f9f2a5f6a10",
        position={"lat": PATIENT.lat, "lon": PATIENT.lon},
        region="CN-33",
    )

    incident = report_patient(session, ADMINISTRATOR, report, at=NOW, network=None, settings=settings)

    fetched = set(session.query(Alert.device_id).where(Alert.incident_id == incident.id)) - {(None,)}
    assert fetched == {(another if has_another else pads,)}


def test_devices_out_of_service_near_by_are_named_with_the_reason(
    session: Session, client: TestClient
) -> None:
    device = make.device(session, at=north_of(PATIENT, metres=60), place_en="Lobby", place_zh="大堂")
    hidden = make.device(session, of=make.estate(session), at=north_of(PATIENT, metres=50), audience="estate")
    far = make.device(session, at=north_of(PATIENT, metres=600))
    for each in (device, hidden, far):
        make.check(session, each, is_there=False)
    by_hand = make.device(
        session,
        at=north_of(PATIENT, metres=80),
        state="out_of_service",
        out_of_service_reason="Lid broken",
    )
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    session.commit()

    answer = get(client)

    assert answer.devices == []
    assert [(each.id, each.straight_metres) for each in answer.quarantined] == [
        (device.id, 60),
        (by_hand.id, 80),
    ]
    missing, broken = (each.reason for each in answer.quarantined)
    assert (missing.en, missing.zh) == ("out of service: not in place", "停用：不在原位")
    assert (broken.en, broken.zh) == ("out of service: Lid broken", "停用：Lid broken")
    assert [each.id for each in get(client, dispatcher).quarantined] == [hidden.id, device.id, by_hand.id]

    make.check(session, device, at=make.NOW)
    session.commit()
    assert device.id in numbers(get(client).devices)
    assert [each.id for each in get(client).quarantined] == [by_hand.id]
