"""Dispatch centres: the signed messages they send, and the webhooks they receive."""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from aed import clock
from aed.accounts.people.queries import names_of
from aed.accounts.permissions import ANYONE, TokenRole
from aed.database.session import Database
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.incidents import queries
from aed.incidents.calls import actions as lifecycle
from aed.incidents.centres.actions import (
    add_centre,
    delete_old_messages,
    process_message,
    rotate_secret,
    withdraw_centre,
)
from aed.incidents.centres.queries import centres
from aed.incidents.centres.rules import SignedMessage, WrongSignature
from aed.incidents.models import Incident, IncidentMessage, IncidentReport
from aed.incidents.rules import AlertReply, IncidentOutcome, IncidentState
from aed.incidents.schemas import IncidentOut
from aed.notifications.channels import channels_of
from aed.notifications.jobs import Sent, send_waiting
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.queries import backlog
from aed.notifications.rules import MAX_TRIES, OutboxState
from aed.notifications.schemas import state_of
from aed.settings import Settings
from tests import make
from tests.incidents.test_incidents import answer, dispatcher, report
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of
from tests.notifications.sinks import Posted, Sink, ok, receiving, says

CASE = "2026-112-0047"


def signed(
    secret: str, kind: str, /, *, at: datetime = NOW, id_: str | None = None, **data: Any
) -> SignedMessage:
    """Return a message signed as the specification says, without this program's code."""
    message: dict[str, Any] = {"type": kind, "data": {"case_number": CASE} | data}
    if "timestamp" in data:
        message["timestamp"] = message["data"].pop("timestamp").isoformat()
    body, name, seconds = orjson.dumps(message), id_ or f"msg_{uuid.uuid4().hex}", str(int(at.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, f"{name}.{seconds}.".encode() + body, hashlib.sha256)
    return SignedMessage(name, seconds, f"v1,{base64.b64encode(mac).decode()}", body)


def patient(**given: Any) -> dict[str, Any]:
    return {"key": str(uuid.uuid4()), "position": {"lat": PATIENT.lat, "lon": PATIENT.lon}} | given


def take(
    session: Session, settings: Settings, sent: SignedMessage, *, at: datetime = NOW, name: str = "lake-120"
) -> IncidentOut:
    return process_message(session, name, sent, at=at, network=None, settings=settings)


@pytest.fixture
def sink() -> Iterator[Sink]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def neighbours(session: Session) -> list[int]:
    """Add five responders, 60 to 300 m away."""
    return [make.responder(session, at=north_of(PATIENT, metres=60.0 * each)) for each in range(1, 6)]


def deliver(database: Database, settings: Settings, at: datetime = NOW) -> Sent:
    """Run one delivery of the worker; without a gateway, no person is messaged."""
    channels = channels_of(settings.model_copy(update={"notify_allow_private": True}))
    return send_waiting(database, lambda: at, channels=channels)


def notifications(sink: Sink, secret: str) -> list[dict[str, Any]]:
    """Return the payloads delivered to the centre, after verifying each signature."""
    for posted in sink.posted:
        expected = _signature(secret, posted)
        assert expected in posted.headers["webhook-signature"].split(" ")
    return [posted.json for posted in sink.posted]


def _signature(secret: str, posted: Posted) -> str:
    moment = datetime.fromtimestamp(int(posted.headers["webhook-timestamp"]), UTC)
    return Webhook(secret).sign(posted.headers["webhook-id"], moment, posted.body.decode())


# --- messages from a centre -------------------------------------------------------------------------------


def test_a_centre_reports_updates_and_closes_by_signed_messages(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    secret = make.centre(session)
    first = take(session, settings, signed(secret, "report", **patient(ambulance_seconds=540)))
    assert queries.alerts(session, first.id), "people are called"
    reported = session.scalars(select(IncidentReport)).one()
    assert (reported.reported_by, reported.case_number) == ("centre:lake-120", CASE)

    later = NOW + timedelta(minutes=1)
    take(session, settings, signed(secret, "ambulance", at=later, seconds=120), at=later)
    take(session, settings, signed(secret, "signs", at=later, has_cpr=True), at=later)
    known = queries.incident_by_id(session, first.id)
    assert known.ambulance_at == later + timedelta(seconds=120)
    assert known.has_cpr

    there = take(session, settings, signed(secret, "ambulance", at=later, seconds=0), at=later)
    assert there.ambulance_there_at == later
    over = take(session, settings, signed(secret, "close", at=later, outcome="handed_over"), at=later)
    assert (over.id, over.state, over.outcome) == (
        first.id,
        IncidentState.CLOSED,
        IncidentOutcome.HANDED_OVER,
    )
    assert {each.who for each in queries.events(session, first.id)} == {"centre:lake-120", "plan"}


def test_a_repeated_message_gets_the_same_answer_and_changes_nothing(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    secret = make.centre(session)
    sent = signed(secret, "report", id_="msg_1", **patient())
    first = take(session, settings, sent)
    later = NOW + timedelta(hours=3)
    take(session, settings, signed(secret, "close", at=later, outcome="false_alarm"), at=later)
    count = len(queries.events(session, first.id))

    body = orjson.loads(sent.body)
    retried = signed(secret, "report", at=later, id_="msg_1", **body["data"])  # signed again, as retries are
    assert retried.body == sent.body
    assert take(session, settings, retried, at=later) == first
    assert len(queries.events(session, first.id)) == count
    with pytest.raises(Conflict):
        take(session, settings, signed(secret, "report", id_="msg_1", **patient()))
    assert len(session.scalars(select(Incident)).all()) == 1


def test_old_messages_are_deleted(session: Session, settings: Settings) -> None:
    take(session, settings, signed(make.centre(session), "report", **patient()))

    assert delete_old_messages(session, before=NOW - timedelta(seconds=1)) == 0
    assert delete_old_messages(session, before=NOW) == 1
    assert session.scalars(select(IncidentMessage)).all() == []


def test_a_refused_message_is_processed_when_sent_again(session: Session, settings: Settings) -> None:
    secret = make.centre(session)
    early = signed(secret, "ambulance", id_="msg_2", seconds=100)
    with pytest.raises(NotFound, match="report it first"):
        take(session, settings, early)
    opened = take(session, settings, signed(secret, "report", **patient()))
    assert take(session, settings, early).ambulance_at == NOW + timedelta(seconds=100)
    assert len(queries.reports(session, opened.id)) == 1


def test_seconds_count_from_the_messages_timestamp(session: Session, settings: Settings) -> None:
    secret, sent_at = make.centre(session), NOW - timedelta(minutes=3)
    opened = take(
        session, settings, signed(secret, "report", timestamp=sent_at, **patient(ambulance_seconds=600))
    )
    assert opened.ambulance_at == sent_at + timedelta(seconds=600)
    late = take(session, settings, signed(secret, "ambulance", timestamp=sent_at, seconds=60))
    assert late.ambulance_at == sent_at + timedelta(seconds=60)
    assert late.ambulance_there_at is None, "expected is not there"
    ahead = take(
        session, settings, signed(secret, "ambulance", timestamp=NOW + timedelta(hours=1), seconds=60)
    )
    assert ahead.ambulance_at == NOW + timedelta(seconds=60), "a clock that is ahead delays nothing"
    long_ago = datetime.min.replace(tzinfo=timezone(timedelta(hours=8)))
    odd = take(session, settings, signed(secret, "ambulance", timestamp=long_ago, seconds=60))
    assert odd.ambulance_there_at is None
    assert opened.collapsed_at == sent_at


def test_a_wrong_signature_reveals_nothing_else(session: Session, settings: Settings) -> None:
    secret = make.centre(session)
    other = make.centre(session, "river-120", in_region="CN-44")
    right = signed(secret, "report", **patient())
    wrong = {
        "another secret": signed(other, "report", **patient()),
        "another byte": SignedMessage(right.id, right.timestamp, right.signatures, right.body + b" "),
        "another id": SignedMessage("msg_x", right.timestamp, right.signatures, right.body),
        "another time": SignedMessage(right.id, str(int(right.timestamp) + 1), right.signatures, right.body),
        "no signature": SignedMessage(right.id, right.timestamp, "", right.body),
        "no id": SignedMessage("", right.timestamp, right.signatures, right.body),
        "another version": SignedMessage(
            right.id, right.timestamp, right.signatures.replace("v1,", "v2,"), right.body
        ),
        "a long id": signed(secret, "report", id_="x" * 257, **patient()),
        "nonsense": SignedMessage(right.id, right.timestamp, "v1,! v1 ,, é", right.body),
    }
    messages = set()
    for what, each in wrong.items():
        with pytest.raises(WrongSignature) as refused:
            take(session, settings, each)
        messages.add(refused.value.detail)
        assert refused.value.status == 401, what
    for name in ("nobody", "river-120"):
        with pytest.raises(WrongSignature) as refused:
            take(session, settings, right, name=name)
        messages.add(refused.value.detail)
    assert len(messages) == 1, "the response does not reveal whether the centre exists"
    assert session.scalars(select(Incident)).all() == []
    take(session, settings, signed(secret, "report", id_="x" * 256, **patient()))
    take(
        session, settings, SignedMessage(right.id, right.timestamp, f"v1,AAAA {right.signatures}", right.body)
    )


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_message_with_an_old_or_future_timestamp_is_refused(
    session: Session, settings: Settings, minutes: int
) -> None:
    secret = make.centre(session)
    with pytest.raises(WrongSignature, match="five minutes"):
        take(
            session,
            settings,
            signed(secret, "report", at=NOW + timedelta(minutes=minutes), **patient()),
        )
    near = NOW + timedelta(minutes=minutes * 4 / 6)
    take(session, settings, signed(secret, "report", at=near, **patient()))


def test_a_signed_message_with_an_unknown_body_names_the_field(session: Session, settings: Settings) -> None:
    secret = make.centre(session)
    for kind, given, field in (
        ("report", patient(position={"lat": 91, "lon": 0}), "data.position"),
        ("report", {"position": {"lat": 30, "lon": 120}}, "data.key"),
        ("report", patient(case_number=None), "data.case_number"),
        ("ambulance", {"seconds": -1}, "data.seconds"),
        ("close", {"outcome": "well"}, "data.outcome"),
        ("signs", {"has_cpr": True, "name": "Li Wei"}, "data.name"),
        ("incident.opened", {}, "type"),  # our own event type, sent back to us
    ):
        with pytest.raises(InvalidInput) as refused:
            take(session, settings, signed(secret, kind, **given))
        assert refused.value.field == field


def test_a_centre_dispatches_only_its_region_and_those_below(session: Session, settings: Settings) -> None:
    make.region(session, "CN-33")
    make.region(session, "CN-3301", parent="CN-33")
    secret = make.centre(session, "city-120", in_region="CN-3301")
    make.estate(session)  # of CN-33, around the patient
    with pytest.raises(NotAllowed):
        take(session, settings, signed(secret, "report", **patient()), name="city-120")
    away = north_of(PATIENT, metres=5_000)
    own = take(
        session,
        settings,
        signed(secret, "report", **patient(position={"lat": away.lat, "lon": away.lon})),
        name="city-120",
    )
    assert own.region == "CN-3301"


def test_both_secrets_are_valid_while_one_is_rotated(
    session: Session, settings: Settings, database: Database, sink: Sink
) -> None:
    old = make.centre(session, to=sink.url())
    new = rotate_secret(session, ADMINISTRATOR, "lake-120", at=NOW, overlap=timedelta(hours=2))
    assert new != old
    take(session, settings, signed(old, "report", **patient()))
    take(session, settings, signed(new, "signs", has_cpr=True))
    session.commit()
    deliver(database, settings)
    assert notifications(sink, old) == notifications(sink, new) != []

    sink.posted.clear()
    later = NOW + timedelta(hours=2)
    with pytest.raises(WrongSignature):
        take(session, settings, signed(old, "ambulance", at=later, seconds=60), at=later)
    take(session, settings, signed(new, "ambulance", at=later, seconds=60), at=later)
    session.commit()
    deliver(database, settings, later)
    assert notifications(sink, new) != []
    assert all(" " not in posted.headers["webhook-signature"] for posted in sink.posted)
    newest = rotate_secret(session, ADMINISTRATOR, "lake-120", at=later, overlap=timedelta(0))
    with pytest.raises(WrongSignature):
        take(session, settings, signed(new, "signs", at=later, has_cpr=False), at=later)
    take(session, settings, signed(newest, "signs", at=later, has_cpr=False), at=later)


def test_only_network_administrators_connect_centres(session: Session) -> None:
    secret = make.centre(session)
    row = session.scalars(select(EndpointRow)).one()
    stored = session.connection().exec_driver_sql("SELECT secret, address FROM endpoints").one()
    assert row.secret == secret
    assert secret not in stored[0], "sealed at rest"
    assert make.HOOK not in stored[1]
    for who, refusal in ((ANYONE, NotSignedIn), (make.dispatcher(make.region(session)), NotAllowed)):
        with pytest.raises(refusal):
            rotate_secret(session, who, "lake-120", at=NOW, overlap=timedelta(0))
        with pytest.raises(refusal):
            withdraw_centre(session, who, "lake-120", at=NOW)
        with pytest.raises(refusal):
            add_centre(
                session, who, "b", region="CN-33", address="https://x.org", at=NOW, is_private_allowed=False
            )
    for address in ("http://120.example.org/x", "https://10.0.0.1/x", "https://169.254.169.254/", "ftp://x"):
        with pytest.raises(InvalidInput):
            add_centre(
                session,
                ADMINISTRATOR,
                "b",
                region="CN-33",
                address=address,
                at=NOW,
                is_private_allowed=False,
            )


# --- webhooks to a centre ---------------------------------------------------------------------------------


def test_a_centre_is_notified_in_order_and_without_names(
    session: Session, settings: Settings, database: Database, neighbours: list[int], sink: Sink
) -> None:
    secret = make.centre(session, to=sink.url("/aed"))
    make.device(session, at=east_of(PATIENT, metres=80))
    take(
        session,
        settings,
        signed(secret, "report", **patient(address="Flat 501", door_code="4711#", note="Ring at Wang's")),
    )
    incident = session.scalars(select(Incident)).one()
    alert = queries.alerts(session, incident.id)[0]
    for reply in (AlertReply.ACCEPT, AlertReply.THERE, AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN):
        answer(session, settings, alert, reply)
    take(session, settings, signed(secret, "ambulance", seconds=0))
    take(session, settings, signed(secret, "close", outcome="handed_over", note="Mr Wang lives"))
    session.commit()
    deliver(database, settings)

    messages = notifications(sink, secret)
    kinds = [each["type"] for each in messages]
    assert kinds[:2] == ["incident.opened", "incident.planned"]
    assert kinds[-2:] == ["incident.ambulance", "incident.closed"]
    spoken = [each["data"]["said"] for each in messages if each["type"] == "incident.said"]
    assert spoken == ["accept", "there", "device_attached", "shock_given"]
    entries = [each["data"]["entry"] for each in messages]
    assert entries == list(range(1, len(entries) + 1)), "in order, and none is missing"
    planned = messages[1]["data"]
    assert sum(planned["asks"].values()) == planned["people"]["called"] > 0
    assert messages[-1]["data"]["outcome"] == "handed_over"
    assert {each["data"]["kind"] for each in messages} == {"real"}
    assert {tuple(each["data"]["case_numbers"]) for each in messages} == {(CASE,)}
    there = next(each for each in messages if each["data"].get("said") == "there")
    assert there["data"]["people"]["there"] == 1
    whole = b"".join(posted.body for posted in sink.posted)
    names = names_of(session, [each.person_id for each in queries.alerts(session, incident.id)])
    for secret_word in ("501", "4711", "Wang", "person", "138", *names.values()):
        assert secret_word.encode() not in whole, secret_word
    assert {posted.path for posted in sink.posted} == {"/aed"}


def test_only_centres_of_the_region_and_above_are_notified_with_the_kind(
    session: Session, settings: Settings, database: Database, sink: Sink
) -> None:
    make.region(session, "CN")
    make.region(session, "CN-33", parent="CN")
    make.region(session, "CN-3301", parent="CN-33")
    for name, region in (("land", "CN"), ("province", "CN-33"), ("city", "CN-3301"), ("other", "CN-44")):
        make.centre(session, name, in_region=region, to=sink.url(f"/{name}"))
    make.centre(session, "gone", to=sink.url("/gone"))
    withdraw_centre(session, ADMINISTRATOR, "gone", at=NOW)
    report(session, settings, kind="exercise")
    report(session, settings, kind="test", where=north_of(PATIENT, metres=900))
    session.commit()
    deliver(database, settings)

    assert {posted.path for posted in sink.posted} == {"/land", "/province"}
    assert {posted.json["data"]["kind"] for posted in sink.posted} == {"exercise", "test"}
    with pytest.raises(NotFound):
        withdraw_centre(session, ADMINISTRATOR, "gone", at=NOW)


def _down_until(moment: list[bool]) -> Callable[[Posted], Any]:
    return lambda posted: (ok if moment[0] else says(503))(posted)


def test_an_unreachable_centre_gets_everything_later_and_delays_no_other(
    session: Session, settings: Settings, database: Database
) -> None:
    up = [False]
    with receiving(_down_until(up)) as slow, receiving() as well:
        secret, other = (
            make.centre(session, "slow", to=slow.url()),
            make.centre(session, "well", to=well.url()),
        )
        for number in range(12):
            report(session, settings, where=north_of(PATIENT, metres=400.0 * number), kind="exercise")
        session.commit()
        deliver(database, settings)
        entries = [(each["data"]["incident"], each["data"]["entry"]) for each in notifications(well, other)]
        assert len(entries) == 24, "reachable centres are notified at once"
        assert 1 <= len(slow.posted) <= 8, "an unreachable centre is tried once, not for each message"

        at = NOW
        for _ in range(4):
            at += timedelta(minutes=20)
            deliver(database, settings, at)
        tried = {posted.headers["webhook-id"] for posted in slow.posted}
        slow.posted.clear()
        up[0] = True
        deliver(database, settings, at + timedelta(minutes=40))
        got = [(each["data"]["incident"], each["data"]["entry"]) for each in notifications(slow, secret)]
        assert sorted(got) == sorted(entries), "all of it, each once"
        for incident, _ in entries:
            assert [number for each, number in got if each == incident] == [1, 2]
        assert tried <= {posted.headers["webhook-id"] for posted in slow.posted}, "under the same ids"


def test_notifications_to_a_lost_centre_are_given_up_and_listed(
    session: Session, settings: Settings, database: Database
) -> None:
    with receiving(says(410)) as sink:
        secret = make.centre(session, to=sink.url())
        report(session, settings, kind="test")
        session.commit()
        deliver(database, settings)
    with receiving() as closed:
        down = closed.url()
    make.centre(session, "down", to=down)
    report(session, settings, kind="test", where=north_of(PATIENT, metres=900))
    session.commit()
    at = NOW
    for _ in range(2):  # two entries; the second is sent after the first is given up
        for tries in (1, MAX_TRIES - 1):
            waiting = OutboxMessage.given_up_at.is_(None)
            session.execute(update(OutboxMessage).where(waiting).values(tries=tries))
            session.commit()
            at += timedelta(minutes=31)
            deliver(database, settings, at)
    messages = session.scalars(select(OutboxMessage).where(OutboxMessage.body.is_not(None))).all()
    assert {state_of(each) for each in messages} == {OutboxState.DEAD}
    assert {each.tries for each in messages if each.recipient == "down"} == {MAX_TRIES}
    assert any("410" in (each.reason or "") for each in messages)
    shown = backlog(session, [each.endpoint_id for each in centres(session, ADMINISTRATOR)])
    assert sorted(shown.values()) == [(0, 2), (0, 4)], "and `aed centres list` says so"
    take(session, settings, signed(secret, "report", **patient())), "its own messages are believed still"


def test_the_record_entry_and_its_message_are_written_together(
    session: Session, settings: Settings, database: Database, sink: Sink
) -> None:
    secret = make.centre(session, to=sink.url())
    who = dispatcher(session)
    session.commit()
    with database.write_sessions() as killed:
        report(killed, settings, who)
        killed.rollback()
    assert session.scalars(select(OutboxMessage)).all() == []

    report(session, settings, who)
    session.commit()
    deliver(database, settings)
    first = [posted.headers["webhook-id"] for posted in sink.posted]
    session.execute(update(OutboxMessage).values(sent_at=None))  # as if killed before recording it
    session.commit()
    deliver(database, settings)
    again = [posted.headers["webhook-id"] for posted in sink.posted[len(first) :]]
    assert again == first, "at least once, and the id says that it is a second copy"
    notifications(sink, secret)


# --- over HTTP, and on the page ---------------------------------------------------------------------------


def test_the_signature_covers_the_raw_body_over_http(
    session: Session, client: TestClient, settings: Settings
) -> None:
    secret = make.centre(session)
    session.commit()
    where = "/v1/centres/lake-120/messages"
    given = signed(secret, "report", at=clock.now(), **patient(kind="test"))

    def post(body: bytes, **more: str) -> Any:
        headers = {
            "webhook-id": given.id,
            "webhook-timestamp": given.timestamp,
            "webhook-signature": given.signatures,
        }
        return client.post(where, content=body, headers=headers | more)

    spaced = orjson.dumps(orjson.loads(given.body), option=orjson.OPT_INDENT_2)
    assert post(spaced).status_code == 401, "the same words, other bytes"
    refused = client.post(where, content=given.body)
    assert refused.status_code == 401
    assert refused.json()["type"] == "urn:aed:problem:wrong-signature"
    first = post(given.body)
    assert first.status_code == 200, first.text
    assert first.json()["kind"] == "test"
    assert post(given.body).json() == first.json()
    assert post(b" " * (settings.body_limit_bytes + 1)).status_code == 413


def test_six_simultaneous_copies_of_a_message_are_one_incident(session: Session, client: TestClient) -> None:
    secret = make.centre(session)
    session.commit()
    sent = signed(secret, "report", at=clock.now(), **patient())
    headers = {
        "webhook-id": sent.id,
        "webhook-timestamp": sent.timestamp,
        "webhook-signature": sent.signatures,
    }

    def post(_number: int) -> Any:
        return client.post("/v1/centres/lake-120/messages", content=sent.body, headers=headers)

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(post, range(6)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.text for each in answers}) == 1
    assert len(session.scalars(select(Incident)).all()) == 1


def test_an_administrator_connects_a_centre_over_http(
    session: Session, client_on: Callable[[Settings], TestClient], settings: Settings
) -> None:
    make.region(session)
    headers = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    client = client_on(settings)
    new = {"name": "lake-120", "region": "CN-33", "address": "https://120.example.org/hook"}
    made = client.post("/v1/centres", json=new, headers=headers)
    assert made.status_code == 201, made.text
    secret = made.json()["secret"]
    assert secret.startswith("whsec_")
    shown = client.get(made.headers["Location"], headers=headers).json()
    assert client.get("/v1/centres", headers=headers).json() == [shown]
    assert secret not in str(shown)
    assert "example.org" not in str(shown)
    assert client.post("/v1/centres", json=new, headers=headers).status_code == 409
    changed = client.post("/v1/centres/lake-120/secret", json={"overlap_hours": 1}, headers=headers)
    assert changed.json()["secret"] != secret
    assert client.get("/v1/centres/lake-120", headers=headers).json()["old_secret_until"] is not None
    assert client.delete("/v1/centres/lake-120", headers=headers).status_code == 204
    assert client.get("/v1/centres", headers=headers).json() == []


def test_a_dispatcher_closes_what_a_centre_opened(session: Session, settings: Settings) -> None:
    secret = make.centre(session)
    opened = take(session, settings, signed(secret, "report", **patient()))
    lifecycle.close_incident(
        session, dispatcher(session), opened.id, IncidentOutcome.FALSE_ALARM, None, at=NOW
    )
    with pytest.raises(Conflict, match="false_alarm"):
        take(session, settings, signed(secret, "close", outcome="handed_over"))
