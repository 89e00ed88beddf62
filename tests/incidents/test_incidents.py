"""The life of an incident through the actions: reported, planned, alerted, answered, closed."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.accounts.permissions import ANYONE, Role, TokenRole, TokenScope, Viewer
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.geo import Position
from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.alerts.schemas import AlertDetailsOut
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert, Incident, IncidentEvent
from aed.incidents.plan.rules.planner import plan
from aed.incidents.plan.schemas import load_inputs, load_plan
from aed.incidents.record.actions import first_broken_entry
from aed.incidents.rules import AlertReply, AlertState, IncidentKind, IncidentOutcome, IncidentState, Task
from aed.incidents.schemas import PatientReportIn
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from tests import make
from tests.make import NOW, PATIENT, east_of, north_of


def dispatcher(session: Session) -> Viewer:
    region = make.region(session)
    return Viewer(
        role=TokenRole.DISPATCHER, name="centre", scopes=frozenset(TokenScope), region_ids=(region.id,)
    )


def report(
    session: Session,
    settings: Settings,
    who: Viewer | None = None,
    *,
    at: datetime = NOW,
    where: Position = PATIENT,
    **given: Any,
) -> Incident:
    fields = {"key": str(uuid.uuid4()), "position": {"lat": where.lat, "lon": where.lon}}
    new = PatientReportIn.model_validate(fields | given)
    return lifecycle.report_patient(
        session, who or dispatcher(session), new, at=at, network=None, settings=settings
    )


def answer(
    session: Session, settings: Settings, alert: Alert, reply: AlertReply, *, at: datetime = NOW
) -> Alert:
    return take_reply(session, alert.id, reply, by="test", at=at, network=None, settings=settings)


def sent_messages(session: Session) -> list[tuple[int | None, str]]:
    """Return (person id, text) of unsent messages, in order."""
    rows = session.execute(
        select(OutboxMessage.person_id, OutboxMessage.text_en)
        .where(OutboxMessage.sent_at.is_(None), OutboxMessage.given_up_at.is_(None))
        .order_by(OutboxMessage.id)
    )
    return [(person, text or "") for person, text in rows]


@pytest.fixture
def neighbours(session: Session) -> list[int]:
    """Add five responders, 60 to 300 m away."""
    return [make.responder(session, at=north_of(PATIENT, metres=60.0 * each)) for each in range(1, 6)]


# --- opening --------------------------------------------------------------------------------------------


def test_people_in_time_are_alerted_and_one_fetches_the_device(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    device = make.device(session, at=east_of(PATIENT, metres=150))
    incident = report(session, settings)

    alerts = queries.alerts(session, incident.id)
    tasks = [each.task for each in alerts]
    assert tasks.count(Task.DIRECT) >= 2
    assert [each.device_id for each in alerts if each.task is Task.FETCH] != []
    assert {each.device_id for each in alerts} == {None, device.id}
    assert [each.state for each in alerts] == [AlertState.ASKED] * len(alerts)
    assert sorted(person or 0 for person, _ in sent_messages(session)) == sorted(
        each.person_id for each in alerts
    )
    assert all("Suspected cardiac arrest near you" in text for _, text in sent_messages(session))


def test_the_patients_location_is_hidden_until_accepted(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    make.device(session, at=east_of(PATIENT, metres=80), access_instructions_en="Ring twice")
    incident = report(session, settings, address="Flat 501", door_code="4711#", floor=4)

    alerts = queries.alerts(session, incident.id)
    incident = queries.incident_by_id(session, incident.id)
    for alert in alerts:
        shown = AlertDetailsOut.of(incident, alert, at=NOW).model_dump_json()
        assert "501" not in shown
        assert "4711" not in shown
        assert str(round(PATIENT.lat, 3)) not in shown
    assert all("501" not in text and "30.29" not in text for _, text in sent_messages(session))

    for alert in alerts:
        answer(session, settings, alert, AlertReply.ACCEPT)
    for alert in queries.alerts(session, incident.id):
        patient = AlertDetailsOut.of(incident, alert, at=NOW).patient
        if alert.state is AlertState.STOPPED:
            continue
        assert patient is not None
        assert (patient.address, patient.door_code, patient.floor) == ("Flat 501", "4711#", 4)
        assert (patient.device is not None) is (alert.task is Task.FETCH)


def test_a_repeated_report_and_one_of_the_same_patient_are_one_incident(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    key = str(uuid.uuid4())
    first = report(session, settings, key=key, case_number="47", address="Flat 501")
    again = report(
        session, settings, key=key, case_number="47", address="Flat 501", at=NOW + timedelta(seconds=9)
    )
    by_case = report(session, settings, case_number="47", at=NOW + timedelta(seconds=20))
    by_place = report(
        session, settings, where=north_of(PATIENT, metres=70), has_cpr=True, at=NOW + timedelta(minutes=2)
    )

    assert {first.id, again.id, by_case.id, by_place.id} == {first.id}
    assert len(queries.reports(session, first.id)) == 2
    assert by_place.has_cpr
    assert by_place.address == "Flat 501"
    people = [each.person_id for each in queries.alerts(session, first.id)]
    assert len(people) == len(set(people)), "once for a person"
    with pytest.raises(Conflict):
        report(session, settings, key=key, address="Flat 502")


@pytest.mark.parametrize(
    "other",
    [
        {"where": north_of(PATIENT, metres=150)},
        {"at": NOW + timedelta(minutes=31)},
        {"floor": 9},
        {"kind": "exercise"},
        {"kind": "test"},
    ],
)
def test_a_report_with_another_place_time_floor_or_kind_is_another_patient(
    session: Session, settings: Settings, other: dict[str, Any]
) -> None:
    first = report(session, settings, floor=2)
    assert report(session, settings, **other).id != first.id


def test_an_exercise_is_marked_and_a_test_alerts_nobody(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    exercise = report(session, settings, kind="exercise")
    assert sent_messages(session)
    assert all(text.startswith("EXERCISE, no real patient.") for _, text in sent_messages(session))
    count = len(sent_messages(session))
    lifecycle.close_incident(
        session, dispatcher(session), exercise.id, IncidentOutcome.CALLED_OFF, None, at=NOW
    )
    session.execute(delete(OutboxMessage))

    test = report(session, settings, kind="test")
    assert count > 0
    assert queries.alerts(session, test.id), "it is planned"
    assert sent_messages(session) == []


def test_who_may_report_a_patient(session: Session, settings: Settings) -> None:
    home, other = make.estate(session), make.estate(session, around=north_of(PATIENT, metres=5_000))
    for who, refusal in (
        (ANYONE, NotSignedIn),
        (make.dispatcher(make.region(session)), NotAllowed),  # reads only
        (make.member(home), NotAllowed),
        (make.member(other, writes=True), NotAllowed),
        (make.person_with_role(session, Role.RESIDENT, estate=other), NotAllowed),
        (make.person_with_role(session, Role.TRAINING_OFFICER, estate=home), NotAllowed),
    ):
        with pytest.raises(refusal):
            report(session, settings, who)
    for who in (
        make.member(home, writes=True),
        make.person_with_role(session, Role.RESIDENT, estate=home),
        make.person_with_role(session, Role.DISPATCHER, region=make.region(session)),
        make.ADMINISTRATOR,
    ):
        assert report(session, settings, who).estate_id == home.id


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"collapsed_at": NOW - timedelta(hours=7)}, InvalidInput),
        ({"collapsed_at": NOW + timedelta(minutes=6)}, InvalidInput),
        ({"region": "XX-1"}, NotFound),
    ],
)
def test_impossible_reports_are_refused(
    session: Session, settings: Settings, given: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        report(session, settings, **given)


# --- answers --------------------------------------------------------------------------------------------


def test_a_phone_that_sends_a_reply_fifty_times_accepts_once(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident = report(session, settings)
    alert = queries.alerts(session, incident.id)[0]
    for _ in range(50):
        answer(session, settings, alert, AlertReply.ACCEPT)

    events = [each for each in queries.events(session, incident.id) if each.kind == "said"]
    assert len(events) == 1
    assert session.get_one(Alert, alert.id).state is AlertState.ACCEPTED


def test_older_replies_change_nothing_and_a_later_decline_is_replaced(
    session: Session, settings: Settings
) -> None:
    for each in range(1, 30):
        make.responder(session, at=north_of(PATIENT, metres=20.0 * each))
    incident = report(session, settings)
    first = queries.alerts(session, incident.id)[0]
    answer(session, settings, first, AlertReply.ON_THE_WAY)
    assert answer(session, settings, first, AlertReply.SEEN).state is AlertState.ON_THE_WAY
    assert answer(session, settings, first, AlertReply.ACCEPT).state is AlertState.ON_THE_WAY

    before = {each.person_id for each in queries.alerts(session, incident.id)}
    for alert in queries.alerts(session, incident.id):
        answer(session, settings, alert, AlertReply.DECLINE, at=NOW + timedelta(seconds=30))
    after = {each.person_id for each in queries.alerts(session, incident.id)}
    assert len(after) > len(before), "more are asked when all have said no"


def test_a_reply_after_the_stop_is_recorded_and_changes_nothing(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident = report(session, settings)
    alert = queries.alerts(session, incident.id)[0]
    lifecycle.close_incident(
        session, dispatcher(session), incident.id, IncidentOutcome.HANDED_OVER, None, at=NOW
    )

    late = answer(session, settings, alert, AlertReply.ACCEPT, at=NOW + timedelta(seconds=5))

    assert late.state is AlertState.STOPPED
    assert queries.events(session, incident.id)[-1].kind == "said_too_late"
    shown = AlertDetailsOut.of(queries.incident_by_id(session, incident.id), late, at=NOW)
    assert (shown.is_over, shown.patient) == (True, None)


def test_after_the_ambulances_arrival_nobody_is_alerted(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident = report(session, settings)
    called = sent_messages(session)
    assert called

    lifecycle.update_ambulance(
        session,
        dispatcher(session),
        incident.id,
        0,
        at=NOW + timedelta(seconds=40),
        network=None,
        settings=settings,
    )

    assert {each.state for each in queries.alerts(session, incident.id)} == {AlertState.STOPPED}
    assert all("The call is over" in text for _, text in sent_messages(session)), (
        "what was not sent is taken back"
    )
    assert incident.replan_at is None


def test_a_person_at_one_patient_is_not_alerted_to_another(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    first = report(session, settings)
    busy = {each.person_id for each in queries.alerts(session, first.id)}
    second = report(session, settings, where=north_of(PATIENT, metres=400))
    assert not busy & {each.person_id for each in queries.alerts(session, second.id)}


def test_a_neighbour_is_asked_to_guide_in_an_estate(session: Session, settings: Settings) -> None:
    estate = make.estate(session)
    lead = make.person_with_role(session, Role.LEAD, estate=estate)
    make.agrees_to_be_called(session, lead.person_id)
    make.person_with_role(session, Role.RESIDENT, estate=estate)
    incident = report(session, settings)

    (guide,) = queries.alerts(session, incident.id)
    assert (guide.task, guide.person_id) == (Task.GUIDE, lead.person_id)
    assert sent_messages(session)[0][1].startswith(
        f"Suspected cardiac arrest at {estate.name_en}. If you can come now, please open the gate"
    )


# --- plans and the record -------------------------------------------------------------------------------


def test_a_stored_plan_is_reproduced_from_its_inputs(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    make.device(session, at=east_of(PATIENT, metres=80))
    incident = report(session, settings)
    answer(session, settings, queries.alerts(session, incident.id)[0], AlertReply.ACCEPT)

    plans = queries.plans(session, incident.id)
    assert [each.number for each in plans] == [1, 2]
    for each in plans:
        inputs = load_inputs(each.inputs)
        again = plan(inputs.case, planning=inputs.planning, survival=inputs.survival)
        assert again == load_plan(each.outcome)


def test_a_changed_record_entry_is_detected(
    session: Session, settings: Settings, neighbours: list[int]
) -> None:
    incident = report(session, settings)
    answer(session, settings, queries.alerts(session, incident.id)[0], AlertReply.ACCEPT)
    lifecycle.close_incident(
        session, dispatcher(session), incident.id, IncidentOutcome.HANDED_OVER, "well", at=NOW
    )
    session.commit()
    session.expire_all()
    events = queries.events(session, incident.id)
    assert [each.kind for each in events] == ["opened", "planned", "said", "planned", "closed"]
    assert first_broken_entry(events) is None

    third = session.get_one(IncidentEvent, (incident.id, 3))
    third.payload = third.payload.replace("accept", "decline")
    session.commit()
    assert first_broken_entry(queries.events(session, incident.id)) == 3
    session.delete(third)
    session.commit()
    assert first_broken_entry(queries.events(session, incident.id)) == 3


def test_closing_twice_changes_nothing(session: Session, settings: Settings, neighbours: list[int]) -> None:
    incident, who = report(session, settings), dispatcher(session)
    lifecycle.close_incident(session, who, incident.id, IncidentOutcome.FALSE_ALARM, None, at=NOW)
    count = len(sent_messages(session))
    again = lifecycle.close_incident(session, who, incident.id, IncidentOutcome.FALSE_ALARM, None, at=NOW)

    assert (again.state, again.outcome, len(sent_messages(session))) == (
        IncidentState.CLOSED,
        IncidentOutcome.FALSE_ALARM,
        count,
    )
    with pytest.raises(Conflict):
        lifecycle.close_incident(session, who, incident.id, IncidentOutcome.HANDED_OVER, None, at=NOW)
    with pytest.raises(NotFound):
        lifecycle.close_incident(
            session,
            make.dispatcher(make.region(session, "CN-44")),
            incident.id,
            IncidentOutcome.HANDED_OVER,
            None,
            at=NOW,
        )


def test_an_incidents_kind_never_changes(session: Session, settings: Settings) -> None:
    assert report(session, settings, kind="exercise").kind is IncidentKind.EXERCISE
    assert report(session, settings).kind is IncidentKind.REAL
