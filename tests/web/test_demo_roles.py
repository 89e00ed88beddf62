"""The page of a demo: nothing outside one; signing in as its people; an exercise in two windows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.demo_people import DemoPerson, DemoRole, demo_people
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.accounts.viewers import viewer_of_person
from aed.cli import demo
from aed.database.session import Database, read_session
from aed.incidents.models import Alert
from aed.incidents.rules import AlertState
from aed.settings import Settings
from aed.sharing.agreements.queries import agreements
from aed.sharing.rules import AgreementState, PartyRole
from aed.web.demo_roles.page import DESKS
from aed.web.demo_roles.queries import party_to_decide
from tests import make
from tests.apps import app_on

FORM = {"Sec-Fetch-Site": "same-origin"}
HERE = "http://127.0.0.1:8000"


@pytest.fixture
def browser(browser: dict[str, str]) -> dict[str, str]:
    return browser | {"Accept-Language": "en"}


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """Yield a browser on the machine of the service."""
    app = app_on(settings)
    with TestClient(
        app, base_url=HERE, client=("127.0.0.1", 50_000), raise_server_exceptions=False
    ) as opened:
        yield opened


@pytest.fixture
def people(session: Session) -> dict[DemoRole, Person]:
    """Make the database a demo, with a device that only the estate sees, and a volunteer next door."""
    estate = make.estate(session)
    make.device(session, of=estate, audience="estate", place_en="Hidden lobby")
    make.responder(session)
    held = {DemoRole.DISPATCHER: Role.DISPATCHER, DemoRole.RESIDENT: Role.RESIDENT}
    made = {}
    for part, role in held.items():
        made[part] = make.person(session)
        where = {"estate": estate} if role is Role.RESIDENT else {"region": make.region(session)}
        make.role(session, made[part], role, **where)
        session.add(DemoPerson(role=part, person_id=made[part].id))
    session.commit()
    return made


def test_outside_a_demo_there_is_no_such_page(
    client: TestClient, session: Session, browser: dict[str, str]
) -> None:
    incident = make.incident(session, kind="exercise")
    alert = make.alert(session, incident, make.person(session))
    session.commit()
    path = f"/demo/exercises/{incident.id}"
    headers = browser | FORM
    for answer in (
        client.get("/demo", headers=browser),
        client.get(path, headers=browser),
        client.post("/demo", headers=headers, data={"part": "dispatcher"}),
        client.post("/demo", headers=headers, data={"part": "stranger"}),
        client.post("/demo/exercises", headers=headers),
        client.post(f"{path}/alerts/{alert.id}", headers=headers),
        client.post(f"{path}/end", headers=headers),
    ):
        assert answer.status_code == 404
        assert "set-cookie" not in answer.headers
    assert client.get("/a/call_key", headers=browser).status_code == 200, "the link is still valid"


def test_a_newcomer_takes_a_place_and_becomes_a_stranger_again(
    client: TestClient, session: Session, browser: dict[str, str], people: dict[DemoRole, Person]
) -> None:
    page = client.get("/demo", headers=browser).text
    assert "places, people and calls are invented" in page
    assert page.count("This is you now.") == 1
    refused = client.post("/demo", headers=browser, data={"part": "resident"})
    assert refused.status_code == 403, "from another site"
    unknown = client.post("/demo", headers=browser | FORM, data={"part": "administrator"})
    assert unknown.status_code == 404

    answer = client.post("/demo", headers=browser | FORM, data={"part": "resident"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/demo?switched=1")
    key = answer.cookies[SESSION_COOKIE]
    signed_in = browser | {"Cookie": f"{SESSION_COOKIE}={key}"}
    page = client.get("/demo?switched=1", headers=signed_in).text
    assert "You are now: A resident." in page
    assert re.search(r'href="/d/\d+-\d"', page), "a device of the own estate"
    client.post("/demo", headers=signed_in | FORM, data={"part": "stranger"})
    assert "You are now" not in client.get("/demo?switched=1", headers=signed_in).text.replace(
        "You are now: A stranger.", ""
    )


def test_an_exercise_is_watched_and_a_phone_is_opened(
    client: TestClient, session: Session, browser: dict[str, str], people: dict[DemoRole, Person]
) -> None:
    headers = browser | FORM
    board = client.post("/demo/exercises", headers=headers)
    again = client.post("/demo/exercises", headers=headers)
    assert board.url.path == again.url.path, "a double tap joins the exercise"
    alert_id = session.scalars(select(Alert.id)).one()
    assert "Volunteer 1: Called" in board.text
    session.rollback()
    phone = client.post(f"{board.url.path}/alerts/{alert_id}", headers=headers)
    assert phone.url.path.startswith("/a/call_")
    assert "Exercise: there is no real patient." in phone.text
    client.post(phone.url.path, headers=headers, data={"reply": "accept"})
    assert "Volunteer 1: Comes" in client.get(board.url.path, headers=browser).text
    ended = client.post(f"{board.url.path}/end", headers=headers)
    assert "Ended." in ended.text
    assert "The call is over" in client.get(phone.url.path, headers=browser).text


def test_a_real_incident_is_no_exercise(
    client: TestClient, session: Session, browser: dict[str, str], people: dict[DemoRole, Person]
) -> None:
    incident = make.incident(session, at=clock.now())
    alert = make.alert(session, incident, make.person(session))
    alert.state = AlertState.ACCEPTED
    session.commit()
    path = f"/demo/exercises/{incident.id}"
    assert client.get(path, headers=browser).status_code == 404
    assert client.post(f"{path}/alerts/{alert.id}", headers=browser | FORM).status_code == 404
    assert client.post(f"{path}/end", headers=browser | FORM).status_code == 404


def paths(session: Session) -> list[tuple[str, str, dict[str, str]]]:
    incident = make.incident(session, kind="exercise")
    alert = make.alert(session, incident, make.person(session))
    session.commit()
    exercise = f"/demo/exercises/{incident.id}"
    return [
        ("GET", "/demo", {}),
        ("GET", exercise, {}),
        ("POST", "/demo", {"part": "dispatcher"}),
        ("POST", "/demo/exercises", {}),
        ("POST", f"{exercise}/alerts/{alert.id}", {}),
        ("POST", f"{exercise}/end", {}),
    ]


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"Host": "aed.example"},
        {"Host": "192.168.1.20:8000"},
        {"Origin": "https://aed.example"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
)
def test_a_demo_that_a_web_server_publishes_lets_nobody_in(
    client: TestClient,
    session: Session,
    browser: dict[str, str],
    people: dict[DemoRole, Person],
    elsewhere: dict[str, str],
) -> None:
    for method, path, data in paths(session):
        answer = client.request(method, path, headers=browser | FORM | elsewhere, data=data)
        assert answer.status_code == 404, (method, path)
        assert "set-cookie" not in answer.headers


def test_a_demo_with_a_public_address_or_on_the_network_lets_nobody_in(
    settings: Settings, session: Session, browser: dict[str, str], people: dict[DemoRole, Person]
) -> None:
    asked = paths(session)
    from_here, from_elsewhere = ("127.0.0.1", 50_000), ("192.168.1.21", 50_000)
    public = settings.model_copy(update={"public_url": "https://aed.example"})
    for served, address in ((public, from_here), (settings, from_elsewhere)):
        with TestClient(app_on(served), base_url=HERE, client=address) as client:
            for method, path, data in asked:
                answer = client.request(method, path, headers=browser | FORM, data=data)
                assert answer.status_code == 404, (method, path)
    agreed = public.model_copy(update={"demo_from_anywhere": True})
    with TestClient(app_on(agreed), base_url="https://aed.example", client=from_elsewhere) as client:
        assert client.get("/demo", headers=browser).status_code == 200


def test_demo_people_are_added_to_an_empty_database_alone(session: Session, database: Database) -> None:
    make.person(session)
    session.commit()
    demo._load(database, demo.DISTRICT)
    with read_session(database) as reading:
        assert reading.scalars(select(DemoPerson)).all() == []


def test_aed_demo_adds_a_person_for_each_part(session: Session, database: Database) -> None:
    for _ in range(2):
        demo._load(database, Path(demo.DISTRICT))
    with read_session(database) as reading:
        assert {each.role for each in reading.scalars(select(DemoPerson))} == set(DemoRole)
        manager = viewer_of_person(reading, demo_people(reading)[DemoRole.MANAGER])
        in_force, waiting = agreements(reading, manager, estate_id=None, limit=10)
        assert (in_force.state, waiting.state) == (AgreementState.CONFIRMED, AgreementState.PROPOSED)
        party = party_to_decide(reading, manager)
        assert party is not None
        assert (party.agreement_id, party.role) == (waiting.id, PartyRole.OWNERS_COMMITTEE)
        assert party.representative_id == demo_people(reading)[DemoRole.RESIDENT]


def test_one_tap_opens_the_board_with_two_exercises(
    client: TestClient, people: dict[DemoRole, Person], browser: dict[str, str], session: Session
) -> None:
    session.commit()
    form = {"desk": "/board"}
    for _ in range(2):
        opened = client.post("/demo", data=form, headers=browser | FORM, follow_redirects=False)
        assert opened.headers["location"] == "/board"
        key = opened.cookies[SESSION_COOKIE]
        board = client.get("/board", headers=browser | {"Cookie": f"{SESSION_COOKIE}={key}"}).text
        assert board.count("<article") == 2, "those that run are joined"


@pytest.mark.one_engine
def test_no_desk_of_the_demo_is_empty(
    client: TestClient, database: Database, settings: Settings, browser: dict[str, str]
) -> None:
    demo._load(database, demo.DISTRICT)
    for _ in range(2):
        demo._add_desk_work(database, None, settings)
    demo._add_history(database)
    desks = {
        "manager": {
            "/desk/1": r"2 wait for you",
            "/desk/1/spares": r"2 left",
            "/rounds": r"0 of 3 checked",
            "/time-bank": r"Service to confirm: 1",
        },
        "keeper": {"/rounds": r"0 of 3 checked"},
        "trainer": {"/training?month=": r'class="entry', "/issuer-batches/1": r"3 results"},
        "region": {"/region": r"<rect"},
        "administrator": {"/administration/outbox": r"Cancel"},
    }
    for desk in DESKS:
        opened = client.post(
            "/demo", data={"desk": desk.path}, headers=browser | FORM, follow_redirects=False
        )
        assert opened.headers["location"] == desk.path
        mine = browser | {"Cookie": f"{SESSION_COOKIE}={opened.cookies[SESSION_COOKIE]}"}
        assert client.get(desk.path, headers=mine, follow_redirects=False).status_code in (200, 303), desk
    for part, pages in desks.items():
        signed_in = client.post("/demo", data={"part": part}, headers=browser | FORM, follow_redirects=False)
        mine = browser | {"Cookie": f"{SESSION_COOKIE}={signed_in.cookies[SESSION_COOKIE]}"}
        home = client.get("/demo", headers=mine).text
        assert f'href="/{next(iter(pages)).split("/")[1].partition("?")[0]}"' in home, part
        for path, shown in pages.items():
            page = client.get(path, headers=mine).text
            assert re.search(shown, page), (part, path)
