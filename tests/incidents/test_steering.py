"""Dispatcher control: hold, exclude, ask more, widen, patient's age, hazard; and explanations of plans."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, TokenRole
from aed.database.session import Database
from aed.errors import Conflict, NotAllowed, NotFound
from aed.incidents import jobs, queries
from aed.incidents.calls import actions as lifecycle
from aed.incidents.calls import steering
from aed.incidents.calls.schemas import AskMoreIn, ExclusionIn, HazardIn
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.models import Incident
from aed.incidents.rules import LIVE_STATES, AgeGroup, AlertReply, AlertState, Hazard, StopReason, Task
from aed.registry.devices import actions as device_actions
from aed.registry.devices.rules import ConsumableKind
from aed.registry.devices.schemas import ConsumableIn
from aed.responders.models import Responder
from aed.settings import Settings
from tests import make
from tests.incidents.test_incidents import answer, dispatcher, report, sent_messages
from tests.make import NOW, PATIENT, east_of, north_of


def now(settings: Settings, seconds: float = 0.0) -> PlanningContext:
    return PlanningContext(NOW + timedelta(seconds=seconds), None, settings)


@pytest.fixture
def neighbours(session: Session) -> list[int]:
    return [make.responder(session, at=north_of(PATIENT, metres=30.0 * each)) for each in range(1, 21)]


def live(session: Session, incident: Incident) -> set[int]:
    return {each.person_id for each in queries.alerts(session, incident.id) if each.state in LIVE_STATES}


def kinds(session: Session, incident: Incident) -> list[str]:
    return [each.kind for each in queries.events(session, incident.id)]


def test_on_hold_nobody_is_alerted_until_resumed(
    session: Session, settings: Settings, database: Database, neighbours: list[int]
) -> None:
    incident, who = report(session, settings), dispatcher(session)
    before = live(session, incident)
    steering.hold_calling(session, who, incident.id, held=True, now=now(settings, 1))
    for alert in queries.alerts(session, incident.id):
        answer(session, settings, alert, AlertReply.DECLINE, at=NOW + timedelta(seconds=5))
    session.commit()
    jobs.replan_due_incidents(
        database, NOW + timedelta(minutes=3), network_of=lambda: None, settings=settings
    )
    session.expire_all()
    assert {each.person_id for each in queries.alerts(session, incident.id)} == before

    done = steering.hold_calling(session, who, incident.id, held=False, now=now(settings, 200))
    assert done.asked > 0
    assert live(session, incident)
    assert not live(session, incident) & before
    assert [each for each in kinds(session, incident) if each in ("held", "resumed")] == ["held", "resumed"]


@pytest.mark.parametrize("is_held", [False, True])
def test_asking_for_more_works_once_per_key_also_on_hold(
    session: Session, settings: Settings, neighbours: list[int], is_held: bool
) -> None:
    incident, who = report(session, settings), dispatcher(session)
    if is_held:
        steering.hold_calling(session, who, incident.id, held=True, now=now(settings, 1))
    before = live(session, incident)
    more = AskMoreIn(key=uuid.uuid4(), people=3)
    done = steering.ask_more(session, who, incident.id, more, now=now(settings, 2))
    after = live(session, incident)
    assert before < after
    assert done.asked == len(after - before) >= 3
    if is_held:
        assert done.asked == 3
        assert incident.replan_at is None
    again = steering.ask_more(session, who, incident.id, more, now=now(settings, 3))
    assert (again.asked, live(session, incident)) == (0, after)


def test_an_excluded_person_is_notified_and_alerted_again_when_lifted(
    session: Session, settings: Settings
) -> None:
    make.responder(session, at=north_of(PATIENT, metres=60))
    incident, who = report(session, settings), dispatcher(session)
    (alert,) = queries.alerts(session, incident.id)
    answer(session, settings, alert, AlertReply.ACCEPT)
    given = ExclusionIn(person_id=alert.person_id)
    done = steering.exclude(session, who, incident.id, given, now=now(settings, 5))
    assert (alert.state, alert.stop_reason) == (AlertState.STOPPED, StopReason.EXCLUDED)
    assert "no longer needed" in sent_messages(session)[-1][1]
    assert done.exclusion is not None
    assert (
        steering.exclude(session, who, incident.id, given, now=now(settings, 6)).exclusion is done.exclusion
    )
    key_before = alert.key_hash

    for _ in range(2):
        lifted = steering.lift_exclusion(session, who, incident.id, done.exclusion.id, now=now(settings, 7))
    assert alert.state is AlertState.ASKED
    assert alert.key_hash != key_before
    assert alert.accepted_at is None
    assert lifted.exclusion is done.exclusion
    assert sent_messages(session)[-1][1].startswith("Suspected cardiac arrest")
    assert kinds(session, incident).count("exclusion_lifted") == 1
    with pytest.raises(NotFound):
        steering.exclude(session, who, incident.id, ExclusionIn(person_id=999), now=now(settings, 8))


def test_an_excluded_device_is_not_fetched(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    device = make.device(session, at=east_of(PATIENT, metres=60))
    incident, who = report(session, settings), dispatcher(session)
    alerts = queries.alerts(session, incident.id)
    fetch = {each.person_id for each in alerts if each.device_id == device.id}
    assert fetch
    steering.exclude(session, who, incident.id, ExclusionIn(device_id=device.id), now=now(settings, 5))
    now_live = [each for each in queries.alerts(session, incident.id) if each.state in LIVE_STATES]
    assert now_live
    assert not any(each.device_id == device.id for each in now_live)


def test_a_larger_radius_finds_people_farther_away(session: Session, settings: Settings) -> None:
    far = settings.responder_radius_metres + 300
    make.responder(session, at=north_of(PATIENT, metres=far))
    incident, who = report(session, settings, ambulance_seconds=3_000), dispatcher(session)
    assert live(session, incident) == set()
    done = steering.set_radius(session, who, incident.id, far + 100, now=now(settings, 1))
    assert done.asked == 1
    assert incident.radius_metres == far + 100


def test_nobody_is_sent_into_a_hazard_and_alerts_resume_when_it_is_lifted(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident, who = report(session, settings), dispatcher(session)
    before = live(session, incident)
    steering.set_hazard(
        session, who, incident.id, HazardIn(hazard=Hazard.NOBODY_IS_SENT, note="gas"), now=now(settings, 5)
    )
    assert live(session, incident) == set()
    texts = dict(sent_messages(session))
    assert all(texts[person].startswith("Do not go there") for person in before)
    assert not any("gas" in text for text in texts.values())
    for alert in queries.alerts(session, incident.id):
        answer(session, settings, alert, AlertReply.ACCEPT, at=NOW + timedelta(seconds=8))
    assert live(session, incident) == set()
    with pytest.raises(Conflict):
        steering.ask_more(
            session, who, incident.id, AskMoreIn(key=uuid.uuid4(), people=1), now=now(settings, 9)
        )
    steering.set_hazard(session, who, incident.id, HazardIn(hazard=Hazard.NONE), now=now(settings, 60))
    assert live(session, incident) & before


def test_alerted_people_are_warned_of_a_hazard_with_the_note_behind_the_link(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident, who = report(session, settings), dispatcher(session)
    before = live(session, incident)
    steering.set_hazard(
        session, who, incident.id, HazardIn(hazard=Hazard.INFORM, note="smell of gas"), now=now(settings, 5)
    )
    warned = {person for person, text in sent_messages(session) if text.startswith("Caution")}
    assert before <= warned
    assert not any("smell" in text for _, text in sent_messages(session))


def test_people_are_alerted_again_if_the_ambulance_has_not_arrived_after_all(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident, who = report(session, settings), dispatcher(session)
    before = live(session, incident)

    def ambulance(seconds: float, at: datetime) -> None:
        lifecycle.update_ambulance(session, who, incident.id, seconds, at=at, network=None, settings=settings)

    ambulance(0, NOW + timedelta(seconds=30))
    assert live(session, incident) == set()
    ambulance(600, NOW + timedelta(seconds=40))
    assert live(session, incident) & before


def test_people_under_18_are_not_alerted(session: Session, settings: Settings) -> None:
    home = make.estate(session)
    adult, minor, unknown = (make.responder(session, at=north_of(PATIENT, metres=m)) for m in (60, 30, 90))
    lead = make.person_with_role(session, Role.LEAD, estate=home)
    guide = make.responder(session, at=north_of(PATIENT, metres=9_000))
    for key, of_age in ((adult, True), (minor, False), (guide, False)):
        session.execute(update(Responder).where(Responder.id == key).values(of_age=of_age))
    session.execute(update(Responder).where(Responder.id == guide).values(person_id=lead.person_id))
    people = {key: session.get_one(Responder, key).person_id for key in (adult, minor, unknown)}
    assert live(session, report(session, settings)) == {people[adult], people[unknown]}

    strict = settings.model_copy(
        update={"planning": settings.planning.model_copy(update={"call_age_unknown": False})}
    )
    session.rollback()
    adult = make.responder(session, at=north_of(PATIENT, metres=60))
    make.responder(session, at=north_of(PATIENT, metres=90))
    session.execute(update(Responder).where(Responder.id == adult).values(of_age=True))
    assert live(session, report(session, strict)) == {session.get_one(Responder, adult).person_id}


def test_only_dispatchers_of_the_region_can_steer(session: Session, settings: Settings) -> None:
    home = make.estate(session)
    resident = make.person_with_role(session, Role.RESIDENT, estate=home)
    incident = report(session, settings, resident)
    for who in (
        resident,
        make.person_with_role(session, Role.DISPATCHER, region=make.region(session, "CN-44")),
    ):
        with pytest.raises((NotFound, NotAllowed)):
            steering.hold_calling(session, who, incident.id, held=True, now=now(settings))


# --- over HTTP and on the command line --------------------------------------------------------------------


@pytest.fixture
def desk(session: Session) -> dict[str, str]:
    headers = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    return headers


def opened(client: TestClient, desk: dict[str, str], **given: Any) -> dict[str, Any]:
    body = {"key": str(uuid.uuid4()), "position": {"lat": PATIENT.lat, "lon": PATIENT.lon}} | given
    response = client.post("/v1/incidents", json=body, headers=desk)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_reporting_returns_how_many_are_alerted_and_the_first_arrival(
    session: Session, client: TestClient, desk: dict[str, str], neighbours: list[int]
) -> None:
    make.device(session, at=east_of(PATIENT, metres=60))
    session.commit()
    made = opened(client, desk, case_number="47")
    assert (made["case_number"], made["is_new"]) == ("47", True)
    assert made["called"] > 1
    assert 1 <= made["minutes_to_first_direct"] <= 3
    assert made["minutes_to_first_device"] >= made["minutes_to_first_direct"]
    assert made["no_fetch_reason"] is None
    assert opened(client, desk, case_number="48")["is_new"] is False


def test_a_shown_plan_gives_the_reason_why_nobody_fetches(
    session: Session, client: TestClient, desk: dict[str, str], neighbours: list[int]
) -> None:
    session.commit()
    made = opened(client, desk)
    assert made["no_fetch_reason"]["code"] == "no_device"
    assert made["no_fetch_reason"]["en"].startswith("No AED that responders could fetch")
    (plan,) = client.get(f"/v1/incidents/{made['id']}/plans", headers=desk).json()
    first = plan["asked"][0]
    assert first["task"] == "direct"
    assert {"person_id", "device_id", "seconds", "probability_arrives"} <= first.keys()
    assert plan["patient"]["has_cpr"] is False
    assert (plan["devices_usable"], plan["devices_unusable"]) == (0, 0)
    assert plan["no_fetch_reason"]["code"] == "no_device"


@pytest.mark.parametrize(
    ("given", "metres", "ambulance_seconds", "code"),
    [
        ({"opening_hours": "off"}, 60, 600, "none_usable"),
        ({}, 2_500, 600, "too_far"),
        ({}, 60, 60, "too_far"),
        ({}, 60, 600, None),
    ],
)
def test_each_reason_why_nobody_fetches(
    session: Session,
    client: TestClient,
    desk: dict[str, str],
    neighbours: list[int],
    given: dict[str, Any],
    metres: float,
    ambulance_seconds: float,
    code: str | None,
) -> None:
    make.device(session, at=east_of(PATIENT, metres=metres), **given)
    session.commit()
    reason = opened(client, desk, ambulance_seconds=ambulance_seconds)["no_fetch_reason"]
    assert (reason["code"] if reason else None) == code


def test_steering_over_http(
    session: Session, client: TestClient, desk: dict[str, str], neighbours: list[int]
) -> None:
    device = make.device(session, at=east_of(PATIENT, metres=60))
    session.commit()
    made = opened(client, desk)
    path = f"/v1/incidents/{made['id']}"

    def send(method: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = client.request(method, f"{path}/{what}", json=body, headers=desk)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    assert send("PUT", "hold", {"held": True})["is_held"] is True
    assert send("POST", "ask-more", {"key": str(uuid.uuid4()), "people": 2})["asked"] == 2
    assert send("PUT", "hold", {"held": False})["is_held"] is False
    assert send("PUT", "radius", {"metres": 2000})["radius_metres"] == 2000
    assert send("PUT", "patient", {"age_group": "child"})["age_group"] == "child"
    excluded = send("POST", "exclusions", {"device_id": device.id})["exclusion"]
    listed = client.get(f"{path}/exclusions", headers=desk).json()
    assert [each["device_id"] for each in listed] == [device.id]
    assert send("DELETE", f"exclusions/{excluded['id']}")["exclusion"]["lifted_at"] is not None
    assert send("PUT", "hazard", {"hazard": "inform", "note": "dog"})["hazard"] == "inform"
    shown = client.get(path, headers=desk).json()
    assert (shown["hazard_note"], shown["is_confirmed"]) == ("dog", True)
    entries = [each["kind"] for each in client.get(f"{path}/record", headers=desk).json()]
    assert {"held", "resumed", "asked_more", "radius", "patient", "excluded", "hazard"} <= set(entries)
    assert client.put(f"{path}/hold", json={"held": True}).status_code == 404


def test_the_page_for_a_child_shows_what_is_known_of_child_pads(
    session: Session, settings: Settings, client: TestClient
) -> None:
    person = make.person(session)
    device = make.device(session, at=east_of(PATIENT, metres=60))
    incident = report(session, settings, age_group="child", hazard="inform")
    alert = make.alert(session, incident, person)
    alert.task, alert.device_id, alert.state = Task.FETCH, device.id, AlertState.ACCEPTED
    incident.hazard_note = "<dog>"
    session.commit()
    html = client.get("/a/call_key", headers={"Accept": "text/html", "Accept-Language": "en"}).text
    assert "Child (1-8 years)" in html
    assert "No child pads are registered for this AED" in html
    assert "&lt;dog&gt;" in html
    assert "Danger at the scene" in html
    make_child_pads(session, device.id)
    assert client.get("/v1/alerts/call_key").json()["patient"]["device"]["child_pads"] == "fitted"


def make_child_pads(session: Session, device_id: int) -> None:
    pads = ConsumableIn(kind=ConsumableKind.CHILD_PADS, expires_on=NOW.date().replace(year=2099))
    device_actions.fit_consumable(session, make.ADMINISTRATOR, device_id, pads, at=NOW)
    session.commit()


def test_a_second_report_fills_in_age_group_and_hazard(session: Session, settings: Settings) -> None:
    first = report(session, settings)
    report(session, settings, age_group="infant", hazard="inform")
    assert (first.age_group, first.hazard) == (AgeGroup.INFANT, Hazard.INFORM)
