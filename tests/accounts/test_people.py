"""People: phone numbers in any notation, corrections with history, and nothing secret in logs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import orjson
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.masking import mask_phone
from aed.accounts.people import actions as people_actions
from aed.accounts.people import queries as people_queries
from aed.accounts.people.models import Person
from aed.accounts.people.rules import e164
from aed.accounts.people.schemas import PersonAmend
from aed.accounts.permissions import TokenRole
from aed.database.session import Database
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput, NotAllowed
from aed.notifications.channels import Deliver, spool
from aed.notifications.jobs import Sent, send_waiting
from aed.notifications.models import OutboxMessage
from aed.notifications.rules import MAX_TRIES, Channel
from tests import make
from tests.accounts.conftest import Browser, codes_sent
from tests.make import ADMINISTRATOR, NOW

PASSWORD = "four words are enough"
type Browsers = Callable[[], Browser]


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "138 0013 8000",
        "138-0013-8000",
        "+86 138 0013 8000",
        "+8613800138000",
        "0086 13800138000",
        "86 138 0013 8000",
        "(+86) 138 0013 8000",
        "１３８００１３８０００",
        "＋８６ 138 0013 8000",
        "tel:+86-138-0013-8000",
        " 138.0013.8000 ",
        "手机 13800138000",
    ],
)
def test_a_phone_number_is_read_in_every_common_notation(written: str) -> None:
    assert e164(written, country="CN") == "+8613800138000"


def test_a_number_without_a_country_code_is_read_in_the_country_of_the_region() -> None:
    assert e164("0571 8765 4321", country="CN") == "+8657187654321"
    assert e164("09012345678", country="JP") == "+819012345678"
    assert e164("+81 90 1234 5678", country="CN") == "+819012345678"


@pytest.mark.parametrize(
    "written", ["", "nobody", "120", "1380013800", "138001380000", "0571 8765 4321 ext 7"]
)
def test_an_invalid_number_is_refused_in_a_sentence_that_does_not_repeat_it(written: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        e164(written, country="CN")

    assert refused.value.field == "phone"
    assert len(written) < 4 or written not in refused.value.detail


@given(st.text(max_size=40))
def test_any_text_is_read_as_a_number_or_refused(written: str) -> None:
    try:
        found = e164(written, country="CN")
    except InvalidInput:
        return
    assert re.fullmatch(r"\+[1-9]\d{5,14}", found)
    assert e164(found, country="JP") == found


def test_a_masked_number_cannot_be_called() -> None:
    assert mask_phone("+8613800138000") == "+86*********00"
    assert mask_phone("12345") == "***"


def test_a_correction_is_logged_with_actor_and_time_and_masked_numbers(session: Session) -> None:
    person = make.person(session, phone="138 0013 8000", name="王芳")

    people_actions.amend_person(
        session,
        ADMINISTRATOR,
        person.id,
        PersonAmend(name="王芳芳", phone="138 0013 8001"),
        version=1,
        country="CN",
        at=NOW + timedelta(days=1),
    )

    newest, first = people_queries.person_history(session, person.id)
    assert newest.fields == {
        "name": ["王芳", "王芳芳"],
        "phone": ["+86*********00", "+86*********01"],
    }
    assert (newest.who, newest.at) == ("test", NOW + timedelta(days=1))
    assert first.fields["name"] == [None, "王芳"]
    assert person.phone == "+8613800138001"
    assert people_queries.account_by_phone(session, "+8613800138000") is None


def amend(session: Session, person_id: int, *, version: int = 1, **change: str | None) -> None:
    people_actions.amend_person(
        session,
        ADMINISTRATOR,
        person_id,
        PersonAmend.model_validate(change),
        version=version,
        country="CN",
        at=NOW,
    )


def test_one_number_is_one_account(session: Session) -> None:
    make.person(session, phone="138 0013 8000")
    other = make.person(session, phone="138 0013 8001")
    session.commit()

    with pytest.raises(Conflict) as refused:
        make.person(session, phone="+86 138-0013-8000")
    session.rollback()
    assert refused.value.field == "phone"
    with pytest.raises(Conflict):
        amend(session, other.id, phone="13800138000")
    session.rollback()


def test_an_older_version_is_refused_and_nothing_changes(session: Session) -> None:
    person = make.person(session, name="王芳")
    amend(session, person.id, name="王芳芳")

    with pytest.raises(ChangedMeanwhile):
        amend(session, person.id, name="李芳")
    amend(session, person.id, version=2, name="王芳芳")

    assert (person.name, person.version) == ("王芳芳", 2)
    assert len(people_queries.person_history(session, person.id)) == 2, (
        "an amendment without changes is not logged"
    )


def test_an_imported_person_gets_an_account_by_a_correction(session: Session) -> None:
    make.responder(session)
    known = session.scalars(select(Person)).one()
    assert people_queries.account_of(session, known.id) is None

    amend(session, known.id, phone="138 0013 8000")

    account = people_queries.account_of(session, known.id)
    assert account is not None
    assert account.phone == "+8613800138000"


def test_imported_people_get_accounts_unless_they_share_a_number(session: Session) -> None:
    make.person(session, phone="138 0013 8000")
    for name, phone in (
        ("taken", "+86 13800138000"),
        ("own", "138-0013-8001"),
        ("shared", "138 0013 8002"),
        ("shared too", "+8613800138002"),
        ("invented", "+86 100 0000 0001"),
        ("none", None),
    ):
        people_actions.find_or_add_person(session, name=name, phone=phone)

    done = people_actions.open_accounts(session, ADMINISTRATOR, country="CN", at=NOW)

    assert (done.opened, done.shared, done.unusable) == (1, 3, 2)
    found = people_queries.account_by_phone(session, "+8613800138001")
    assert found is not None
    assert found[1].name == "own"
    (opened,) = people_queries.person_history(session, found[1].id)
    assert opened.fields == {"account": [None, "+86*********01"]}
    assert people_actions.open_accounts(session, ADMINISTRATOR, country="CN", at=NOW).opened == 0
    with pytest.raises(NotAllowed):
        people_actions.open_accounts(session, make.dispatcher(make.region(session)), country="CN", at=NOW)


def test_the_insert_statement_of_the_previous_release_still_adds_a_person(session: Session) -> None:
    session.execute(text("INSERT INTO people (name, language) VALUES ('Old', 'zh')"))

    found = session.scalars(select(Person)).one()
    assert (found.channel, found.version) == ("sms", 1)


def test_a_new_number_ends_the_sessions_of_the_old_one(browser: Browsers, session: Session) -> None:
    person = make.person(session, phone="138 0013 8000", password=PASSWORD)
    session.commit()
    own = browser()
    own.sign_in("13800138000", password=PASSWORD)
    version = int(own.client.get(f"/v1/people/{person.id}").headers["ETag"].strip('"'))

    amend(session, person.id, version=version, phone="138 0013 8001")
    session.commit()

    assert own.me()["role"] == "anyone"
    assert own.sign_in("13800138000", password=PASSWORD).status_code == 401
    assert own.sign_in("13800138001", password=PASSWORD).status_code == 200


def test_people_correct_their_own_name_but_not_their_own_number(browser: Browsers, session: Session) -> None:
    person = make.person(session, phone="138 0013 8000", password=PASSWORD)
    session.commit()
    own = browser()
    own.sign_in("13800138000", password=PASSWORD)
    path = f"/v1/people/{person.id}"

    def patch(**change: str) -> int:
        headers = {**own.csrf, "If-Match": own.client.get(path).headers["ETag"]}
        return int(own.client.patch(path, json=change, headers=headers).status_code)

    assert patch(name="Wang Fang", language="en", channel="voice") == 200
    assert patch(phone="138 0013 8001") == 403
    shown = own.client.get(path).json()
    assert (shown["name"], shown["language"], shown["channel"]) == ("Wang Fang", "en", "voice")


def test_people_are_listed_in_pages(client: TestClient, session: Session) -> None:
    made = [make.person(session).id for _ in range(5)]
    headers = make.key(session, TokenRole.ADMINISTRATOR)
    session.commit()

    seen: list[int] = []
    cursor = ""
    while True:
        page = client.get(f"/v1/people?limit=2{cursor}", headers=headers).json()
        seen += [each["id"] for each in page["people"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == made


# --- the outbox -----------------------------------------------------------------------------------------


def spooling(folder: Path) -> dict[Channel, Deliver]:
    return dict.fromkeys(Channel, partial(spool.deliver, folder=folder))


def test_a_code_is_spooled_once_in_the_language_of_the_person_and_deleted(
    browser: Browsers, session: Session, database: Database, tmp_path: Path
) -> None:
    make.person(session, phone="138 0013 8000", language="zh")
    session.commit()
    browser().ask_for_code("13800138000")
    (code,) = codes_sent(session)
    folder = tmp_path / "outbox"

    def run() -> Sent:
        return send_waiting(database, clock.now, channels=spooling(folder))

    assert run() == Sent(sent=1)
    assert run() == Sent()

    (path,) = folder.iterdir()
    (line,) = path.read_bytes().splitlines()
    spooled = orjson.loads(line)
    assert (spooled["to"], spooled["channel"], spooled["language"]) == ("+8613800138000", "sms", "zh")
    assert code in spooled["text"]
    assert "请勿" in spooled["text"]
    assert (path.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    session.rollback()
    row = session.scalars(select(OutboxMessage)).one()
    assert (row.text_en, row.text_zh) == (None, None)
    assert row.sent_at is not None


def test_a_message_that_cannot_be_spooled_is_retried_and_given_up_after_the_last_attempt(
    browser: Browsers, session: Session, database: Database, tmp_path: Path
) -> None:
    make.person(session, phone="138 0013 8000")
    session.commit()
    browser().ask_for_code("13800138000")
    session.execute(text("UPDATE outbox SET expires_at = NULL"))
    session.commit()
    (tmp_path / "file").touch()

    def run(hours: float, folder: Path) -> Sent:
        later = timedelta(hours=hours)
        return send_waiting(database, lambda: clock.now() + later, channels=spooling(folder))

    for number in range(MAX_TRIES):
        assert run(number, tmp_path / "file" / "outbox") == Sent(postponed=1)
        assert run(number, tmp_path / "outbox") == Sent(), "the retry is not due yet"

    assert run(MAX_TRIES, tmp_path / "outbox") == Sent()
    session.rollback()
    row = session.scalars(select(OutboxMessage)).one()
    assert row.given_up_at is not None
    assert row.text_zh is None


def test_an_expired_code_is_not_sent(
    browser: Browsers, session: Session, database: Database, tmp_path: Path
) -> None:
    make.person(session, phone="138 0013 8000")
    session.commit()
    browser().ask_for_code("13800138000")

    sent = send_waiting(
        database,
        lambda: clock.now() + timedelta(minutes=11),
        channels=spooling(tmp_path / "outbox"),
    )

    assert sent == Sent()
    assert not (tmp_path / "outbox").exists()
    session.rollback()
    assert session.scalars(select(OutboxMessage.text_en)).one() is None
