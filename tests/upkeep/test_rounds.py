"""Inspection rounds: planned from what is due, assigned, walked, repeated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role, TokenRole, Viewer
from aed.accounts.viewers import viewer_of_person
from aed.database.session import Database
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound
from aed.hours.timetable import Opening, StateSpan
from aed.notifications.models import OutboxMessage
from aed.registry.devices.actions import withdraw_device
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.upkeep.jobs import repeat_rounds
from aed.upkeep.rounds.actions import cancel_round
from aed.upkeep.rounds.models import InspectionRound
from aed.upkeep.rounds.queries import round_by_id, rounds
from aed.upkeep.rounds.routing import NotVisitedReason, Window
from aed.upkeep.rounds.rules import RoundState, are_hours_known, reachable_windows, repeat_day, round_state
from tests import make
from tests.make import ADMINISTRATOR, NOW, PATIENT, north_of
from tests.registry.conftest import Desk
from tests.statements import statements_of

TODAY = date(2026, 9, 22)
DAY = timedelta(days=1)


def inspector_of(session: Session, estate: Estate) -> Person:
    person = make.person(session)
    make.role(session, person, Role.KEEPER, estate=estate)
    session.flush()
    return person


def viewer_of(session: Session, person: Person) -> Viewer:
    return viewer_of_person(session, person.id)


# --- rules ------------------------------------------------------------------------------------------------


def test_unknown_hours_are_not_taken_for_closed_and_are_flagged() -> None:
    spans = (
        StateSpan(0, Opening.CLOSED, None),
        StateSpan(480, Opening.OPEN, None),
        StateSpan(1050, Opening.UNKNOWN, None),
        StateSpan(1200, Opening.CLOSED, None),
    )

    assert reachable_windows(spans) == (Window(480 * 60, 1200 * 60),)
    assert are_hours_known(spans, 500 * 60, 505 * 60)
    assert not are_hours_known(spans, 1048 * 60, 1053 * 60)


def test_the_state_of_a_round_follows_from_its_day_and_what_is_left() -> None:
    def state(day: date, left: int, every_days: int | None = None) -> RoundState:
        return round_state(day, today=TODAY, left=left, waiting=0, every_days=every_days, is_cancelled=False)

    assert state(TODAY + DAY, 1) is RoundState.PLANNED
    assert state(TODAY, 1) is RoundState.TODAY
    assert state(TODAY, 0) is RoundState.DONE
    assert state(TODAY - DAY, 1) is RoundState.OVERDUE
    assert state(TODAY - 7 * DAY, 1, 7) is RoundState.MISSED
    assert state(TODAY - 30 * DAY, 1) is RoundState.MISSED


def test_turns_that_passed_unnoticed_are_left_out() -> None:
    assert repeat_day(TODAY, 7, today=TODAY) == TODAY + 7 * DAY
    assert repeat_day(TODAY - 20 * DAY, 7, today=TODAY) == TODAY + DAY
    assert repeat_day(TODAY - 14 * DAY, 7, today=TODAY) == TODAY


# --- planning and assigning -------------------------------------------------------------------------------


def test_due_devices_are_assigned_in_walking_order_and_the_inspector_is_notified(session: Session) -> None:
    estate = make.estate(session)
    due: dict[str, Any] = {"of": estate, "last_checked_on": date(2026, 8, 1)}
    far = make.device(session, at=north_of(PATIENT, metres=150), **due)
    near = make.device(session, at=north_of(PATIENT, metres=50), **due)
    make.device(session, of=estate)  # checked yesterday
    closed = make.device(session, opening_hours="Sa-Su 08:00-18:00", **due)
    person = inspector_of(session, estate)

    row = make.inspection_round(session, estate, person, device_ids=None)

    found = round_by_id(session, viewer_of(session, person), row.id, at=NOW)
    assert [each.device.id for each in found.in_order] == [near.id, far.id]
    assert [(each.device.id, each.reason) for each in found.stops if each.reason] == [
        (closed.id, NotVisitedReason.CLOSED)
    ]
    assert found.in_order[0].stop.begins_at == datetime(2026, 9, 22, 0, 1, tzinfo=UTC)
    assert found.state is RoundState.TODAY
    message = session.scalars(select(OutboxMessage).where(OutboxMessage.person_id == person.id)).one()
    assert message.text_zh == "巡检任务：2026-09-22，2台AED，08:00开始。"


def test_a_device_that_closes_early_says_until_when(session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate, opening_hours="Mo-Fr 08:00-17:30")

    row = make.inspection_round(session, estate, inspector_of(session, estate), device)

    (stop,) = round_by_id(session, ADMINISTRATOR, row.id, at=NOW).stops
    assert stop.stop.closes_at == datetime(2026, 9, 22, 9, 30, tzinfo=UTC)
    assert stop.stop.hours_known


def test_checks_that_arrive_finish_a_round(session: Session) -> None:
    estate = make.estate(session)
    one, other = make.device(session, of=estate), make.device(session, of=estate)
    row = make.inspection_round(session, estate, inspector_of(session, estate), one, other)

    make.check(session, one, answered_at=NOW, at=NOW)
    make.check(session, other, kind="glance", answered_at=NOW, at=NOW)
    half = round_by_id(session, ADMINISTRATOR, row.id, at=NOW)
    assert (half.checked, half.state) == (1, RoundState.TODAY)
    assert half.next_stop is not None
    assert half.next_stop.device.id == other.id
    assert round_by_id(session, ADMINISTRATOR, row.id, at=NOW + DAY).state is RoundState.OVERDUE

    withdraw_device(session, ADMINISTRATOR, other.id, version=other.version, at=NOW)
    session.flush()
    assert round_by_id(session, ADMINISTRATOR, row.id, at=NOW).state is RoundState.DONE


def test_who_may_see_and_assign_rounds(session: Session) -> None:
    estate, elsewhere = make.estate(session), make.estate(session, around=north_of(PATIENT, metres=900))
    device = make.device(session, of=estate)
    person = inspector_of(session, estate)
    row = make.inspection_round(session, estate, person, device)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    region_manager = make.person_with_role(session, Role.ESTATE_MANAGER, region=estate.region)
    colleague = make.person_with_role(session, Role.KEEPER, estate=estate)
    stranger = make.person_with_role(session, Role.ESTATE_MANAGER, estate=elsewhere)

    for viewer in (ANYONE, stranger, colleague):
        with pytest.raises(NotFound):
            round_by_id(session, viewer, row.id, at=NOW)
        assert rounds(session, viewer, at=NOW, limit=10) == []
    for viewer in (viewer_of(session, person), manager, region_manager):
        assert [each.row.id for each in rounds(session, viewer, at=NOW, limit=10)] == [row.id]
    with pytest.raises(NotAllowed):
        cancel_round(session, viewer_of(session, person), row.id, at=NOW)
    cancel_round(session, manager, row.id, at=NOW)
    assert round_by_id(session, manager, row.id, at=NOW).state is RoundState.CANCELLED


def test_a_check_counts_from_the_first_moment_of_the_day_to_the_last_before_the_next_turn(
    session: Session,
) -> None:
    estate = make.estate(session)
    devices = [make.device(session, of=estate) for _ in range(4)]
    row = make.inspection_round(session, estate, inspector_of(session, estate), *devices, every_days=7)
    begins = datetime(2026, 9, 21, 16, tzinfo=UTC)  # midnight in China
    ends, moment = begins + 7 * DAY, timedelta(microseconds=1)

    for device, at in zip(devices, (begins - moment, begins, ends - moment, ends), strict=True):
        make.check(session, device, answered_at=at, at=at)

    found = round_by_id(session, ADMINISTRATOR, row.id, at=ends)
    checked = {each.device.id for each in found.stops if each.checked_at is not None}
    assert checked == {devices[1].id, devices[2].id}
    assert found.state is RoundState.MISSED


def test_an_inspector_who_has_lost_the_role_sees_the_round_without_devices_that_are_hidden(
    session: Session,
) -> None:
    estate = make.estate(session)
    hidden, public = (make.device(session, of=estate, audience=audience) for audience in ("estate", "public"))
    person = inspector_of(session, estate)
    row = make.inspection_round(session, estate, person, hidden, public)
    former = Viewer(role=TokenRole.MEMBER, person_id=person.id)

    assert len(round_by_id(session, viewer_of(session, person), row.id, at=NOW).stops) == 2
    seen = round_by_id(session, former, row.id, at=NOW).stops
    assert [each.device.id for each in seen] == [public.id]


def test_an_inspector_must_be_allowed_to_check_and_has_one_round_at_a_time(session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    person = inspector_of(session, estate)
    resident = make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    session.flush()

    with pytest.raises(InvalidInput, match="may not check these devices"):
        make.inspection_round(session, estate, resident, device)
    with pytest.raises(InvalidInput, match="from today on"):
        make.inspection_round(session, estate, person, device, day=TODAY - DAY)
    make.inspection_round(session, estate, person, device)
    with pytest.raises(Conflict):
        make.inspection_round(session, estate, person, device)


def test_a_list_of_rounds_takes_three_statements(session: Session, database: Database) -> None:
    estate = make.estate(session)
    for _ in range(3):
        make.inspection_round(session, estate, inspector_of(session, estate), make.device(session, of=estate))
    session.commit()
    session.expunge_all()

    with statements_of(database.engine) as statements:
        found = rounds(session, ADMINISTRATOR, at=NOW, limit=10)

    assert len(found) == 3
    assert len(statements) == 3


def test_a_round_is_repeated_once_for_each_turn(session: Session, database: Database) -> None:
    estate = make.estate(session)
    person = inspector_of(session, estate)
    first = make.inspection_round(
        session, estate, person, make.device(session, of=estate), every_days=7, ends_by=time(17, 30)
    )
    session.commit()

    def repeated(at: datetime) -> int:
        return repeat_rounds(database, at, network_of=lambda: None, settings=Settings())

    assert repeated(NOW) == 0
    assert repeated(NOW + 6 * DAY) == 1
    assert repeated(NOW + 6 * DAY) == 0
    session.rollback()
    second = session.scalars(select(InspectionRound).where(InspectionRound.repeats_id == first.id)).one()
    assert second.day == TODAY + 7 * DAY
    assert second.ends_by - second.starts_at == timedelta(hours=9.5)
    assert round_by_id(session, ADMINISTRATOR, first.id, at=NOW + 7 * DAY).state is RoundState.MISSED


# --- over HTTP --------------------------------------------------------------------------------------------


def test_rounds_over_http(session: Session, nobody: Desk, desk_of: Callable[..., Desk]) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate)
    person = inspector_of(session, estate)
    manager = desk_of(estate)
    body: dict[str, Any] = {
        "estate_id": estate.id,
        "inspector_ids": [person.id],
        "day": str(clock.now().date() + 2 * DAY),
        "start": {"lat": PATIENT.lat, "lon": PATIENT.lon},
        "device_ids": [device.id],
    }
    session.commit()

    assert nobody.get("/v1/rounds").status_code == 401
    assert nobody.post("/v1/rounds", body).status_code == 401
    assert manager.post("/v1/rounds", body | {"starts": "18:00"}).status_code == 422
    assert manager.post("/v1/rounds", body | {"device_ids": [10**6]}).status_code == 404

    preview = manager.post("/v1/rounds/preview", body)
    assert preview.status_code == 200, preview.text
    assert preview.json()["is_estimated"]
    made = manager.post("/v1/rounds", body)
    assert made.status_code == 201, made.text
    (assigned,) = made.json()["rounds"]
    assert (assigned["state"], assigned["devices"], assigned["checked"]) == ("planned", 1, 0)
    assert manager.post("/v1/rounds", body).status_code == 409
    assert manager.get(f"/v1/rounds/{assigned['id']}").json() == assigned
    assert manager.get("/v1/rounds").json() == {"rounds": [assigned], "next": None}
    assert nobody.get(f"/v1/rounds/{assigned['id']}").status_code == 401
    assert manager.delete(f"/v1/rounds/{assigned['id']}").status_code == 204
    assert manager.get(f"/v1/rounds/{assigned['id']}").json()["state"] == "cancelled"
