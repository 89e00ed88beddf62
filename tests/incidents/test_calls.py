"""Alerts in transit: over HTTP and the outbox to a phone, concurrently, and in any order of events."""

from __future__ import annotations

import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from operator import add
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role, TokenRole, TokenScope, Viewer
from aed.database.session import Database, open_database, read_session, transaction
from aed.errors import Conflict
from aed.incidents import jobs, queries
from aed.incidents.alerts.answers import take_location, take_reply
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert, Incident, IncidentEvent, IncidentPlan
from aed.incidents.plan.rules.planner import plan
from aed.incidents.plan.schemas import load_inputs, load_plan
from aed.incidents.record.actions import first_broken_entry
from aed.incidents.rules import (
    COMING_STATES,
    LIVE_STATES,
    AlertReply,
    AlertState,
    IncidentOutcome,
    IncidentState,
)
from aed.incidents.schemas import PatientReportIn
from aed.notifications.channels import channels_of
from aed.notifications.endpoints import EndpointInput, new_secret, save_endpoint
from aed.notifications.jobs import send_waiting
from aed.notifications.models import OutboxMessage
from aed.notifications.rules import Channel, Delivery, TemporaryFailure
from aed.responders.models import Responder
from aed.settings import Settings
from aed.settings.messages import Sms
from tests import make
from tests.examples import examples
from tests.incidents.test_incidents import dispatcher
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of
from tests.notifications.sinks import receiving

LINK = re.compile(r"/l/(\w{12})")


def place(metres: float = 0.0) -> dict[str, float]:
    here = north_of(PATIENT, metres=metres)
    return {"lat": here.lat, "lon": here.lon}


def test_an_incident_from_the_centres_report_to_its_close(
    session: Session, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    estate = make.estate(session, name_zh="湖畔苑", name_en="Lake Court")
    for number in range(1, 4):
        make.responder(session, at=north_of(PATIENT, metres=50.0 * number), phone=f"+86138000100{number:02}")
    centre = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    with receiving() as gateway:
        given = {
            "sms": Sms.model_validate({"url": gateway.url("/sms")}),
            "public_url": "https://aed.example.org",
            "notify_allow_private": True,
        }
        real = settings.model_copy(update=given)
        client, database = client_on(real), open_database(real)
        body = {
            "key": str(uuid.uuid4()),
            "position": place(),
            "floor": 4,
            "address": "3幢501",
            "door_code": "8#",
        }
        opened = client.post("/v1/incidents", json=body, headers=centre)
        assert opened.status_code == 200, opened.text
        incident_id = opened.json()["id"]
        assert opened.json()["estate_id"] == estate.id
        send_waiting(database, clock.now, channels=channels_of(real))

        texts = {posted.json["to"]: posted.json["text"] for posted in gateway.posted}
        assert len(texts) == 3
        assert all(text.startswith("湖畔苑有人疑似心脏骤停") for text in texts.values())
        paths = [f"/v1/alerts/{found[1]}" for text in texts.values() if (found := LINK.search(text))]
        before = client.get(paths[0]).json()
        assert (before["state"], before["patient"], before["estate_zh"]) == ("asked", None, "湖畔苑")
        page = client.get(paths[0], headers={"Accept": "text/html"})
        assert page.url.path.startswith("/a/")
        assert "我去" in page.text
        assert "501" not in page.text

        assert client.post(paths[0], json={"reply": "seen"}).json()["state"] == "seen"
        accepted = client.post(paths[0], json={"reply": "accept"}).json()
        assert accepted["patient"]["address"] == "3幢501"
        assert "3幢501" in client.get(paths[0], headers={"Accept": "text/html"}).text
        seen = client.get(f"/v1/incidents/{incident_id}", headers=centre).json()
        assert [each["state"] for each in seen["alerts"]].count("accepted") == 1
        assert sum(each["name"] is not None for each in seen["alerts"]) == 1

        updated = client.put(f"/v1/incidents/{incident_id}/ambulance", json={"seconds": 0}, headers=centre)
        assert updated.status_code == 200
        gateway.posted.clear()
        send_waiting(database, clock.now, channels=channels_of(real))
        assert {posted.json["text"] for posted in gateway.posted} == {
            "呼叫已结束，您无需再前往。感谢您的支持。"
        }
        assert client.get(paths[0]).json()["is_over"]
        late = client.post(paths[1], json={"reply": "accept"}).json()
        assert (late["is_over"], late["patient"]) == (True, None)
        database.close()
    assert client.get("/v1/alerts/call_nobodys").status_code == 404
    assert "链接已失效" in client.get("/v1/alerts/x", headers={"Accept": "text/html"}).text


def test_no_alert_is_sent_after_the_stop_even_if_a_worker_has_claimed_it(
    session: Session, settings: Settings, database: Database
) -> None:
    """The incident is stopped while a batch is claimed and its first message is being sent."""
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=20.0 * number))
    incident = make.incident(session)
    incident_id = incident.id
    session.commit()
    sent: list[str] = []
    stopping = threading.Lock()

    def deliver(letter: Delivery, *, at: datetime) -> None:
        with stopping:
            sent.append(letter.text)
            if len(sent) == 1:
                with transaction(database) as own:
                    lifecycle.close_incident(
                        own, ADMINISTRATOR, incident_id, IncidentOutcome.HANDED_OVER, None, at=NOW
                    )

    send_waiting(database, lambda: NOW, channels=dict.fromkeys(Channel, deliver))
    calls = [text for text in sent if "心脏骤停" in text]
    # Messages sent in parallel with the first may already have passed the last check.
    assert 1 <= len(calls) <= 8
    send_waiting(database, lambda: NOW, channels=dict.fromkeys(Channel, deliver))
    assert len([text for text in sent if "心脏骤停" in text]) == len(calls)
    with read_session(database) as own:
        waiting = select(func.count()).where(
            OutboxMessage.sent_at.is_(None), OutboxMessage.given_up_at.is_(None)
        )
        assert own.scalar(waiting) == 0


def test_with_the_sms_gateway_down_other_channels_are_used_and_no_alert_is_sent_late(
    session: Session, settings: Settings, database: Database
) -> None:
    """Each person has a phone, one also has an app; the gateway recovers after the incident has ended."""
    entry = make.responder(session, at=north_of(PATIENT, metres=30), phone="+8613800010001")
    make.responder(session, at=north_of(PATIENT, metres=60), phone="+8613800010002")
    person = session.get_one(Responder, entry).person_id
    program = EndpointInput("pager", Channel.WEBHOOK, "http://127.0.0.1:9/x", new_secret(), person_id=person)
    save_endpoint(session, ADMINISTRATOR, program, at=NOW, is_private_allowed=True)
    incident_id = make.incident(session).id
    session.commit()
    sent: list[tuple[Channel, str]] = []
    is_down = True

    def deliver(channel: Channel) -> Callable[..., None]:
        def to(letter: Delivery, *, at: datetime) -> None:
            if channel is Channel.SMS and is_down:
                raise TemporaryFailure("The gateway does not answer.")
            sent.append((channel, letter.text))

        return to

    channels = {each: deliver(each) for each in Channel}
    send_waiting(database, lambda: NOW, channels=channels)
    assert [channel for channel, text in sent if "心脏骤停" in text] == [Channel.WEBHOOK]

    sent.clear()
    end = NOW + timedelta(minutes=2)
    with transaction(database) as own:
        lifecycle.close_incident(own, ADMINISTRATOR, incident_id, IncidentOutcome.HANDED_OVER, None, at=end)
    is_down = False
    for minutes in (3, 10, 50):
        send_waiting(database, partial(add, NOW, timedelta(minutes=minutes)), channels=channels)
    assert not any("心脏骤停" in text for _, text in sent)
    assert sorted(channel for channel, _ in sent) == [Channel.SMS, Channel.SMS, Channel.WEBHOOK]


# --- several at once ------------------------------------------------------------------------------------

TOGETHER = 8


@pytest.fixture
def pooled(settings: Settings) -> Iterator[Database]:
    """Return a database with a connection per thread; threads wait for locks as long as needed."""
    patient = {"threads": TOGETHER, "lock_timeout_ms": 300_000, "statement_timeout_ms": 300_000}
    opened = open_database(settings.model_copy(update=patient))
    yield opened
    opened.close()


def at_once(*each: Callable[[], Any]) -> list[Any]:
    ready = threading.Barrier(len(each))

    def go(one: Callable[[], Any]) -> Any:
        ready.wait()
        return one()

    with ThreadPoolExecutor(len(each)) as pool:
        return list(pool.map(go, each))


def test_eight_simultaneous_reports_of_one_patient_open_one_incident(
    session: Session, settings: Settings, pooled: Database
) -> None:
    for number in range(1, 7):
        make.responder(session, at=north_of(PATIENT, metres=40.0 * number))
    who = dispatcher(session)
    session.commit()

    def tell() -> int:
        new = PatientReportIn.model_validate({"key": str(uuid.uuid4()), "position": place()})
        with transaction(pooled) as own:
            return lifecycle.report_patient(own, who, new, at=NOW, network=None, settings=settings).id

    assert len(set(at_once(*[tell] * TOGETHER))) == 1
    with read_session(pooled) as own:
        assert own.scalar(select(func.count()).select_from(Incident)) == 1
        people = own.scalars(select(Alert.person_id)).all()
    assert len(people) == len(set(people)) > 0


def test_two_simultaneous_patients_never_alert_the_same_person(
    session: Session, settings: Settings, pooled: Database
) -> None:
    for number in range(1, 13):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    who = dispatcher(session)
    session.commit()

    def tell(metres: float) -> Callable[[], int]:
        def go() -> int:
            new = PatientReportIn.model_validate({"key": str(uuid.uuid4()), "position": place(metres)})
            with transaction(pooled) as own:
                return lifecycle.report_patient(own, who, new, at=NOW, network=None, settings=settings).id

        return go

    at_once(tell(0), tell(200), tell(400))
    with read_session(pooled) as own:
        called = Counter(own.scalars(select(Alert.person_id)))
    assert set(called.values()) == {1}


def test_patients_of_two_regions_never_alert_the_same_person(
    session: Session, settings: Settings, pooled: Database
) -> None:
    """The second plan begins before the first is committed, in a region with a planning lock of its own."""
    for number in range(1, 13):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    here, beyond = make.region(session), make.region(session, code="beyond-the-border")
    session.commit()

    def report_in(region_id: int, metres: float, own: Session) -> None:
        who = Viewer(
            role=TokenRole.DISPATCHER, name="centre", scopes=frozenset(TokenScope), region_ids=(region_id,)
        )
        new = PatientReportIn.model_validate({"key": str(uuid.uuid4()), "position": place(metres)})
        lifecycle.report_patient(own, who, new, at=NOW, network=None, settings=settings)

    def report_beyond() -> None:
        with transaction(pooled) as own:
            report_in(beyond_id, 200, own)

    here_id, beyond_id = here.id, beyond.id
    session.commit()
    with transaction(pooled) as own:
        report_in(here_id, 90_000, own)  # nobody is there; the first of all writes the key of the audit log
    with ThreadPoolExecutor(1) as pool:
        with transaction(pooled) as own:
            report_in(here_id, 0, own)
            own.flush()
            other = pool.submit(report_beyond)
            wait([other], timeout=1)  # it comes to the locks of the first, or ends without them
        other.result()
    with read_session(pooled) as own:
        assert set(own.scalars(select(Incident.region_id))) == {here_id, beyond_id}
        called = Counter(own.scalars(select(Alert.person_id)))
    assert set(called.values()) == {1}


def test_a_phone_that_retries_in_eight_threads_accepts_once(
    session: Session, settings: Settings, pooled: Database
) -> None:
    make.responder(session, at=north_of(PATIENT, metres=40))
    incident = make.incident(session)
    (alert,) = queries.alerts(session, incident.id)
    alert_id = alert.id
    session.commit()

    def accept() -> AlertState:
        with transaction(pooled) as own:
            return take_reply(
                own, alert_id, AlertReply.ACCEPT, by="phone", at=NOW, network=None, settings=settings
            ).state

    assert set(at_once(*[accept] * TOGETHER)) == {AlertState.ACCEPTED}
    with read_session(pooled) as own:
        payloads = own.scalars(select(IncidentEvent.payload).where(IncidentEvent.kind == "said")).all()
    assert len(payloads) == 1


# --- in any order ---------------------------------------------------------------------------------------

SEQUENCES = examples(15, in_depth=1_000)
_STEPS = st.one_of(
    st.tuples(st.just("say"), st.integers(0, 11), st.sampled_from(list(AlertReply))),
    st.tuples(st.just("wait"), st.integers(1, 240)),
    st.tuples(st.just("place"), st.integers(0, 11), st.integers(0, 900)),
    st.tuples(st.just("report"), st.integers(0, 90)),
    st.tuples(st.just("ambulance"), st.sampled_from((0, 60, 400, 900))),
    st.tuples(st.just("close"), st.sampled_from(sorted(set(IncidentOutcome) - {IncidentOutcome.LAPSED}))),
)


@hypothesis_settings(
    max_examples=SEQUENCES,
    deadline=None,  # a sequence takes a dozen transactions
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes longer than reading the sequence
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # each sequence uses another place
)
@given(st.lists(_STEPS, min_size=1, max_size=14))
def test_invariants_hold_after_any_sequence_of_events(
    session: Session, settings: Settings, database: Database, steps: list[tuple[Any, ...]]
) -> None:
    """Each sequence has its own distant estate, with a dozen people, two devices and a neighbour as guide."""
    number = session.scalar(select(func.count()).select_from(Incident)) or 0
    origin = 3_000.0 * (number + 1)
    for each in range(1, 13):
        make.responder(session, at=north_of(PATIENT, metres=origin + 35.0 * each))
    for each in (1, 2):
        make.device(session, at=north_of(PATIENT, metres=origin + 80.0 * each))
    estate = make.estate(session, around=north_of(PATIENT, metres=origin))
    lead = make.person(session, phone=f"+86137{number:08}")  # unique: random numbers would collide eventually
    make.role(session, lead, Role.LEAD, estate=estate)
    now, who = NOW, dispatcher(session)
    incident = make.incident(session, where=north_of(PATIENT, metres=origin))
    accepted: set[int] = set()
    stopped = False
    for step in steps:
        alerts = queries.alerts(session, incident.id)
        now += timedelta(seconds=1)
        match step:
            case ("say", which, reply):
                alert = alerts[which % len(alerts)]
                was_over = incident.state is IncidentState.CLOSED or alert.state is AlertState.STOPPED
                answered = take_reply(
                    session, alert.id, reply, by="test", at=now, network=None, settings=settings
                )
                if reply is AlertReply.ACCEPT and not was_over:
                    accepted.add(alert.id)
                if reply is AlertReply.DECLINE:
                    accepted.discard(alert.id)
                assert not (was_over and answered.state in COMING_STATES)
            case ("place", which, metres):
                alert = alerts[which % len(alerts)]
                here = north_of(PATIENT, metres=origin + metres)
                try:
                    take_location(session, alert.id, here, at=now, network=None, settings=settings)
                    assert alert.state in COMING_STATES
                    assert incident.state is IncidentState.OPEN
                except Conflict:
                    assert alert.state not in COMING_STATES or incident.state is IncidentState.CLOSED
            case ("wait", seconds):
                now += timedelta(seconds=seconds)
                session.commit()
                jobs.replan_due_incidents(database, now, network_of=lambda: None, settings=settings)
                session.expire_all()
            case ("report", metres):
                again = make.incident(session, at=now, where=north_of(PATIENT, metres=origin + metres))
                if incident.state is IncidentState.CLOSED or now - incident.opened_at > timedelta(minutes=30):
                    incident, accepted, stopped = again, set(), False
                assert again.id == incident.id
            case ("ambulance", seconds) if incident.state is IncidentState.OPEN:
                lifecycle.update_ambulance(
                    session, who, incident.id, seconds, at=now, network=None, settings=settings
                )
                stopped = seconds == 0
                accepted = set() if stopped else accepted
            case ("close", outcome) if incident.state is IncidentState.OPEN:
                lifecycle.close_incident(session, who, incident.id, outcome, None, at=now)
                stopped, accepted = True, set()
        _holds(session, incident, accepted, stopped=stopped)
    _is_planned_again(session, incident)
    session.commit()


def _holds(session: Session, incident: Incident, accepted: set[int], *, stopped: bool) -> None:
    alerts = queries.alerts(session, incident.id)
    people = [each.person_id for each in alerts]
    assert len(people) == len(set(people)), "one alert for a person"
    by_id = {each.id: each for each in alerts}
    assert all(by_id[each].state in COMING_STATES for each in accepted), "no acceptance is lost"
    if stopped:
        assert not any(each.state in LIVE_STATES for each in alerts)
        ordering_keys = [f"sms/call/{each.id}" for each in alerts]
        waiting = select(func.count()).where(
            OutboxMessage.ordering_key.in_(ordering_keys),
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.given_up_at.is_(None),
        )
        assert session.scalar(waiting) == 0, "no call after the stop"
    assert first_broken_entry(queries.events(session, incident.id)) is None


def _is_planned_again(session: Session, incident: Incident) -> None:
    for kept in session.scalars(select(IncidentPlan).where(IncidentPlan.incident_id == incident.id)):
        inputs = load_inputs(kept.inputs)
        again = plan(inputs.case, planning=inputs.planning, survival=inputs.survival)
        assert again == load_plan(kept.outcome)
