"""Private calendar addresses: what they show, to whom, and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient
from icalendar import Calendar
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Person
from aed.accounts.permissions import ANYONE, Role
from aed.accounts.tokens import hash_key
from aed.accounts.viewers import viewer_of_person
from aed.calendars import actions, queries
from aed.calendars.models import CalendarAddress, CalendarKind
from aed.calendars.training_events import events, title, training_calendar
from aed.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from aed.training.enrolments import actions as enrolment_actions
from aed.training.enrolments.schemas import EnrolmentIn
from aed.training.models import TrainingSession
from aed.training.sessions import actions as session_actions
from aed.training.sessions.schemas import SessionAmend
from aed.upkeep.rules import DueKind
from tests import make
from tests.accounts.everyone import signed_in
from tests.make import ADMINISTRATOR, NOW
from tests.registry.conftest import Desk
from tests.statements import statements_of

BEGINS = NOW + timedelta(days=10)
LATER = datetime(2060, 1, 1, 1, tzinfo=UTC)
HOME = "https://aed.example.org"


def enrolled(session: Session, training: TrainingSession, person: Person, *, at: datetime = NOW) -> int:
    given = EnrolmentIn(name=person.name, phone=person.phone or "")
    return enrolment_actions.enrol(
        session, viewer_of_person(session, person.id), training.id, given, at=at
    ).id


def read(session: Session, key: str, *, now: datetime = NOW) -> Any:
    address = queries.address_by_key(session, key)
    written = training_calendar(
        events(session, address, now=now),
        calendar_id=address.id,
        title=title(session, address),
        public_address=HOME,
        today=now.date(),
    )
    return Calendar.from_ical(written)


def shown(calendar: Any) -> list[tuple[str, str]]:
    return [(str(each["SUMMARY"]), str(each["STATUS"])) for each in calendar.walk("VEVENT")]


def test_a_personal_calendar_has_enrolled_and_tentative_sessions(session: Session) -> None:
    course = make.course(session, "CPR")
    mine = make.training(session, course, starts_at=BEGINS)
    full = make.training(session, course, starts_at=BEGINS + timedelta(days=1), capacity=1)
    make.training(session, course, starts_at=BEGINS + timedelta(days=2))
    make.enrolment(session, full)
    person = make.person(session)
    enrolled(session, mine, person)
    enrolled(session, full, person)

    calendar = read(session, make.calendar(session, of=person)[1])

    assert shown(calendar) == [
        ("课程CPR Course CPR", "CONFIRMED"),
        ("（候补 waiting）课程CPR Course CPR", "TENTATIVE"),
    ]
    first = calendar.walk("VEVENT")[0]
    assert str(first["UID"]) == f"training-session-{mine.id}@aed.example.org"
    assert "社区活动室" in str(first["LOCATION"])
    assert person.name in str(calendar["X-WR-CALNAME"])


def test_times_are_local_with_the_time_zone_of_the_region(session: Session) -> None:
    make.region(session, "AT-9", time_zone="Europe/Vienna", country="AT", holiday_calendar=None)
    vienna = make.estate(session, in_region="AT-9")
    before = datetime(2026, 10, 24, 7, tzinfo=UTC)
    for starts_at in (before, before + timedelta(days=2)):  # daylight saving time ends in between
        make.training(session, estate=vienna, starts_at=starts_at)
    _, key = actions.create_address(session, ADMINISTRATOR, CalendarKind.ESTATE, estate_id=vienna.id, at=NOW)

    calendar = read(session, key)

    events = calendar.walk("VEVENT")
    assert [each["DTSTART"].params["TZID"] for each in events] == ["Europe/Vienna"] * 2
    assert [each["DTSTART"].dt.hour for each in events] == [9, 8]
    assert [each["DTSTART"].dt.astimezone(UTC) for each in events] == [before, before + timedelta(days=2)]
    zones = calendar.walk("VTIMEZONE")
    assert [str(each["TZID"]) for each in zones] == ["Europe/Vienna"]
    assert {str(each.name) for each in zones[0].subcomponents} == {"STANDARD", "DAYLIGHT"}
    rebuilt = zones[0].to_tz()
    for each in events:
        naive = each["DTSTART"].dt.replace(tzinfo=None)
        assert (
            naive.replace(tzinfo=rebuilt).utcoffset()
            == naive.replace(tzinfo=ZoneInfo("Europe/Vienna")).utcoffset()
        ), "the time zone in the file is complete"


def test_a_cancelled_session_stays_as_cancelled_with_a_higher_sequence(session: Session) -> None:
    training = make.training(session, starts_at=BEGINS)
    person = make.person(session)
    enrolled(session, training, person)
    _, key = make.calendar(session, of=person)
    before = read(session, key).walk("VEVENT")[0]

    at = NOW + timedelta(hours=5)
    session_actions.amend_session(
        session, ADMINISTRATOR, training.id, SessionAmend(capacity=9), version=training.version, at=at
    )
    between = read(session, key).walk("VEVENT")[0]
    session_actions.cancel_session(
        session, ADMINISTRATOR, training.id, reason="讲师生病", version=training.version, at=at
    )
    after = read(session, key).walk("VEVENT")[0]

    assert str(after["STATUS"]) == "CANCELLED"
    assert str(after["SUMMARY"]).startswith("（已取消 cancelled）")
    assert "讲师生病" in str(after["DESCRIPTION"])
    assert before["UID"] == between["UID"] == after["UID"]
    assert before["SEQUENCE"] < between["SEQUENCE"] < after["SEQUENCE"]
    assert after["DTSTAMP"].dt == at


def test_enrolling_again_keeps_one_event_with_a_higher_sequence(session: Session) -> None:
    training = make.training(session, starts_at=BEGINS)
    person = make.person(session)
    _, key = make.calendar(session, of=person)
    first = enrolled(session, training, person)
    once = read(session, key).walk("VEVENT")[0]["SEQUENCE"]
    enrolment_actions.withdraw(session, viewer_of_person(session, person.id), first, version=1, at=NOW)
    assert shown(read(session, key)) == []
    enrolled(session, training, person)

    again = read(session, key).walk("VEVENT")

    assert len(again) == 1
    assert again[0]["SEQUENCE"] > once


def test_a_trainer_calendar_has_their_sessions_and_an_estate_calendar_its_own(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    course, another = make.course(session, "CPR"), make.course(session, "FIRST-AID")
    ours = make.training(
        session,
        course,
        estate=home,
        starts_at=BEGINS,
        trainer={"name": "林老师", "phone": "+86 571 5550 2000"},
    )
    make.training(session, another, estate=other, starts_at=BEGINS)
    assert ours.trainer_id is not None
    _, trains = actions.create_address(
        session, ADMINISTRATOR, CalendarKind.TRAINER, person_id=ours.trainer_id, at=NOW
    )
    _, of_home = actions.create_address(
        session, ADMINISTRATOR, CalendarKind.ESTATE, estate_id=home.id, at=NOW
    )

    for key in (trains, of_home):
        assert shown(read(session, key)) == [("课程CPR Course CPR", "CONFIRMED")]
    assert "林老师" not in read(session, of_home).to_ical().decode(), (
        "the calendar of an estate contains no names"
    )
    assert shown(read(session, trains, now=BEGINS + timedelta(days=400))) == []


def test_a_calendar_address_is_for_the_person_or_for_those_who_run_the_training(session: Session) -> None:
    home, other = make.estate(session), make.estate(session)
    person, stranger = make.person(session), make.person(session)
    manager = make.person(session)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=home)
    own = viewer_of_person(session, person.id)
    runs = viewer_of_person(session, manager.id)

    def refused(error: type[Exception], who: Any, kind: CalendarKind, **of: Any) -> None:
        with pytest.raises(error):
            actions.create_address(session, who, kind, at=NOW, **of)

    refused(NotSignedIn, ANYONE, CalendarKind.PERSON)
    refused(NotAllowed, own, CalendarKind.PERSON, person_id=stranger.id)
    refused(NotFound, own, CalendarKind.ESTATE, estate_id=home.id)
    refused(NotFound, runs, CalendarKind.ESTATE, estate_id=other.id)
    refused(NotAllowed, make.member(home), CalendarKind.ESTATE, estate_id=home.id)
    refused(InvalidInput, own, CalendarKind.ESTATE)
    refused(InvalidInput, own, CalendarKind.PERSON, estate_id=home.id)
    refused(InvalidInput, make.member(home, writes=True), CalendarKind.PERSON)
    refused(NotFound, ADMINISTRATOR, CalendarKind.PERSON, person_id=10**9)
    made, _ = actions.create_address(session, own, CalendarKind.PERSON, at=NOW)
    assert made.person_id == person.id
    refused(Conflict, own, CalendarKind.PERSON)


def test_others_neither_see_nor_revoke_a_calendar_address(session: Session) -> None:
    person, stranger = make.person(session), make.person(session)
    id_, _ = make.calendar(session, of=person)
    other = viewer_of_person(session, stranger.id)

    assert queries.addresses(session, other, limit=10) == []
    for act in (actions.revoke_address, actions.renew_address):
        with pytest.raises(NotFound):
            act(session, other, id_, at=NOW)
    assert [
        each.id for each in queries.addresses(session, viewer_of_person(session, person.id), limit=10)
    ] == [id_]


def test_only_a_hash_of_the_calendar_address_is_stored(session: Session) -> None:
    _, key = make.calendar(session, of=make.person(session))

    kept = session.scalars(select(CalendarAddress)).one()

    assert key not in repr(
        {column.key: getattr(kept, column.key) for column in CalendarAddress.__table__.columns}
    )
    assert len(key) > 43


# --- over HTTP ------------------------------------------------------------------------------------------


@pytest.fixture
def mine(session: Session, client: TestClient) -> tuple[Desk, TrainingSession]:
    """Return a signed-in person who is enrolled in a session."""
    person = make.person(session)
    training = make.training(session, starts_at=LATER, planned_at=NOW)
    enrolled(session, training, person)
    desk = Desk(client, signed_in(session, person))
    session.commit()
    return desk, training


def test_a_calendar_is_created_read_revalidated_renewed_and_revoked(
    session: Session, mine: tuple[Desk, TrainingSession], client: TestClient, office: Desk
) -> None:
    desk, training = mine
    made = desk.post("/v1/calendars", {"kind": "person"})
    assert made.status_code == 201, made.text
    path = made.json()["address"].removeprefix("http://testserver")
    assert desk.get(made.headers["Location"]).json().keys() == made.json().keys() - {"address"}
    assert desk.post("/v1/calendars", {"kind": "person"}).status_code == 409

    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert len(Calendar.from_ical(answer.content).walk("VEVENT")) == 1
    tag, changed = answer.headers["etag"], answer.headers["last-modified"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    assert client.get(path, headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304
    assert client.get(path, headers={"If-Modified-Since": changed}).status_code == 304
    for nothing in ({"If-None-Match": '"x"'}, {"If-Modified-Since": "yesterday"}):
        assert client.get(path, headers=nothing).status_code == 200
    old = {"If-Modified-Since": "Mon, 01 Jan 2024 00:00:00 GMT"}
    assert client.get(path, headers=old).status_code == 200

    assert office.delete(f"/v1/sessions/{training.id}?reason=Ill").status_code == 204
    after = client.get(path, headers={"If-None-Match": tag})
    assert (after.status_code, b"STATUS:CANCELLED" in after.content) == (200, True)
    assert after.headers["last-modified"] != changed

    renewed = desk.post(f"{made.headers['Location']}/renewal", None)
    assert renewed.status_code == 201
    assert client.get(path).status_code == 404, "the previous address no longer works"
    other = renewed.json()["address"].removeprefix("http://testserver")
    assert client.get(other).status_code == 200
    assert desk.delete(renewed.headers["Location"]).status_code == 204
    assert client.get(other).status_code == 404
    assert [each["revoked_at"] is None for each in desk.get("/v1/calendars").json()["calendars"]] == [
        False,
        False,
    ]
    assert desk.post("/v1/calendars", {"kind": "person"}).status_code == 201, "another one may be created"


def test_calendars_are_listed_in_pages(
    session: Session, office: Desk, nobody: Desk, desk_of: Callable[..., Desk]
) -> None:
    ids = [make.calendar(session, of=make.person(session))[0] for _ in range(3)]
    home = make.estate(session)
    session.commit()
    assert nobody.get("/v1/calendars").status_code == 401
    assert desk_of(home).get("/v1/calendars").json() == {"calendars": [], "next": None}

    first = office.get("/v1/calendars?limit=2").json()
    rest = office.get(f"/v1/calendars?limit=2&cursor={first['next']}").json()

    assert [each["id"] for each in first["calendars"] + rest["calendars"]] == ids
    assert rest["next"] is None


def test_a_calendar_runs_the_same_number_of_statements_for_any_number_of_sessions(
    session: Session, client: TestClient
) -> None:
    person = make.person(session)
    _, key = make.calendar(session, of=person)
    counts = []
    for number in range(2):
        for day in range(3):
            training = make.training(
                session, starts_at=LATER + timedelta(days=3 * number + day), planned_at=NOW
            )
            enrolled(session, training, person)
        session.commit()
        with statements_of(client.app.state.database.engine) as sent:  # type: ignore[attr-defined] # it is a FastAPI
            assert client.get(f"/v1/calendar.ics?key={key}").status_code == 200
        counts.append(len(sent))
    assert counts[0] == counts[1] <= 6


def test_the_calendar_key_appears_in_no_log_line(
    session: Session, client_on: Callable[..., TestClient], settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    _, key = make.calendar(session, of=make.person(session))
    session.commit()
    client = client_on(settings.model_copy(update={"access_log": True}))

    assert client.get(f"/v1/calendar.ics?key={key}").status_code == 200

    logged = "".join(capsys.readouterr())
    assert "/v1/calendar.ics" in logged
    assert key not in logged


# --- Due upkeep -----------------------------------------------------------------------------------------


def test_calendars_of_due_upkeep_are_limited_to_what_was_asked_for(session: Session) -> None:
    region = make.region(session, "CN-33")
    home, next_door = (make.estate(session, in_region="CN-33") for _ in range(2))
    keeper = make.person(session)
    for estate in (home, next_door):
        make.role(session, keeper, Role.KEEPER, estate=estate)
    own = make.device(session, of=home, last_checked_on=NOW.date())
    own.keeper_id = keeper.id
    other = make.device(session, of=home, last_checked_on=NOW.date())
    third = make.device(session, of=next_door, last_checked_on=NOW.date())
    session.flush()

    def due_devices(**limits: Any) -> set[int]:
        _, key = actions.create_address(
            session, viewer_of_person(session, keeper.id), CalendarKind.DUE, at=NOW, **limits
        )
        found = queries.due_upkeep(session, queries.address_by_key(session, key), at=NOW)
        assert DueKind.GLANCE not in {each.due_kind for each in found.dues}
        return {each.device_id for each in found.dues}

    assert due_devices() == {own.id, other.id, third.id}
    assert due_devices(estate_id=home.id) == {own.id, other.id}
    assert due_devices(is_mine=True) == {own.id}
    assert due_devices(region=region.code) == {own.id, other.id, third.id}


def test_a_person_has_at_most_twenty_calendars_of_due_upkeep(session: Session) -> None:
    person = make.person(session)
    own = viewer_of_person(session, person.id)
    hidden = make.estate(session)
    limits: dict[str, Any]
    for limits in ({"region": "XX-1"}, {"estate_id": hidden.id}):
        with pytest.raises(NotFound):
            actions.create_address(session, own, CalendarKind.DUE, at=NOW, **limits)
    with pytest.raises(InvalidInput):
        actions.create_address(session, own, CalendarKind.PERSON, is_mine=True, at=NOW)
    ids = [make.calendar(session, of=person, kind=CalendarKind.DUE)[0] for _ in range(actions.MAX_DUE)]

    with pytest.raises(Conflict):
        actions.create_address(session, own, CalendarKind.DUE, at=NOW)

    actions.revoke_address(session, own, ids[0], at=NOW)
    actions.create_address(session, own, CalendarKind.DUE, at=NOW)


def test_a_manager_does_not_see_calendars_of_due_upkeep_of_others_in_the_estate(session: Session) -> None:
    home = make.estate(session)
    keeper, manager = make.person(session), make.person(session)
    make.role(session, keeper, Role.KEEPER, estate=home)
    make.role(session, manager, Role.ESTATE_MANAGER, estate=home)
    made, _ = make.calendar(session, of=keeper, kind=CalendarKind.DUE, estate_id=home.id)

    assert queries.addresses(session, viewer_of_person(session, manager.id), limit=9) == []
    with pytest.raises(NotFound):
        actions.revoke_address(session, viewer_of_person(session, manager.id), made, at=NOW)


def test_a_renewed_calendar_of_due_upkeep_keeps_its_limits(session: Session) -> None:
    home = make.estate(session)
    made, old = make.calendar(
        session, of=make.person(session), kind=CalendarKind.DUE, estate_id=home.id, is_mine=True
    )

    renewed, _ = actions.renew_address(session, ADMINISTRATOR, made, at=NOW)

    assert (renewed.kind, renewed.estate_id, renewed.is_mine) == (CalendarKind.DUE, home.id, True)
    with pytest.raises(NotFound):
        queries.address_by_key(session, old)


def test_the_address_of_a_calendar_from_the_last_release_redirects(
    session: Session, client: TestClient
) -> None:
    _, key = make.calendar(session, of=make.person(session), kind=CalendarKind.DUE)
    row = session.scalars(select(CalendarAddress)).one()
    row.key_hash = hash_key("due_" + key)
    session.commit()

    answer = client.get(f"/v1/due/calendars/due_{key}.ics")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    assert client.get("/v1/due/calendars/due_0123456789.ics").status_code == 404
