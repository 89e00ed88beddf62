"""The administrator's pages: who may see them, what they say is wrong, and what their forms do."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Account, Person
from aed.accounts.permissions import Role
from aed.accounts.role_grants import RoleGrant
from aed.accounts.tokens import Token
from aed.errors import InvalidInput
from aed.notifications.models import OutboxMessage
from aed.registry.holidays.models import HolidayDay
from aed.upkeep.signals.actions import BridgeCounts, record_beat
from aed.upkeep.signals.mapping import SourceMapping
from aed.upkeep.signals.sources import add_source
from aed.web.administration.actions import days_in
from aed.web.administration.rules import Subject
from tests import make
from tests.web.conftest import SignIn


@pytest.fixture
def browser(browser_of: SignIn, session: Session) -> TestClient:
    """Return the browser of an administrator of the network."""
    person = make.person(session)
    make.role(session, person, Role.ADMINISTRATOR)
    return browser_of(person.id)


def send(browser: TestClient, subject: str, **fields: str) -> str:
    """Send a form of a page; return the page that it leads to."""
    answer = browser.post(f"/administration/{subject}", data=fields)
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["location"]).text


def test_days_are_single_ones_or_periods() -> None:
    assert days_in("2027-10-01..2027-10-03\n2027-12-31") == [
        date(2027, 10, 1),
        date(2027, 10, 2),
        date(2027, 10, 3),
        date(2027, 12, 31),
    ]
    for bad in ("soon", "2027-10-03..2027-10-01", "2027-01-01..2028-01-01", "2027-02-30"):
        with pytest.raises(InvalidInput):
            days_in(bad)


def test_only_administrators_of_the_network_see_the_pages(browser_of: SignIn, session: Session) -> None:
    regional = make.person(session)
    make.role(session, regional, Role.ADMINISTRATOR, region=make.region(session))
    for path in ("/administration", "/administration/tokens"):
        assert browser_of(None).get(path).headers["location"] == f"/sign-in?next={path}"
        assert browser_of(regional.id).get(path).status_code == 403
    form = {"do": "create", "name": "mine", "role": "administrator", "scope": "write", "days": "9"}
    assert browser_of(regional.id).post("/administration/tokens", data=form).status_code == 403
    assert session.scalar(select(Token)) is None


def test_the_front_page_says_what_is_wrong_and_every_page_opens(browser: TestClient) -> None:
    front = browser.get("/administration").text
    assert "Only one administrator" in front
    assert "No worker is running" in front
    for subject in Subject:
        assert f'href="/administration/{subject.value}"' in front
        assert browser.get(f"/administration/{subject.value}").status_code == 200, subject
    assert (
        browser.get("/administration/audit?person=1&thing=role&since=2026-01-01&until=x").status_code == 200
    )
    assert browser.get("/administration/nothing").status_code == 422


def test_a_token_is_shown_once_and_revoked(browser: TestClient, session: Session) -> None:
    form = {"do": "create", "name": "display", "role": "administrator", "scope": "read", "days": "30"}
    bad = browser.post("/administration/tokens", data=form | {"days": "many"})
    assert (bad.status_code, 'value="display"' in bad.text) == (422, True)
    made = browser.post("/administration/tokens", data=form)
    key = re.search(r'id="secret">(aed_[^<]+)<', made.text)
    assert (made.status_code, key is not None) == (200, True)
    assert "aed_" not in browser.get("/administration/tokens").text
    assert "Revoked" in send(browser, "tokens", do="revoke", id="display").replace("revoked", "Revoked")
    assert session.scalars(select(Token)).one().revoked_at is not None


def test_a_person_is_added_gets_a_role_and_is_found_in_the_audit_log(
    browser: TestClient, session: Session
) -> None:
    make.region(session)
    session.commit()
    page = send(browser, "people", do="add", name="Fang Lin", phone="138 0013 6001")
    assert "Fang Lin" in page
    assert 'class="wrong"' not in page, "nothing is wrong with an account"
    assert "Fang Lin" in browser.get("/administration/people?q=13800136001").text
    person = re.search(r'person=(\d+)">\s*\d+</a></th>\s*<td[^>]*>Fang Lin', page)
    assert person is not None
    held = send(browser, "roles", do="grant", person=person[1], role="dispatcher", region="CN-33")
    assert "Dispatcher" in held
    taken = {"do": "grant", "person": person[1], "role": "dispatcher", "region": "CN-33"}
    assert browser.post("/administration/roles", data=taken).status_code == 409
    grant = session.scalars(select(RoleGrant).where(RoleGrant.person_id == int(person[1]))).one()
    session.commit()
    send(browser, "roles", do="revoke", id=str(grant.id))
    grant_id = grant.id
    session.commit()

    def found(query: str) -> set[str]:
        """Return what happened to the role by the log."""
        log = browser.get(f"/administration/audit?{query}").text
        return set(re.findall(rf">{grant_id}</td>\s*<td[^>]*>([a-z]+)<", log))

    for query in (f"person={person[1]}&thing=role", f"person=fang&thing=role {grant_id}", "thing=角色"):
        assert found(query) == {"revoked", "granted"}, query
    for query in ("thing=授予", "thing=granted"):
        assert found(query) == {"granted"}, query
    for query in ("person=nobody", f"person={person[1]}&until=2020-01-01", "thing=nothing"):
        assert found(query) == set(), query


def test_a_person_is_edited(browser: TestClient, session: Session) -> None:
    person_id = make.person(session, phone="+8613800136002", name="Fang Lin").id
    session.commit()
    page = browser.get(f"/administration/people?q={person_id}").text
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version is not None
    assert f'href="/administration/people?q={person_id}"' in browser.get("/administration/people?q=fang").text
    new = {"do": "edit", "id": str(person_id), "version": version[1], "name": "Fang Lin", "language": "en"}
    for change in ({"name": "a\x00b"}, {"language": "fr"}, {"phone": "12"}, {"id": "x"}):
        assert browser.post("/administration/people", data=new | change).status_code == 422, change
    send(browser, "people", **new | {"name": "Fang Linlin", "phone": "138 0013 6003"})
    account = session.scalars(select(Account).where(Account.person_id == person_id)).one()
    person = session.get_one(Person, person_id)
    assert (person.name, person.language, account.phone) == ("Fang Linlin", "en", "+8613800136003")
    session.commit()
    stale = browser.post("/administration/people", data=new | {"name": "Fang"})
    assert (stale.status_code, 'id="problem"' in stale.text) == (412, True)


def test_an_endpoint_gets_a_test_message_which_says_why_it_waits_and_is_cancelled(
    browser: TestClient, session: Session
) -> None:
    send(browser, "endpoints", do="add", name="duty", channel="email", address="duty@example.org")
    webhook = {"do": "add", "name": "hook", "channel": "webhook", "address": "https://example.org/hook"}
    made = browser.post("/administration/endpoints", data=webhook)
    assert (made.status_code, "whsec_" in made.text) == (200, True)
    send(browser, "endpoints", do="test", id="duty")
    waiting = browser.get("/administration/outbox").text
    assert "No worker is running" in waiting
    assert "duty@example.org" not in waiting
    message = session.scalars(select(OutboxMessage)).one()
    session.commit()
    send(browser, "outbox", do="cancel", id=str(message.id))
    assert (
        browser.post("/administration/outbox", data={"do": "cancel", "id": str(message.id)}).status_code
        == 409
    )
    assert "Cancelled by" in browser.get("/administration/outbox?state=dead").text


def test_a_year_without_holidays_raises_an_alarm_until_it_is_entered(
    browser: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.region(session)
    session.commit()
    december = datetime(2026, 12, 1, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: december)
    session.execute(delete(HolidayDay).where(HolidayDay.day >= date(2027, 1, 1)))
    session.commit()
    assert "has no holidays of 2027" in browser.get("/administration/holidays").text
    alarm = re.search(
        r'href="/administration/holidays".*?</li>', browser.get("/administration").text, re.DOTALL
    )
    assert alarm is not None
    assert "⚠" in alarm[0]
    form = {"calendar": "CN", "year": "2027", "holidays": "2027-01-01..2027-01-03", "workdays": "2027-01-09"}
    bad = browser.post("/administration/holidays", data={"do": "put", **form, "holidays": "New Year"})
    assert (bad.status_code, "New Year</textarea>" in bad.text) == (422, True)
    assert "has no holidays of 2027" not in send(browser, "holidays", do="put", **form)
    days = session.scalars(select(HolidayDay.day).where(HolidayDay.day >= date(2027, 1, 1))).all()
    assert len([day for day in days if day.year == 2027]) == 4


def test_feeds_and_issuers_are_added_and_taken_away(browser: TestClient) -> None:
    assert "city" in send(
        browser, "feeds", do="save", name="city", url="https://example.org/a.csv", every_hours="24"
    )
    assert "There is no feed yet" in send(browser, "feeds", do="remove", id="city")
    issuer = {"code": "red", "name_zh": "红", "name_en": "Red", "kind": "red_cross"}
    page = send(browser, "issuers", do="add", **issuer)
    number = re.search(r'name="id" value="(\d+)"', page)
    assert number is not None
    assert "withdrawn" in send(browser, "issuers", do="withdraw", id=number[1])


def test_health_says_if_the_bridge_of_signals_is_silent(browser: TestClient, session: Session) -> None:
    page = "/administration/health?lang=en"
    assert "Signals over MQTT" not in browser.get(page).text, "no source needs it"
    estate, at = make.estate(session), clock.now()
    mapping = SourceMapping.model_validate(
        {"topics": ["cabinets/{serial}"], "at": {"path": "/at"}, "readings": {}}
    )
    add_source(session, make.ADMINISTRATOR, "cabinets", mapping, estate_id=estate.id, region=None, at=at)
    session.commit()
    assert "does not run: start aed signals mqtt" in browser.get(page).text

    counts = BridgeCounts(malformed=3, last_malformed=(at, "cabinets/X-1", "The body is not JSON."))
    for is_connected, said in ((False, "does not reach the broker"), (True, "receives signals; 3 messages")):
        record_beat(session, "b", counts, topics=[], is_connected=is_connected, is_over=False, at=at)
        session.commit()
        counts = BridgeCounts()
        assert said in browser.get(page).text
    assert "last unreadable message: cabinets/X-1" in browser.get(page).text
    record_beat(session, "b", counts, topics=[], is_connected=True, is_over=True, at=at)
    session.commit()
    assert "does not run" in browser.get(page).text
