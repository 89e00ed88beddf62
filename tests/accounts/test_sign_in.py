"""Sign-in by password and by code: success, limits on guessing, and what a stranger can learn."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE, SignIn
from aed.accounts.sign_in import actions as sign_in_actions
from aed.accounts.sign_in import passwords, throttling
from aed.accounts.sign_in.models import SignInCode
from aed.accounts.sign_in.passwords import DUMMY_HASH, HASHER
from aed.accounts.sign_in.rules import Browser, NewSession
from aed.accounts.sign_in.throttling import remember_browser
from aed.database.session import Database
from aed.errors import CodeNeeded, NotSignedIn, TooBusy
from aed.notifications.models import OutboxMessage
from tests import make
from tests.accounts.conftest import Browser as OwnBrowser
from tests.accounts.conftest import codes_sent, reset_attempts
from tests.make import ADMINISTRATOR

PHONE, UNKNOWN = "+86 138 0013 8000", "+86 138 0013 8999"
PASSWORD = "four words are enough"
ONE = Browser("10.0.0.1")
type Browsers = Callable[[], OwnBrowser]


@pytest.fixture
def person_id(session: Session) -> int:
    """Add a resident with a phone number and a password; return the id."""
    person = make.person(session, phone=PHONE, password=PASSWORD)
    make.role(session, person, Role.RESIDENT, estate=make.estate(session))
    session.commit()
    return person.id


def test_a_wrong_password_signs_nobody_in(browser: Browsers, person_id: int) -> None:
    stranger = browser()

    assert stranger.sign_in(PHONE, password="not the password").status_code == 401

    assert stranger.me()["role"] == "anyone"
    assert SESSION_COOKIE not in stranger.client.cookies


def test_a_password_signs_in_until_signing_out(browser: Browsers, person_id: int) -> None:
    own = browser()

    answer = own.sign_in("138 0013 8000", password=PASSWORD)

    assert answer.status_code == 200, answer.text
    assert answer.json()["person_id"] == person_id
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{SESSION_COOKIE}=")
    assert {"Path=/", "Secure", "HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert own.me()["person_id"] == person_id
    assert own.me()["roles"][0]["role"] == "resident"

    assert own.client.delete("/v1/sign-in", headers=own.csrf).status_code == 204
    assert own.me()["role"] == "anyone"


def test_a_kept_cookie_is_invalid_after_signing_out(browser: Browsers, person_id: int) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    kept = own.client.cookies[SESSION_COOKIE]
    own.client.delete("/v1/sign-in", headers=own.csrf)

    thief = browser()
    answer = thief.client.get("/v1/me", headers={"Cookie": f"{SESSION_COOKIE}={kept}"})

    assert answer.json()["role"] == "anyone"


def test_a_code_signs_in_once(browser: Browsers, person_id: int, session: Session) -> None:
    own, other = browser(), browser()
    assert own.ask_for_code(PHONE).status_code == 202
    (code,) = codes_sent(session)

    assert own.sign_in(PHONE, code=f" {code[:3]} {code[3:]}").status_code == 200
    assert own.me()["person_id"] == person_id
    assert other.sign_in(PHONE, code=code).status_code == 401


def test_a_code_allows_five_attempts(browser: Browsers, person_id: int, session: Session) -> None:
    own = browser()
    own.ask_for_code(PHONE)
    (code,) = codes_sent(session)
    wrong = "000000" if code != "000000" else "000001"

    for _ in range(5):
        assert own.sign_in(PHONE, code=wrong).status_code == 401

    assert own.sign_in(PHONE, code=code).status_code == 401


def test_a_code_is_valid_for_ten_minutes(database: Database, person_id: int, session: Session) -> None:
    from aed.notifications import outbox

    asked_at = clock.now()
    phone = "+8613800138000"
    sign_in_actions.request_code(database, phone=phone, browser=ONE, send=outbox.enqueue, at=asked_at)
    (code,) = codes_sent(session)

    def by_code(minutes: float) -> NewSession:
        return sign_in_actions.sign_in_by_code(
            database,
            phone=phone,
            code=code,
            browser=ONE,
            lasts=timedelta(days=1),
            at=asked_at + timedelta(minutes=minutes),
        )

    with pytest.raises(NotSignedIn):
        by_code(10)
    assert by_code(9.9).person_id == person_id


def test_a_new_code_replaces_the_previous_one(browser: Browsers, person_id: int, session: Session) -> None:
    own = browser()
    own.ask_for_code(PHONE)
    own.ask_for_code(PHONE)
    first, second = codes_sent(session)

    if first != second:
        assert own.sign_in(PHONE, code=first).status_code == 401
    assert own.sign_in(PHONE, code=second).status_code == 200


def test_of_many_simultaneous_uses_of_one_code_only_one_signs_in(
    browser: Browsers, database: Database, person_id: int, session: Session
) -> None:
    browser().ask_for_code(PHONE)
    (code,) = codes_sent(session)
    together = threading.Barrier(4)
    got_in: list[bool] = []

    def come(number: int) -> None:
        together.wait()
        try:
            sign_in_actions.sign_in_by_code(
                database,
                phone="+8613800138000",
                code=code,
                browser=Browser(f"10.0.0.{number}"),
                lasts=timedelta(days=1),
                at=clock.now(),
            )
        except NotSignedIn:
            got_in.append(False)
        else:
            got_in.append(True)

    threads = [threading.Thread(target=come, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got_in) == [False, False, False, True]
    assert session.scalar(select(func.count()).select_from(SignIn)) == 1


def test_of_two_codes_requested_at_once_by_one_browser_only_one_is_valid(
    browser: Browsers, database: Database, person_id: int, session: Session
) -> None:
    from aed.notifications import outbox

    together = threading.Barrier(2)

    def ask(number: int) -> None:
        together.wait()
        sign_in_actions.request_code(
            database,
            phone="+8613800138000",
            browser=Browser(f"10.0.0.{number}", code_key="the same"),
            send=outbox.enqueue,
            at=clock.now(),
        )

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    codes = codes_sent(session)
    assert len(codes) == 2
    statuses = [browser().sign_in(PHONE, code=code).status_code for code in codes]
    assert statuses.count(200) == 1


def test_setting_a_password_with_a_code_signs_every_other_browser_out(
    browser: Browsers, person_id: int, session: Session
) -> None:
    forgotten, own = browser(), browser()
    forgotten.sign_in(PHONE, password=PASSWORD)
    own.ask_for_code(PHONE)
    (code,) = codes_sent(session)
    new = "quite another pass phrase"

    assert own.sign_in(PHONE, code=code, new_password="short").status_code == 422
    assert own.sign_in(PHONE, password=PASSWORD, new_password=new).status_code == 422
    assert own.sign_in(PHONE, code="000000" if code != "000000" else "1", new_password=new).status_code == 401
    assert forgotten.me()["person_id"] == person_id, "nothing has happened yet"
    assert own.sign_in(PHONE, code=code, new_password=new).status_code == 200

    assert own.me()["person_id"] == person_id
    assert forgotten.me()["role"] == "anyone"
    assert browser().sign_in(PHONE, password=PASSWORD).status_code == 401
    assert browser().sign_in(PHONE, password=new).status_code == 200


# --- information for strangers --------------------------------------------------------------------------


def test_a_number_with_an_account_is_answered_like_one_without(
    browser: Browsers, person_id: int, session: Session
) -> None:
    stranger = browser()

    def answers_for(phone: str) -> list[tuple[int, object]]:
        reset_attempts(session)
        answers = [
            stranger.sign_in(phone, password="a wrong password"),
            stranger.ask_for_code(phone),
            stranger.sign_in(phone, code="12345"),
        ]
        answers += [stranger.ask_for_code(phone) for _ in range(5)]
        answers += [stranger.sign_in(phone, password="a wrong password") for _ in range(10)]
        return [
            (answer.status_code, {**answer.json(), "headers": sorted(answer.headers)}) for answer in answers
        ]

    known = answers_for(PHONE)

    assert known == answers_for(UNKNOWN)
    assert {status for status, _ in known} == {401, 202, 429}
    assert session.scalar(select(func.count()).select_from(OutboxMessage)) == 3, "none for the unknown number"


@pytest.fixture
def real_password_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords at the real cost, which other tests save."""
    monkeypatch.setattr(passwords, "HASHER", HASHER)
    monkeypatch.setattr(passwords, "DUMMY_HASH", DUMMY_HASH)


def test_an_unknown_number_takes_the_same_hashing_time(
    real_password_hashes: None, browser: Browsers, person_id: int, session: Session
) -> None:
    """Measured in CPU time, which doesn't depend on other load: a hash takes tens of milliseconds."""
    stranger = browser()

    def seconds(phone: str) -> float:
        reset_attempts(session)
        taken = []
        for _ in range(7):
            began = time.process_time()
            assert stranger.sign_in(phone, password="a wrong password").status_code == 401
            taken.append(time.process_time() - began)
        return statistics.median(taken)

    seconds(PHONE)
    assert 0.5 < seconds(PHONE) / seconds(UNKNOWN) < 2.0


def test_the_dummy_hash_has_the_parameters_of_the_real_hashes(real_password_hashes: None) -> None:
    parameters, _, _ = passwords.hash_password("x").rsplit("$", 2)
    assert parameters == "$argon2id$v=19$m=19456,t=2,p=1", "OWASP's first choice"
    assert passwords.DUMMY_HASH.rsplit("$", 2)[0] == parameters
    assert not passwords.is_correct_password("", None)


def test_an_account_without_a_password_is_answered_as_if_the_password_were_wrong(
    browser: Browsers, session: Session
) -> None:
    make.person(session, phone=PHONE)
    session.commit()

    for given in ("", "anything at all"):
        assert browser().sign_in(PHONE, password=given or "x").status_code == 401


# --- rate limits ----------------------------------------------------------------------------------------


def test_after_ten_wrong_passwords_the_right_one_is_delayed_and_a_code_still_works(
    browser: Browsers, person_id: int, session: Session
) -> None:
    own = browser()
    for _ in range(10):
        assert own.sign_in(PHONE, password="a wrong password").status_code == 401

    locked = own.sign_in(PHONE, password=PASSWORD)

    assert locked.status_code == 429
    assert SESSION_COOKIE not in own.client.cookies
    own.ask_for_code(PHONE)
    assert own.sign_in(PHONE, code=codes_sent(session)[0]).status_code == 200


def by_password(
    database: Database,
    password: str,
    *,
    address: str,
    after_minutes: float,
    known_as: str | None = None,
) -> NewSession:
    return sign_in_actions.sign_in_by_password(
        database,
        phone="+8613800138000",
        password=password,
        browser=Browser(address, known_as),
        lasts=timedelta(days=1),
        at=clock.now() + timedelta(minutes=after_minutes),
    )


def guess(database: Database, times: int, *, address: str, after_minutes: float = 0) -> list[type[Exception]]:
    """Send `times` wrong passwords from one address; return the error types."""
    answers: list[type[Exception]] = []
    for _ in range(times):
        with pytest.raises((NotSignedIn, TooBusy)) as answer:
            by_password(database, "a wrong password", address=address, after_minutes=after_minutes)
        answers.append(answer.type)
    return answers


def test_a_stranger_locks_only_their_own_address_out_of_an_account(
    database: Database, person_id: int
) -> None:
    for after in range(0, 24 * 60, 20):  # a whole day, from one address
        guess(database, 12, address="10.0.0.1", after_minutes=after)
    with pytest.raises(TooBusy):
        by_password(database, PASSWORD, address="10.0.0.1", after_minutes=0)

    assert by_password(database, PASSWORD, address="10.0.1.1", after_minutes=1).person_id == person_id


def test_an_address_may_try_again_after_a_quarter_of_an_hour(database: Database, person_id: int) -> None:
    assert guess(database, 12, address="10.0.0.1") == [NotSignedIn] * 10 + [TooBusy] * 2
    with pytest.raises(TooBusy):
        by_password(database, PASSWORD, address="10.0.0.1", after_minutes=14)

    assert by_password(database, PASSWORD, address="10.0.0.1", after_minutes=16).person_id == person_id


def test_distributed_guesses_are_limited_and_never_lock_a_known_browser_out(
    browser: Browsers, database: Database, person_id: int, session: Session
) -> None:
    own = browser()
    assert own.sign_in(PHONE, password=PASSWORD).status_code == 200
    own.client.delete("/v1/sign-in", headers=own.csrf)

    guesses = [guess(database, 10, address=f"10.0.{number}.1") for number in range(4)]
    assert guesses[3] == [NotSignedIn] * 3 + [TooBusy] * 7, "limited: each address has three attempts left"
    refused = [each for number in range(4, 60) for each in guess(database, 2, address=f"10.0.{number}.1")]
    assert CodeNeeded in refused
    assert sum(each is NotSignedIn for each in refused) < 90
    unknown = browser().sign_in(PHONE, password=PASSWORD)
    assert (unknown.status_code, unknown.json()["type"]) == (401, "urn:aed:problem:code-needed")

    assert own.sign_in(PHONE, password=PASSWORD).status_code == 200, "a known browser is not limited"
    other = browser()
    other.ask_for_code(PHONE)
    assert other.sign_in(PHONE, code=codes_sent(session)[-1]).status_code == 200, (
        "and a correct code still works"
    )


def test_a_stranger_neither_replaces_nor_uses_up_a_requested_code(
    browser: Browsers, person_id: int, session: Session
) -> None:
    own, stranger = browser(), browser()
    own.ask_for_code(PHONE)
    (code,) = codes_sent(session)
    for _ in range(3):
        assert (
            stranger.ask_for_code(PHONE).status_code == 202 or stranger.ask_for_code(PHONE).status_code == 429
        )
    for _ in range(30):
        stranger.sign_in(PHONE, code="000000" if code != "000000" else "000001")
        browser().sign_in(PHONE, code="000000" if code != "000000" else "000001")

    assert own.sign_in(PHONE, code=code).status_code == 200


def test_strangers_do_not_use_up_the_text_messages_of_a_known_browser(
    browser: Browsers, database: Database, person_id: int, session: Session
) -> None:
    from aed.notifications import outbox

    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    for number in range(8):
        with contextlib.suppress(TooBusy):
            stranger = Browser(f"10.0.0.{number}")
            at = clock.now()
            sign_in_actions.request_code(
                database, phone="+8613800138000", browser=stranger, send=outbox.enqueue, at=at
            )
    assert len(codes_sent(session)) == 5, "the number of messages that strangers may request in an hour"
    assert browser().ask_for_code(PHONE).status_code == 429

    assert own.ask_for_code(PHONE).status_code == 202
    assert own.sign_in(PHONE, code=codes_sent(session)[-1]).status_code == 200


def test_a_browser_is_known_only_to_accounts_that_signed_in_there(database: Database) -> None:
    keys, at = database.keys, clock.now()
    mine, yours = "+8613800138000", "+8613800138001"
    cookie = remember_browser(keys, None, mine, at=at)
    name = throttling.known_browser_id(keys, cookie, mine, at=at)

    assert name is not None
    assert throttling.known_browser_id(keys, cookie, yours, at=at) is None
    both = remember_browser(keys, cookie, yours, at=at)
    assert throttling.known_browser_id(keys, both, mine, at=at) == name
    assert throttling.known_browser_id(keys, both, yours, at=at) not in (None, name)
    assert throttling.known_browser_id(keys, cookie, mine, at=at + timedelta(days=181)) is None
    forged = cookie.replace(name, "x" * len(name))
    for wrong in (forged, "", "~~..~", "a.99999999.b", "é.1.é", cookie[:-1], None):
        assert throttling.known_browser_id(keys, wrong, mine, at=at) is None
    for number in range(20):
        both = remember_browser(keys, both, f"+86139{number:08}", at=at)
    assert len(both) < 600


def test_signing_in_resets_the_failed_attempts(database: Database, person_id: int) -> None:
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(NotSignedIn):
                by_password(database, "a wrong password", address="10.0.0.1", after_minutes=0)
        by_password(database, PASSWORD, address="10.0.0.1", after_minutes=0)


def test_an_address_that_tries_many_numbers_is_blocked_and_its_neighbour_is_not(
    database: Database, person_id: int
) -> None:
    def attempt(number: int, address: str) -> type[Exception] | None:
        try:
            sign_in_actions.sign_in_by_password(
                database,
                phone=f"+86139{number:08}",
                password="x",
                browser=Browser(address),
                lasts=timedelta(days=1),
                at=clock.now(),
            )
        except (NotSignedIn, TooBusy) as error:
            return type(error)
        return None

    tried = [attempt(number, f"2001:db8::{number:x}") for number in range(52)]

    assert tried == [NotSignedIn] * 50 + [TooBusy] * 2, "one customer's /64 is one address"
    assert attempt(99, "2001:db8:0:1::1") is NotSignedIn


def test_simultaneous_attempts_do_not_exceed_the_limit(database: Database, person_id: int) -> None:
    together = threading.Barrier(6)
    seen: list[type[Exception]] = []

    def come(number: int) -> None:
        together.wait()
        for _ in range(4):
            try:
                by_password(database, "a wrong password", address="10.0.0.1", after_minutes=0)
            except (NotSignedIn, TooBusy) as error:
                seen.append(type(error))

    threads = [threading.Thread(target=come, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen.count(NotSignedIn) == 10
    assert seen.count(TooBusy) == 14


# --- sessions of pages ----------------------------------------------------------------------------------


def test_a_change_needs_the_csrf_token(browser: Browsers, person_id: int) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    path, body = f"/v1/people/{person_id}", {"name": "Wang Fang"}
    if_match = {"If-Match": own.client.get(path).headers["ETag"]}

    for csrf in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "0" * 64}, {"X-CSRF-Token": "é"}):
        sent = [(name.encode(), value.encode()) for name, value in {**if_match, **csrf}.items()]
        answer = own.client.patch(path, json=body, headers=sent)
        assert answer.status_code == 403, answer.text
        assert "csrf_token" in answer.json()["detail"]
    assert own.client.delete("/v1/sign-in").status_code == 403
    assert own.client.get(path).json()["name"] != "Wang Fang"

    assert own.me()["csrf_token"] == own.csrf["X-CSRF-Token"]
    assert own.client.patch(path, json=body, headers={**if_match, **own.csrf}).status_code == 200


def test_the_csrf_token_of_another_browser_is_refused(browser: Browsers, person_id: int) -> None:
    own, other = browser(), browser()
    own.sign_in(PHONE, password=PASSWORD)
    other.sign_in(PHONE, password=PASSWORD)

    assert own.client.delete("/v1/sign-in", headers=other.csrf).status_code == 403


def test_a_form_of_another_site_cannot_sign_anybody_in(browser: Browsers, person_id: int) -> None:
    body = f'{{"phone": "{PHONE}", "password": "{PASSWORD}"}}'
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = browser().client.post("/v1/sign-in", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 422
        assert "set-cookie" not in answer.headers


def test_signing_in_again_ends_the_previous_session(
    browser: Browsers, person_id: int, session: Session
) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    before = own.client.cookies[SESSION_COOKIE]
    own.sign_in(PHONE, password=PASSWORD)

    assert own.client.cookies[SESSION_COOKIE] != before
    assert own.me()["person_id"] == person_id
    kept = browser().client.get("/v1/me", headers={"Cookie": f"{SESSION_COOKIE}={before}"})
    assert kept.json()["role"] == "anyone"


def test_an_ended_session_is_anonymous_and_a_lookup_is_still_answered(
    browser: Browsers, person_id: int, session: Session
) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    session.execute(update(SignIn).values(expires_at=clock.now()))
    session.commit()

    assert own.me()["role"] == "anyone"
    assert own.client.get(f"/v1/people/{person_id}").status_code == 401
    assert own.client.get("/v1/nearest?lat=30.29&lon=120.1").status_code == 200


def test_signing_out_everywhere_and_a_new_password_end_every_session(
    browser: Browsers, person_id: int, session: Session
) -> None:
    browsers = [browser() for _ in range(3)]
    for each in browsers:
        each.sign_in(PHONE, password=PASSWORD)

    browsers[0].client.delete("/v1/sign-in?everywhere=true", headers=browsers[0].csrf)
    assert [each.me()["role"] for each in browsers] == ["anyone"] * 3

    browsers[1].sign_in(PHONE, password=PASSWORD)
    passwords.set_password(session, ADMINISTRATOR, person_id, "another pass phrase", at=clock.now())
    session.commit()
    assert browsers[1].me()["role"] == "anyone"
    assert browsers[1].sign_in(PHONE, password=PASSWORD).status_code == 401
    assert browsers[1].sign_in(PHONE, password="another pass phrase").status_code == 200


def test_a_key_is_stored_only_as_its_hash_and_a_code_only_until_it_is_sent(
    browser: Browsers, person_id: int, session: Session
) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    own.ask_for_code(PHONE)
    (code,) = codes_sent(session)

    for table in ("sign_ins", "sign_in_codes", "sign_in_attempts", "accounts", "person_changes"):
        rows = str(session.execute(text(f"SELECT * FROM {table}")).all())  # noqa: S608 - the test's own names
        assert own.client.cookies[SESSION_COOKIE] not in rows
        assert PASSWORD not in rows
        assert f"'{code}'" not in rows


def test_expired_sessions_and_codes_are_deleted(browser: Browsers, person_id: int, session: Session) -> None:
    own = browser()
    own.sign_in(PHONE, password=PASSWORD)
    own.ask_for_code(PHONE)

    sign_in_actions.delete_expired(session, at=clock.now())
    assert session.scalar(select(func.count()).select_from(SignIn)) == 1
    assert session.scalar(select(func.count()).select_from(SignInCode)) == 1

    sign_in_actions.delete_expired(session, at=clock.now() + timedelta(days=100))
    for model in (SignIn, SignInCode):
        assert session.scalar(select(func.count()).select_from(model)) == 0
    assert session.execute(text("SELECT count(*) FROM sign_in_attempts")).scalar_one() == 0
