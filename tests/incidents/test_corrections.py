"""Correct the position of an open incident, and split two patients that were merged into one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from aed.accounts.permissions import Role, TokenRole
from aed.errors import Conflict, NotAllowed, NotFound
from aed.geo import Position
from aed.incidents import queries
from aed.incidents.alerts.answers import take_location
from aed.incidents.calls import actions as lifecycle
from aed.incidents.calls import corrections
from aed.incidents.calls.schemas import LocationCorrection, SplitReportIn
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.models import Incident
from aed.incidents.rules import LIVE_STATES, AlertReply, AlertState, IncidentOutcome, IncidentState, Task
from aed.settings import Settings
from tests import make
from tests.incidents.test_incidents import answer, dispatcher, report, sent_messages
from tests.make import NOW, PATIENT, north_of

ELSEWHERE = north_of(PATIENT, metres=2_000)


def now(settings: Settings, seconds: float = 0.0) -> PlanningContext:
    return PlanningContext(NOW + timedelta(seconds=seconds), None, settings)


def moved(here: Position = ELSEWHERE, **given: Any) -> LocationCorrection:
    return LocationCorrection.model_validate({"position": {"lat": here.lat, "lon": here.lon}} | given)


@pytest.fixture
def neighbours(session: Session) -> list[int]:
    """Add three responders at the first position and three at the second."""
    places = [north_of(where, metres=40.0 * each) for where in (PATIENT, ELSEWHERE) for each in (1, 2, 3)]
    return [make.responder(session, at=each) for each in places]


def test_a_corrected_location_is_planned_again_and_everybody_notified(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident, who = report(session, settings, address="Flat 1"), dispatcher(session)
    first, second, *_ = queries.alerts(session, incident.id)
    answer(session, settings, first, AlertReply.ACCEPT)
    answer(session, settings, second, AlertReply.DECLINE)
    called = {each.person_id for each in queries.alerts(session, incident.id) if each.state in LIVE_STATES}
    due = first.due_at

    corrections.correct_location(
        session, who, incident.id, moved(address="Flat 2", floor=3), now=now(settings, 20)
    )

    assert (incident.floor, incident.address) == (3, "Flat 2")
    assert abs(incident.lat - ELSEWHERE.lat) < 1e-6
    assert incident.place_corrected_at == NOW + timedelta(seconds=20)
    assert first.due_at > due, "it is farther for those who were near"
    texts = [(person, text) for person, text in sent_messages(session) if "location was corrected" in text]
    assert {person for person, _ in texts} == called
    assert not any("Flat" in text or "30.29" in text for _, text in texts)
    entry = next(each for each in queries.events(session, incident.id) if each.kind == "place")
    assert '"metres":199' in entry.payload
    assert "Flat" not in entry.payload
    assert queries.events(session, incident.id)[-1].kind == "planned"
    later = {each.person_id for each in queries.alerts(session, incident.id)} - called - {second.person_id}
    assert later, "those who are near the true place"

    count = len(queries.events(session, incident.id))
    corrections.correct_location(session, who, incident.id, moved(floor=3), now=now(settings, 25))
    assert len(queries.events(session, incident.id)) == count, "the same again changes nothing"


def test_after_a_correction_arrival_is_computed_from_the_phones_location(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident, who = report(session, settings, ambulance_seconds=3_000), dispatcher(session)
    alert = next(each for each in queries.alerts(session, incident.id) if each.task is Task.DIRECT)
    answer(session, settings, alert, AlertReply.ACCEPT)
    take_location(
        session,
        alert.id,
        north_of(ELSEWHERE, metres=10),
        at=NOW + timedelta(seconds=10),
        network=None,
        settings=settings,
    )
    corrections.correct_location(session, who, incident.id, moved(), now=now(settings, 20))
    assert alert.due_at < NOW + timedelta(seconds=60)


def test_after_a_correction_arrived_people_are_notified_and_the_estate_is_updated(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    home = make.estate(session, around=ELSEWHERE)
    incident, who = report(session, settings), dispatcher(session)
    alert = queries.alerts(session, incident.id)[0]
    answer(session, settings, alert, AlertReply.THERE)
    corrections.correct_location(session, who, incident.id, moved(), now=now(settings, 20))
    assert alert.state is AlertState.THERE
    assert incident.estate_id == home.id
    (text,) = [
        text for person, text in sent_messages(session) if person == alert.person_id and "corrected" in text
    ]
    assert f"The patient is at {home.name_en}." in text


def test_who_may_correct_a_location_and_which_fields(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    home = make.estate(session)
    resident = make.person_with_role(session, Role.RESIDENT, estate=home)
    incident = report(session, settings)
    with pytest.raises((NotFound, NotAllowed)):
        corrections.correct_location(session, resident, incident.id, moved(), now=now(settings))
    far = make.estate(session, around=north_of(PATIENT, metres=9_000), in_region="CN-44")
    with pytest.raises(NotAllowed):
        corrections.correct_location(
            session,
            dispatcher(session),
            incident.id,
            moved(north_of(PATIENT, metres=9_000)),
            now=now(settings),
        )
    assert far.region_id != incident.region_id
    session.refresh(incident)
    lifecycle.close_incident(
        session, dispatcher(session), incident.id, IncidentOutcome.FALSE_ALARM, None, at=NOW
    )
    with pytest.raises(Conflict):
        corrections.correct_location(session, dispatcher(session), incident.id, moved(), now=now(settings))


# --- two patients -----------------------------------------------------------------------------------------


def joined(session: Session, settings: Settings) -> tuple[Incident, int]:
    """Return an incident with two merged reports, and the id of the second report."""
    first = report(session, settings, case_number="1", floor=2, address="Flat 201")
    where = north_of(PATIENT, metres=60)
    assert (
        report(
            session,
            settings,
            where=where,
            case_number="2",
            address="Flat 902",
            at=NOW + timedelta(seconds=30),
        ).id
        == first.id
    )
    return first, queries.reports(session, first.id)[1].id


def test_a_split_report_gets_its_own_incident_and_is_never_joined_again(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    first, report_id = joined(session, settings)
    out = {each.person_id for each in queries.alerts(session, first.id)}
    who, correction = dispatcher(session), SplitReportIn.model_validate({"floor": 9})
    second = corrections.split_report(session, who, first.id, report_id, correction, now=now(settings, 60))

    assert second.id != first.id
    assert (second.state, second.floor, second.address) == (IncidentState.OPEN, 9, "Flat 902")
    assert (first.floor, first.address) == (2, "Flat 201")
    assert [each.case_number for each in queries.reports(session, first.id)] == ["1"]
    assert [each.case_number for each in queries.reports(session, second.id)] == ["2"]
    called = {each.person_id for each in queries.alerts(session, second.id)}
    assert not called & out, "nobody is called to two at once"
    assert queries.plans(session, second.id)
    assert "split" in [each.kind for each in queries.events(session, first.id)]

    again = corrections.split_report(session, who, first.id, report_id, correction, now=now(settings, 61))
    assert again.id == second.id, "sent twice"
    case = report(session, settings, case_number="2", at=NOW + timedelta(seconds=90))
    assert case.id == second.id, "the case is found where it is now"


def test_the_only_report_and_a_foreign_report_cannot_be_split(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    only = report(session, settings)
    (one,) = queries.reports(session, only.id)
    with pytest.raises(Conflict):
        corrections.split_report(
            session, dispatcher(session), only.id, one.id, SplitReportIn(), now=now(settings)
        )
    other = report(session, settings, where=ELSEWHERE)
    with pytest.raises(NotFound):
        corrections.split_report(
            session, dispatcher(session), other.id, one.id, SplitReportIn(), now=now(settings)
        )


def test_a_dispatchers_report_can_be_marked_as_another_patient(session: Session, settings: Settings) -> None:
    home = make.estate(session)
    first = report(session, settings)
    second = report(session, settings, is_another_patient=True)
    assert second.id != first.id
    resident = make.person_with_role(session, Role.RESIDENT, estate=home)
    assert report(session, settings, resident, is_another_patient=True).id in (first.id, second.id)


def test_corrections_over_http_and_on_the_alert_page(
    session: Session, settings: Settings, client: TestClient, neighbours: list[int]
) -> None:
    incident, report_id = joined(session, settings)
    person = make.person(session)
    make.alert(session, incident, person).state = AlertState.ACCEPTED
    headers = make.key(session, TokenRole.DISPATCHER, region=make.region(session), writes=True)
    session.commit()
    path = f"/v1/incidents/{incident.id}"
    gcj = {"position": {"lat": ELSEWHERE.lat, "lon": ELSEWHERE.lon, "datum": "gcj02"}, "door_code": "47#"}
    answered = client.patch(f"{path}/location", json=gcj, headers=headers)
    assert answered.status_code == 200, answered.text
    assert answered.json()["place_corrected_at"] is not None
    assert abs(answered.json()["position"]["lon"] - ELSEWHERE.lon) > 0.003, "in WGS-84"
    page = client.get("/v1/alerts/call_key", headers={"Accept": "text/html"}).text
    assert "患者位置已更正" in page
    assert "47#" in page
    reports = client.get(path, headers=headers).json()["reports"]
    assert [each["id"] for each in reports][1] == report_id
    made = client.post(f"{path}/reports/{report_id}/split", json={}, headers=headers)
    assert made.status_code == 200, made.text
    assert made.json()["id"] != incident.id
    assert client.patch(f"{path}/location", json={}, headers=headers).status_code == 422
    assert client.patch(f"{path}/location", json=gcj).status_code == 404
