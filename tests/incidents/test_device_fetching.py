"""Fetching a device: at the cabinet, on the way back, and conflicts with others."""

from __future__ import annotations

import itertools
import uuid
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole
from aed.database.session import Database
from aed.debrief.follow_up.jobs import debrief_incidents, settle_devices
from aed.errors import Conflict
from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.alerts.rules import AlertSituation, apply_reply, is_device_unavailable
from aed.incidents.alerts.schemas import AlertDetailsOut
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert, Incident, IncidentEvent
from aed.incidents.rules import AlertReply, AlertState, FetchFailure, IncidentKind, IncidentOutcome, Task
from aed.notifications.models import OutboxMessage
from aed.registry.devices.models import Device
from aed.registry.devices.rules import Readiness
from aed.settings import Settings
from aed.upkeep.jobs import follow_up_retrievals
from aed.upkeep.models import FaultReport, Quarantine, Retrieval
from tests import make
from tests.lookup.asking import get
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

MINUTE = timedelta(minutes=1)


@pytest.fixture
def neighbours(session: Session) -> list[int]:
    return [make.responder(session, at=north_of(PATIENT, metres=40.0 * each)) for each in range(1, 9)]


@pytest.fixture
def device(session: Session) -> Device:
    return make.device(session, at=east_of(PATIENT, metres=80))


def answer(
    session: Session, alert: Alert, reply: AlertReply, *, at: float = 0, key: uuid.UUID | None = None
) -> Alert:
    return take_reply(
        session,
        alert.id,
        reply,
        by="test",
        at=NOW + timedelta(seconds=at),
        network=None,
        settings=Settings(),
        key=key,
    )


def fetchers(session: Session, incident: Incident) -> list[Alert]:
    return [each for each in queries.alerts(session, incident.id) if each.task is Task.FETCH]


def second_fetcher(session: Session, incident: Incident, device: Device) -> Alert:
    """Alert another person to fetch the same device."""
    other = next(each for each in queries.alerts(session, incident.id) if each.task is Task.DIRECT)
    other.task, other.device_id = Task.FETCH, device.id
    session.flush()
    return other


def usable(client: TestClient, *, minutes: float = 1) -> list[int]:
    found = get(client, at=(NOW + minutes * MINUTE).isoformat())
    return [each.id for each in found.devices]


def why_out(session: Session, device: Device) -> list[str]:
    session.expire_all()
    return [
        str(each)
        for each in session.scalars(select(Quarantine.reason).where(Quarantine.device_id == device.id))
    ]


def test_where_the_device_is_never_contradicts_itself() -> None:
    """After every sequence of up to four replies, it is in one place, and the last reply about it counts."""
    fetching = AlertSituation(AlertState.ACCEPTED, Task.FETCH, has_accepted=True)
    for replies in itertools.product(AlertReply, repeat=4):
        now = fetching
        for reply in replies:
            now = apply_reply(now, reply)
            assert now.has_device or not now.is_used, replies
            assert not (now.has_device and now.is_returned), replies
            assert now.failure is None or (now.task is Task.DIRECT and not now.has_device), replies
            if reply is AlertReply.DEVICE_RETURNED and now.task is Task.FETCH:
                assert now.is_used or now.is_returned, replies
            if reply in (AlertReply.DEVICE_ATTACHED, AlertReply.SHOCK_GIVEN) and now.task is Task.FETCH:
                assert now.is_used, replies


def test_each_reply_gives_the_expected_situation() -> None:
    fetching = AlertSituation(AlertState.ACCEPTED, Task.FETCH, has_accepted=True)
    empty = apply_reply(fetching, AlertReply.DEVICE_NOT_THERE)

    assert (empty.task, empty.failure) == (Task.DIRECT, FetchFailure.NOT_THERE)
    assert apply_reply(empty, AlertReply.DEVICE_NOT_THERE) == empty, "counted once"
    assert apply_reply(empty, AlertReply.DEVICE_TAKEN) == AlertSituation(
        AlertState.ON_THE_WAY, Task.FETCH, has_accepted=True, has_device=True
    ), "a wrong tap can be taken back"
    asked = AlertSituation(AlertState.SEEN, Task.FETCH)
    assert not is_device_unavailable(apply_reply(asked, AlertReply.DECLINE), IncidentKind.REAL)
    assert not is_device_unavailable(apply_reply(fetching, AlertReply.DECLINE), IncidentKind.REAL), (
        "released when it is declined"
    )
    taken = apply_reply(fetching, AlertReply.DEVICE_TAKEN)
    assert is_device_unavailable(apply_reply(taken, AlertReply.DECLINE), IncidentKind.REAL), (
        "it is still in their hands"
    )
    assert not is_device_unavailable(apply_reply(taken, AlertReply.DEVICE_RETURNED), IncidentKind.REAL)
    stood_down = AlertSituation(AlertState.STOOD_DOWN, Task.FETCH)
    assert apply_reply(stood_down, AlertReply.DEVICE_NOT_THERE) == stood_down, "they never knew where it is"


@pytest.mark.parametrize("kind", IncidentKind)
@pytest.mark.parametrize(
    ("reply", "kinds"),
    [
        (AlertReply.ACCEPT, {IncidentKind.REAL}),
        (AlertReply.DEVICE_TAKEN, {IncidentKind.REAL, IncidentKind.EXERCISE}),
        (AlertReply.DEVICE_NOT_THERE, {IncidentKind.REAL, IncidentKind.EXERCISE}),
    ],
)
def test_an_exercise_blocks_only_devices_really_taken_and_a_test_none(
    kind: IncidentKind, reply: AlertReply, kinds: set[IncidentKind]
) -> None:
    assert is_device_unavailable(apply_reply(AlertSituation(AlertState.ASKED, Task.FETCH), reply), kind) is (
        kind in kinds
    )


def test_a_device_is_out_on_call_from_acceptance_until_declined(
    session: Session, neighbours: list[int], device: Device, client: TestClient
) -> None:
    far = make.device(session, at=east_of(PATIENT, metres=200))
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    fetched = fetch.device_id
    session.commit()
    assert set(usable(client)) == {device.id, far.id}, "asked is not accepted"

    answer(session, fetch, AlertReply.ACCEPT, at=5)
    session.commit()
    found = get(client)
    assert fetched not in [each.id for each in found.devices]
    out = next(each for each in found.unusable_now if each.id == fetched)
    assert out.readiness is Readiness.OUT_ON_CALL
    assert any("急救呼叫中" in words.zh for words in out.reasons)
    readiness = client.get(f"/v1/devices/{fetched}/readiness")
    assert (readiness.status_code, readiness.json()["readiness"]) == (200, "out_on_call")
    assert [each["reason"] for each in readiness.json()["unusable_reasons"]] == ["out_on_call"]
    other = make.incident(session, where=north_of(PATIENT, metres=900), at=NOW + MINUTE)
    assert fetched not in [each.device_id for each in queries.alerts(session, other.id)]

    answer(session, fetch, AlertReply.DECLINE, at=70)
    session.commit()
    assert set(usable(client)) == {device.id, far.id}


def test_a_missing_device_sends_the_person_direct_and_plans_without_it(
    session: Session, neighbours: list[int], device: Device, client: TestClient, database: Database
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    other = second_fetcher(session, incident, device)
    answer(session, fetch, AlertReply.ACCEPT, at=5)
    answer(session, other, AlertReply.ACCEPT, at=6)
    sent_for_it = fetchers(session, incident)
    plans = queries.plans_made(session, incident.id)
    session.query(OutboxMessage).delete()

    answer(session, fetch, AlertReply.DEVICE_NOT_THERE, at=60)
    answer(session, fetch, AlertReply.DEVICE_NOT_THERE, at=61)

    assert (fetch.task, fetch.device_id, fetch.state) == (Task.DIRECT, None, AlertState.ON_THE_WAY)
    assert (other.task, other.device_id) == (Task.DIRECT, None)
    messages = [(each.person_id, each.text_en or "") for each in session.scalars(select(OutboxMessage))]
    assert [person for person, text in messages if "straight to the patient now" in text] == [other.person_id]
    assert queries.plans_made(session, incident.id) == plans + 1, "counted once"
    assert fetchers(session, incident) == [], "no other is sent for it"
    page = AlertDetailsOut.of(queries.incident_by_id(session, incident.id), fetch, at=NOW + 2 * MINUTE)
    assert (page.task, page.fetch_failure) == (Task.DIRECT, FetchFailure.NOT_THERE)
    kinds = [each.kind for each in queries.events(session, incident.id)]
    assert kinds.count("retasked") == len(sent_for_it)
    session.commit()
    assert device.id not in usable(client)

    settle_devices(database, NOW + 3 * MINUTE, settings=Settings())
    settle_devices(database, NOW + 3 * MINUTE, settings=Settings())
    assert why_out(session, device) == ["missing"]
    reports = session.scalars(select(FaultReport.kind).where(FaultReport.device_id == device.id)).all()
    assert [str(each) for each in reports] == ["not_fetched"], "one failed fetch is recorded"
    make.check(session, device, at=NOW + 60 * MINUTE)
    session.commit()
    assert device.id in usable(client, minutes=61), "a check brings it back"


def test_a_cabinet_that_cannot_be_opened_is_out_until_it_is_opened(
    session: Session, neighbours: list[int], device: Device, database: Database
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    answer(session, fetch, AlertReply.CANNOT_OPEN, at=60)
    session.commit()
    settle_devices(database, NOW + 3 * MINUTE, settings=Settings())
    assert why_out(session, device) == ["cannot_open"]


def test_once_one_person_has_the_device_the_second_goes_direct(
    session: Session, neighbours: list[int], device: Device
) -> None:
    incident = make.incident(session)
    first = fetchers(session, incident)[0]
    second = second_fetcher(session, incident, device)
    answer(session, first, AlertReply.ACCEPT, at=5)
    answer(session, second, AlertReply.ACCEPT, at=6)
    assert second.task is Task.FETCH, "until the first has it in their hands"
    session.query(OutboxMessage).delete()

    answer(session, first, AlertReply.DEVICE_TAKEN, at=60)

    assert (first.task, second.task) == (Task.FETCH, Task.DIRECT)
    texts = [
        each.text_zh for each in session.scalars(select(OutboxMessage)) if each.person_id == second.person_id
    ]
    assert texts == ["AED已由他人取到。请不要再去取AED，立即直接前往患者处。路线见呼叫页面。"]


def test_accepting_a_device_taken_by_another_incident_goes_direct(
    session: Session, neighbours: list[int], device: Device
) -> None:
    one = make.incident(session)
    for metres in (2000, 2050, 2100):
        make.responder(session, at=north_of(PATIENT, metres=metres))
    two = make.incident(session, where=north_of(PATIENT, metres=2000), at=NOW + timedelta(seconds=1))
    first = fetchers(session, one)[0]
    late = second_fetcher(session, two, device)
    answer(session, first, AlertReply.ACCEPT, at=5)
    answer(session, late, AlertReply.ACCEPT, at=9)
    assert (late.state, late.task) == (AlertState.ACCEPTED, Task.DIRECT)


def test_attached_pads_quarantine_the_device_at_once(
    session: Session, neighbours: list[int], device: Device, database: Database
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    answer(session, fetch, AlertReply.DEVICE_TAKEN, at=60)
    answer(session, fetch, AlertReply.DEVICE_ATTACHED, at=200)
    session.commit()
    settle_devices(database, NOW + 4 * MINUTE, settings=Settings())
    assert why_out(session, device) == ["used"]
    lifecycle.close_incident(
        session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=NOW + 9 * MINUTE
    )
    session.commit()
    debrief_incidents(database, NOW + 15 * MINUTE, network_of=lambda: None, settings=Settings())
    assert why_out(session, device) == ["used"]
    assert session.scalars(select(Retrieval.outcome)).all() == ["used"]


def test_a_fetched_device_is_quarantined_after_two_hours_of_silence(
    session: Session, neighbours: list[int], device: Device, database: Database, client: TestClient
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    answer(session, fetch, AlertReply.ACCEPT, at=5)
    end = NOW + 20 * MINUTE
    lifecycle.close_incident(session, ADMINISTRATOR, incident.id, IncidentOutcome.CALLED_OFF, None, at=end)
    session.commit()

    def later(minutes: float) -> list[int]:
        session.commit()
        at = end + minutes * MINUTE
        settle_devices(database, at, settings=Settings())
        follow_up_retrievals(database, at, numbers=Settings().returns, public_url="https://aed.example.org")
        settle_devices(database, at, settings=Settings())
        return usable(client, minutes=20 + minutes)

    assert later(1) == [], "nobody knows where it is"
    assert later(16) == []
    asked = [
        each.text_zh for each in session.scalars(select(OutboxMessage)) if "已归还吗" in (each.text_zh or "")
    ]
    assert asked, "it is asked after soon"
    assert later(119) == []
    assert why_out(session, device) == []
    assert later(120) == []
    assert why_out(session, device) == ["not_returned"]


def test_a_returned_device_is_offered_again(
    session: Session, neighbours: list[int], device: Device, database: Database, client: TestClient
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    answer(session, fetch, AlertReply.DEVICE_TAKEN, at=60)
    lifecycle.close_incident(
        session, ADMINISTRATOR, incident.id, IncidentOutcome.CALLED_OFF, None, at=NOW + 9 * MINUTE
    )
    answer(session, fetch, AlertReply.DEVICE_RETURNED, at=900)
    session.commit()
    settle_devices(database, NOW + 16 * MINUTE, settings=Settings())
    assert usable(client, minutes=17) == [device.id]
    assert session.scalars(select(Retrieval.outcome)).all() == ["returned"]
    assert why_out(session, device) == []


def test_an_exercise_hides_a_device_from_lookups_only_while_it_is_taken(
    session: Session, neighbours: list[int], device: Device, database: Database, client: TestClient
) -> None:
    incident = make.incident(session, kind="exercise")
    fetch = fetchers(session, incident)[0]
    answer(session, fetch, AlertReply.ACCEPT, at=5)
    session.commit()
    assert usable(client) == [device.id]
    answer(session, fetch, AlertReply.DEVICE_TAKEN, at=60)
    session.commit()
    assert usable(client) == []
    answer(session, fetch, AlertReply.DEVICE_RETURNED, at=600)
    session.commit()
    settle_devices(database, NOW + 11 * MINUTE, settings=Settings())
    assert usable(client, minutes=12) == [device.id]


def test_a_reply_key_counts_once_whatever_came_in_between(
    session: Session, neighbours: list[int], device: Device
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    answer(session, fetch, AlertReply.ACCEPT, at=1)
    key = uuid.uuid4()
    for at in (300, 301, 350):  # a double tap, and the retry of a phone that was offline
        answer(session, fetch, AlertReply.SHOCK_GIVEN, at=at, key=key)
    answer(session, fetch, AlertReply.SHOCK_GIVEN, at=420, key=uuid.uuid4())
    replies = [
        each.payload
        for each in session.scalars(select(IncidentEvent).where(IncidentEvent.kind == "said"))
        if "shock_given" in each.payload
    ]
    assert len(replies) == 2, "two shocks, three sendings of the first"
    with pytest.raises(Conflict):
        answer(session, fetch, AlertReply.DECLINE, key=key)


def test_replies_over_http_by_link_and_by_a_dispatcher(
    session: Session, neighbours: list[int], device: Device, client: TestClient
) -> None:
    incident = make.incident(session)
    fetch = fetchers(session, incident)[0]
    person = make.person(session)
    link = make.alert(session, incident, person, key="call_second")
    fetch_id, link_id = fetch.id, link.id
    centre = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    path = f"/v1/incidents/{incident.id}/alerts/{fetch_id}"

    assert client.post(path, json={"reply": "device_not_there"}).status_code == 404, "a stranger"
    assert client.post("/v1/alerts/call_nobodys", json={"reply": "device_taken"}).status_code == 404
    answered = client.post(path, json={"reply": "device_not_there"}, headers=centre)
    assert answered.status_code == 200, answered.text
    alert = next(each for each in answered.json()["alerts"] if each["id"] == fetch_id)
    assert (alert["task"], alert["fetch_failure"], alert["failed_device_id"]) == (
        "direct",
        "not_there",
        device.id,
    )
    tap = {"reply": "there", "key": str(uuid.uuid4())}
    details = client.post("/v1/alerts/call_second", json=tap).json()
    assert details == client.post("/v1/alerts/call_second", json=tap).json()
    assert (details["state"], details["seconds"]) == ("there", None)
    page = client.get("/v1/alerts/call_second", headers={"Accept": "text/html"})
    assert "预计约" not in page.text
    assert 'id="cpr" open' in page.text
    assert "疑似心脏骤停" in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    assert link_id != fetch_id
