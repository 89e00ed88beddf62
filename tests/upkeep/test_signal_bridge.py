"""The bridge from an MQTT broker, against a real Mosquitto: what it stores, acknowledges and survives."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from aed.accounts.permissions import SCHEDULER, Role
from aed.database.session import Database
from aed.errors import InvalidInput
from aed.registry.devices.models import Device
from aed.settings import Settings
from aed.settings.services import Mqtt
from aed.upkeep.signals.actions import look_after_monitors
from aed.upkeep.signals.bridge import MAX_UNKNOWN_LOGGED, MqttBridge
from aed.upkeep.signals.mapping import SourceMapping
from aed.upkeep.signals.models import DeviceMonitor, SignalBridge
from aed.upkeep.signals.sources import add_source
from tests import make
from tests.commands import ROOT, environment
from tests.make import ADMINISTRATOR, NOW
from tests.throwaway_mosquitto import MISSING, PROGRAM, Broker, throwaway_mosquitto
from tests.upkeep.test_quarantine import sent_texts
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=MISSING)
MAPPING = SourceMapping.model_validate_json(
    Path("docs/connect/examples/cabinet-mqtt-mapping.json").read_bytes()
)
MINUTE = timedelta(minutes=1)
TOO_DEEP = b'{"time": 1, "more": ' + b"[" * 300 + b"]" * 300 + b"}"


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with throwaway_mosquitto() as started:
        yield started


def registered(session: Session, serial: str) -> int:
    """Register a device with a keeper, and the source of its estate; return the device's id."""
    estate = make.estate(session)
    keeper = make.person_with_role(session, Role.KEEPER, estate=estate)
    device = make.device(session, of=estate, serial=serial)
    device.keeper_id = keeper.person_id
    add_source(session, ADMINISTRATOR, serial, MAPPING, estate_id=estate.id, region=None, at=NOW)
    return device.id


def status(**said: Any) -> bytes:
    return json.dumps({"time": datetime.now(UTC).timestamp()} | said).encode()


@contextmanager
def bridging(database: Database, settings: Mqtt) -> Iterator[Callable[[], SignalBridge]]:
    """Run the bridge in a thread; yield how to read its state. The state is written at each stop."""
    stop = threading.Event()
    bridge = MqttBridge(database, Settings(mqtt=settings), stop=stop)
    thread = threading.Thread(target=bridge.run)

    def state() -> SignalBridge:
        with database.read_sessions() as session:
            return session.get_one(SignalBridge, settings.client_id)

    thread.start()
    try:
        assert eventually(lambda: has_state(database, settings) and state().connected_since is not None)
        yield state
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive(), "it stops once `stop` is set"


def has_state(database: Database, settings: Mqtt) -> bool:
    with database.read_sessions() as session:
        return session.get(SignalBridge, settings.client_id) is not None


def last_of(database: Database, device_id: int) -> dict[str, Any]:
    """Return the last reading of each kind."""
    with database.read_sessions() as session:
        monitor = session.get(DeviceMonitor, device_id)
        return {kind: each["value"] for kind, each in monitor.last.items()} if monitor is not None else {}


def test_mqtt_signals_of_a_cabinet_notify_its_keeper_once_also_of_silence(
    database: Database, broker: Broker
) -> None:
    serial = f"both-{database.engine.dialect.name}"
    topic = f"cabinets/{serial}/status"
    with database.write_sessions.begin() as session:
        device_id = registered(session, serial)
        make.policy(session, silent_after_minutes=30)
    broker.publish(topic, status(battery=99), retain=True)  # what was, perhaps long ago
    settings = broker.settings(client_id=serial)
    low = [status(battery=each) for each in (10, 40, 10, 40, 10)]  # it flaps
    with capture_logs() as logs, bridging(database, settings):
        opened = status(door="open", test="ok")
        broker.publish(topic, opened, TOO_DEEP, b"{not JSON", opened, *low, b"[]")
        assert eventually(lambda: last_of(database, device_id).get("battery_percent") == 10)
    assert last_of(database, device_id) == {"door": "open", "self_test": "passed", "battery_percent": 10}
    with database.read_sessions() as session:
        state = session.get_one(SignalBridge, serial)
        assert (state.is_new, state.known, state.malformed) == (6, 1, 2)
        assert state.malformed_topic == topic
        assert state.malformed_reason == "The body is not JSON."
        assert (state.connected_since, state.stopped_at is not None) == (None, True)
    assert [each["topic"] for each in logs if each["event"] == "message malformed"] == [topic]

    now = datetime.now(UTC)
    with database.write_sessions.begin() as session:
        look_after_monitors(session, SCHEDULER, at=now + 6 * MINUTE)
        texts = sent_texts(session)
        assert len([each for each in texts if "door was opened" in each]) == 1
        assert len([each for each in texts if "battery is low" in each]) == 1, "flapping makes one message"
        assert session.get_one(Device, device_id).silent_since is None
        look_after_monitors(session, SCHEDULER, at=now + 40 * MINUTE)
        assert session.get_one(Device, device_id).silent_since is not None, "unknown, never ready"
    with bridging(database, settings):
        broker.publish(topic, status(test="error"))
        assert eventually(lambda: last_of(database, device_id)["self_test"] == "failed")
    with database.read_sessions() as session:
        device = session.get_one(Device, device_id)
        assert (device.silent_since, device.is_quarantined) == (None, True)


@pytest.mark.one_engine("it logs without the database")
def test_an_unknown_device_is_logged_once_until_the_next_beat(database: Database) -> None:
    settings = Settings(mqtt=Mqtt(url="mqtt://localhost:1"))
    bridge = MqttBridge(database, settings, stop=threading.Event())

    with capture_logs() as logs:
        for serial in ("A", "B" * 100_000, "A"):
            bridge._log_unknown([serial])
        for number in range(1_000):
            bridge._log_unknown([f"S-{number}"])

    said = [each["serials"] for each in logs]
    assert said[:2] == [["A"], ["B" * 100]]
    assert len(said) == MAX_UNKNOWN_LOGGED, "a mapping that fits no device must not fill the log"


@pytest.mark.one_engine("it holds SQLite's only write lock")
def test_a_message_is_acknowledged_only_once_it_is_stored(database: Database, broker: Broker) -> None:
    with database.write_sessions.begin() as session:
        device_id = registered(session, "acknowledged")
    settings = broker.with_certificate(client_id="acknowledging")
    sent = re.compile(r"Sending PUBLISH to acknowledging \(.* m(\d+), 'cabinets/acknowledged/status'")

    def is_acknowledged() -> bool:
        """Leave out what other tests have left at the broker, which is acknowledged too."""
        found = sent.search(broker.log)
        assert found is not None
        return f"Received PUBACK from acknowledging (Mid: {found[1]}," in broker.log

    with bridging(database, settings):
        with database.engine.connect() as connection:
            connection.execute(text("UPDATE devices SET floor = floor"))  # it holds the lock
            broker.publish("cabinets/acknowledged/status", status(battery=50))
            assert eventually(lambda: sent.search(broker.log) is not None)
            assert not is_acknowledged()
        assert eventually(is_acknowledged)
        assert last_of(database, device_id) == {"battery_percent": 50}


@pytest.mark.one_engine("processes and the broker do not depend on the database")
def test_nothing_is_lost_when_the_process_is_killed_or_the_broker_restarts(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    with database.write_sessions.begin() as session:
        device_id = registered(session, "survivor")
    topic = "cabinets/survivor/status"
    mqtt = broker.settings(client_id="survivor")
    assert mqtt.password is not None
    given = {
        "AED_MQTT__URL": mqtt.url,
        "AED_MQTT__AUTHORITIES": str(mqtt.authorities),
        "AED_MQTT__USER": str(mqtt.user),
        "AED_MQTT__PASSWORD": mqtt.password.get_secret_value(),
        "AED_MQTT__CLIENT_ID": "survivor",
        "AED_MQTT__MAX_RECONNECT_SECONDS": "1",
        "AED_DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
    }

    def hears(battery: int) -> bool:
        return eventually(lambda: last_of(database, device_id).get("battery_percent") == battery)

    def started() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            command = [sys.executable, "-m", "aed", "signals", "mqtt"]
            return subprocess.Popen(command, cwd=ROOT, env=environment(**given), stderr=log)

    process = started()
    try:
        assert eventually(lambda: "Sending SUBACK to survivor" in broker.log)
        broker.publish(topic, status(battery=90))
        assert hears(90)
        process.kill()
        process.wait()
        broker.publish(topic, *[status(battery=each) for each in range(60, 85)])
        broker.stop()
        broker.start()
        process = started()
        assert hears(84), "the broker kept what was published meanwhile"
        broker.stop()
        broker.start()
        broker.publish(topic, status(battery=30))
        assert hears(30), "it connects again"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text(encoding="utf-8")
    finally:
        process.kill()
        process.wait()
    with database.read_sessions() as session:
        state = session.scalars(select(SignalBridge)).one()
        assert state.stopped_at is not None
        assert state.is_new >= 1


@pytest.mark.one_engine("nothing is stored")
# paho leaves the socket of a failed handshake to the garbage collector:
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stranger_to_the_broker_or_to_its_authority_gets_no_message(
    database: Database, broker: Broker, tmp_path: Path
) -> None:
    stop = threading.Event()
    refused = (
        (broker.settings(password="wrong", client_id="stranger"), "broker refuses the bridge"),
        (broker.settings(authorities=None, client_id="careful"), "broker not reached"),
        (broker.settings(url=f"mqtts://127.0.0.1:{_closed_port()}", client_id="lost"), "broker not reached"),
    )
    for settings, said in refused:
        stop.clear()
        with capture_logs() as logs:
            thread = threading.Thread(target=MqttBridge(database, Settings(mqtt=settings), stop=stop).run)
            thread.start()
            seen = eventually(partial(_is_logged, logs, said), 60)
            stop.set()
            thread.join(60)
        assert seen, logs
        with database.read_sessions() as session:
            assert session.get_one(SignalBridge, settings.client_id).heard_at is None
    without_file = Settings(mqtt=broker.settings(authorities=tmp_path / "none.pem"))
    with pytest.raises(InvalidInput, match=r"AED_MQTT__AUTHORITIES: .* cannot be used as PEM"):
        MqttBridge(database, without_file, stop=stop)


def _is_logged(logs: Sequence[Mapping[str, Any]], event: str) -> bool:
    return event in {each["event"] for each in logs}


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
