"""Checks, drills, sessions and calls become service once, and nothing beside a patient waits for it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import Role, Viewer
from aed.database.session import Database
from aed.database.types import Table
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls.actions import close_incident
from aed.incidents.models import Alert, Incident
from aed.incidents.rules import AlertReply, AlertState, IncidentOutcome, IncidentState
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.training.rosters import actions as roster_actions
from aed.training.rules import AttendanceState, MarkedBy
from aed.upkeep.checks.approvals import decide_on_check
from aed.upkeep.checks.schemas import ApprovalIn
from aed.volunteering.models import ServiceRecord
from aed.volunteering.records.collecting import collect, collect_missed, collect_service
from aed.volunteering.records.schemas import ServiceOut
from aed.volunteering.rules import ServiceSource, ServiceState
from tests import make
from tests.make import ADMINISTRATOR, NOW
from tests.statements import statements_of

TABLES = [
    mapper.local_table.name  # type: ignore[attr-defined]  # every table has a name
    for mapper in Table.registry.mappers
    if mapper.class_.__module__ == "aed.volunteering.models"
]
MINUTE = timedelta(minutes=1)


def collected(session: Session) -> list[ServiceRecord]:
    collect_service(session, since=None, at=NOW + timedelta(days=1))
    return list(session.scalars(select(ServiceRecord).order_by(ServiceRecord.id)))


def keeper_who_serves(session: Session, estate: Estate) -> Viewer:
    """Add a keeper of the estate who is a registered volunteer."""
    keeper = make.person_with_role(session, Role.KEEPER, estate=estate)
    make.registered(session, keeper, estate)
    return keeper


def closed_call(session: Session, who: Viewer, *, minutes: int = 42) -> Incident:
    incident = make.incident(session)
    assert who.person_id is not None
    alert = make.alert(session, incident, session.get_one(Person, who.person_id))
    alert.accepted_at, alert.state = NOW, AlertState.ACCEPTED
    incident.state, incident.outcome = IncidentState.CLOSED, IncidentOutcome.HANDED_OVER
    incident.closed_at, incident.closed_by = NOW + minutes * MINUTE, "centre:lake"
    session.flush()
    return incident


def test_checks_are_recorded_once_and_share_their_time(session: Session) -> None:
    estate = make.estate(session)
    devices = [make.device(session, of=estate, place_zh="大堂") for _ in range(2)]
    keeper = keeper_who_serves(session, estate)
    stranger = make.person_with_role(session, Role.KEEPER, estate=estate)
    make.check(session, devices[0], who=keeper, at=NOW)
    make.check(session, devices[1], who=keeper, at=NOW + 4 * MINUTE)
    make.check(session, devices[1], who=stranger, at=NOW + 60 * MINUTE)

    records = collected(session)
    assert collected(session) == records

    assert [each.minutes for each in records] == [10, 4]
    assert {each.person_id for each in records} == {keeper.person_id}
    assert {each.state for each in records} == {ServiceState.PENDING}
    assert records[0].place == "大堂"


def test_a_check_that_waits_for_a_second_person_is_recorded_once_they_approve_it(session: Session) -> None:
    estate = make.estate(session)
    make.policy(session, of=estate, approval_days=3)
    keeper = keeper_who_serves(session, estate)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    approved, refused, failed = (
        make.check(session, make.device(session, of=estate), who=keeper, at=NOW + number * 60 * MINUTE).check
        for number in range(3)
    )
    assert collected(session) == []

    for check, decision in ((approved, "approved"), (refused, "refused"), (failed, "failed")):
        given = ApprovalIn(decision=decision, reason=None if decision == "approved" else "The photo is old")
        decide_on_check(session, manager, check.id, given, at=NOW + 300 * MINUTE)
    assert [each.source_id for each in collected(session)] == [str(approved.id)]


def test_a_check_during_a_patrol_counts_no_minutes_again(session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    keeper = keeper_who_serves(session, estate)
    make.check(session, device, who=keeper, at=NOW - 30 * MINUTE)
    make.service(session, keeper, estate, ended_at=NOW, minutes=60)

    assert [each.minutes for each in collected(session)] == [60, 0]


def test_drills_and_sessions_taught_are_recorded(session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    li = make.volunteer(session, estate)
    make.drill(session, device, who=li, seconds=200)
    person = session.get_one(Person, li.person_id)
    training = make.training(session, estate=estate, starts_at=NOW - timedelta(days=2))
    training.trainer_id = person.id
    enrolment = make.enrolment(session, training, at=NOW - timedelta(days=9))
    session.flush()
    held = roster_actions.open_for_results(session, ADMINISTRATOR, training.id, at=training.ends_at)
    result = roster_actions.Result(enrolment.id, attendance=AttendanceState.ATTENDED)
    roster_actions.save_results(
        session, ADMINISTRATOR, held, [result], how=MarkedBy.HAND, at=training.ends_at
    )

    found = {each.source: each for each in collected(session)}

    assert found[ServiceSource.DRILL].minutes == 4
    assert found[ServiceSource.SESSION_TAUGHT].minutes == 240
    assert found[ServiceSource.SESSION_TAUGHT].proof["attended"] == 1


def test_a_call_earns_its_minutes_and_names_neither_place_nor_patient(session: Session) -> None:
    estate = make.estate(session)
    li = make.volunteer(session, estate)
    closed_call(session, li)

    (record,) = collected(session)

    assert record.activity == "应急救护 0:42"
    assert record.minutes == 42
    assert record.place is None
    assert record.state is ServiceState.CONFIRMED
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    session.refresh(record, ["person"])
    shown = ServiceOut.of(record, manager, [])
    assert (shown.started_at, shown.ended_at, shown.confirmed_at, shown.proof) == (None, None, None, {})
    assert ServiceOut.of(record, li, []).started_at == NOW


def test_accepting_and_then_declining_takes_nothing_away(session: Session) -> None:
    estate = make.estate(session)
    li, wu = make.volunteer(session, estate), make.volunteer(session, estate)
    incident = closed_call(session, li)
    alert = make.alert(session, incident, session.get_one(Person, wu.person_id), key="another")
    alert.accepted_at, alert.ended_at, alert.state = NOW, NOW + 7 * MINUTE, AlertState.DECLINED
    session.flush()

    assert {each.person_id: each.minutes for each in collected(session)} == {
        li.person_id: 42,
        wu.person_id: 7,
    }


def test_service_from_before_the_registration_and_after_its_end_is_not_recorded(session: Session) -> None:
    estate = make.estate(session)
    late = make.volunteer(session, estate, at=NOW + MINUTE)
    closed_call(session, late)

    assert collected(session) == []


def test_service_of_weeks_without_a_worker_is_recorded_by_the_daily_run(
    session: Session, database: Database
) -> None:
    estate = make.estate(session)
    closed_call(session, make.volunteer(session, estate))
    session.commit()
    later = NOW + timedelta(days=100)

    assert collect(database, later) == 0
    assert [collect_missed(database, later) for _ in range(2)] == [1, 0]


def test_a_call_from_report_to_close_neither_reads_nor_needs_the_tables_of_service(
    session: Session, database: Database
) -> None:
    estate = make.estate(session)
    make.device(session, of=estate)
    li = make.volunteer(session, estate)
    make.agrees_to_be_called(session, li.person_id)
    session.commit()
    for table in ("service_records", "volunteers"):
        session.execute(text(f"ALTER TABLE {table} RENAME TO {table}_gone"))
    session.commit()

    with statements_of(database.engine) as sent:
        incident = make.incident(session)
        alert = make.alert(session, incident, session.get_one(Person, li.person_id))
        for each in (AlertReply.SEEN, AlertReply.ACCEPT, AlertReply.THERE):
            take_reply(session, alert.id, each, by="phone", at=NOW, network=None, settings=Settings())
        close_incident(
            session, ADMINISTRATOR, incident.id, IncidentOutcome.HANDED_OVER, None, at=NOW + 9 * MINUTE
        )
        session.flush()

    assert sent
    assert not [each for each in sent for table in TABLES if table in each]
    assert session.get_one(Alert, alert.id).accepted_at == NOW
