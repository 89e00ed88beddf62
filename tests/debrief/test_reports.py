"""The after-action report that dispatchers read during or after an incident."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, TokenRole
from aed.database.session import Database
from aed.debrief.follow_up.jobs import debrief_incidents
from aed.debrief.outcomes.actions import record_outcome
from aed.debrief.reports.formats import report_pdf
from aed.debrief.reports.queries import after_action
from aed.incidents import queries as incident_queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert, IncidentEvent
from aed.incidents.rules import AlertReply, IncidentOutcome, Task
from aed.settings import Settings
from aed.upkeep.rules import short_number
from tests import make
from tests.debrief.test_outcomes import SHE_LIVES, minutes
from tests.make import ADMINISTRATOR, PATIENT, east_of, north_of
from tests.training.reading import words_on

STRANGER_NAME, STRANGER_PHONE = "王小明", "+86 138 0013 8123"


def report(session: Session, incident_id: int) -> str:
    """Return the text of all pages, with words separated by one space."""
    session.flush()
    session.expire_all()
    pages = words_on(report_pdf(after_action(session, ADMINISTRATOR, incident_id)))
    return " ".join(" ".join(pages).split())


def run(session: Session, settings: Settings, kind: str = "real") -> int:
    """Run an incident: one person goes direct and arrives, one fetches a device and shocks, one declines."""
    estate = make.estate(session, name_en="West Lake Gardens", name_zh="西湖花园")
    make.role(session, make.person(session), Role.LEAD, estate=estate)
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number), name=f"{STRANGER_NAME}{number}")
    for metres in (60, 90):
        make.device(session, at=east_of(PATIENT, metres=metres), of=estate)
    incident = make.incident(session, kind=kind, address="Flat 501", ambulance_seconds=700)
    alerts = incident_queries.alerts(session, incident.id)
    straight = [each for each in alerts if each.task is Task.DIRECT]
    fetch = next(each for each in alerts if each.task is Task.FETCH)
    for alert, reply, at in (
        (straight[0], AlertReply.ACCEPT, 0.5),
        (straight[1], AlertReply.DECLINE, 0.6),
        (fetch, AlertReply.ACCEPT, 0.7),
        (straight[0], AlertReply.THERE, 2.5),
        (fetch, AlertReply.THERE, 4),
        (fetch, AlertReply.SHOCK_GIVEN, 5),
    ):
        take_reply(session, alert.id, reply, by="t", at=minutes(at), network=None, settings=settings)
    return incident.id


def close(session: Session, settings: Settings, incident_id: int) -> None:
    lifecycle.update_ambulance(
        session, ADMINISTRATOR, incident_id, 0, at=minutes(11), network=None, settings=settings
    )
    lifecycle.close_incident(
        session, ADMINISTRATOR, incident_id, IncidentOutcome.HANDED_OVER, None, at=minutes(14)
    )
    session.commit()


def test_the_report_shows_plan_actions_and_results(
    session: Session, database: Database, settings: Settings
) -> None:
    incident_id = run(session, settings)
    close(session, settings, incident_id)
    debrief_incidents(database, minutes(20), network_of=lambda: None, settings=settings)
    record_outcome(session, ADMINISTRATOR, incident_id, SHE_LIVES, version=0, at=minutes(2_000))

    shown = report(session, incident_id)
    assert "西湖花园" in shown
    assert "First responder on scene 10:02:30 2:30" in shown
    assert "First shock 10:05:00 5:00" in shown
    assert "Ambulance on scene 10:11:00 11:00 11:40 −0:40" in shown
    assert "handed over to the ambulance" in shown
    assert "first report" in shown
    fetch = session.scalars(select(Alert).where(Alert.task == Task.FETCH, Alert.there_at.is_not(None))).one()
    assert f"call {fetch.id}: 已使用 used" in shown
    assert fetch.device_id is not None
    assert short_number(fetch.device_id) in shown
    assert "Survived to discharge or 30 days 是 yes" in shown
    events = incident_queries.events(session, incident_id)
    assert f"{len(events)} entries, complete" in shown
    assert events[-1].hash in shown
    assert "For learning, not for blame" in shown
    assert "EXERCISE" not in shown
    assert "Not closed yet" not in shown


def test_the_report_identifies_neither_responders_nor_the_patient(
    session: Session, settings: Settings
) -> None:
    incident_id = run(session, settings)
    record_outcome(session, ADMINISTRATOR, incident_id, SHE_LIVES, version=0, at=minutes(2_000))
    shown = report(session, incident_id)
    people = session.scalars(select(Person)).all()
    assert len(people) >= 9
    for person in people:
        assert person.name not in shown
        assert person.phone is None or person.phone[-8:] not in shown.replace(" ", "")
    assert "501" not in shown
    assert "30.29" not in shown
    assert "female" not in shown
    assert "67" not in shown.replace(incident_queries.events(session, incident_id)[-1].hash, "").split(" ")


def test_the_report_is_byte_identical_until_the_record_grows(session: Session, settings: Settings) -> None:
    incident_id = run(session, settings)
    session.commit()
    first = report_pdf(after_action(session, ADMINISTRATOR, incident_id))
    session.expire_all()
    assert report_pdf(after_action(session, ADMINISTRATOR, incident_id)) == first
    close(session, settings, incident_id)
    assert report_pdf(after_action(session, ADMINISTRATOR, incident_id)) != first


def test_exercises_and_open_incidents_are_marked_on_every_page(session: Session, settings: Settings) -> None:
    incident = make.incident(session, kind="exercise")
    for number in range(60):
        alert = make.alert(session, incident, make.person(session), key=f"call_{number}")
        alert.plan_number = 1 + number // 20
    session.commit()
    pages = words_on(report_pdf(after_action(session, ADMINISTRATOR, incident.id)))
    assert len(pages) == 2
    assert all("演练 EXERCISE" in page for page in pages)
    assert "Not closed yet" in pages[0]
    assert "There was no real patient" in pages[0]
    assert "Called" in pages[1], "the head of the table again"


def test_a_false_alarm_without_estate_or_responders_is_reported(
    session: Session,
) -> None:
    incident = make.incident(session)
    lifecycle.close_incident(
        session, ADMINISTRATOR, incident.id, IncidentOutcome.FALSE_ALARM, None, at=minutes(2)
    )
    shown = report(session, incident.id)
    assert "false alarm" in shown
    assert "not in an estate" in shown
    assert "No one was called" in shown
    assert "Nothing has been recorded" in shown


def test_a_changed_record_is_reported_as_broken(session: Session, settings: Settings) -> None:
    incident_id = run(session, settings)
    entry = session.scalars(select(IncidentEvent).where(IncidentEvent.number == 2)).one()
    entry.who = "somebody else"
    assert "CHANGED after it was written, from entry 2 on" in report(session, incident_id)


def test_only_dispatchers_of_the_region_get_the_report(client: TestClient, session: Session) -> None:
    incident = make.incident(session)
    theirs = make.key(session, TokenRole.DISPATCHER, writes=False, region=make.region(session))
    elsewhere = make.key(session, TokenRole.DISPATCHER, writes=False, region=make.region(session, "CN-44"))
    session.commit()
    where = f"/v1/incidents/{incident.id}/report"
    assert client.get(where).status_code == 404
    assert client.get(where, headers=elsewhere).status_code == 404
    answer = client.get(where, headers=theirs)
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == f'inline; filename="incident-{incident.id}.pdf"'
    assert answer.content.startswith(b"%PDF")
