"""Signals of devices: who may send them, what they change, and what silence means."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, SCHEDULER, Role, Viewer
from aed.database.session import Database
from aed.errors import NotAllowed, NotSignedIn
from aed.lookup.answer import answer_lookup
from aed.lookup.question import LookupQuestion
from aed.registry.devices.models import Device
from aed.registry.devices.rules import DeviceState, Readiness
from aed.settings import Settings
from aed.upkeep.faults.queries import active_quarantines
from aed.upkeep.jobs import look_after_signals
from aed.upkeep.rules import QuarantineReason
from aed.upkeep.signals.actions import (
    KEPT_FOR,
    DeviceReport,
    NewSignal,
    look_after_monitors,
    make_token,
    receive_signal,
    receive_signals,
    require_device_token,
    revoke_token,
)
from aed.upkeep.signals.models import DeviceMonitor, DeviceSignal
from aed.upkeep.signals.queries import monitor_of
from aed.upkeep.signals.rules import RECENT_KEYS, ReadingKind
from aed.upkeep.signals.schemas import MonitorOut
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT
from tests.upkeep.test_quarantine import sent_texts

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_keys = count(1)


@pytest.fixture
def device(session: Session) -> Device:
    """A device of an estate with a keeper, and with a token for its signals."""
    estate = make.estate(session)
    keeper = make.person_with_role(session, Role.KEEPER, estate=estate)
    made = make.device(session, of=estate)
    made.keeper_id = keeper.person_id
    make_token(session, ADMINISTRATOR, made.id, at=NOW)
    return made


def send(
    session: Session, device: Device, *, at: datetime = NOW, now: datetime | None = None, **said: Any
) -> bool:
    """Send a signal made `at`, which arrives `now`; return False if it is known already."""
    key = said.pop("key", None) or f"s{next(_keys)}"
    readings = {ReadingKind(name): value for name, value in said.items()}
    viewer = Viewer(name=f"device:{device.id}")
    signal = NewSignal(key, at, readings)
    return receive_signal(session, viewer, device.id, signal, at=now or at).is_new


def reasons(session: Session, device: Device) -> list[QuarantineReason]:
    return [each.reason for each in active_quarantines(session, device.id)]


def readiness(session: Session, *, at: datetime) -> list[Readiness]:
    session.flush()
    question = LookupQuestion(PATIENT, at)
    found = answer_lookup(session.connection(), ANYONE, question, network=None, settings=Settings())
    return [each.readiness for each in found.devices]


def test_a_token_sends_signals_of_its_device_alone_until_it_is_revoked(session: Session) -> None:
    device, other = make.device(session), make.device(session)
    key = make_token(session, ADMINISTRATOR, device.id, at=NOW)

    require_device_token(session, device.id, key)
    for wrong_id, wrong in ((other.id, key), (device.id, key + "x"), (10**9, key)):
        with pytest.raises(NotSignedIn):
            require_device_token(session, wrong_id, wrong)

    second = make_token(session, ADMINISTRATOR, device.id, at=NOW)
    with pytest.raises(NotSignedIn):
        require_device_token(session, device.id, key)
    revoke_token(session, ADMINISTRATOR, device.id, at=NOW)
    with pytest.raises(NotSignedIn):
        require_device_token(session, device.id, second)
    monitor = session.get_one(DeviceMonitor, device.id)
    assert (monitor.key_hash, monitor.evaluate_at) == (None, None), "and nobody waits for it"


def test_a_keeper_sees_signals_and_only_the_manager_makes_a_token(session: Session, device: Device) -> None:
    keeper = make.person_with_role(session, Role.KEEPER, estate=device.estate)
    resident = make.person_with_role(session, Role.RESIDENT, estate=device.estate)

    with pytest.raises(NotSignedIn):
        monitor_of(session, ANYONE, device.id)
    with pytest.raises(NotAllowed):
        monitor_of(session, resident, device.id)
    with pytest.raises(NotAllowed):
        make_token(session, keeper, device.id, at=NOW)
    send(session, device, battery_percent=87.0)

    monitor, found = monitor_of(session, keeper, device.id)
    shown = MonitorOut.of(monitor, found, at=NOW + HOUR)
    assert [(each.kind, each.value, each.age_seconds) for each in shown.readings] == [
        (ReadingKind.BATTERY, 87.0, 3600)
    ]


def test_a_failed_self_test_quarantines_once_and_no_signal_lifts_it(session: Session, device: Device) -> None:
    send(session, device, self_test="failed")
    for number in range(1, 5):
        send(session, device, at=NOW + number * MINUTE, self_test=("failed", "passed")[number % 2])

    assert reasons(session, device) == [QuarantineReason.FAILED_SELF_TEST]
    assert device.is_quarantined
    assert len([each for each in sent_texts(session) if "failed its self-test" in each]) == 1

    make.check(session, device, answered_at=NOW + HOUR, at=NOW + HOUR)
    assert not reasons(session, device)
    send(session, device, at=NOW + 30 * MINUTE, now=NOW + HOUR, self_test="failed")
    assert reasons(session, device) == [], "someone has checked it since"
    send(session, device, at=NOW + 2 * HOUR, self_test="failed")
    assert reasons(session, device) == [QuarantineReason.FAILED_SELF_TEST], "it fails after the check too"


def test_a_passed_self_test_does_not_put_back_what_a_person_quarantined(
    session: Session, device: Device
) -> None:
    make.check(session, device, is_there=False)

    send(session, device, self_test="passed", door="closed", moved=False)

    assert reasons(session, device) == [QuarantineReason.MISSING]


def test_a_silent_device_is_unknown_and_not_ready_until_it_is_heard_again(
    session: Session, device: Device
) -> None:
    make.policy(session, maker="Heartline", model="H1", silent_after_minutes=30)
    device.maker, device.model = "Heartline", "H1"
    make.check(session, device)
    send(session, device)
    assert readiness(session, at=NOW) == [Readiness.CHECKED]

    look_after_monitors(session, SCHEDULER, at=NOW + 29 * MINUTE)
    assert device.silent_since is None
    later = NOW + 31 * MINUTE
    assert look_after_monitors(session, SCHEDULER, at=later) == 1
    assert look_after_monitors(session, SCHEDULER, at=later) == 0, "there is nothing more to do"

    assert device.silent_since == NOW
    assert readiness(session, at=later) == [Readiness.UNCHECKED]
    assert len([each for each in sent_texts(session) if "silent for too long" in each]) == 1
    assert device.state is DeviceState.IN_SERVICE, "it is offered, with less confidence"

    send(session, device, at=NOW + MINUTE, now=later)
    assert device.silent_since == NOW, "that one had waited"
    send(session, device, at=later)
    assert readiness(session, at=later) == [Readiness.CHECKED]
    silent_again = later + 31 * MINUTE
    look_after_monitors(session, SCHEDULER, at=silent_again)
    assert device.silent_since == later
    assert len([each for each in sent_texts(session) if "silent for too long" in each]) == 1, "flapping"


def test_keepers_of_devices_that_fall_silent_together_get_one_message(
    session: Session, device: Device
) -> None:
    assert device.estate is not None
    for each in [make.device(session, of=device.estate) for _ in range(2)]:
        each.keeper_id = device.keeper_id
        make_token(session, ADMINISTRATOR, each.id, at=NOW)

    look_after_monitors(session, SCHEDULER, at=NOW + 2 * DAY)

    assert len([each for each in sent_texts(session) if "silent for too long" in each]) == 1


@pytest.mark.parametrize("why", [None, "call", "far call", "check"])
def test_the_keeper_is_asked_about_a_door_that_nobody_needed_to_open(
    session: Session, device: Device, why: str | None
) -> None:
    send(session, device, door="open")
    send(session, device, at=NOW + MINUTE, door="closed")
    if why == "call":
        make.incident(session, at=NOW + MINUTE)
    if why == "far call":
        make.incident(session, at=NOW + MINUTE, where=make.north_of(PATIENT, metres=3_000))
    if why == "check":
        make.check(session, device, answered_at=NOW + 3 * MINUTE, at=NOW + 3 * MINUTE)
    look_after_monitors(session, SCHEDULER, at=NOW + 5 * MINUTE)

    asked = [each for each in sent_texts(session) if "door was opened" in each]
    assert len(asked) == (1 if why in (None, "far call") else 0)


def test_a_repeated_or_late_signal_changes_nothing(session: Session, device: Device) -> None:
    assert send(session, device, key="a", battery_percent=80.0)
    assert not send(session, device, key="a", at=NOW + MINUTE, battery_percent=3.0)
    assert send(session, device, at=NOW - DAY, now=NOW, battery_percent=3.0)

    monitor = session.get_one(DeviceMonitor, device.id)
    assert monitor.last["battery_percent"]["value"] == 80.0
    assert monitor.alarms == {}


def test_the_series_is_pruned_and_the_last_reading_of_each_kind_stays(database: Database) -> None:
    with database.write_sessions.begin() as session:
        device = make.device(session)
        send(session, device, battery_percent=80.0, door="closed")
        send(session, device, at=NOW + MINUTE / 2, door="open")
        send(session, device, at=NOW + HOUR, battery_percent=79.0, door="open")
        send(session, device, at=NOW + HOUR, door="closed")
        device_id = device.id

    looked_at, deleted = look_after_signals(database, NOW + KEPT_FOR + MINUTE)

    assert (looked_at, deleted) == (1, 2), "the third signal changed nothing and was not stored"
    with database.read_sessions() as session:
        assert session.scalar(select(func.count()).select_from(DeviceSignal)) == 1
        last = session.get_one(DeviceMonitor, device_id).last
        assert {kind: each["value"] for kind, each in last.items()} == {
            "battery_percent": 79.0,
            "door": "closed",
        }


def test_a_batch_does_what_its_signals_do_one_by_one_and_knows_each_again(session: Session) -> None:
    devices = [make.device(session) for _ in range(3)]
    said = [(2, "a", "open"), (0, "b", None), (2, "c", "closed"), (1, "d", "open"), (2, "a", "open")]
    reports = [
        DeviceReport(
            devices[place].id,
            Viewer(name="source:test"),
            NewSignal(key, None, {ReadingKind.DOOR: door} if door else {}),
        )
        for place, key, door in said
    ]

    assert [each.is_new for each in receive_signals(session, reports, at=NOW)] == [True] * 4 + [False]
    assert not any(each.is_new for each in receive_signals(session, reports, at=NOW + HOUR))

    doors = [session.get_one(DeviceMonitor, each.id).last.get("door", {}).get("value") for each in devices]
    assert doors == [None, "open", "closed"]
    monitor = session.get_one(DeviceMonitor, devices[2].id)
    monitor.recent_keys = [f"later {number}" for number in range(RECENT_KEYS)]
    assert not any(each.is_new for each in receive_signals(session, reports[:1], at=NOW + DAY)), "the series"
    assert session.get_one(DeviceMonitor, devices[2].id).last["door"]["value"] == "closed"


def test_a_withdrawn_device_sends_no_messages(session: Session, device: Device) -> None:
    session.execute(update(Device).where(Device.id == device.id).values(state=DeviceState.WITHDRAWN))
    session.expire(device)

    send(session, device, self_test="failed", battery_percent=1.0)
    look_after_monitors(session, SCHEDULER, at=NOW + 9 * DAY)

    assert reasons(session, device) == []
    assert sent_texts(session) == []
