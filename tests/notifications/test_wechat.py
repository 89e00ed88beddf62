"""Subscribe messages in WeChat: one for each consent, against a server of WeChat's protocol."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Identity, Person
from aed.accounts.permissions import Viewer
from aed.database.session import SETTINGS, Database
from aed.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from aed.notifications import claims
from aed.notifications.channels import channels_of, wechat
from aed.notifications.channels.wechat import values_of
from aed.notifications.consents import consents_left, give_consents
from aed.notifications.jobs import Sent, send_waiting
from aed.notifications.models import EndpointRow, OutboxMessage, WechatConsent
from aed.notifications.outbox import (
    AlertMessage,
    Notice,
    alert_people,
    cancel,
    notify_people,
    notify_person,
)
from aed.notifications.rules import (
    Channel,
    Delivery,
    DeliveryFailed,
    Endpoint,
    MessageTopic,
    PermanentFailure,
    TemporaryFailure,
)
from aed.platforms.wechat import WechatApp, wechat_app
from aed.settings import Settings
from aed.settings.platforms import Wechat, WechatTemplate
from tests import make
from tests.accounts.test_wechat import bearer, configured
from tests.apps import app_on
from tests.make import ADMINISTRATOR, ANYONE, NOW
from tests.platforms.wechat_server import APP_ID, SmallWechat, small_wechat
from tests.statements import statements_of

DEVICE, CALL = "template-device", "template-call"
FIELDS = {"thing1": "subject", "thing2": "text", "time3": "time"}
TEMPLATES = {"device": {"id": DEVICE, "fields": FIELDS}, "call": {"id": CALL, "fields": FIELDS}}
PHONE = "+8613800138000"
REMINDER = Notice("Pads expire.", "电极片将过期。", "Due", "到期提醒", topic=MessageTopic.DEVICE)


@pytest.fixture
def server() -> Iterator[SmallWechat]:
    with small_wechat() as opened:
        opened.templates = {DEVICE: set(FIELDS), CALL: set(FIELDS)}
        yield opened


@pytest.fixture
def settings_here(settings: Settings, server: SmallWechat, session: Session) -> Settings:
    known = configured(settings, server, templates=TEMPLATES, seconds=5.0)
    session.info[SETTINGS] = known
    return known


def member(session: Session, openid: str = "o-1") -> Person:
    person = make.person(session, phone=PHONE)
    session.add(
        Identity(
            provider=f"wechat:{APP_ID}",
            subject=openid,
            person_id=person.id,
            linked_at=NOW,
            linked_by="phone_number",
        )
    )
    session.flush()
    return person


def viewer(person: Person) -> Viewer:
    return Viewer(name=f"person:{person.id}", person_id=person.id, role=ADMINISTRATOR.role)


def allow(
    session: Session, server: SmallWechat, person: Person, *, times: int, template: str = DEVICE
) -> None:
    """The person taps "allow" so often: WeChat counts it, and so do we."""
    for number in range(times):
        server.consents["o-1", template] += 1
        give_consents(session, viewer(person), [template], key=f"tap-{number:04}-{template}", at=NOW)


def channels_used(session: Session) -> list[str]:
    return [str(each) for each in session.scalars(select(OutboxMessage.channel).order_by(OutboxMessage.id))]


def send(session: Session, database: Database, settings: Settings) -> Sent:
    session.commit()
    return send_waiting(database, clock.now, channels=channels_of(settings))


@pytest.mark.usefixtures("settings_here")
def test_only_the_person_counts_their_consents(session: Session, server: SmallWechat) -> None:
    person = member(session)
    with pytest.raises(NotSignedIn):
        give_consents(session, ANYONE, [DEVICE], key="tap-0001", at=NOW)
    with pytest.raises(NotAllowed):
        give_consents(session, ADMINISTRATOR, [DEVICE], key="tap-0001", at=NOW)
    with pytest.raises(NotFound):
        give_consents(session, viewer(person), ["another"], key="tap-0001", at=NOW)
    stranger = make.person(session, phone="+8613800138001")
    with pytest.raises(Conflict, match="account there first"):
        give_consents(session, viewer(stranger), [DEVICE], key="tap-0001", at=NOW)

    for _ in range(2):  # a tap that is sent twice counts once
        left = give_consents(session, viewer(person), [DEVICE], key="tap-0001", at=NOW)
    assert {each.template_id: each.left for each in left} == {DEVICE: 1, CALL: 0}


def test_each_consent_sends_exactly_one_message_and_then_the_phone_is_used(
    session: Session, database: Database, settings_here: Settings, server: SmallWechat
) -> None:
    person = member(session)
    allow(session, server, person, times=2)

    for _ in range(3):
        notify_person(session, person.id, REMINDER, NOW)

    assert channels_used(session) == ["wechat", "wechat", "sms"]
    assert [each.left for each in consents_left(session, viewer(person))] == [0, 0]
    assert send(session, database, settings_here).sent == 3
    assert [each["touser"] for each in server.sent] == ["o-1", "o-1"]
    assert server.sent[0]["data"]["thing1"] == {"value": "到期提醒"}
    assert server.sent[0]["page"] == "pages/index/index"
    assert server.consents["o-1", DEVICE] == 0


@pytest.mark.usefixtures("settings_here")
def test_many_people_are_notified_at_once_each_as_alone(
    session: Session, database: Database, server: SmallWechat
) -> None:
    in_wechat = member(session)
    allow(session, server, in_wechat, times=1)
    by_phone, unreachable = make.person(session, phone="+8613800138001"), make.person(session)
    unreachable.phone = None
    session.flush()
    notices = {each.id: REMINDER for each in (in_wechat, by_phone, unreachable)}

    with statements_of(database.engine) as statements:
        reached = notify_people(session, notices, NOW)
    assert reached == {in_wechat.id, by_phone.id}
    assert channels_used(session) == ["wechat", "sms"]
    assert len(statements) <= 4
    assert notify_people(session, notices, NOW) == reached, "the consent is used: by phone"
    assert channels_used(session) == ["wechat", "sms", "sms", "sms"]


@pytest.mark.usefixtures("settings_here")
def test_a_consent_is_for_the_messages_of_its_topic(session: Session, server: SmallWechat) -> None:
    person = member(session)
    allow(session, server, person, times=1, template=CALL)
    notify_person(session, person.id, REMINDER, NOW)
    notify_person(session, person.id, Notice("Hello", "你好"), NOW)
    assert channels_used(session) == ["sms", "sms"]


def test_an_alert_goes_to_wechat_and_to_the_phone_at_once(
    session: Session, database: Database, settings_here: Settings, server: SmallWechat
) -> None:
    person = member(session)
    allow(session, server, person, times=1, template=CALL)
    alerts = [
        AlertMessage(person.id, f"alert-{number}", Notice("Come.", "请前往。"), "CN") for number in (1, 2)
    ]
    for each in alerts:
        assert alert_people(session, [each], NOW) == set()
    assert sorted(channels_used(session)) == ["sms", "sms", "wechat"]
    send(session, database, settings_here)
    assert server.sent[0]["data"]["thing2"]["value"] == "请前往。"
    session.expire_all()
    row = session.scalars(select(OutboxMessage).where(OutboxMessage.channel == Channel.WECHAT)).one()
    assert (row.text_zh, row.sent_at is not None) == (None, True)


def test_without_a_consent_at_wechat_the_message_goes_to_the_phone(
    session: Session, database: Database, settings_here: Settings, server: SmallWechat
) -> None:
    """The person has refused messages in WeChat's own settings since (43101)."""
    person = member(session)
    allow(session, server, person, times=2)
    server.consents.clear()
    notify_person(session, person.id, REMINDER, NOW)

    send(session, database, settings_here)
    send(session, database, settings_here)

    session.expire_all()
    rows = session.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
    assert [(row.channel, row.sent_at is not None) for row in rows] == [("wechat", False), ("sms", True)]
    assert (rows[1].recipient, rows[1].text_zh) == (PHONE, REMINDER.text_zh)
    assert session.scalar(select(func.count()).where(WechatConsent.used_at.is_(None))) == 0


@pytest.mark.parametrize("code", [40037, 45168])
def test_a_message_that_wechat_refuses_gives_its_consent_back(
    session: Session, database: Database, settings_here: Settings, server: SmallWechat, code: int
) -> None:
    person = member(session)
    allow(session, server, person, times=2)
    server.result["/cgi-bin/message/subscribe/send"] = code
    notify_person(session, person.id, REMINDER, NOW)
    assert [each.left for each in consents_left(session, viewer(person))] == [0, 1]
    send(session, database, settings_here)
    session.expire_all()
    row = session.scalars(select(OutboxMessage)).one()
    assert row.given_up_at is not None
    assert [each.left for each in consents_left(session, viewer(person))] == [0, 2]

    server.result.clear()
    claims.send_now(session, ADMINISTRATOR, row.id, at=clock.now())  # takes it again
    assert [each.left for each in consents_left(session, viewer(person))] == [0, 1]
    assert send(session, database, settings_here).sent == 1
    assert server.consents["o-1", DEVICE] == 1
    assert [each.left for each in consents_left(session, viewer(person))] == [0, 1]


def test_a_message_that_is_not_sent_in_time_or_is_cancelled_gives_its_consent_back(
    session: Session, server: SmallWechat, settings_here: Settings
) -> None:
    person = member(session)
    allow(session, server, person, times=2)
    allow(session, server, person, times=1, template=CALL)
    for _ in range(2):
        notify_person(session, person.id, replace(REMINDER, expires_at=NOW + timedelta(hours=1)), NOW)
    alert = AlertMessage(person.id, "alert-1", Notice("Come.", "请前往。"), "CN")
    alert_people(session, [alert], NOW)
    assert [each.left for each in consents_left(session, viewer(person))] == [0, 0]

    assert claims.give_up_expired(session, at=NOW + timedelta(hours=2)) == 2
    assert cancel(session, ["alert-1"], NOW) == 2
    assert [each.left for each in consents_left(session, viewer(person))] == [1, 2]


def test_an_unknown_user_closes_the_endpoint(
    session: Session, database: Database, settings_here: Settings, server: SmallWechat
) -> None:
    person = member(session)
    allow(session, server, person, times=2)
    server.result["/cgi-bin/message/subscribe/send"] = 40003
    notify_person(session, person.id, REMINDER, NOW)
    send(session, database, settings_here)
    session.expire_all()
    assert session.scalars(select(EndpointRow)).one().closed_at is not None
    notify_person(session, person.id, REMINDER, NOW)
    assert channels_used(session) == ["wechat", "sms"]


def test_a_message_is_sent_again_after_its_token_ended(
    session: Session, database: Database, settings_here: Settings, server: SmallWechat
) -> None:
    person = member(session)
    allow(session, server, person, times=2)
    channels = channels_of(settings_here)
    for _ in range(2):
        notify_person(session, person.id, REMINDER, NOW)
        session.commit()
        assert send_waiting(database, clock.now, channels=channels).sent == 1
        server.valid = dict.fromkeys(server.valid, 0.0)  # 42001: it has expired
        server.current = ""
    assert len(server.sent) == 2
    assert server.fetched == [False, False]


# --- the channel alone ----------------------------------------------------------------------------------


@pytest.fixture
def app(settings: Settings, server: SmallWechat) -> WechatApp:
    found = wechat_app(configured(settings, server, templates=TEMPLATES))
    assert found is not None
    return found


def letter(**given: Any) -> Delivery:
    values: dict[str, Any] = {
        "id": 7,
        "key": "k",
        "channel": Channel.WECHAT,
        "recipient": "wechat-x",
        "language": "zh",
        "subject": "到期提醒",
        "text": "电极片将于30天后过期。",
        "created_at": NOW,
        "expires_at": None,
        "tries": 1,
        "endpoint": Endpoint(1, "wechat-x", "o-1", None),
        "body": DEVICE,
    }
    return Delivery(**values | given)


def refusal(app: WechatApp | None, at: datetime = NOW, **given: Any) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as refused:
        wechat.deliver(letter(**given), app, at=at)
    return refused.value


@pytest.mark.parametrize(
    ("code", "kind", "attributes"),
    [
        (43101, PermanentFailure, {"is_consent_gone": True, "is_endpoint_gone": False}),
        (40003, PermanentFailure, {"is_endpoint_gone": True}),
        (40037, PermanentFailure, {"is_endpoint_gone": False}),
        (47003, PermanentFailure, {"is_endpoint_gone": False}),
        (41030, PermanentFailure, {}),
        (40001, TemporaryFailure, {"is_channel_down": True}),
        (42001, TemporaryFailure, {"is_channel_down": True}),
        (45009, TemporaryFailure, {"is_channel_down": True}),
        (45011, TemporaryFailure, {"wait": timedelta(minutes=1)}),
        (-1, TemporaryFailure, {"is_channel_down": False}),
        (43107, TemporaryFailure, {"is_channel_down": True}),
        (48001, TemporaryFailure, {"is_channel_down": True}),
    ],
)
def test_each_published_error_code_is_permanent_or_temporary(
    app: WechatApp, server: SmallWechat, code: int, kind: type[DeliveryFailed], attributes: dict[str, Any]
) -> None:
    server.result["/cgi-bin/message/subscribe/send"] = code
    error = refusal(app)
    assert type(error) is kind
    assert {name: getattr(error, name) for name in attributes} == attributes
    assert str(code) in error.detail
    assert "o-1" not in error.detail


def test_a_refused_token_is_renewed_before_the_message_counts_as_failed(
    app: WechatApp, server: SmallWechat
) -> None:
    server.consents["o-1", DEVICE] = 1
    app.token.get(until=time.monotonic() + 5)
    server.valid.clear()
    server.current = ""
    wechat.deliver(letter(), app, at=NOW)
    assert len(server.sent) == 1
    assert server.calls["/cgi-bin/message/subscribe/send"] == 2


def test_a_used_up_quota_waits_for_midnight_in_beijing(app: WechatApp, server: SmallWechat) -> None:
    server.daily_quota = 0
    error = refusal(app, at=datetime(2026, 12, 1, 15, 30, tzinfo=UTC))  # 23:30 in Beijing
    assert isinstance(error, TemporaryFailure)
    assert error.wait == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"templates": {"device": {"id": DEVICE, "fields": {"thing9": "text"}}}}, 47003),
        ({"templates": {"device": {"id": "unknown", "fields": FIELDS}}}, 40037),
        ({"page": "pages/gone/gone"}, 41030),
    ],
)
def test_a_mistake_in_the_settings_says_which(
    settings: Settings, server: SmallWechat, change: dict[str, Any], code: int
) -> None:
    known: dict[str, Any] = {"templates": TEMPLATES} | change
    broken = wechat_app(configured(settings, server, **known))
    error = refusal(broken, body=known["templates"]["device"]["id"])
    assert isinstance(error, PermanentFailure)
    assert str(code) in error.detail
    assert "AED_WECHAT__" in error.detail


def test_values_are_cut_to_what_their_kind_allows() -> None:
    template = WechatTemplate(
        id=DEVICE, fields={"thing1": "text", "phrase2": "subject", "time3": "time", "thing4": "请尽快处理"}
    )
    values = values_of(template, letter(text="电极片将于30天后过期，请及时更换，谢谢配合。" * 2))
    assert values["thing1"] == "电极片将于30天后过期，请及时更换，谢…"
    assert len(values["thing1"]) == 20
    assert values["phrase2"] == "到期提醒"
    assert values["time3"] == f"{NOW.astimezone(wechat.BEIJING):%Y-%m-%d %H:%M}"
    assert values["thing4"] == "请尽快处理"


def test_without_a_mini_program_messages_wait() -> None:
    error = refusal(None)
    assert isinstance(error, TemporaryFailure)
    assert error.is_channel_down


# --- over HTTP ------------------------------------------------------------------------------------------


def test_the_mini_program_asks_which_templates_and_counts_what_was_allowed(
    settings: Settings, server: SmallWechat, session: Session
) -> None:
    make.person(session, phone=PHONE)
    session.commit()
    known = configured(settings, server, templates=TEMPLATES)
    with TestClient(app_on(known)) as phone:
        path = "/v1/me/wechat-consents"
        assert phone.get(path).status_code == 401
        codes = {"code": server.login("o-1"), "phone_code": server.phone_button(PHONE)}
        own = bearer(phone.post("/v1/sign-in/wechat", json=codes))
        asked = phone.get(path, headers=own).json()
        assert asked == [
            {"topic": "call", "template_id": CALL, "left": 0},
            {"topic": "device", "template_id": DEVICE, "left": 0},
        ]
        tap = {"key": "tap-00000001", "accepted": [CALL, DEVICE]}
        for _ in range(2):
            counted = phone.post(path, json=tap, headers=own).json()
        assert [each["left"] for each in counted] == [1, 1]
        wrong = phone.post(path, json=tap | {"accepted": ["unknown"]}, headers=own)
        assert wrong.status_code == 404


def test_a_template_needs_fields() -> None:
    with pytest.raises(ValueError, match="fields"):
        Wechat(
            app_id=APP_ID,
            app_secret=SecretStr("s"),
            templates={"device": {"id": "x", "fields": {}}},
        )
