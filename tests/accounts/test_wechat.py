"""Sign-in from a WeChat mini program, against a server of WeChat's protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed.accounts.people.models import Account, Identity, Person
from aed.accounts.permissions import Role
from aed.settings import Settings, load_settings
from aed.settings.platforms import Wechat
from tests import make
from tests.apps import app_on
from tests.imports.servers import Behave, answers, breaks_off, drips, silent
from tests.platforms.wechat_server import APP_ID, APP_SECRET, SmallWechat, small_wechat

PHONE = "+8613800138000"
SIGN_IN = "/v1/sign-in/wechat"


@pytest.fixture
def wechat() -> Iterator[SmallWechat]:
    with small_wechat() as opened:
        yield opened


def configured(settings: Settings, wechat: SmallWechat, **otherwise: Any) -> Settings:
    known = {"app_id": APP_ID, "app_secret": APP_SECRET, "url": wechat.url, "seconds": 20.0}
    return settings.model_copy(
        update={"wechat": Wechat.model_validate(known | otherwise), "notify_allow_private": True}
    )


@pytest.fixture
def phone(settings: Settings, wechat: SmallWechat) -> Iterator[TestClient]:
    """The mini program on a phone: it keeps no cookies."""
    with TestClient(app_on(configured(settings, wechat)), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def hurried_phone(settings: Settings, wechat: SmallWechat) -> Iterator[TestClient]:
    """A phone whose sign-in may take two seconds."""
    with TestClient(
        app_on(configured(settings, wechat, seconds=2.0)), raise_server_exceptions=False
    ) as opened:
        yield opened


def resident(session: Session, phone: str = PHONE) -> int:
    person = make.person(session, phone=phone)
    make.role(session, person, Role.RESIDENT, estate=make.estate(session))
    session.commit()
    return person.id


def bearer(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:aed:problem:")


def test_a_stranger_without_a_linked_account_is_asked_for_the_phone_number(
    phone: TestClient, wechat: SmallWechat, session: Session
) -> None:
    resident(session)

    answer = phone.post(SIGN_IN, json={"code": wechat.login("o-1")})

    assert problem(answer) == (401, "phone-needed")
    assert "getPhoneNumber" in answer.json()["detail"]
    assert session.scalar(select(func.count()).select_from(Identity)) == 0


def test_the_phone_number_links_the_account_which_then_signs_in_alone(
    phone: TestClient, wechat: SmallWechat, session: Session
) -> None:
    person_id = resident(session)

    first = phone.post(SIGN_IN, json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)})

    assert first.status_code == 200, first.text
    assert first.json()["person_id"] == person_id
    assert "set-cookie" not in first.headers
    assert first.headers["Cache-Control"] == "no-store"
    me = phone.get("/v1/me", headers=bearer(first)).json()
    assert (me["person_id"], me["roles"][0]["role"]) == (person_id, "resident")
    again = phone.post(SIGN_IN, json={"code": wechat.login("o-1")})
    assert again.json()["person_id"] == person_id
    other = phone.post(SIGN_IN, json={"code": wechat.login("o-2")})
    assert problem(other) == (401, "phone-needed")


def test_a_bearer_session_needs_no_csrf_token_and_ends_by_signing_out(
    phone: TestClient, wechat: SmallWechat, session: Session
) -> None:
    person_id = resident(session)
    done = phone.post(SIGN_IN, json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)})
    own = bearer(done)

    amended = phone.patch(
        f"/v1/people/{person_id}",
        json={"language": "en"},
        headers=own | {"If-Match": phone.get(f"/v1/people/{person_id}", headers=own).headers["ETag"]},
    )
    assert amended.status_code == 200, amended.text
    sessions = phone.get("/v1/sign-in/sessions", headers=own).json()
    assert [each["is_current"] for each in sessions] == [True]

    assert phone.delete("/v1/sign-in", headers=own).status_code == 204
    read = phone.get("/v1/me", headers=own)
    assert (read.status_code, read.json()["role"]) == (200, "anyone")
    assert 'error="invalid_token"' in read.headers["WWW-Authenticate"]
    change = phone.patch(f"/v1/people/{person_id}", json={"language": "zh"}, headers=own | {"If-Match": "2"})
    assert problem(change) == (401, "not-signed-in")


def test_a_new_person_gives_a_name_and_gets_an_account(
    phone: TestClient, wechat: SmallWechat, session: Session
) -> None:
    unnamed = phone.post(
        SIGN_IN, json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)}
    )
    assert problem(unnamed) == (401, "name-needed")

    done = phone.post(
        SIGN_IN,
        json={
            "code": wechat.login("o-1"),
            "phone_code": wechat.phone_button(PHONE),
            "name": "王芳",
            "language": "zh",
        },
    )

    assert done.status_code == 200, done.text
    account = session.scalars(select(Account)).one()
    assert (account.phone, account.person_id) == (PHONE, done.json()["person_id"])
    assert session.get_one(Person, account.person_id).name == "王芳"


def test_nobody_signs_up_where_that_is_switched_off(
    settings: Settings, wechat: SmallWechat, session: Session
) -> None:
    closed = configured(settings, wechat).model_copy(update={"sign_up_codes_per_day": 0})
    with TestClient(app_on(closed)) as phone:
        answer = phone.post(
            SIGN_IN,
            json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE), "name": "王芳"},
        )
    assert problem(answer) == (401, "name-needed")
    assert session.scalar(select(func.count()).select_from(Account)) == 0


def test_a_person_with_a_second_factor_gives_it_by_the_bearer_token(
    phone: TestClient, wechat: SmallWechat, session: Session
) -> None:
    import pyotp

    person_id = resident(session)
    own = bearer(
        phone.post(SIGN_IN, json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)})
    )
    added = phone.post("/v1/me/second-factors/app", json={"name": "phone"}, headers=own).json()
    app = pyotp.TOTP(added["secret"])
    confirmed = phone.post(
        f"/v1/me/second-factors/{added['id']}/confirm", json={"code": app.now()}, headers=own
    )
    recovery = confirmed.json()["recovery_codes"][0]

    done = phone.post(SIGN_IN, json={"code": wechat.login("o-1")})
    limited = bearer(done)

    assert done.json()["needs_second_factor"]
    assert phone.get("/v1/me", headers=limited).json()["role"] == "anyone"
    given = phone.post("/v1/sign-in/second-factor", json={"code": recovery}, headers=limited)
    assert given.status_code == 204, given.text
    assert phone.get("/v1/me", headers=limited).json()["person_id"] == person_id


@pytest.mark.parametrize(
    ("path", "code", "status", "kind"),
    [
        ("/sns/jscode2session", 40029, 401, "not-signed-in"),
        ("/sns/jscode2session", 40163, 401, "not-signed-in"),
        ("/sns/jscode2session", 40226, 403, "not-allowed"),
        ("/sns/jscode2session", 45011, 429, "too-busy"),
        ("/sns/jscode2session", -1, 429, "too-busy"),
        ("/sns/jscode2session", 40013, 503, "platform-failed"),
        ("/sns/jscode2session", 40125, 503, "platform-failed"),
        ("/cgi-bin/stable_token", 40164, 503, "platform-failed"),
        ("/cgi-bin/stable_token", 40243, 503, "platform-failed"),
        ("/wxa/business/getuserphonenumber", 40029, 422, "invalid-input"),
        ("/wxa/business/getuserphonenumber", 45011, 429, "too-busy"),
        ("/wxa/business/getuserphonenumber", 48001, 503, "platform-failed"),
    ],
)
def test_each_published_error_code_becomes_a_problem_that_says_what_to_do(
    phone: TestClient, wechat: SmallWechat, path: str, code: int, status: int, kind: str
) -> None:
    wechat.result[path] = code
    answer = phone.post(SIGN_IN, json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)})
    assert problem(answer) == (status, kind), answer.text
    assert APP_SECRET not in answer.text


def test_a_code_works_once(phone: TestClient, wechat: SmallWechat, session: Session) -> None:
    resident(session)
    both = {"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)}
    assert phone.post(SIGN_IN, json=both).status_code == 200
    assert problem(phone.post(SIGN_IN, json=both)) == (401, "not-signed-in")


@pytest.mark.parametrize("path", ["/sns/jscode2session", "/wxa/business/getuserphonenumber"])
@pytest.mark.parametrize(
    "fault", [silent(20.0), drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 20.0)], ids=["silent", "drips"]
)
def test_a_slow_wechat_is_not_waited_for_longer_than_the_limit(
    hurried_phone: TestClient, wechat: SmallWechat, path: str, fault: Behave
) -> None:
    hurried_phone.get("/v1/me")  # the app is warm
    wechat.instead[path] = fault
    both = {"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)}
    began = time.monotonic()

    answer = hurried_phone.post(SIGN_IN, json=both)

    took = time.monotonic() - began
    assert problem(answer) == (503, "platform-failed")
    assert "WeChat did not respond in time" in answer.json()["detail"]
    assert took < 15, took  # 2 s and what a busy machine adds


def test_twelve_phones_that_open_the_mini_program_at_once_are_all_signed_in(
    phone: TestClient, wechat: SmallWechat, session: Session
) -> None:
    resident(session)
    bearer(phone.post(SIGN_IN, json={"code": wechat.login("o-1"), "phone_code": wechat.phone_button(PHONE)}))

    def slowly(to: BaseHTTPRequestHandler) -> None:
        time.sleep(0.1)  # so that the phones wait for each other
        wechat.behave(to)

    wechat.source.behave = slowly
    codes = [wechat.login("o-1") for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = pool.map(lambda code: phone.post(SIGN_IN, json={"code": code}).status_code, codes)
    assert set(answers) == {200}


def test_phones_that_wait_their_turn_behind_a_silent_wechat_are_answered_in_time_too(
    settings: Settings, wechat: SmallWechat
) -> None:
    app = app_on(configured(settings, wechat, seconds=8.0))
    wechat.instead["/sns/jscode2session"] = silent(40.0)
    with TestClient(app, raise_server_exceptions=False) as phone, ThreadPoolExecutor(12) as pool:
        phone.get("/v1/me")  # the app is warm
        began = time.monotonic()
        answers = pool.map(lambda _: problem(phone.post(SIGN_IN, json={"code": "x"})), range(12))
        assert set(answers) == {(503, "platform-failed")}
        assert time.monotonic() - began < 22, "one time limit of 8 s and what a busy machine adds, not three"


@pytest.mark.parametrize("fault", [breaks_off(b""), answers("not JSON"), answers("[]"), answers("{}")])
def test_an_unusable_response_is_a_problem(phone: TestClient, wechat: SmallWechat, fault: Behave) -> None:
    wechat.instead["/sns/jscode2session"] = fault
    assert problem(phone.post(SIGN_IN, json={"code": "x"})) == (503, "platform-failed")


def test_without_a_mini_program_there_is_no_such_sign_in(settings: Settings) -> None:
    with TestClient(app_on(settings)) as client:
        assert client.post(SIGN_IN, json={"code": "x"}).status_code == 404


def test_a_server_in_a_private_network_is_not_asked_unless_allowed(
    settings: Settings, wechat: SmallWechat
) -> None:
    public_only = configured(settings, wechat).model_copy(update={"notify_allow_private": False})
    with TestClient(app_on(public_only)) as client:
        answer = client.post(SIGN_IN, json={"code": wechat.login("o-1")})
    assert problem(answer) == (503, "platform-failed")
    assert wechat.source.asked == []


def test_app_id_and_secret_belong_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AED_WECHAT__APP_ID", APP_ID)
    with pytest.raises(Exception, match="must be given together"):
        load_settings()
    monkeypatch.setenv("AED_WECHAT__APP_SECRET", APP_SECRET)
    assert load_settings().wechat.is_set_up
    monkeypatch.setenv("AED_WECHAT__URL", "http://api.weixin.qq.com")
    with pytest.raises(Exception, match="https"):
        load_settings()


def test_an_app_signs_in_by_password_or_code_for_a_bearer_token(phone: TestClient, session: Session) -> None:
    from tests.accounts.conftest import codes_sent

    person_id = resident(session)
    wrong = phone.post("/v1/sign-in/token", json={"phone": PHONE, "code": "000000"})
    assert problem(wrong) == (401, "not-signed-in")
    assert phone.post("/v1/sign-in/code", json={"phone": PHONE}).status_code == 202
    done = phone.post("/v1/sign-in/token", json={"phone": PHONE, "code": codes_sent(session)[-1]})
    assert "__Host-aed=" not in done.headers.get("set-cookie", "")
    assert phone.get("/v1/me", headers=bearer(done)).json()["person_id"] == person_id
