"""WeCom and DingTalk as apps: members sign in, and get messages of their own; against their protocols."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from html import unescape
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Identity
from aed.accounts.permissions import Role
from aed.accounts.sessions import CSRF_HEADER, SESSION_COOKIE
from aed.database.session import Database
from aed.notifications.channels import Deliver, channels_of, dingtalk_app
from aed.notifications.jobs import send_waiting
from aed.notifications.models import EndpointRow, OutboxMessage
from aed.notifications.outbox import AlertMessage, Notice, alert_people, notify_person
from aed.notifications.rules import (
    RATES,
    Channel,
    Delivery,
    DeliveryFailed,
    Endpoint,
    PermanentFailure,
    TemporaryFailure,
)
from aed.settings import Settings
from aed.settings.platforms import Dingtalk, Wecom
from tests import make
from tests.apps import app_on
from tests.imports.servers import answers, silent
from tests.make import NOW
from tests.platforms.member_servers import (
    AGENT_ID,
    CORP_ID,
    SECRET,
    Member,
    SmallDingtalk,
    SmallPlatform,
    SmallWecom,
    small_platform,
)

PHONE: Final = "+8613800138000"
IN_ITS_APP: Final = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8 wxwork/4.1"}
SEND: Final = {
    "wecom": "/cgi-bin/message/send",
    "dingtalk": "/topapi/message/corpconversation/asyncsend_v2",
}
CHANNELS: Final = {"wecom": Channel.WECOM_APP, "dingtalk": Channel.DINGTALK_APP}
NOTICE: Final = Notice("Pads expire.", "电极片将过期。", "Due", "到期提醒")


@pytest.fixture(params=["wecom", "dingtalk"])
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(platform: str) -> Iterator[SmallPlatform]:
    with small_platform(SmallWecom if platform == "wecom" else SmallDingtalk) as opened:
        yield opened


@pytest.fixture
def known(settings: Settings, platform: str, server: SmallPlatform) -> Settings:
    """Return the settings with the app of the platform."""
    secret, url = {"agent_id": AGENT_ID}, server.url
    app: dict[str, Any] = (
        {"wecom": Wecom.model_validate(secret | {"corp_id": CORP_ID, "secret": SECRET, "url": url})}
        if platform == "wecom"
        else {
            "dingtalk": Dingtalk.model_validate(
                secret | {"client_id": CORP_ID, "client_secret": SECRET, "url": url, "api_url": url}
            )
        }
    )
    return settings.model_copy(update=app | {"notify_allow_private": True})


@pytest.fixture
def browser(known: Settings) -> Iterator[TestClient]:
    with TestClient(
        app_on(known), base_url="https://testserver", raise_server_exceptions=False, follow_redirects=False
    ) as opened:
        opened.headers.update(IN_ITS_APP)
        yield opened


def resident(session: Session, phone: str = PHONE) -> int:
    person = make.person(session, phone=phone)
    make.role(session, person, Role.RESIDENT, estate=make.estate(session))
    session.commit()
    return person.id


def sign_in(browser: TestClient, platform: str, server: SmallPlatform, member: Member, **query: str) -> Any:
    gone = browser.get(f"/v1/sign-in/platforms/{platform}", params=query)
    assert gone.status_code == 303, gone.text
    back = urlsplit(server.redirect_back(gone.headers["Location"], member))
    assert back.path == f"/v1/sign-in/platforms/{platform}/back"
    return browser.get(f"{back.path}?{back.query}")


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:aed:problem:")


def test_a_member_whom_nobody_here_knows_is_not_signed_in(
    browser: TestClient, platform: str, server: SmallPlatform, session: Session
) -> None:
    resident(session, phone="+8613800138001")
    answer = sign_in(browser, platform, server, Member("wang", PHONE))
    assert problem(answer) == (401, "name-needed")
    assert SESSION_COOKIE not in browser.cookies
    outside = sign_in(browser, platform, server, Member("", PHONE))
    assert problem(outside) == (401, "not-signed-in")
    assert "not a member" in outside.json()["detail"]
    assert session.scalar(select(func.count()).select_from(Identity)) == 0


def test_the_phone_number_links_a_member_who_then_signs_in_without_it(
    browser: TestClient, platform: str, server: SmallPlatform, session: Session
) -> None:
    person_id = resident(session)
    unknown = sign_in(browser, platform, server, Member("wang"))
    assert problem(unknown) == (401, "phone-needed")

    first = sign_in(browser, platform, server, Member("wang", PHONE))
    assert first.status_code == 200, first.text
    assert browser.get("/v1/me").json()["person_id"] == person_id
    browser.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64)"  # by a QR code
    again = sign_in(browser, platform, server, Member("wang"), return_to="/me")
    assert (again.status_code, again.headers["Location"]) == (303, "/me")
    assert browser.get("/v1/me").json()["person_id"] == person_id


def test_the_sign_in_page_has_a_button_for_each_platform_that_is_configured(
    browser: TestClient, platform: str, server: SmallPlatform, session: Session
) -> None:
    resident(session)
    browser.headers.update({"Accept": "text/html", "Accept-Language": "zh"})

    page = browser.get("/sign-in", params={"next": "/me?show=all"}).text
    (link,) = re.findall(r'href="(/v1/sign-in/platforms/[^"]*)"', page)
    gone = browser.get(unescape(link))
    back = urlsplit(server.redirect_back(gone.headers["Location"], Member("wang", PHONE)))
    done = browser.get(f"{back.path}?{back.query}")
    led_on = browser.get(done.headers["Location"])

    assert urlsplit(link).path.endswith(platform)
    assert {"wecom": "企业微信", "dingtalk": "钉钉"}[platform] in page
    assert (done.status_code, led_on.status_code) == (303, 303)
    assert led_on.headers["Location"] == "/me?show=all"


@pytest.mark.one_engine("a setting")
def test_the_sign_in_page_has_no_button_without_a_platform(settings: Settings) -> None:
    with TestClient(app_on(settings)) as client:
        page = client.get("/sign-in", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "/v1/sign-in/platforms" not in page.text


def test_a_sign_in_is_completed_once_by_the_browser_and_for_the_platform_that_began_it(
    browser: TestClient, platform: str, server: SmallPlatform, session: Session
) -> None:
    resident(session)
    path = f"/v1/sign-in/platforms/{platform}"
    back = urlsplit(server.redirect_back(browser.get(path).headers["Location"], Member("wang", PHONE)))
    with TestClient(browser.app, base_url="https://testserver") as other:
        assert problem(other.get(f"{back.path}?{back.query}")) == (401, "not-signed-in")
    assert browser.get(f"{back.path}?{back.query}").status_code == 200
    assert problem(browser.get(f"{back.path}?{back.query}")) == (401, "not-signed-in")
    refused = browser.get(path).headers["Location"]
    state = urlsplit(refused).query.partition("state=")[2].partition("&")[0]
    assert problem(browser.get(f"{back.path}?state={state}")) == (401, "not-signed-in")
    wrong_code = urlsplit(server.redirect_back(browser.get(path).headers["Location"], Member("wang")))
    server.codes.clear()
    assert problem(browser.get(f"{wrong_code.path}?{wrong_code.query}")) == (401, "not-signed-in")


def test_without_an_app_there_is_no_such_sign_in(settings: Settings, platform: str) -> None:
    with TestClient(app_on(settings), follow_redirects=False) as client:
        assert client.get(f"/v1/sign-in/platforms/{platform}").status_code == 404
        assert client.get(f"/v1/sign-in/platforms/{platform}/back?state=x&code=y").status_code == 404


def test_a_slow_or_broken_platform_is_a_problem(
    known: Settings, platform: str, server: SmallPlatform, session: Session
) -> None:
    resident(session)
    field: Any = getattr(known, platform)
    impatient = known.model_copy(update={platform: field.model_copy(update={"seconds": 0.3})})
    first = {"wecom": "/cgi-bin/auth/getuserinfo", "dingtalk": "/v1.0/oauth2/userAccessToken"}[platform]
    with TestClient(app_on(impatient), base_url="https://testserver", follow_redirects=False) as browser:
        for fault in (silent(2.0), answers("not JSON")):
            server.instead[first] = fault
            answer = sign_in(browser, platform, server, Member("wang", PHONE))
            assert problem(answer) == (503, "platform-failed")
            assert SECRET not in answer.text


# --- messages -------------------------------------------------------------------------------------------


def own_headers(browser: TestClient) -> dict[str, str]:
    return {CSRF_HEADER: browser.get("/v1/me").json()["csrf_token"]}


def test_a_member_gets_messages_there_until_they_stop_them(
    browser: TestClient,
    platform: str,
    server: SmallPlatform,
    session: Session,
    database: Database,
    known: Settings,
) -> None:
    person_id = resident(session)
    path = f"/v1/me/messages/{platform}"
    assert browser.put(path).status_code == 401
    assert sign_in(browser, platform, server, Member("wang", PHONE)).status_code == 200
    for _ in range(2):
        assert browser.put(path, headers=own_headers(browser)).status_code == 204
    row = session.scalars(select(EndpointRow)).one()
    assert (row.channel, row.address, "wang" in row.name) == (CHANNELS[platform], "wang", False)

    notify_person(session, person_id, NOTICE, NOW)
    alert_people(session, [AlertMessage(person_id, "alert-1", Notice("Come.", "请前往。"), "CN")], NOW)
    session.commit()
    assert send_waiting(database, clock.now, channels=channels_of(known)).sent == 3
    texts = [text for user, text in server.delivered if user == "wang"]
    assert len(texts) == 2
    assert any(text.startswith("到期提醒\n电极片将过期。") for text in texts)
    session.expire_all()
    used = sorted(str(each) for each in session.scalars(select(OutboxMessage.channel)))
    assert used == sorted(["sms", CHANNELS[platform].value, CHANNELS[platform].value])

    session.rollback()
    assert browser.delete(path, headers=own_headers(browser)).status_code == 204
    (message,) = notify_person(session, person_id, NOTICE, NOW)
    assert message.channel == Channel.SMS


def test_a_member_who_left_gets_messages_by_phone_again(
    browser: TestClient,
    platform: str,
    server: SmallPlatform,
    session: Session,
    database: Database,
    known: Settings,
) -> None:
    person_id = resident(session)
    sign_in(browser, platform, server, Member("wang", PHONE))
    browser.put(f"/v1/me/messages/{platform}", headers=own_headers(browser))
    server.members.clear()
    notify_person(session, person_id, NOTICE, NOW)
    session.commit()
    assert send_waiting(database, clock.now, channels=channels_of(known)).refused == 1
    session.expire_all()
    (message,) = notify_person(session, person_id, NOTICE, NOW)
    assert message.channel == Channel.SMS


def test_who_has_not_signed_in_there_cannot_get_messages_there(
    browser: TestClient, platform: str, session: Session
) -> None:
    person_id = resident(session)
    browser.cookies.set(SESSION_COOKIE, make.sign_in(session, person_id))
    session.commit()
    answer = browser.put(f"/v1/me/messages/{platform}", headers=own_headers(browser))
    assert problem(answer) == (409, "conflict")


def letter(**given: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": 7,
        "key": "k",
        "channel": Channel.WECOM_APP,
        "recipient": "x",
        "language": "zh",
        "subject": "",
        "text": "电极片将过期。",
        "created_at": NOW,
        "expires_at": None,
        "tries": 1,
        "endpoint": Endpoint(1, "x", "wang", None),
    }
    return Delivery(**values | given)


@pytest.fixture
def deliver(known: Settings, platform: str, server: SmallPlatform) -> Deliver:
    server.members.add("wang")
    return channels_of(known)[CHANNELS[platform]]


MINUTE: Final = timedelta(minutes=1)
CODES: Final = [
    ("wecom", 81013, PermanentFailure, {"is_endpoint_gone": True}),
    ("wecom", 60111, PermanentFailure, {"is_endpoint_gone": True}),
    ("wecom", 44004, PermanentFailure, {"is_endpoint_gone": False}),
    ("wecom", 45009, TemporaryFailure, {"wait": MINUTE, "is_channel_down": False}),
    ("wecom", 45033, TemporaryFailure, {"wait": MINUTE}),
    ("wecom", -1, TemporaryFailure, {"is_channel_down": False}),
    ("wecom", 60020, TemporaryFailure, {"is_channel_down": True}),
    ("wecom", 42001, TemporaryFailure, {"is_channel_down": True}),
    ("dingtalk", 33012, PermanentFailure, {"is_endpoint_gone": True}),
    ("dingtalk", 1430002, PermanentFailure, {"is_endpoint_gone": False}),
    ("dingtalk", 143103, TemporaryFailure, {"wait": MINUTE}),
    ("dingtalk", 143105, TemporaryFailure, {"wait": timedelta(hours=1)}),
    ("dingtalk", 90018, TemporaryFailure, {"wait": MINUTE}),
    ("dingtalk", -1, TemporaryFailure, {"is_channel_down": False}),
    ("dingtalk", 40014, TemporaryFailure, {"is_channel_down": True}),
]


@pytest.mark.parametrize(("of", "code", "kind", "attributes"), CODES)
def test_each_published_error_code_is_permanent_or_temporary(
    deliver: Deliver,
    platform: str,
    server: SmallPlatform,
    of: str,
    code: int,
    kind: type[DeliveryFailed],
    attributes: dict[str, Any],
) -> None:
    if of != platform:
        return
    server.result[SEND[platform]] = code
    with pytest.raises(DeliveryFailed) as refused:
        deliver(letter(), at=NOW)
    assert type(refused.value) is kind
    assert {name: getattr(refused.value, name) for name in attributes} == attributes


HELD_BACK: Final = {"userid": "wang", "code": "143105", "count": 500}
RESULTS: Final = [
    ({"unread_user_id_list": ["wang"]}, None, {}),
    ({"read_user_id_list": ["wang"]}, None, {}),
    ({"invalid_user_id_list": ["wang"]}, PermanentFailure, {"is_endpoint_gone": True}),
    ({"failed_user_id_list": ["wang"]}, TemporaryFailure, {"is_channel_down": False}),
    ({"forbidden_user_id_list": ["wang"]}, TemporaryFailure, {"is_channel_down": False}),
    (
        {"forbidden_user_id_list": ["wang"], "forbidden_list": [HELD_BACK]},
        TemporaryFailure,
        {"wait": timedelta(hours=1)},
    ),
]


@pytest.mark.parametrize("platform", ["dingtalk"], indirect=True)
@pytest.mark.parametrize(("result", "kind", "attributes"), RESULTS)
def test_what_dingtalk_accepted_and_did_not_deliver_has_failed(
    deliver: Deliver,
    server: SmallPlatform,
    result: dict[str, Any],
    kind: type[DeliveryFailed] | None,
    attributes: dict[str, Any],
) -> None:
    server.send_results = [{}, result]  # first it is still being sent
    if kind is None:
        deliver(letter(), at=NOW)
    else:
        with pytest.raises(DeliveryFailed) as failed:
            deliver(letter(), at=NOW)
        assert type(failed.value) is kind
        assert {name: getattr(failed.value, name) for name in attributes} == attributes
    assert server.calls["/topapi/message/corpconversation/getsendresult"] == 2


@pytest.mark.parametrize("platform", ["dingtalk"], indirect=True)
def test_a_message_counts_as_delivered_if_dingtalk_does_not_tell_its_result(
    deliver: Deliver, server: SmallPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the same queries without the pauses
    monkeypatch.setattr(dingtalk_app, "RESULT_WAITS_SECONDS", (0.0, 0.0))
    server.send_results = [{}, {}]
    deliver(letter(), at=NOW)
    server.result["/topapi/message/corpconversation/getsendresult"] = -1
    deliver(letter(created_at=NOW + MINUTE), at=NOW)
    assert len(server.delivered) == 2


def test_an_expired_token_is_renewed_and_the_message_sent(
    deliver: Deliver, platform: str, server: SmallPlatform
) -> None:
    deliver(letter(text="first"), at=NOW)
    server.tokens.clear()
    deliver(letter(text="second"), at=NOW)
    assert len(server.delivered) == 2
    assert server.calls[SEND[platform]] == 3


def test_the_same_text_at_another_time_is_another_message_in_dingtalk(
    deliver: Deliver, platform: str, server: SmallPlatform
) -> None:
    for minutes in (0, 0, 5):
        deliver(letter(created_at=NOW + timedelta(minutes=minutes)), at=NOW)
    assert len(server.delivered) == (2 if platform == "dingtalk" else 1)


def test_quotas_of_one_member_are_kept_before_the_platform_has_to() -> None:
    assert [(rate.most, rate.within) for rate in RATES[Channel.WECOM_APP]] == [
        (30, timedelta(minutes=1)),
        (1000, timedelta(hours=1)),
    ]
    assert [(rate.most, rate.within) for rate in RATES[Channel.DINGTALK_APP]] == [(500, timedelta(days=1))]
