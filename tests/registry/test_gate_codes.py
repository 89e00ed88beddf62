"""Codes of gates: for keepers, and for people of an open incident; encrypted in storage."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from tests import make
from tests.make import PATIENT

from aed import clock
from aed.accounts.permissions import Role, TokenRole
from aed.incidents.rules import IncidentOutcome, IncidentState
from aed.registry.changes import RegistryChange
from aed.registry.estates.models import GateCode

CODE = "4711#"


def test_a_gate_code_is_shown_to_those_who_come_and_to_dispatchers_of_an_open_incident(
    session: Session, client: TestClient
) -> None:
    estate = make.estate(session)
    gate = make.gate(session, estate, at=PATIENT, name_en="West gate")
    person_id = make.person_with_role(session, Role.RESIDENT, estate=estate).person_id
    assert person_id is not None
    resident = {"Authorization": f"Bearer {make.sign_in(session, person_id, bearer=True)}"}
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    dispatcher = make.key(session, TokenRole.DISPATCHER, region=make.region(session))
    incident = make.incident(session, at=clock.now())
    make.alert(session, incident, make.person(session), key="call_key")
    session.commit()
    path, called = f"/v1/gates/{gate.id}/code", f"/v1/incidents/{incident.id}"

    assert client.get(path).status_code == 404
    assert client.get(path, headers=resident).status_code == 403
    assert client.get(path, headers=dispatcher).status_code == 403
    assert client.put(path, json={"code": CODE}).status_code == 404
    assert client.put(path, json={"code": CODE}, headers=office).status_code == 204
    shown = client.get(path, headers=office)
    assert (shown.json()["code"], shown.headers["cache-control"]) == (CODE, "no-store")
    assert CODE not in client.get("/v1/alerts/call_key").text
    accepted = client.post("/v1/alerts/call_key", json={"reply": "accept"}).json()
    assert [(each["name_en"], each["code"]) for each in accepted["patient"]["gates"]] == [("West gate", CODE)]
    assert CODE in client.get("/v1/alerts/call_key", headers={"Accept": "text/html"}).text
    assert client.get(called, headers=dispatcher).json()["gates"][0]["code"] == CODE
    assert client.get(called).status_code == 404

    session.refresh(incident)
    incident.state, incident.closed_at = IncidentState.CLOSED, clock.now()
    incident.outcome = IncidentOutcome.HANDED_OVER
    session.commit()
    assert CODE not in client.get("/v1/alerts/call_key").text
    assert CODE not in client.get(called, headers=dispatcher).text
    for asked in (f"/v1/gates/{gate.id}", f"/v1/estates/{estate.id}/gates", "/v1/export/estates"):
        assert CODE not in client.get(asked, headers=office).text


def test_a_gate_code_is_encrypted_and_deleted_with_the_gate(session: Session, client: TestClient) -> None:
    gate = make.gate(session, make.estate(session), at=PATIENT)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    gate_path, gate_id = f"/v1/gates/{gate.id}", str(gate.id)
    path = f"{gate_path}/code"
    session.rollback()

    assert client.get(path, headers=office).json() == {"code": None, "set_at": None, "set_by": None}
    for code in (CODE, CODE, None, "0815"):
        assert client.put(path, json={"code": code}, headers=office).status_code == 204
    for wrong in ("", "x" * 51, "1\x00", 7):
        assert client.put(path, json={"code": wrong}, headers=office).status_code == 422
    assert "0815" not in str(session.execute(text("SELECT code FROM gate_codes")).scalar_one())
    changes = session.scalars(
        select(RegistryChange.fields)
        .where(RegistryChange.subject == "gates", RegistryChange.subject_id == gate_id)
        .order_by(RegistryChange.id)
    )
    noted = [each["gate_code"] for each in changes if "gate_code" in each]
    assert noted == [[None, "set"], ["set", None], [None, "set"]]
    session.rollback()

    etag = client.get(gate_path, headers=office).headers["etag"]
    gone = client.delete(gate_path, headers={**office, "If-Match": etag})
    assert gone.status_code == 204
    assert session.scalars(select(GateCode.gate_id)).all() == []
    session.rollback()
    assert client.put(path, json={"code": "1"}, headers=office).status_code == 409
