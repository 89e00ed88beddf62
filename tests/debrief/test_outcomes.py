"""The patient's outcome, reported by dispatchers, with the data already in the incident's record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aed.accounts.permissions import TokenRole, TokenScope, Viewer
from aed.database.session import Database, read_session
from aed.debrief.follow_up.jobs import anonymise_patients
from aed.debrief.outcomes.actions import record_outcome
from aed.debrief.outcomes.queries import items_in, measured, outcome_of
from aed.debrief.outcomes.rules import (
    ArrestLocation,
    BystanderAed,
    BystanderCpr,
    CallCounts,
    CoreItems,
    Pathogenesis,
    Rhythm,
    Sex,
    Witnessed,
    YesNo,
    is_favourable,
    require_consistent,
)
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed, NotFound
from aed.incidents import queries as incident_queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls import actions as lifecycle
from aed.incidents.models import Alert
from aed.incidents.record.actions import first_broken_entry
from aed.incidents.rules import AlertReply, IncidentOutcome, Task
from aed.settings import Settings
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of, north_of

SHE_LIVES = CoreItems(
    arrest=YesNo.YES,
    resuscitation=YesNo.YES,
    pathogenesis=Pathogenesis.MEDICAL,
    witnessed=Witnessed.BYSTANDER,
    location=ArrestLocation.HOME,
    age_years=67,
    sex=Sex.FEMALE,
    bystander_cpr=BystanderCpr.COMPRESSIONS,
    dispatcher_cpr=YesNo.YES,
    bystander_aed=BystanderAed.SHOCK,
    first_rhythm=Rhythm.AED_SHOCKABLE,
    first_shock_at=NOW + timedelta(minutes=6),
    rosc=YesNo.YES,
    survived_event=YesNo.YES,
    survived=YesNo.YES,
    cpc=1,
)
UNKNOWN = CoreItems()


def dispatcher(session: Session, code: str = "CN-33") -> Viewer:
    region = make.region(session, code)
    return Viewer(
        role=TokenRole.DISPATCHER, name="centre", scopes=frozenset(TokenScope), region_ids=(region.id,)
    )


def tell(session: Session, incident_id: int, items: CoreItems, *, version: int = 0, **given: Any) -> Any:
    who = given.get("who") or dispatcher(session)
    at = given.get("at", NOW + timedelta(days=1))
    return record_outcome(session, who, incident_id, items, version=version, at=at)


# --- permissions and values -----------------------------------------------------------------------------


def test_strangers_can_neither_read_nor_record_outcomes(session: Session) -> None:
    incident = make.incident(session)
    with pytest.raises(NotFound):
        tell(session, incident.id, SHE_LIVES, who=dispatcher(session, "CN-44"))
    with pytest.raises(NotFound):
        tell(session, incident.id, SHE_LIVES, who=make.member(make.estate(session), writes=True))
    reads_only = replace(dispatcher(session), scopes=frozenset({TokenScope.READ}))
    with pytest.raises(NotAllowed):
        tell(session, incident.id, SHE_LIVES, who=reads_only)


def test_an_outcome_is_read_back_and_extended(session: Session) -> None:
    incident = make.incident(session)
    at_first = replace(UNKNOWN, arrest=YesNo.YES, age_years=67)
    outcome = tell(session, incident.id, at_first)
    assert (items_in(outcome), outcome.version, outcome.reported_by) == (at_first, 1, "centre")

    outcome = tell(session, incident.id, SHE_LIVES, version=1)
    session.expire_all()
    assert items_in(outcome_of(session, incident.id)) == SHE_LIVES
    assert outcome.version == 2
    assert tell(session, incident.id, SHE_LIVES, version=2).version == 2, "the same again changes nothing"


def test_simultaneous_changes_do_not_overwrite_each_other(session: Session) -> None:
    incident = make.incident(session)
    tell(session, incident.id, SHE_LIVES)
    for version in (0, 2):
        with pytest.raises(ChangedMeanwhile):
            tell(session, incident.id, UNKNOWN, version=version)


def test_the_record_names_changed_items_without_values(session: Session) -> None:
    incident = make.incident(session)
    tell(session, incident.id, SHE_LIVES)
    tell(session, incident.id, replace(SHE_LIVES, age_years=68, survived=YesNo.NO, cpc=5), version=1)

    events = incident_queries.events(session, incident.id)
    assert first_broken_entry(events) is None
    assert [each.payload for each in events if each.kind == "patient_outcome"][1] == (
        '{"items":["age_years","survived","cpc"],"version":2}'
    )
    for payload in (each.payload for each in events if each.kind == "patient_outcome"):
        assert not any(word in payload for word in ("67", "68", "female", "shockable", '"yes"', '"no"'))


def test_age_and_sex_are_encrypted_in_the_database(session: Session) -> None:
    incident = make.incident(session)
    tell(session, incident.id, SHE_LIVES)
    age, sex = session.execute(text("SELECT age, sex FROM patient_outcomes")).one()
    assert len(age) > 20
    assert age != "67"
    assert "female" not in sex


@pytest.mark.parametrize(
    ("items", "field"),
    [
        (CoreItems(arrest=YesNo.NO, first_rhythm=Rhythm.VF), "first_rhythm"),
        (CoreItems(arrest=YesNo.NO, resuscitation=YesNo.YES), "resuscitation"),
        (CoreItems(rosc=YesNo.NO, survived_event=YesNo.YES), "rosc"),
        (CoreItems(survived_event=YesNo.NO, survived=YesNo.YES), "survived_event"),
        (CoreItems(survived=YesNo.YES, cpc=5), "cpc"),
        (CoreItems(survived=YesNo.NO, mrs=2), "mrs"),
        (CoreItems(cpc=5, mrs=2), "mrs"),
    ],
)
def test_contradicting_items_are_refused(items: CoreItems, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        require_consistent(items)
    assert refused.value.field == field


def test_all_contradictions_are_reported_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        require_consistent(
            CoreItems(rosc=YesNo.NO, survived_event=YesNo.YES, survived=YesNo.YES, cpc=5, mrs=2)
        )
    assert [each["field"] for each in refused.value.errors] == ["rosc", "cpc", "mrs"]


def test_an_impossible_shock_time_is_refused(session: Session) -> None:
    incident = make.incident(session)
    for at in (NOW - timedelta(hours=7), NOW + timedelta(hours=25), NOW + timedelta(days=3)):
        with pytest.raises(InvalidInput) as refused:
            tell(session, incident.id, CoreItems(first_shock_at=at), at=NOW + timedelta(days=2))
        assert refused.value.field == "first_shock_at"
    with pytest.raises(InvalidInput):
        tell(session, incident.id, CoreItems(arrest=YesNo.NO, rosc=YesNo.YES))


def test_cpr_can_be_recorded_without_an_arrest(session: Session) -> None:
    incident = make.incident(session)
    items = CoreItems(arrest=YesNo.NO, bystander_cpr=BystanderCpr.COMPRESSIONS, age_years=30)
    assert items_in(tell(session, incident.id, items)) == items


def test_a_line_test_has_no_patient_but_an_exercise_may_have_one(session: Session) -> None:
    with pytest.raises(Conflict):
        tell(session, make.incident(session, kind="test").id, SHE_LIVES)
    assert tell(session, make.incident(session, kind="exercise").id, SHE_LIVES).version == 1


@pytest.mark.parametrize(
    ("items", "says"),
    [
        (CoreItems(survived=YesNo.YES, cpc=2), True),
        (CoreItems(survived=YesNo.YES, cpc=3), False),
        (CoreItems(survived=YesNo.YES, mrs=3), True),
        (CoreItems(survived=YesNo.YES, mrs=4), False),
        (CoreItems(survived=YesNo.NO), False),
        (CoreItems(survived=YesNo.YES), None),
        (CoreItems(), None),
    ],
)
def test_favourable_is_cpc_1_or_2_or_mrs_0_to_3(items: CoreItems, says: bool | None) -> None:
    assert is_favourable(items) is says


# --- deletion -------------------------------------------------------------------------------------------


def test_after_two_years_age_and_sex_are_deleted_and_the_rest_is_counted(
    session: Session, database: Database, settings: Settings
) -> None:
    old, new = make.incident(session), make.incident(session, kind="exercise", at=NOW + timedelta(days=9))
    tell(session, old.id, SHE_LIVES)
    tell(session, new.id, replace(SHE_LIVES, first_shock_at=None), at=NOW + timedelta(days=10))
    session.commit()

    just_before = NOW + timedelta(days=settings.patient_keep_days)
    assert anonymise_patients(database, just_before, keep_days=settings.patient_keep_days) == 0
    later = just_before + timedelta(days=1)
    assert anonymise_patients(database, later, keep_days=settings.patient_keep_days) == 1
    assert anonymise_patients(database, later, keep_days=settings.patient_keep_days) == 0

    with read_session(database) as own:
        outcome = outcome_of(own, old.id)
        assert items_in(outcome) == replace(SHE_LIVES, age_years=None, sex=Sex.UNKNOWN)
        assert outcome is not None
        assert outcome.forgotten_at == later
        assert items_in(outcome_of(own, new.id)).age_years == 67
        events = incident_queries.events(own, old.id)
        assert events[-1].kind == "patient_forgotten"
        assert first_broken_entry(events) is None


def test_deleted_items_are_refused_and_others_can_be_changed(
    session: Session, database: Database, settings: Settings
) -> None:
    incident = make.incident(session)
    tell(session, incident.id, replace(UNKNOWN, age_years=67))
    session.commit()
    anonymise_patients(database, NOW + timedelta(days=800), keep_days=settings.patient_keep_days)
    session.expire_all()
    with pytest.raises(Conflict) as refused:
        tell(session, incident.id, SHE_LIVES, version=2)
    assert refused.value.field == "age_years"
    rest = replace(SHE_LIVES, age_years=None, sex=Sex.UNKNOWN)
    assert items_in(tell(session, incident.id, rest, version=2)) == rest


# --- data from the record -------------------------------------------------------------------------------


def minutes(count: float) -> Any:
    return NOW + timedelta(minutes=count)


@pytest.fixture
def called(session: Session) -> list[Alert]:
    """Alert some people to go direct and one to fetch a device."""
    for number in range(1, 9):
        make.responder(session, at=north_of(PATIENT, metres=30.0 * number))
    make.device(session, at=east_of(PATIENT, metres=60))
    incident = make.incident(session)
    return list(incident_queries.alerts(session, incident.id))


def test_recorded_times_are_not_changed_by_later_outcomes(
    session: Session, settings: Settings, called: list[Alert]
) -> None:
    straight = next(each for each in called if each.task is Task.DIRECT)
    fetch = next(each for each in called if each.task is Task.FETCH)
    incident = incident_queries.incident_by_id(session, straight.incident_id)

    def say(alert: Alert, reply: AlertReply, at: float) -> None:
        take_reply(session, alert.id, reply, by="test", at=minutes(at), network=None, settings=settings)

    say(straight, AlertReply.ACCEPT, 0.5)
    say(fetch, AlertReply.ACCEPT, 0.6)
    say(straight, AlertReply.THERE, 2)
    say(fetch, AlertReply.THERE, 4)
    say(fetch, AlertReply.DEVICE_ATTACHED, 4.5)
    say(fetch, AlertReply.SHOCK_GIVEN, 5)
    say(fetch, AlertReply.SHOCK_GIVEN, 7)
    who = dispatcher(session)
    lifecycle.update_ambulance(session, who, incident.id, 0, at=minutes(9), network=None, settings=settings)
    lifecycle.close_incident(session, who, incident.id, IncidentOutcome.HANDED_OVER, None, at=minutes(10))
    say(straight, AlertReply.SHOCK_GIVEN, 11)
    tell(session, incident.id, SHE_LIVES)
    session.commit()

    known = measured(session, incident)
    assert (known.called_at, known.first_there_at, known.compressions_at) == (NOW, minutes(2), minutes(2))
    assert (known.attached_at, known.shock_at) == (minutes(4.5), minutes(5))
    assert known.ambulance_there_at == minutes(9)
    assert known.all_calls == CallCounts(asked=len(called), seen=2, accepted=2, there=2)
    assert known.calls[Task.FETCH].there == 1
    assert known.seconds("shock_at") == 300


def test_compressions_start_with_the_report_or_the_dispatchers_update(
    session: Session, settings: Settings
) -> None:
    from_the_call = make.incident(session, has_cpr=True)
    heard = make.incident(session, kind="exercise")
    for at in (3, 4):
        lifecycle.update_signs(
            session, ADMINISTRATOR, heard.id, has_cpr=at == 4, at=minutes(at), network=None, settings=settings
        )
    nobody = make.incident(session, kind="test")
    assert measured(session, from_the_call).compressions_at == NOW
    assert measured(session, heard).compressions_at == minutes(4)
    assert measured(session, nobody).compressions_at is None
    assert measured(session, nobody).calls == {}


# --- over HTTP ------------------------------------------------------------------------------------------


def test_outcomes_over_http_with_etags(client: TestClient, session: Session) -> None:
    incident = make.incident(session)
    headers = make.key(session, TokenRole.DISPATCHER, writes=True, region=make.region(session))
    session.commit()
    where = f"/v1/incidents/{incident.id}/patient-outcome"

    assert client.get(where).status_code == 404
    nothing = client.get(where, headers=headers)
    assert (nothing.headers["ETag"], nothing.json()["reported_by"]) == ('"0"', None)
    assert nothing.json()["survived"] == "unknown"
    assert client.put(where, json={}, headers=headers).status_code == 428

    body = {"arrest": "yes", "first_shock_at": "2026-09-22T10:06:00+08:00", "age_years": 67}
    answer = client.put(where, json=body, headers=headers | {"If-Match": '"0"'})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"')
    assert answer.json()["first_shock_at"] == "2026-09-22T02:06:00Z"
    assert answer.json()["measured"]["shock_at"] is None, "a reported outcome does not change the record"
    assert client.get(where, headers=headers).json() == answer.json()
    assert client.put(where, json=body, headers=headers | {"If-Match": '"0"'}).status_code == 412
    wrong = client.put(
        where, json={"rosc": "no", "survived_event": "yes"}, headers=headers | {"If-Match": '"1"'}
    )
    assert wrong.status_code == 422
    assert "rosc must be yes" in wrong.json()["detail"]
    session.expire_all()
    assert session.scalars(select(Alert)).all() == []
