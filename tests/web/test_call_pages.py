"""The page behind the link of a call: what it shows in each state, and replies by plain forms."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed import clock
from aed.geo import Position
from aed.http.map_links import route_links
from aed.incidents.models import Alert, Incident
from aed.incidents.rules import AlertState, IncidentKind, IncidentOutcome, IncidentState, StopReason, Task
from aed.registry.devices.cabinet_codes import set_cabinet_code
from tests import make
from tests.make import ADMINISTRATOR, PATIENT, east_of

KEY = re.compile(r'name="key" value="([0-9a-f-]{36})">\s*<button name="reply" value="(\w+)"')


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en"}


def offered(page: str) -> dict[str, str]:
    """Return the replies that the page offers, with the keys of their forms."""
    return {reply: key for key, reply in KEY.findall(page)}


def called(session: Session, *, key: str = "call_key", state: AlertState = AlertState.ASKED) -> Alert:
    """Alert a person to a new patient, to fetch a device with a cabinet code."""
    incident = make.incident(session, at=clock.now(), address="Building 3, 501", door_code="47#")
    device = make.device(session, at=east_of(PATIENT, metres=60), place_en="Lobby", place_zh="大堂")
    set_cabinet_code(session, ADMINISTRATOR, device.id, "2580", at=clock.now())
    alert = make.alert(session, incident, make.person(session), key=key)
    alert.task, alert.device_id, alert.state = Task.FETCH, device.id, state
    alert.due_at = clock.now() + timedelta(minutes=4)
    session.flush()
    return alert


def other(session: Session, alert: Alert, *, state: AlertState, task: Task = Task.DIRECT) -> Alert:
    incident = session.get_one(Incident, alert.incident_id)
    made = make.alert(session, incident, make.person(session), key=f"call_other_{state}_{task}")
    made.state, made.task = state, task
    session.flush()
    return made


def test_an_invalid_alert_link_says_that_it_is_no_longer_valid(
    client: TestClient, browser: dict[str, str]
) -> None:
    for answer in (
        client.get("/a/call_nobodys", headers=browser),
        client.post("/a/call_nobodys", headers=browser, data={"reply": "accept"}),
        client.get("/a/%3Cscript%3E", headers=browser),
    ):
        assert answer.status_code == 404
        assert "This link is no longer valid." in answer.text
        assert 'href="tel:120"' in answer.text
        assert "<script>" not in answer.text


def test_a_person_accepts_and_fetches_by_plain_forms(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    called(session)
    session.commit()
    asked = client.get("/a/call_key?lang=en&from=singlemessage", headers=browser)
    assert asked.headers["cache-control"] == "private, no-store"
    assert set(offered(asked.text)) == {"accept", "decline"}
    assert "About 4 min" in asked.text
    for secret in ("501", "2580", "47#", "uri.amap.com"):
        assert secret not in asked.text

    tap = {"reply": "accept", "key": offered(asked.text)["accept"]}
    answers = [client.post("/a/call_key", headers=browser, data=tap) for _ in range(2)]
    for page in answers:
        assert page.url.path == "/a/call_key"
        assert "✓ Received: I am coming" in page.text
        assert "<strong>2580</strong>" in page.text
        assert "<strong>47#</strong>" in page.text
        assert "Building 3, 501" in page.text
        assert "https://uri.amap.com/navigation?to=" in page.text
        assert "&amp;mode=ride&amp;coordinate=gaode" in page.text
        assert {"device_taken", "device_not_there", "cannot_open", "decline"} <= set(offered(page.text))
    taken = client.post("/a/call_key", headers=browser, data={"reply": "device_taken"}).text
    assert "Bring the AED to the patient" in taken
    assert "2580" not in taken
    there = client.post("/a/call_key", headers=browser, data={"reply": "there"}).text
    assert 'id="cpr" open' in there
    assert set(offered(there)) == {"device_attached", "shock_given", "handed_over"}


def test_a_first_tap_that_arrives_again_later_changes_nothing(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    called(session)
    session.commit()
    first = offered(client.get("/a/call_key", headers=browser).text)
    client.post("/a/call_key", headers=browser, data={"reply": "accept", "key": first["accept"]})
    declined = client.post("/a/call_key", headers=browser, data={"reply": "decline", "key": first["decline"]})
    assert set(offered(declined.text)) == {"accept"}
    again = client.post("/a/call_key", headers=browser, data={"reply": "accept", "key": first["accept"]})
    assert set(offered(again.text)) == {"accept"}, "the back button, or a request of a slow network"
    new = {"reply": "accept", "key": offered(again.text)["accept"]}
    assert "device_taken" in offered(client.post("/a/call_key", headers=browser, data=new).text)


@pytest.mark.parametrize("failure", ["device_not_there", "cannot_open"])
def test_a_responder_without_the_device_is_sent_straight_to_the_patient(
    client: TestClient, session: Session, browser: dict[str, str], failure: str
) -> None:
    called(session, state=AlertState.ACCEPTED)
    session.commit()
    page = client.post("/a/call_key", headers=browser, data={"reply": failure}).text
    assert "Go straight to the patient" in page
    assert "Recorded: " in page
    assert "device_taken" in offered(page), "a wrong tap can be taken back"
    assert "Lobby" not in page


def test_the_page_counts_other_responders_without_naming_them(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    alert = called(session, state=AlertState.ACCEPTED)
    session.commit()
    assert "You are the first." in client.get("/a/call_key", headers=browser).text
    other(session, alert, state=AlertState.THERE)
    other(session, alert, state=AlertState.ON_THE_WAY)
    other(session, alert, state=AlertState.ACCEPTED, task=Task.GUIDE)
    other(session, alert, state=AlertState.DECLINED)
    session.commit()
    page = client.get("/a/call_key", headers=browser).text
    for sentence in (
        "Somebody is with the patient already.",
        "1 other person is on the way.",
        "Somebody meets you at the gate and holds the lift.",
    ):
        assert sentence in page
    assert "Somebody brings an AED." not in page
    chinese = client.get("/a/call_key", headers=browser | {"Accept-Language": "zh-CN"}).text
    assert "另有 1 人正在前往。" in chinese


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (StopReason.OVER, "you are no longer needed"),
        (StopReason.EXCLUDED, "has withdrawn this call"),
        (StopReason.HAZARD, "the scene is not safe"),
        (StopReason.COMES_ELSEWHERE, "You accepted another call"),
        (StopReason.CALLED_AWAY, "there is a real call"),
        (None, "you are no longer needed"),
    ],
)
def test_ended_and_withdrawn_calls_say_so(
    client: TestClient, session: Session, browser: dict[str, str], reason: StopReason | None, sentence: str
) -> None:
    alert = called(session, state=AlertState.STOPPED)
    alert.stop_reason = reason
    session.commit()
    page = client.get("/a/call_key", headers=browser).text
    assert sentence in page
    assert 'data-live="no"' in page
    assert offered(page) == {}
    assert "501" not in page
    late = client.post("/a/call_key", headers=browser, data={"reply": "accept"})
    assert (late.status_code, offered(late.text)) == (200, {})


def test_a_closed_incident_and_enough_people(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    alert = called(session, state=AlertState.STOOD_DOWN)
    session.commit()
    assert "Enough people are coming" in client.get("/a/call_key", headers=browser).text
    alert.state, alert.device_taken_at = AlertState.ON_THE_WAY, clock.now()
    incident = session.get_one(Incident, alert.incident_id)
    incident.state, incident.closed_at = IncidentState.CLOSED, clock.now()
    incident.outcome = IncidentOutcome.HANDED_OVER
    session.commit()
    page = client.get("/a/call_key", headers=browser).text
    assert "The call is over" in page
    assert set(offered(page)) == {"device_returned"}


def test_an_exercise_says_that_there_is_no_patient_and_script_is_text(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    alert = called(session, state=AlertState.ACCEPTED)
    incident = session.get_one(Incident, alert.incident_id)
    incident.kind, incident.address = IncidentKind.EXERCISE, "<script>alert(1)</script>"
    session.commit()
    page = client.get("/a/call_key?said=%3Cscript%3E", headers=browser).text
    assert "Exercise: there is no real patient." in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>" not in page


@pytest.mark.parametrize("data", [{}, {"reply": "no"}, {"reply": "accept", "key": "x"}])
def test_bad_input_is_a_page(
    client: TestClient, session: Session, browser: dict[str, str], data: dict[str, str]
) -> None:
    called(session)
    session.commit()
    answer = client.post("/a/call_key", headers=browser, data=data)
    assert answer.status_code == 422
    assert 'href="tel:120"' in answer.text


def test_ways_are_in_the_datum_of_each_map() -> None:
    inside, outside = Position(30.29, 120.10), Position(47.14, 9.52)
    walk, ride = route_links(inside, label="AED; 1"), route_links(inside, label="AED", by_bicycle=True)
    assert re.match(
        r"https://uri.amap.com/navigation\?to=120\.10\d+,30\.28\d+,AED%3B%201&mode=walk&coordinate=gaode",
        walk["amap"],
    )
    assert "type=bike" in ride["tencent"]
    assert "120.100000" not in walk["google"]
    assert set(route_links(outside, label="AED")) == {"apple", "google"}
    assert "destination=47.140000,9.520000&travelmode=walking" in route_links(outside, label="AED")["google"]
