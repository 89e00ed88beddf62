"""After a call: devices are asked after, those who set out are thanked, and asked again after a night."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed.aftercare.jobs import care
from aed.db import Database, reads, transaction
from aed.incidents.actions import opening
from aed.incidents.actions.calling import take_answer
from aed.incidents.models import Alert
from aed.incidents.rules.incident import Outcome, Said
from aed.incidents.rules.offer import Task
from aed.notifications.models import Outgoing
from aed.settings import Settings
from aed.upkeep.models import CallOut, Quarantine
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

DAY = timedelta(days=1)


@pytest.fixture
def talk(settings: Settings) -> Settings:
    return settings.model_copy(update={"talk_contact": "Red Cross +86 571 5550 1234"})


def over(session: Session, settings: Settings, kind: str) -> dict[str, list[int]]:
    """One who went direct got there, one who fetched set out, another declined: by what they did."""
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    for metres in (60, 90):
        make.device(session, at=east_of(PATIENT, metres=metres))
    incident = make.incident(session, kind=kind)
    alerts = session.scalars(select(Alert).where(Alert.incident_id == incident.id).order_by(Alert.id)).all()
    direct, fetch = (next(each for each in alerts if each.task is task) for task in (Task.DIRECT, Task.FETCH))
    other = next(each for each in alerts if each not in (direct, fetch))
    for alert, said in ((direct, Said.THERE), (fetch, Said.ACCEPT), (other, Said.DECLINE)):
        take_answer(session, alert.id, said, by="test", at=NOW, network=None, settings=settings)
    opening.close(session, ADMINISTRATOR, incident.id, Outcome.HANDED_OVER, None, at=NOW)
    session.execute(delete(Outgoing))
    session.commit()
    return {"there": [direct.person_id], "set out": sorted((direct.person_id, fetch.person_id))}


def told(database: Database) -> list[tuple[int | None, str]]:
    """What was put since, and is forgotten here."""
    with transaction(database) as session:
        rows = session.execute(
            select(Outgoing.person_id, Outgoing.text_en).order_by(Outgoing.person_id)
        ).all()
        session.execute(delete(Outgoing))
    return [(person, text or "") for person, text in rows]


def twice(database: Database, at: datetime, settings: Settings) -> None:
    """The job may be run again at any time."""
    for _ in range(2):
        care(database, at, settings=settings)


def test_whoever_set_out_is_thanked_and_whoever_was_there_is_asked_again_after_a_night(
    session: Session, database: Database, talk: Settings
) -> None:
    people = over(session, talk, "real")

    twice(database, NOW + timedelta(minutes=5), talk)
    thanked = told(database)
    assert [person for person, _ in thanked] == people["set out"]
    assert all(text.startswith("Thank you for setting out") for _, text in thanked)
    assert all(text.endswith("talk about it: Red Cross +86 571 5550 1234.") for _, text in thanked)

    twice(database, NOW + timedelta(hours=19), talk)
    assert told(database) == []
    twice(database, NOW + DAY, talk)
    asked = told(database)
    assert [person for person, _ in asked] == people["there"]
    assert asked[0][1].startswith("Yesterday you helped in an emergency. How are you today?")
    twice(database, NOW + 2 * DAY, talk)
    assert told(database) == []


def test_a_device_that_somebody_set_out_to_fetch_is_asked_after_once(
    session: Session, database: Database, settings: Settings
) -> None:
    people = over(session, settings, "real")
    twice(database, NOW + timedelta(minutes=5), settings)

    with reads(database) as own:
        (call_out,) = own.scalars(select(CallOut)).all()
        fetched = own.scalars(select(Alert.device_id).where(Alert.accepted_at.is_not(None))).all()
    assert call_out.device_id in fetched
    assert call_out.person_id in people["set out"]
    assert (call_out.sent_at, call_out.reference) == (NOW, "incident 1")


def test_a_device_whose_pads_were_used_is_offered_no_more_until_it_is_checked(
    session: Session, database: Database, settings: Settings
) -> None:
    make.responder(session, at=north_of(PATIENT, metres=30))
    for number in range(2, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    device = make.device(session, at=east_of(PATIENT, metres=60))
    incident = make.incident(session)
    fetch = session.scalars(select(Alert).where(Alert.task == Task.FETCH)).first()
    assert fetch is not None
    take_answer(session, fetch.id, Said.DEVICE_ATTACHED, by="test", at=NOW, network=None, settings=settings)
    opening.close(session, ADMINISTRATOR, incident.id, Outcome.HANDED_OVER, None, at=NOW)
    session.commit()

    twice(database, NOW + timedelta(minutes=5), settings)

    with reads(database) as own:
        assert own.scalars(select(Quarantine.reason).where(Quarantine.device_id == device.id)).all() == [
            "used"
        ]
        assert own.scalars(select(CallOut.outcome)).all() == ["used"]


def test_after_an_exercise_nobody_is_asked_how_they_are_and_after_a_test_nobody_hears_anything(
    session: Session, database: Database, settings: Settings
) -> None:
    over(session, settings, "exercise")
    twice(database, NOW + timedelta(minutes=5), settings)
    thanked = told(database)
    assert thanked
    assert all(text.startswith("EXERCISE over.") for _, text in thanked)
    twice(database, NOW + DAY, settings)
    assert told(database) == []


def test_after_a_test_of_the_line_nobody_hears_anything(
    session: Session, database: Database, settings: Settings
) -> None:
    over(session, settings, "test")
    twice(database, NOW + DAY, settings)
    assert told(database) == []
    with reads(database) as own:
        assert own.scalars(select(CallOut)).all() == []
