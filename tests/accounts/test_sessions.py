"""Sessions end when idle or revoked, together with their streams; tokens expire; both are logged."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people import queries as people_queries
from aed.accounts.permissions import Role, TokenRole, TokenScope
from aed.accounts.role_grants import RoleGrant
from aed.accounts.roles import actions as role_actions
from aed.accounts.security_log import SecurityEvent
from aed.accounts.sessions import SESSION_COOKIE, SignIn, end_sessions, people_by_session, touch_sessions
from aed.accounts.sign_in import actions as sign_in_actions
from aed.accounts.sign_in import passwords
from aed.accounts.sign_in.rules import Browser as BrowserOfSignIn
from aed.accounts.tokens import Token, create_token, hash_key, revoke_token
from aed.database.session import Database
from aed.errors import InvalidInput
from aed.settings import Settings
from tests import make
from tests.accounts.conftest import Browser
from tests.cli.conftest import Aed, aed, run  # noqa: F401 - fixtures
from tests.make import ADMINISTRATOR
from tests.waiting import eventually

PHONE, PASSWORD = "+86 138 0013 8000", "four words are enough"
type Browsers = Callable[[], Browser]


@pytest.fixture
def person_id(session: Session) -> int:
    """Add a dispatcher with a password; return the id."""
    person = make.person(session, phone=PHONE, password=PASSWORD)
    make.role(session, person, Role.DISPATCHER, region=make.region(session))
    session.commit()
    return person.id


def test_a_session_idle_for_too_long_expires(
    browser: Browsers, database: Database, session: Session, person_id: int
) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    session.execute(update(SignIn).values(last_seen_at=clock.now() - timedelta(hours=71)))
    session.commit()
    assert own.me()["role"] == "dispatcher"

    def is_noted() -> bool:
        with database.read_sessions() as reading:  # a writing session would hold SQLite's only lock
            seen = reading.scalars(select(SignIn.last_seen_at)).one()
        return seen is not None and seen > clock.now() - timedelta(minutes=5)

    assert eventually(is_noted), "besides the answer, the use of the session is recorded"

    session.execute(update(SignIn).values(last_seen_at=clock.now() - timedelta(hours=73)))
    session.commit()
    assert own.me()["role"] == "anyone"
    key = hash_key(own.client.cookies[SESSION_COOKIE])
    assert people_by_session(session, [key], at=clock.now()) == {}
    touch_sessions(session, [key], at=clock.now())
    session.commit()
    assert own.me()["role"] == "anyone", "a position update does not revive an expired session"


def test_people_list_their_own_sessions_and_end_one(
    browser: Browsers, session: Session, person_id: int
) -> None:
    own, lost = browser(), browser()
    lost.client.headers["User-Agent"] = "A lost telephone"
    for each in (own, lost):
        each.sign_in(PHONE, password=PASSWORD)
    make.person(session, phone="+86 138 0013 8001", password=PASSWORD)
    session.commit()
    other = browser()
    other.sign_in("+86 138 0013 8001", password=PASSWORD)

    listed = own.client.get("/v1/sign-in/sessions").json()
    assert [(each["user_agent"], each["is_current"]) for each in listed] == [
        ("A lost telephone", False),
        ("testclient", True),
    ]
    path = f"/v1/sign-in/sessions/{listed[0]['id']}"
    assert browser().client.get("/v1/sign-in/sessions").status_code == 401
    assert other.client.delete(path, headers=other.csrf).status_code == 404
    assert own.client.delete(path).status_code == 403
    assert own.client.delete(path, headers=own.csrf).status_code == 204
    assert (lost.me()["role"], own.me()["role"]) == ("anyone", "dispatcher")
    assert own.client.delete(path, headers=own.csrf).status_code == 404


def lines_until_end(
    client: TestClient, path: str, headers: dict[str, str], after: Callable[[], None]
) -> float:
    """Open a stream and call `after`; return how many seconds later the stream ends."""
    ended: list[float] = []

    def watch() -> None:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        ended.append(time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    time.sleep(1.0)
    began = time.monotonic()
    after()
    watcher.join(timeout=300)
    assert ended, "the stream did not end"
    return ended[0] - began


@pytest.mark.parametrize("how", ["role", "session", "token"])
def test_a_stream_ends_within_seconds_after_access_is_revoked(
    settings: Settings,
    session: Session,
    person_id: int,
    how: str,
    client_on: Callable[[Settings], TestClient],
) -> None:
    client = client_on(settings.model_copy(update={"live_seconds": 50.0}))
    name = "centre"
    region_id = make.region(session).id
    at = clock.now()
    key = create_token(
        session, name=name, role=TokenRole.DISPATCHER, scopes=[TokenScope.READ], at=at, region_id=region_id
    )
    done = sign_in_actions.open_session(
        session,
        people_queries.person(session, ADMINISTRATOR, person_id)[0],
        browser=BrowserOfSignIn("10.0.0.1"),
        lasts=timedelta(days=1),
        at=at,
    )
    session.commit()
    cookie = f"{SESSION_COOKIE}={done.key}"
    headers = {"Authorization": f"Bearer {key}"} if how == "token" else {"Cookie": cookie}

    def lose() -> None:
        if how == "role":
            grant = session.scalars(select(RoleGrant)).one()
            role_actions.revoke_role(session, ADMINISTRATOR, grant.id, at=clock.now())
        elif how == "session":
            end_sessions(session, person_id, at=clock.now())
        else:
            revoke_token(session, name=name, at=clock.now())
        session.commit()

    assert lines_until_end(client, "/v1/incidents/live", headers, lose) < 15


# --- tokens ---------------------------------------------------------------------------------------------


def test_a_token_expires_by_default(aed: Aed, session: Session) -> None:  # noqa: F811 - the fixture imported above
    aed("tokens", "create", "usual", "--role", "administrator")
    aed("tokens", "create", "short", "--role", "administrator", "--days", "7")
    aed("tokens", "create", "lasting", "--role", "administrator", "--no-expiry")
    both = ("tokens", "create", "both", "--role", "administrator", "--no-expiry", "--days", "7")
    assert "not both" in aed(*both, fails=True).err

    found = {each.name: each.expires_at for each in session.scalars(select(Token))}
    days = {
        name: round((until - clock.now()) / timedelta(days=1)) if until is not None else None
        for name, until in found.items()
    }
    assert days == {"usual": 365, "short": 7, "lasting": None}
    assert "token_made" in aed("security", "events").out


def test_the_use_of_an_expired_token_is_logged_once_an_hour(client: TestClient, session: Session) -> None:
    at = clock.now() - timedelta(days=2)
    key = create_token(
        session,
        name="old",
        role=TokenRole.ADMINISTRATOR,
        scopes=[TokenScope.READ],
        at=at,
        expires_at=at + timedelta(days=1),
    )
    session.commit()
    for _ in range(3):
        assert client.get("/v1/people", headers={"Authorization": f"Bearer {key}"}).status_code == 401

    found = session.scalars(select(SecurityEvent).where(SecurityEvent.kind == "token_expired_used")).all()
    assert [(each.detail, each.address) for each in found] == [("old", "testclient")]


# --- passwords ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "common",
    [
        "password123",
        "1234567890",
        "qwertyuiop",
        "1qaz2wsx3edc",
        "woaini1314520",
        "aaaaaaaaaaaa",
        "iloveyou123",
        "abcdefghijk",
        "2001-01-01!",
    ],
)
def test_a_common_password_is_refused(common: str) -> None:
    with pytest.raises(InvalidInput, match="easy to guess"):
        passwords.require_strong_password(common, field="password")


def test_a_password_has_10_to_200_characters() -> None:
    words = "Otter lamp gravel quince " * 9
    for length in (10, 200):
        passwords.require_strong_password(words[:length], field="password")
    for length in (9, 201):
        with pytest.raises(InvalidInput, match="must have 10 to 200 characters"):
            passwords.require_strong_password(words[:length], field="password")


def test_a_password_made_of_the_persons_name_and_number_is_refused(session: Session, person_id: int) -> None:
    passwords.require_strong_password("Ouyangnana1987", field="password")
    with pytest.raises(InvalidInput):
        passwords.require_strong_password("Ouyangnana19", field="password", about=["Ouyangnana"])
    with pytest.raises(InvalidInput):
        passwords.set_password(session, ADMINISTRATOR, person_id, "+8613800138000", at=clock.now())


@settings_of_hypothesis(deadline=None)
@given(st.text(min_size=10, max_size=200))
def test_any_text_can_be_rated_as_a_password(text: str) -> None:
    with contextlib.suppress(InvalidInput):
        passwords.require_strong_password(text, field="password")


# --- events ---------------------------------------------------------------------------------------------


def test_security_events_record_what_happened_without_phone_numbers(
    browser: Browsers, session: Session, person_id: int
) -> None:
    own, stranger = browser(), browser()
    stranger.sign_in(PHONE, password="a wrong password")
    stranger.sign_in("+86 138 0013 8999", password="a wrong password")
    own.sign_in(PHONE, password=PASSWORD)
    person = people_queries.person(session, ADMINISTRATOR, person_id)[0]
    make.role(session, person, Role.KEEPER, estate=make.estate(session))
    office, reader = (
        make.key(session, TokenRole.ADMINISTRATOR),
        make.key(session, TokenRole.DISPATCHER, region=make.region(session)),
    )
    session.commit()

    assert browser().client.get("/v1/security-events").status_code == 401
    assert browser().client.get("/v1/security-events", headers=reader).status_code == 403
    answer = browser().client.get("/v1/security-events", headers=office)
    event_by_kind = {each["kind"]: each for each in answer.json()["events"]}
    assert {"sign_in", "sign_in_failed", "role_granted", "token_made"} <= set(event_by_kind)
    failed = [each for each in answer.json()["events"] if each["kind"] == "sign_in_failed"]
    assert len({each["account"] for each in failed}) == 2
    assert {each["address"] for each in failed} == {"testclient"}
    assert all(each["person_id"] is None for each in failed), (
        "a number with an account looks like one without"
    )
    assert event_by_kind["sign_in"]["person_id"] == person_id
    stored = str([vars(each) for each in session.scalars(select(SecurityEvent))])
    assert "13800138" not in stored
    assert "13800138" not in answer.text
    page = browser().client.get("/v1/security-events?limit=1", headers=office).json()
    assert (
        browser()
        .client.get(f"/v1/security-events?limit=1&cursor={page['next']}", headers=office)
        .json()["events"][0]["id"]
        < page["events"][0]["id"]
    )
