"""Cabinet codes: shown to keepers and to the person fetching the device, and encrypted in storage."""

from __future__ import annotations

from datetime import timedelta

from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from tests import make
from tests.make import PATIENT, east_of, north_of

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Audience, TokenRole
from aed.incidents.models import Alert
from aed.incidents.rules import Task

CODE = "4711#"


def test_the_cabinet_code_is_shown_only_to_the_fetcher_after_accepting(
    session: Session, client: TestClient
) -> None:
    device = make.device(
        session, at=east_of(PATIENT, metres=60), of=make.estate(session), audience=Audience.PUBLIC
    )
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    path = f"/v1/devices/{device.id}"
    assert client.put(f"{path}/cabinet-code", json={"code": CODE}, headers=office).status_code == 204
    for _ in range(2):
        shown = client.get(f"{path}/cabinet-code", headers=office)
        assert (shown.json()["code"], shown.headers["cache-control"]) == (CODE, "no-store")

    incident = make.incident(session, at=clock.now() - timedelta(seconds=5))
    fetch, direct = (
        session.scalars(select(Alert).where(Alert.task == task)).first() for task in (Task.FETCH, Task.DIRECT)
    )
    assert fetch is not None
    assert direct is not None
    for alert, key in ((fetch, "call_fetch"), (direct, "call_direct")):
        make.alert(session, incident, session.get_one(Person, alert.person_id), key=key)
    session.commit()

    for key in ("call_fetch", "call_direct"):
        assert CODE not in client.get(f"/v1/alerts/{key}").text
        assert CODE not in client.get(f"/v1/alerts/{key}", headers={"Accept": "text/html"}).text
    accepted = client.post("/v1/alerts/call_fetch", json={"reply": "accept"}).json()
    assert accepted["patient"]["device"]["cabinet_code"] == CODE
    assert CODE in client.get("/v1/alerts/call_fetch", headers={"Accept": "text/html"}).text
    assert CODE not in client.post("/v1/alerts/call_direct", json={"reply": "accept"}).text
    assert client.post("/v1/alerts/call_fetch", json={"reply": "decline"}).json()["patient"] is None
    here = f"lat={PATIENT.lat}&lon={PATIENT.lon}"
    for asked in (path, f"{path}/history", f"/v1/nearest?{here}", "/v1/devices"):
        assert CODE not in client.get(asked, headers=office).text


def test_the_cabinet_code_is_encrypted_and_the_history_records_only_the_change(
    session: Session, client: TestClient
) -> None:
    device = make.device(session)
    office = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    path = f"/v1/devices/{device.id}/cabinet-code"

    assert client.get(path, headers=office).json() == {"code": None, "set_at": None, "set_by": None}
    for code in (CODE, CODE, "0815", None):
        assert client.put(path, json={"code": code}, headers=office).status_code == 204
    assert client.get(path, headers=office).json()["code"] is None
    history = client.get(f"/v1/devices/{device.id}/history", headers=office).json()
    changes = [each["fields"]["cabinet_code"] for each in history if "cabinet_code" in each["fields"]]
    assert changes == [["set", None], ["set", "set"], [None, "set"]]
    client.put(path, json={"code": CODE}, headers=office)
    assert CODE not in str(session.execute(text("SELECT code FROM cabinet_codes")).scalar_one())
    session.commit()
    for wrong in ("", "x" * 51, 7):
        assert client.put(path, json={"code": wrong}, headers=office).status_code == 422
    etag = client.get(f"/v1/devices/{device.id}", headers=office).headers["etag"]
    gone = client.delete(f"/v1/devices/{device.id}", headers={**office, "If-Match": etag})
    assert gone.status_code == 204
    assert client.put(path, json={"code": "1"}, headers=office).status_code == 409
