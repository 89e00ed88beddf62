"""Reminder messages, their answers and personal preferences, over HTTP and on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.database.session import Database, read_session, transaction
from aed.notifications.endpoints import EndpointInput, save_endpoint
from aed.notifications.models import OutboxMessage
from aed.notifications.rules import Channel
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.settings.upkeep import Reminding
from aed.upkeep import jobs
from aed.upkeep.reminders.actions import set_preference
from aed.upkeep.reminders.rules import Hours
from tests import make
from tests.accounts.everyone import signed_in
from tests.registry.conftest import Desk

BY = Reminding()
PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def reminded_today(session: Session) -> tuple[Estate, Person, str, int]:
    """Return an estate, its keeper, the key of the keeper's message of today, and the reminder in it."""
    estate, today = make.estate(session), clock.now().date()
    device = make.device(session, of=estate, audience="estate", place_zh="<大堂>", pads_expire_on=today)
    keeper = make.person(session, name="Keeper")
    make.role(session, keeper, Role.KEEPER, estate=estate)
    key, reminder_id = make.reminded(session, keeper, device, at=clock.now())
    session.commit()
    return estate, keeper, key, reminder_id


def test_a_tap_answers_a_reminder_but_opening_the_page_does_not(session: Session, nobody: Desk) -> None:
    _, _, key, reminder_id = reminded_today(session)
    path = f"/v1/reminders/{key}"
    assert nobody.get("/v1/reminders/no-such-key").status_code == 404
    assert nobody.put(f"/v1/reminders/no-such-key/{reminder_id}", {"answer": "done"}).status_code == 404

    assert [each["answer"] for each in nobody.get(path).json()["reminders"]] == [None]
    assert nobody.put(f"{path}/{reminder_id}", {"answer": "perhaps"}).status_code == 422
    assert nobody.put(f"{path}/{reminder_id + 1}", {"answer": "done"}).status_code == 404
    answered = nobody.put(f"{path}/{reminder_id}", {"answer": "not_me"})

    assert answered.status_code == 200
    assert answered.json()["said_zh"] == "将转告上一级负责人。"
    assert [each["answer"] for each in nobody.get(path).json()["reminders"]] == ["not_me"]
    nobody.put(f"{path}/{reminder_id}", {"answer": "done"})
    assert [each["answer"] for each in nobody.get(path).json()["reminders"]] == ["done"]


def test_the_reminder_page_is_in_the_readers_language_and_loads_nothing_external(
    session: Session, client: TestClient
) -> None:
    *_, key, reminder_id = reminded_today(session)

    page = client.get(f"/v1/reminders/{key}", headers=PAGE)
    english = client.get(f"/reminders/{key}?from=singlemessage", headers=PAGE | {"Accept-Language": "en"})
    gone = client.get("/v1/reminders/no-such-key", headers=PAGE)

    assert (page.status_code, english.status_code, gone.status_code) == (200, 200, 404)
    assert page.url.path == f"/reminders/{key}"
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;大堂&gt;" in page.text
    assert "<大堂>" not in page.text
    assert "更换电极片" in page.text
    assert "Replace pads" in english.text
    assert re.findall(r'name="answer" value="(\w+)"', page.text) == ["done", "not_me", "later"]
    assert f'id="task-{reminder_id}"' in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "'unsafe" not in policy
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    assert "链接已失效" in gone.text or "已过期" in gone.text


def test_a_reminder_is_answered_by_a_form_of_its_page(session: Session, client: TestClient) -> None:
    *_, key, reminder_id = reminded_today(session)

    for given in ("later", "done", "done"):
        page = client.post(
            f"/reminders/{key}", headers=PAGE, data={"reminder_id": reminder_id, "answer": given}
        )
        assert page.url.path == f"/reminders/{key}"
    assert "谢谢，巡检设备后即可确认。" in page.text
    assert [each["answer"] for each in client.get(f"/v1/reminders/{key}").json()["reminders"]] == ["done"]
    other = {"reminder_id": reminder_id + 99, "answer": "done"}
    assert client.post(f"/reminders/{key}", headers=PAGE, data=other).status_code == 404
    odd = {"reminder_id": reminder_id, "answer": "<script>"}
    assert client.post(f"/reminders/{key}", headers=PAGE, data=odd).status_code == 422
    assert client.post("/reminders/nobodys", headers=PAGE, data=other).status_code == 404


def test_an_estate_sees_the_reminders_of_its_people_and_strangers_do_not(
    session: Session, nobody: Desk, office: Desk, desk_of: Callable[..., Desk]
) -> None:
    estate, _, key, reminder_id = reminded_today(session)
    other = make.estate(session, around=make.east_of(make.PATIENT, metres=2_000))
    session.commit()
    nobody.put(f"/v1/reminders/{key}/{reminder_id}", {"answer": "later"})

    assert nobody.get("/v1/reminders").json()["reminders"] == []
    assert desk_of(other).get("/v1/reminders").json()["reminders"] == []
    (listed,) = desk_of(estate).get("/v1/reminders?region=CN-33").json()["reminders"]
    assert (listed["id"], listed["due_kind"], listed["threshold_days"]) == (reminder_id, "pads", 0)
    assert [(one["level"], one["answer"]) for one in listed["recipients"]] == [("keeper", "later")]
    assert "Keeper" not in str(listed)
    assert office.get(f"/v1/reminders?estate_id={other.id}").json()["reminders"] == []


def test_the_key_of_a_message_is_in_no_log(
    session: Session,
    client_on: Callable[[Settings], TestClient],
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    *_, key, _ = reminded_today(session)
    client = client_on(settings.model_copy(update={"access_log": True}))
    capsys.readouterr()
    assert client.get(f"/v1/reminders/{key}").status_code == 200

    logged = "".join(capsys.readouterr())
    assert "/v1/reminders/{message_key}" in logged
    assert key not in logged


def test_people_set_when_they_are_reminded(session: Session, client: TestClient) -> None:
    _, keeper, *_ = reminded_today(session)
    headers = signed_in(session, keeper)
    session.commit()
    path, given = "/v1/reminders/preferences", {"from_hour": 9, "until_hour": 18, "days_before": 30}
    unset = client.get(path, headers=headers).json()

    assert set(unset.values()) == {None}
    assert client.get(path).status_code == 401
    assert client.put(path, json=given, headers=headers).json() == given
    assert client.get(path, headers=headers).json() == given
    for wrong in ({"from_hour": 9}, {"from_hour": 18, "until_hour": 9}, {"days_before": -1}):
        assert client.put(path, json=wrong, headers=headers).status_code == 422, wrong
    assert client.put(path, json={}, headers=headers).json() == unset


def test_preferences_allow_late_reminders_in_the_evening(database: Database) -> None:
    """The pads expire on 22 December. Nothing is sent 90 days before; 30 days before, a message at six."""
    with transaction(database) as session:
        estate = make.estate(session)
        keeper = make.person(session, name="Keeper")
        make.role(session, keeper, Role.KEEPER, estate=estate)
        make.device(session, of=estate, pads_expire_on=date(2026, 12, 21))
        set_preference(session, keeper.id, hours=Hours(18, 20), days_before=30)
    heard = []
    for day in (date(2026, 9, 22), date(2026, 11, 21)):
        for hour in (8, 12, 18, 19):
            at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC) - timedelta(hours=8)
            jobs.remind_of_expiry(database, at, by=BY)
            result = jobs.send_reminders(database, at, by=BY, public_url=None)
            heard += [(day, hour)] * result.messages

    assert heard == [(date(2026, 11, 21), 18)]


def test_people_with_an_endpoint_are_reminded_there_without_a_phone_number(database: Database) -> None:
    at = datetime(2026, 9, 22, 2, tzinfo=UTC)
    with transaction(database) as session:
        estate = make.estate(session)
        keeper = make.person(session, name="Keeper", language="en")
        make.role(session, keeper, Role.KEEPER, estate=estate)
        make.device(session, of=estate, pads_expire_on=date(2026, 9, 22))
        given = EndpointInput(
            name="keeper-mail", channel=Channel.EMAIL, address="k@example.org", person_id=keeper.id
        )
        save_endpoint(session, make.ADMINISTRATOR, given, at=at)
        keeper.phone = None
    jobs.remind_of_expiry(database, at, by=BY)
    jobs.send_reminders(database, at, by=BY, public_url=None)

    with read_session(database) as session:
        (letter,) = session.scalars(select(OutboxMessage)).all()
    assert (letter.channel, letter.recipient) == (Channel.EMAIL, "k@example.org")
    assert letter.subject_en == "AED: 1 task is due"
