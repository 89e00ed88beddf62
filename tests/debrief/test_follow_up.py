"""After an incident: device follow-up, thanks to responders, and a question the next day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.database.session import Database, read_session, transaction
from aed.debrief.follow_up.jobs import debrief_incidents
from aed.debrief.follow_up.rules import (
    alerts_that_used_a_device,
    follow_up_text,
    may_have_fetched_device,
    needs_follow_up,
    thank_you_text,
)
from aed.incidents.alerts.answers import take_location, take_reply
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert, Drill
from aed.incidents.rules import AlertReply, AlertState, IncidentKind, IncidentOutcome, StopReason, Task
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from aed.upkeep.models import Quarantine, Retrieval
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

DAY = timedelta(days=1)


@pytest.fixture
def talk(settings: Settings) -> Settings:
    return settings.model_copy(update={"support_contact": "Red Cross +86 571 5550 1234"})


@dataclass(frozen=True)
class Fetch:
    state: AlertState = AlertState.ON_THE_WAY
    device_taken_at: datetime | None = None
    there_at: datetime | None = None
    stop_reason: str | None = None


@pytest.mark.parametrize(
    ("alert", "in_a_real_case", "in_an_exercise"),
    [
        (Fetch(), True, False),
        (Fetch(device_taken_at=NOW), True, True),
        (Fetch(there_at=NOW), True, True),
        (Fetch(AlertState.DECLINED), False, False),
        (Fetch(AlertState.DECLINED, device_taken_at=NOW), True, True),
        (Fetch(AlertState.STOPPED, stop_reason=StopReason.CALLED_AWAY), False, False),
        (Fetch(AlertState.STOPPED, stop_reason=StopReason.COMES_ELSEWHERE), False, False),
        (Fetch(AlertState.STOPPED, there_at=NOW, stop_reason=StopReason.CALLED_AWAY), True, True),
    ],
)
def test_upkeep_asks_about_a_device_that_may_have_been_fetched(
    alert: Fetch, in_a_real_case: bool, in_an_exercise: bool
) -> None:
    assert may_have_fetched_device(alert, IncidentKind.REAL) is in_a_real_case
    assert may_have_fetched_device(alert, IncidentKind.EXERCISE) is in_an_exercise


def test_a_device_was_used_if_it_was_attached_or_gave_a_shock() -> None:
    said = ("seen", "device_attached", "shock_given", "device_taken", "handed_over")
    record = [("said", json.dumps({"alert": alert, "said": each})) for alert, each in enumerate(said)]
    other = ("plan", json.dumps({"alert": 7, "said": "shock_given"}))

    assert alerts_that_used_a_device([*record, other]) == {1, 2}


def test_only_people_at_the_side_of_a_real_patient_are_asked_how_they_are() -> None:
    assert needs_follow_up(IncidentKind.REAL, NOW)
    assert not needs_follow_up(IncidentKind.REAL, None)
    assert not needs_follow_up(IncidentKind.EXERCISE, NOW)
    assert not needs_follow_up(IncidentKind.TEST, NOW)


def test_thanks_say_whether_a_person_set_out_how_the_call_ended_and_who_listens() -> None:
    real, over = IncidentKind.REAL, IncidentOutcome.HANDED_OVER
    went, _ = thank_you_text(real, None, None, set_out=True)
    stayed, _ = thank_you_text(real, None, None, set_out=False)

    assert went.startswith("Thank you for setting out to help today.")
    assert stayed == "You were called to an emergency today. Thank you for being ready to help."
    assert thank_you_text(real, over, "+86 571 5550 1234", set_out=True) == (
        f"{went} The ambulance has taken over. If you would like to talk about it: +86 571 5550 1234.",
        "感谢您今天伸出援手。无论结果如何，您的行动都有意义。患者已移交120急救人员。"
        "如想找人聊聊，请联系：+86 571 5550 1234。",
    )
    after_exercise = {
        thank_you_text(IncidentKind.EXERCISE, over, "x", set_out=set_out) for set_out in (True, False)
    }
    assert [en.partition(":")[0] for en, _ in after_exercise] == ["EXERCISE over. Thank you for taking part"]


def test_the_question_of_the_day_after_names_who_listens_if_anybody_does() -> None:
    without, with_contact = follow_up_text(None), follow_up_text("+86 571 5550 1234")

    assert without[0].startswith("Yesterday you helped in an emergency. How are you today?")
    assert with_contact == (
        f"{without[0]} If you would like to talk about it: +86 571 5550 1234.",
        f"{without[1]}如想找人聊聊，请联系：+86 571 5550 1234。",
    )


def over(session: Session, settings: Settings, kind: str) -> dict[str, list[int]]:
    """Close an incident after a direct arrival, a fetch and a refusal; return the person ids by action."""
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    for metres in (60, 90):
        make.device(session, at=east_of(PATIENT, metres=metres))
    incident = make.incident(session, kind=kind)
    alerts = session.scalars(select(Alert).where(Alert.incident_id == incident.id).order_by(Alert.id)).all()
    direct, fetch = (next(each for each in alerts if each.task is task) for task in (Task.DIRECT, Task.FETCH))
    other = next(each for each in alerts if each not in (direct, fetch))
    for alert, reply in ((direct, AlertReply.THERE), (fetch, AlertReply.ACCEPT), (other, AlertReply.DECLINE)):
        take_reply(session, alert.id, reply, by="test", at=NOW, network=None, settings=settings)
    lifecycle.close_incident(session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=NOW)
    session.execute(delete(OutboxMessage))
    session.commit()
    return {
        "called": sorted(each.person_id for each in alerts),
        "there": [direct.person_id],
        "set out": sorted((direct.person_id, fetch.person_id)),
    }


def sent_messages(database: Database) -> list[tuple[int | None, str]]:
    """Return (person id, text) of new messages, and delete them."""
    with transaction(database) as session:
        rows = session.execute(
            select(OutboxMessage.person_id, OutboxMessage.text_en).order_by(OutboxMessage.person_id)
        ).all()
        session.execute(delete(OutboxMessage))
    return [(person, text or "") for person, text in rows]


def twice(database: Database, at: datetime, settings: Settings) -> None:
    """Run the job twice; the second run must change nothing."""
    for _ in range(2):
        debrief_incidents(database, at, network_of=lambda: None, settings=settings)


def test_everyone_alerted_is_thanked_and_those_who_arrived_are_followed_up(
    session: Session, database: Database, talk: Settings
) -> None:
    people = over(session, talk, "real")

    twice(database, NOW + timedelta(minutes=5), talk)
    thanked = sent_messages(database)
    assert [person for person, _ in thanked] == people["called"]
    assert [person for person, text in thanked if "for setting out" in text] == people["set out"]
    assert all("The ambulance has taken over." in text for _, text in thanked), "the outcome of the call"
    assert all(text.endswith("talk about it: Red Cross +86 571 5550 1234.") for _, text in thanked)

    twice(database, NOW + timedelta(hours=19), talk)
    assert sent_messages(database) == []
    twice(database, NOW + DAY, talk)
    asked = sent_messages(database)
    assert [person for person, _ in asked] == people["there"]
    assert asked[0][1].startswith("Yesterday you helped in an emergency. How are you today?")
    twice(database, NOW + 2 * DAY, talk)
    assert sent_messages(database) == []


def test_follow_up_waits_a_night_after_late_thanks(
    session: Session, database: Database, settings: Settings
) -> None:
    over(session, settings, "real")
    twice(database, NOW + 2 * DAY, settings)  # the worker had stopped
    assert not any("How are you today?" in text for _, text in sent_messages(database))
    twice(database, NOW + 3 * DAY, settings)
    assert all("How are you today?" in text for _, text in sent_messages(database))


def test_a_fetch_in_an_exercise_times_its_estate_once(
    session: Session, database: Database, settings: Settings
) -> None:
    """Timed from the phone's position at departure: 200 m to the device, then 80 m to the patient."""
    estate = make.estate(session)
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    device = make.device(session, at=east_of(PATIENT, metres=80), of=estate, floor=2)
    incident = make.incident(session, kind="exercise", floor=0)
    fetch = session.scalars(select(Alert).where(Alert.task == Task.FETCH)).first()
    assert fetch is not None

    def say(reply: AlertReply, seconds: int) -> None:
        at = NOW + timedelta(seconds=seconds)
        take_reply(session, fetch.id, reply, by="test", at=at, network=None, settings=settings)

    say(AlertReply.ACCEPT, 20)
    for seconds, metres in ((30, 280), (90, 150)):
        at, here = NOW + timedelta(seconds=seconds), east_of(PATIENT, metres=metres)
        take_location(session, fetch.id, here, at=at, network=None, settings=settings)
    say(AlertReply.THERE, 400)
    end = NOW + timedelta(seconds=500)
    lifecycle.close_incident(session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=end)
    session.commit()

    twice(database, NOW + timedelta(minutes=15), settings)

    with read_session(database) as own:
        (drill,) = own.scalars(select(Drill)).all()
    detour, arrival = settings.arrival.detour_factor, settings.arrival
    assert (drill.device_id, drill.estate_id, drill.by_id) == (device.id, estate.id, fetch.person_id)
    assert (drill.seconds, drill.ran_at) == (370.0, NOW + timedelta(seconds=30))
    assert drill.walk_metres == pytest.approx((200 + 80) / 2 * detour, rel=0.01)
    assert drill.floor_seconds == 2 * 2 * arrival.stairs_seconds_per_floor
    assert drill.note == "exercise, incident 1"


def test_a_fetched_device_gets_one_question(session: Session, database: Database, settings: Settings) -> None:
    people = over(session, settings, "real")
    twice(database, NOW + timedelta(minutes=5), settings)

    with read_session(database) as own:
        (retrieval,) = own.scalars(select(Retrieval)).all()
        fetched = own.scalars(select(Alert.device_id).where(Alert.accepted_at.is_not(None))).all()
    assert retrieval.device_id in fetched
    assert retrieval.person_id in people["set out"]
    assert (retrieval.sent_at, retrieval.reference) == (NOW, "incident 1")


def test_a_used_device_is_not_offered_until_checked(
    session: Session, database: Database, settings: Settings
) -> None:
    make.responder(session, at=north_of(PATIENT, metres=30))
    for number in range(2, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    device = make.device(session, at=east_of(PATIENT, metres=60))
    incident = make.incident(session)
    fetch = session.scalars(select(Alert).where(Alert.task == Task.FETCH)).first()
    assert fetch is not None
    take_reply(
        session, fetch.id, AlertReply.DEVICE_ATTACHED, by="test", at=NOW, network=None, settings=settings
    )
    lifecycle.close_incident(session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=NOW)
    session.commit()

    twice(database, NOW + timedelta(minutes=5), settings)

    with read_session(database) as own:
        assert own.scalars(select(Quarantine.reason).where(Quarantine.device_id == device.id)).all() == [
            "used"
        ]
        assert own.scalars(select(Retrieval.outcome)).all() == ["used"]


def test_no_follow_up_after_an_exercise_and_no_messages_after_a_test(
    session: Session, database: Database, settings: Settings
) -> None:
    over(session, settings, "exercise")
    twice(database, NOW + timedelta(minutes=5), settings)
    thanked = sent_messages(database)
    assert thanked
    assert all(text.startswith("EXERCISE over.") for _, text in thanked)
    twice(database, NOW + DAY, settings)
    assert sent_messages(database) == []


def test_no_messages_after_a_line_test(session: Session, database: Database, settings: Settings) -> None:
    over(session, settings, "test")
    twice(database, NOW + DAY, settings)
    assert sent_messages(database) == []
    with read_session(database) as own:
        assert own.scalars(select(Retrieval)).all() == []
