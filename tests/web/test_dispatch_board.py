"""The dispatcher's board: who may see it, and every form of it, by the same actions as the API."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from aed.database.geometry import position_of
from aed.database.session import Database, read_session
from aed.incidents.models import Alert, Incident, IncidentEvent
from aed.incidents.rules import AlertState, Hazard, IncidentOutcome, IncidentState
from aed.responders.models import ResponderPlace
from aed.responders.rules import centre_of_cell
from aed.settings import load_settings
from tests import make
from tests.make import PATIENT, north_of
from tests.web.conftest import SignIn


@pytest.fixture
def incident(session: Session) -> Incident:
    """Return an incident in an estate with a device, and with a volunteer who was alerted."""
    make.device(session, of=make.estate(session))
    make.responder(session)
    return make.incident(session, at=clock.now())


@pytest.fixture
def board(browser_of: SignIn, session: Session, incident: Incident) -> TestClient:
    """Return the browser of a dispatcher of the region."""
    person = make.person(session)
    make.role(session, person, Role.DISPATCHER, region=make.region(session))
    return browser_of(person.id)


def test_strangers_sign_in_and_others_are_refused(
    incident: Incident, browser_of: SignIn, session: Session
) -> None:
    assert browser_of(None).get("/board").headers["location"] == "/sign-in?next=/board"
    neighbour = browser_of(make.person(session).id)
    assert neighbour.get("/board").status_code == 403
    assert neighbour.post("/board", data={"place": "30.29, 120.1"}).status_code == 403
    elsewhere = make.person(session)
    make.role(session, elsewhere, Role.DISPATCHER, region=make.region(session, "CN-44"))
    other = browser_of(elsewhere.id)
    assert f"incident-{incident.id}" not in other.get("/board").text
    assert other.post(f"/board/{incident.id}", data={"do": "hold"}).status_code == 404


def alert_of(database: Database, incident: Incident) -> Alert:
    with read_session(database) as session:
        return session.scalars(select(Alert).where(Alert.incident_id == incident.id)).one()


def stored(database: Database, incident_id: int) -> Incident:
    with read_session(database) as session:
        return session.get_one(Incident, incident_id)


def change(board: TestClient, incident: Incident, **typed: str) -> Response:
    return board.post(f"/board/{incident.id}", data=typed)


def test_an_incident_is_opened_by_the_name_of_a_place_and_a_second_report_joins_it(
    board: TestClient, incident: Incident, database: Database
) -> None:
    estate = incident.estate
    assert estate is not None
    found = board.get("/board", params={"q": estate.name_en[:6], "address": "3-502"}).text
    place = re.findall(r'name="place" value="([\d., -]+)"', found)[0]
    assert 'value="3-502"' in found, "what was typed before the search is kept"
    report = {"place": place, "key": "7d0a8f2e-8d3b-4b63-9c0e-2f9f2a5f6a10"}
    joined = board.post("/board", data=report)
    assert joined.headers["location"] == f"/board?joined={incident.id}#incident-{incident.id}"
    assert "was joined to it" in board.get(joined.headers["location"]).text
    far = north_of(PATIENT, metres=3_000)
    opened = board.post("/board", data={"place": f"{far.lat}, {far.lon}", "minutes": "9", "kind": "test"})
    assert opened.headers["location"].startswith("/board#incident-")
    new = stored(database, int(opened.headers["location"].rpartition("-")[2]))
    assert new.ambulance_at - new.opened_at == timedelta(minutes=9)


def test_a_report_without_a_place_keeps_what_was_typed(board: TestClient) -> None:
    answer = board.post("/board", data={"address": "Stairs 2", "place": ""})
    assert answer.status_code == 422
    assert "Choose the place of the patient" in answer.text
    assert 'value="Stairs 2"' in answer.text


def test_alerting_is_held_and_resumed_and_a_person_is_excluded_and_let_in_again(
    board: TestClient, incident: Incident, database: Database
) -> None:
    assert change(board, incident, do="hold").status_code == 303
    assert "Alerting is on hold" in board.get("/board").text
    change(board, incident, do="resume")
    assert "Alerting is on hold" not in board.get("/board").text
    alert = alert_of(database, incident)
    change(board, incident, do="exclude", target=f"person:{alert.person_id}")
    shown = board.get("/board").text
    exclusion = re.findall(r'name="exclusion" value="(\d+)"', shown)
    assert len(exclusion) == 1
    change(board, incident, do="lift", exclusion=exclusion[0])
    assert 'name="exclusion"' not in board.get("/board").text
    assert change(board, incident, do="explode").status_code == 422


def test_one_submitted_form_asks_for_more_responders_once(
    board: TestClient, incident: Incident, database: Database
) -> None:
    key = re.findall(
        r'name="do" value="ask">\s*<input type="hidden" name="key" value="([^"]+)', board.get("/board").text
    )
    for _ in range(2):
        assert change(board, incident, do="ask", key=key[0], people="3").status_code == 303
    with read_session(database) as session:
        asked = select(IncidentEvent).where(IncidentEvent.kind == "asked_more")
        assert len(session.scalars(asked).all()) == 1
    refused = change(board, incident, do="ask", key=key[0], people="99")
    assert refused.status_code == 422
    assert 'value="99"' in refused.text


def test_an_answer_by_telephone_does_not_overwrite_a_newer_one(
    board: TestClient, incident: Incident, database: Database
) -> None:
    alert = alert_of(database, incident)
    assert "Volunteer no." in board.get("/board").text
    change(board, incident, do="reply", alert=f"{alert.id}:asked", reply="accept")
    assert alert_of(database, incident).state is AlertState.ACCEPTED
    shown = board.get("/board").text
    assert re.search(r"<h3>Coming \(1\)</h3>", shown), "they come now, and their name is shown"
    late = change(board, incident, do="reply", alert=f"{alert.id}:asked", reply="decline")
    assert late.status_code == 409
    assert "They have answered meanwhile: “Comes”. You entered “Does not come”." in late.text
    assert alert_of(database, incident).state is AlertState.ACCEPTED
    change(board, incident, do="reply", alert=f"{alert.id}:accepted", reply="decline")
    assert 'data-refusals="1"' in board.get("/board").text


def test_two_dispatchers_who_correct_one_place_see_both_values(
    board: TestClient, incident: Incident, database: Database
) -> None:
    lat, lon = incident.lat, incident.lon

    def form(**typed: str) -> dict[str, str]:
        shown = {"position": f"{lat:.6f}, {lon:.6f}", "storey": "1F", "address": "", "door_code": ""}
        return shown | {f"was_{name}": value for name, value in shown.items()} | typed

    assert change(board, incident, do="correct", **form(address="3-501")).status_code == 303
    clash = change(board, incident, do="correct", **form(address="3-502", storey="5F"))
    assert clash.status_code == 409
    assert "it is “3-501”, and you entered “3-502”" in clash.text
    assert 'value="5F"' in clash.text, "what was typed is kept"
    assert 'name="was_address" value="3-501"' in clash.text, "sent again, it is set"
    far = north_of(PATIENT, metres=40)
    moved = form(position=f"{far.lat:.6f}, {far.lon:.6f}")
    assert change(board, incident, do="correct", **moved).status_code == 303
    after = stored(database, incident.id)
    assert after.lat == pytest.approx(far.lat, abs=1e-6)
    assert (after.floor, after.address) == (0, "3-501"), "only what was typed changes"


def test_the_ambulance_arrives_and_the_incident_is_closed(
    board: TestClient, incident: Incident, database: Database
) -> None:
    change(board, incident, do="ambulance", minutes="0")
    assert "has arrived" in board.get("/board").text
    change(board, incident, do="close", outcome="handed_over", note="")
    assert f"incident-{incident.id}" not in board.get("/board").text
    after = stored(database, incident.id)
    assert (after.state, after.outcome) == (IncidentState.CLOSED, IncidentOutcome.HANDED_OVER)
    other = change(board, incident, do="close", outcome="false_alarm")
    assert other.status_code == 409


def test_the_drawer_shows_the_arithmetic_of_the_kept_plan(board: TestClient, incident: Incident) -> None:
    shown = board.get(f"/board/{incident.id}").text
    assert re.search(r'<th scope="row">\d+</th><td>goes straight to the patient', shown)
    assert re.search(r"<td>\d+ %</td>", shown), "the probability that they arrive"
    assert "Expected score, only to compare plans" in shown
    arrows = json.loads(re.findall(r'data-arrows="([^"]*)"', shown)[0].replace("&#34;", '"'))
    assert arrows["features"][0]["properties"] == {"kind": "patient", "name": ""}
    assert arrows["features"][0]["geometry"]["type"] == "Point"


def test_a_way_of_a_person_who_has_not_accepted_begins_in_the_middle_of_their_area(
    board: TestClient, incident: Incident, database: Database, session: Session
) -> None:
    def way() -> dict[str, Any]:
        shown = board.get(f"/board/{incident.id}").text
        arrows = json.loads(re.findall(r'data-arrows="([^"]*)"', shown)[0].replace("&#34;", '"'))
        _, line = arrows["features"]
        return {"answer": line["properties"]["answer"], "from": line["geometry"]["coordinates"][0]}

    home = session.scalars(select(ResponderPlace.position)).one()
    centre = centre_of_cell(position_of(home), load_settings().responder_cell_resolution)
    session.commit()
    before = way()
    assert before["answer"] == "open"
    assert before["from"] == [pytest.approx(centre.lon, abs=1e-6), pytest.approx(centre.lat, abs=1e-6)]
    alert = alert_of(database, incident)
    change(board, incident, do="reply", alert=f"{alert.id}:asked", reply="accept")
    assert way()["answer"] == "accepted"


def test_a_hazard_is_entered_and_calls_everybody_back(
    board: TestClient, incident: Incident, database: Database
) -> None:
    refused = change(board, incident, do="hazard", hazard="explosion", hazard_note="Smell of gas")
    assert refused.status_code == 422
    assert 'value="Smell of gas"' in refused.text
    assert (
        change(board, incident, do="hazard", hazard="inform", hazard_note="Smell of gas").status_code == 303
    )
    assert "people see it before they accept: Smell of gas" in re.sub(r"\s+", " ", board.get("/board").text)
    assert change(board, incident, do="hazard", hazard="nobody_is_sent").status_code == 303
    after = stored(database, incident.id)
    assert (after.hazard, after.hazard_note) == (Hazard.NOBODY_IS_SENT, None)
    assert alert_of(database, incident).state is AlertState.STOPPED


def test_a_report_of_another_patient_is_split_off(
    board: TestClient, incident: Incident, database: Database
) -> None:
    assert 'value="split"' not in board.get("/board").text, "there is one report alone"
    assert change(board, incident, do="split", report="none").status_code == 422
    board.post("/board", data={"place": f"{incident.lat}, {incident.lon}", "case_number": "120-2"})
    form = board.get("/board").text
    report = re.findall(r'<option value="(\d+)" selected>120-2', form)[0]
    wrong = change(board, incident, do="split", report=report, minutes="soon", address="3-502")
    assert wrong.status_code == 422
    assert 'value="3-502"' in wrong.text
    done = change(board, incident, do="split", report=report, minutes="7", address="3-502", has_cpr="true")
    new = stored(database, int(done.headers["location"].rpartition("-")[2]))
    assert new.id != incident.id
    assert (new.address, new.has_cpr) == ("3-502", True)
    assert new.lat == pytest.approx(incident.lat)
    assert f'id="incident-{new.id}"' in board.get("/board").text
