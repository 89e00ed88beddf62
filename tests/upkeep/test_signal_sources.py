"""Messages of vendors: the two invented ones of the documentation, signatures, serial numbers."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.audit_log import AuditEntry, AuditSubject
from aed.accounts.permissions import ANYONE, Role, TokenRole
from aed.errors import InvalidInput, NotFound
from aed.upkeep.faults.queries import active_quarantines
from aed.upkeep.rules import QuarantineReason
from aed.upkeep.signals.mapping import SourceMapping, messages_in, serial_in_topic, value_at
from aed.upkeep.signals.models import DeviceMonitor, SignalSource
from aed.upkeep.signals.rules import ReadingKind
from aed.upkeep.signals.sources import add_source, revoke_source
from tests import make
from tests.make import ADMINISTRATOR, NOW

EXAMPLES = Path("docs/connect/examples")


def mapping_of(vendor: str) -> SourceMapping:
    return SourceMapping.model_validate_json((EXAMPLES / f"{vendor}-mapping.json").read_bytes())


MQTT_MAPPING = mapping_of("cabinet-mqtt")


def message_of(vendor: str) -> Any:
    return json.loads((EXAMPLES / f"{vendor}-message.json").read_bytes())


def test_the_documented_messages_are_translated_by_the_documented_mappings() -> None:
    first, second = messages_in(mapping_of("guardbox"), message_of("guardbox"))
    assert (first.serial, first.key) == ("GB-1001", "e-20260922-0001")
    assert first.at == datetime(2026, 9, 22, 4, tzinfo=UTC)
    assert first.readings[ReadingKind.TEMPERATURE] == pytest.approx(21.5)
    assert first.readings[ReadingKind.BATTERY] == pytest.approx(87)
    assert first.readings[ReadingKind.SELF_TEST] == "failed"
    assert first.readings[ReadingKind.DOOR] == "closed"
    assert first.readings[ReadingKind.MOVED] is False
    assert second.readings.keys() == {ReadingKind.BATTERY}

    (only,) = messages_in(mapping_of("xinbao"), message_of("xinbao"))
    assert (only.serial, only.key, only.at) == ("XB-7", "000381", datetime(2026, 9, 22, 4, tzinfo=UTC))
    assert only.readings == {
        ReadingKind.SELF_TEST: "passed",
        ReadingKind.BATTERY: 87.0,
        ReadingKind.DOOR: "closed",
        ReadingKind.TEMPERATURE: 21.5,
    }


@pytest.mark.parametrize("value", [None, "much", -1, 101, True, {}, [1]])
def test_a_reading_that_cannot_be_understood_is_left_out(value: object) -> None:
    body = message_of("xinbao")
    body["数据"] |= {"电量": value, "自检": "未知"}

    (only,) = messages_in(mapping_of("xinbao"), body)

    assert only.readings.keys() == {ReadingKind.DOOR, ReadingKind.TEMPERATURE}


@pytest.mark.parametrize("time", ["yesterday", "0000", None, 10**40])
def test_a_time_that_cannot_be_read_is_that_of_arrival(time: object) -> None:
    (only,) = messages_in(mapping_of("xinbao"), message_of("xinbao") | {"时间": time})
    assert only.at is None


@pytest.mark.parametrize(
    "body", [None, [], {}, {"设备编号": "XB-7"}, {"设备编号": "XB-7", "消息号": "x" * 65}]
)
def test_a_message_needs_a_serial_number_and_an_id(body: object) -> None:
    if body == []:
        assert messages_in(mapping_of("xinbao"), body) == []
        return
    with pytest.raises(InvalidInput):
        messages_in(mapping_of("xinbao"), body)


def test_a_message_that_is_nested_too_deep_for_an_id_is_refused() -> None:
    deep = json.loads("[" * 300 + "]" * 300)
    with pytest.raises(InvalidInput, match="too many levels"):
        messages_in(MQTT_MAPPING, {"time": 1, "more": deep}, topic_serial="A")


@pytest.mark.parametrize("name", ["Guard Box", "", "-box", "guard/box", "x" * 65])
def test_a_source_has_a_name_that_its_address_can_have(session: Session, name: str) -> None:
    with pytest.raises(InvalidInput, match="such as guardbox"):
        add_source(session, ADMINISTRATOR, name, MQTT_MAPPING, estate_id=1, region=None, at=NOW)


def test_a_pointer_leads_through_lists_and_escaped_names() -> None:
    document = {"a/b": [{"~": 7}]}
    assert value_at(document, "/a~1b/0/~0") == 7
    assert value_at(document, "/a~1b/1/~0") is None
    assert value_at(document, "/a~1b/-1") is None
    assert value_at(document, "") == document


@pytest.mark.parametrize(
    ("filter_", "topic", "expected"),
    [
        ("a/{serial}/b", "a/X-1/b", (True, "X-1")),
        ("a/{serial}/b", "a/X-1/b/c", (False, None)),
        ("a/{serial}/b", "a//b", (True, "")),
        ("a/+/{serial}", "a/north.hall/X(1", (True, "X(1")),
        ("{serial}/#", "X-1", (True, "X-1")),
        ("{serial}/#", "X-1/door/state", (True, "X-1")),
        ("a.c/{serial}", "abc/X-1", (False, None)),
    ],
)
def test_a_topic_belongs_to_a_source_and_names_the_device(
    filter_: str, topic: str, expected: tuple[bool, str | None]
) -> None:
    mapping = MQTT_MAPPING.model_copy(update={"topics": [filter_]})
    assert serial_in_topic(mapping, topic) == expected


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"topics": []}, "give a signature for messages over HTTP, or topics"),
        ({"topics": ["cabinets/+/status"]}, "give serial, or {serial} as a level of each topic"),
        ({"signature": {"header": "X-Key"}}, "give serial, or {serial} as a level of each topic"),
        ({"at": None}, "give id or at"),
        ({"topics": ["#"]}, "must begin with a name"),
        ({"topics": ["$SYS/{serial}"]}, "must begin with a name"),
        ({"topics": ["a/{serial}/{serial}"]}, "{serial} once"),
        ({"topics": ["a/#/{serial}"]}, "# at the end"),
        ({"topics": ["a\x00/{serial}"]}, "without control characters"),
        ({"messages": "/a\x00"}, "must not contain control characters"),
        ({"readings": {"door": {"path": "/d", "values": {"\x00": "open"}}}}, "control characters"),
        ({"readings": {"battery_percent": {"path": "/b", "factor": float("inf")}}}, "finite number"),
    ],
)
def test_a_mapping_that_could_not_tell_devices_or_repeats_apart_is_refused(
    change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        SourceMapping.model_validate(MQTT_MAPPING.model_dump() | change)


def test_a_message_without_an_id_is_the_same_if_it_says_the_same_at_the_same_time() -> None:
    said = {"time": 1790049600, "battery": 87}

    def key(**more: Any) -> str:
        return messages_in(MQTT_MAPPING, said | more, topic_serial="X-1")[0].key

    assert key() == key()
    assert len({key(), key(time=1790049601), key(battery=86)}) == 3
    assert len(key()) <= 64
    with pytest.raises(InvalidInput, match="without an id needs a time at /time"):
        key(time="soon")
    for serial in ("", None, "X\x00"):
        with pytest.raises(InvalidInput, match="serial number"):
            messages_in(MQTT_MAPPING, said, topic_serial=serial)


def test_a_mapping_to_an_unknown_value_is_refused() -> None:
    mapping = mapping_of("xinbao").model_dump()
    mapping["readings"]["door"]["values"]["开"] = "ajar"
    with pytest.raises(ValidationError, match="'ajar' is no value of door"):
        SourceMapping.model_validate(mapping)


def test_a_signed_message_reaches_its_device_and_an_unsigned_one_nobody(
    client: TestClient, session: Session
) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate, serial="GB-1001")
    make.device(session, serial="GB-1002")  # of another place
    secret = add_source(
        session, ADMINISTRATOR, "guardbox", mapping_of("guardbox"), estate_id=estate.id, region=None, at=NOW
    )
    session.commit()
    body = json.dumps(message_of("guardbox")).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()

    def post(source: str = "guardbox", **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post(f"/v1/signal-sources/{source}/messages", content=body, headers=sent)

    assert [post().status_code, post(x_guardbox_signature="00").status_code] == [401, 401]
    assert post("another", x_guardbox_signature=signature).status_code == 401
    right = {"x_guardbox_signature": f"sha256={signature}"}
    assert post(**right).json() == {"is_new": 1, "known": 0, "unknown_serials": ["GB-1002"]}
    assert post(**right).json() == {"is_new": 0, "known": 1, "unknown_serials": ["GB-1002"]}

    session.expire_all()
    assert [each.reason for each in active_quarantines(session, device.id)] == [
        QuarantineReason.FAILED_SELF_TEST
    ]
    assert session.get_one(DeviceMonitor, device.id).last["door"]["value"] == "closed"
    revoke_source(session, ADMINISTRATOR, "guardbox", at=NOW)
    session.commit()
    assert post(**right).status_code == 401


def test_adding_and_revoking_a_source_are_in_the_audit_log(session: Session) -> None:
    estate = make.estate(session)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    given: dict[str, Any] = {"estate_id": estate.id, "region": None, "at": NOW}
    with pytest.raises(NotFound):
        add_source(session, ANYONE, "guardbox", MQTT_MAPPING, **given)
    secret = add_source(session, manager, "guardbox", MQTT_MAPPING, **given)
    for _ in range(2):
        revoke_source(session, manager, "guardbox", at=NOW)

    source = session.scalars(select(SignalSource)).one()
    entries = session.scalars(
        select(AuditEntry).where(AuditEntry.subject == AuditSubject.SIGNAL_SOURCE).order_by(AuditEntry.number)
    ).all()
    assert [(each.action, each.who, each.subject_id) for each in entries] == [
        ("added", manager.name, str(source.id)),
        ("revoked", manager.name, str(source.id)),
    ], "revoking it again changes nothing"
    assert json.loads(entries[0].details) == {"estate": estate.id}
    assert not any(secret in each.details for each in entries)


def test_a_device_sends_signals_with_its_token_over_http(client: TestClient, session: Session) -> None:
    device = make.device(session)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    address = f"/v1/devices/{device.id}"

    token = client.post(f"{address}/signal-token", headers=headers).json()["token"]
    own = {"Authorization": f"Bearer {token}"}
    signal = {"id": "1", "battery_percent": 15, "at": "2099-01-01T00:00:00Z"}
    assert client.post(f"{address}/signals", json=signal).status_code == 401
    assert client.post(f"{address}/signals", json=signal, headers=headers).status_code == 401
    received = client.post(f"{address}/signals", json=signal, headers=own)
    assert (received.status_code, received.json()["is_new"]) == (200, True)
    assert client.post(f"{address}/signals", json=signal, headers=own).json()["is_new"] is False
    for elsewhere in ("/v1/devices", f"{address}/signals", f"{address}/history"):
        assert client.get(elsewhere, headers=own).status_code == 401, "it may do nothing else"

    shown = client.get(f"{address}/signals", headers=headers).json()
    assert [(each["kind"], each["ended_at"]) for each in shown["alarms"]] == [("battery", None)]
    assert (shown["is_clock_right"], shown["has_token"]) == (False, True)
    assert client.delete(f"{address}/signal-token", headers=headers).status_code == 204
    assert client.post(f"{address}/signals", json={"id": "2"}, headers=own).status_code == 401
