"""The check page: the sign-in with one code, all is well in one tap, and what has changed."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pyotp
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.masking import mask_phone
from aed.accounts.people.models import Account, Person
from aed.accounts.permissions import Role
from aed.accounts.regions.models import Region
from aed.accounts.sessions import SESSION_COOKIE
from aed.registry.devices.models import Consumable, Device
from aed.registry.estates.models import Estate
from aed.upkeep.checks.schemas import CheckIn, CheckReadings
from aed.upkeep.models import Check, Confirmation
from aed.upkeep.rules import Fact, Question, device_id_of, short_number
from aed.web.checks.rules import BadForm, check_in_form, moment_of
from tests import make
from tests.accounts.conftest import codes_sent
from tests.make import NOW

PHONE = "138 0013 8222"
WELL = {"all": "well", "kind": "check"}
ALL = tuple(Question)


@pytest.fixture
def browser(client: TestClient, browser: dict[str, str]) -> TestClient:
    """Return a browser that keeps cookies, in English."""
    headers = browser | {"Accept-Language": "en", "Sec-Fetch-Site": "same-origin"}
    return TestClient(client.app, base_url="https://testserver", headers=headers, follow_redirects=False)


def kept(session: Session, **given: object) -> str:
    """Register a device of a closed estate, with a keeper as lists write them; return its number."""
    fields = {"audience": "estate", "keeper": {"name": "Chen", "phone": PHONE}, "place_en": "Lobby of No. 3"}
    device = make.device(session, of=make.estate(session), **(fields | given))  # type: ignore[arg-type]  # any field
    number = short_number(device.id)
    session.commit()
    return number


def sign_in(browser: TestClient, session: Session, code: str) -> None:
    browser.post(f"/d/{code}/check/code", data={"phone": PHONE})
    sent = codes_sent(session)[-1]
    answer = browser.post(f"/d/{code}/check/sign-in", data={"phone": PHONE, "code": sent})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/d/{code}/check"), answer.text


def form_key(page: str) -> str:
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found is not None
    return found[1]


def checks(session: Session) -> list[Check]:
    session.rollback()
    found = list(session.scalars(select(Check).order_by(Check.id)))
    session.expunge_all()
    session.rollback()
    return found


def test_a_hidden_device_looks_nonexistent_to_a_stranger(browser: TestClient, session: Session) -> None:
    hidden, unknown = kept(session), short_number(999_999)

    pages = [browser.get(f"/d/{code}/check") for code in (hidden, unknown)]
    form, phone = {"key": str(uuid.uuid4())} | WELL, {"phone": "138 0013 8999"}
    sent = [browser.post(f"/d/{code}/check", data=form) for code in (hidden, unknown)]
    asked = [browser.post(f"/d/{code}/check/code", data=phone) for code in (hidden, unknown)]

    for one, other in (pages, sent, asked):
        assert one.status_code == other.status_code
        assert re.sub(r"[0-9a-f-]{36}", "", one.text).replace(hidden, "N") == re.sub(
            r"[0-9a-f-]{36}", "", other.text
        ).replace(unknown, "N")
        assert "Lobby" not in one.text
    assert checks(session) == []
    assert browser.get("/d/1234-5/check").status_code == 404


def test_a_second_person_approves_a_check_with_a_reason_if_not(browser: TestClient, session: Session) -> None:
    code = kept(session)
    device = session.get_one(Device, device_id_of(code))
    estate = session.get_one(Estate, device.estate_id)
    make.policy(session, of=estate, approval_days=3)
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    check = make.check(session, device, who=manager, at=clock.now(), note="Seal replaced").check
    desk = make.sign_in(session, make.person_with_role(session, Role.KEEPER, estate=estate).person_id or 0)
    path, check_id = f"/d/{code}/checks", check.id
    session.commit()

    def send(**given: str) -> int:
        return browser.post(path, data={"check_id": str(check_id)} | given).status_code

    assert "Sign in" in browser.get(path).text
    assert "Seal replaced" not in browser.get(path).text
    assert send(decision="approved") == 401
    sign_in(browser, session, code)
    page = browser.get(path).text
    assert ("Waits for a second person" in page, "Seal replaced" in page) == (True, True)
    refused = browser.post(path, data={"check_id": check_id, "decision": "failed", "reason": " "})
    assert (refused.status_code, "Say why the check is not approved" in refused.text) == (422, True)
    for _ in range(2):
        assert send(decision="refused", reason="No photo of the seal") == 303
    page = browser.get(path).text
    assert "No photo of the seal" in page
    assert 'name="check_id"' not in page
    browser.cookies.set(SESSION_COOKIE, desk)
    assert send(decision="approved") == 409


def test_a_keeper_from_an_imported_list_can_sign_in_and_check(browser: TestClient, session: Session) -> None:
    code = kept(session)
    first = browser.get(f"/d/{code}/check").text
    assert "Sign in to check" in first
    assert 'name="all"' not in first, "the link signs nobody in"

    sign_in(browser, session, code)
    page = browser.get(f"/d/{code}/check").text
    sent = browser.post(f"/d/{code}/check", data={"key": form_key(page)} | WELL)
    result = browser.get(sent.headers["location"]).text

    assert "Lobby of No. 3" in page
    assert sent.status_code == 303
    assert "the check is passed" in result
    (check,) = checks(session)
    assert check.is_passed
    facts = session.scalars(select(Confirmation.fact)).all()
    assert set(facts) == {Fact.POSITION, Fact.HOURS, Fact.READINESS}
    assert session.scalar(select(func.count()).select_from(Account)) == 1


def test_the_keepers_own_browser_may_have_the_code_sent_without_typing_the_number(
    browser: TestClient, session: Session
) -> None:
    code, masked = kept(session), mask_phone("+8613800138222")
    sign_in(browser, session, code)
    browser.cookies.delete(SESSION_COOKIE)
    sent_before = len(codes_sent(session))

    assert f"Send the code to {masked}" in browser.get(f"/d/{code}/check").text
    asked = browser.post(f"/d/{code}/check/code", data={"known": "yes"}).text
    assert masked in asked
    assert "0013" not in asked, "not the whole number"
    assert len(codes_sent(session)) == sent_before + 1
    wrong = browser.post(f"/d/{code}/check/sign-in", data={"known": "yes", "code": "000000"})
    assert (wrong.status_code, masked in wrong.text) == (422, True)
    given = {"known": "yes", "code": codes_sent(session)[-1]}
    assert browser.post(f"/d/{code}/check/sign-in", data=given).status_code == 303
    for _ in range(20):
        last = browser.post(f"/d/{code}/check/code", data={"known": "yes"})
    assert last.status_code == 429, "as for a number that is typed"


def test_another_browser_learns_no_number_and_sends_no_message(browser: TestClient, session: Session) -> None:
    code = kept(session)
    other = kept(session, keeper={"name": "Lin", "phone": "138 0013 8555"})
    stranger = TestClient(browser.app, base_url="https://testserver", headers=dict(browser.headers))
    sign_in(browser, session, code)
    browser.cookies.delete(SESSION_COOKIE)
    sent_before = len(codes_sent(session))

    for visitor, number in ((stranger, code), (browser, other), (browser, short_number(999_999))):
        assert "Send the code to" not in visitor.get(f"/d/{number}/check").text
        answer = visitor.post(f"/d/{number}/check/code", data={"known": "yes"})
        assert answer.status_code == 422
        assert "138" not in answer.text
    assert len(codes_sent(session)) == sent_before


def test_the_link_of_a_reminder_leads_to_the_check_and_signs_nobody_in(
    browser: TestClient, session: Session
) -> None:
    code = kept(session)
    device = session.scalars(select(Device)).one()
    keeper = session.get_one(Person, device.keeper_id)
    keeper_id = keeper.id
    key, _ = make.reminded(session, keeper, device, at=clock.now())
    session.commit()

    page = browser.get(f"/v1/reminders/{key}", follow_redirects=True)
    assert "set-cookie" not in page.headers
    assert f'href="/d/{code}/check"' in page.text
    assert "Sign in to check" in browser.get(f"/d/{code}/check").text
    sign_in(browser, session, code)
    sent = browser.post(f"/d/{code}/check", data={"key": str(uuid.uuid4())} | WELL)

    assert sent.status_code == 303
    assert checks(session)[0].by_id == keeper_id


def test_a_double_tap_a_reload_and_the_back_button_send_one_check(
    browser: TestClient, session: Session
) -> None:
    code = kept(session)
    sign_in(browser, session, code)
    form = {"key": form_key(browser.get(f"/d/{code}/check").text)} | WELL

    answers = [browser.post(f"/d/{code}/check", data=form) for _ in range(3)]

    assert {each.headers["location"] for each in answers} == {f"/d/{code}/check?sent={form['key']}"}
    assert len(checks(session)) == 1


def test_a_second_check_within_a_day_must_be_meant(browser: TestClient, session: Session) -> None:
    code = kept(session)
    sign_in(browser, session, code)
    browser.post(f"/d/{code}/check", data={"key": str(uuid.uuid4())} | WELL)

    page = browser.get(f"/d/{code}/check").text
    again = browser.post(f"/d/{code}/check", data={"key": str(uuid.uuid4()), "note": "a dent"} | WELL)

    assert "was checked already" in page
    assert again.status_code == 409
    assert "a dent" in again.text, "nothing that was typed is lost"
    assert len(checks(session)) == 1
    meant = browser.post(f"/d/{code}/check", data={"key": form_key(again.text), "again": "on"} | WELL)
    assert meant.status_code == 303
    assert len(checks(session)) == 2


def test_each_field_is_confirmed_or_changed_with_the_registered_value_beside_it(
    browser: TestClient, session: Session
) -> None:
    code = kept(session, pads_expire_on=clock.now().date() + timedelta(days=9), floor=2)
    sign_in(browser, session, code)
    page = browser.get(f"/d/{code}/check").text
    shown = (clock.now().date() + timedelta(days=9)).isoformat()
    assert f"until {shown}" in page
    assert "24 hours" in page
    new = (clock.now().date() + timedelta(days=900)).isoformat()

    sent = browser.post(
        f"/d/{code}/check",
        data={
            "key": form_key(page),
            "send": "details",
            "kind": "check",
            "a_status_light": "yes",
            "a_pads_in_date": "new",
            "until_pads": new,
            "lot_pads": "L7",
            "a_access_as_described": "no",
            "a_place": "changed",
            "place": "At the gate",
            "storey": "B1",
            "note": "<script>alert(1)</script>",
        },
    )

    assert sent.status_code == 303, sent.text
    device = session.scalars(select(Device)).one()
    assert (device.place_en, device.floor) == ("At the gate", -1)
    assert device.access_doubted_at is not None
    pads = session.scalars(select(Consumable).where(Consumable.state == "fitted")).one()
    assert (pads.lot, pads.expires_on.isoformat()) == ("L7", new)
    facts = set(session.scalars(select(Confirmation.fact)))
    assert facts == {Fact.POSITION, Fact.READINESS}, "the hours were not confirmed"


def test_the_rest_is_well_answers_what_was_left_open(browser: TestClient, session: Session) -> None:
    code = kept(session)
    sign_in(browser, session, code)

    form = {"key": str(uuid.uuid4()), "kind": "check", "a_seal": "no", "rest": "well"}
    sent = browser.post(f"/d/{code}/check", data=form)

    assert "not passed" not in browser.get(sent.headers["location"]).text
    (check,) = checks(session)
    assert [question for question, is_well in check.answers.items() if not is_well] == ["seal"]
    assert check.is_passed


def test_the_parts_that_a_policy_asks_for_are_in_the_form_and_kept_with_the_check(
    browser: TestClient, session: Session
) -> None:
    make.policy(
        session,
        asks=["status_light", "pads_in_date", "battery_in_date", "seal", "battery_level", "first_aid_kit"],
    )
    code = kept(session)
    sign_in(browser, session, code)
    page = browser.get(f"/d/{code}/check").text
    assert "Is the first-aid kit complete?" in page
    form = {"key": form_key(page), "kind": "check", "rest": "well", "a_first_aid_kit": "no"}
    form |= {"seal_number": "S-2041", "battery_percent": "180", "action_taken": "Gauze ordered"}

    refused = browser.post(f"/d/{code}/check", data=form)
    assert refused.status_code == 422
    assert "whole number from 0 to 100" in refused.text
    assert 'value="S-2041"' in refused.text
    sent = browser.post(f"/d/{code}/check", data=form | {"battery_percent": "80%"})

    assert sent.status_code == 303, sent.text
    (check,) = checks(session)
    assert check.readings == {
        "seal_number": "S-2041",
        "battery_percent": 80,
        "action_taken": "Gauze ordered",
    }
    assert check.answers["first_aid_kit"] is False
    assert check.is_passed


def test_bad_input_is_answered_in_a_sentence_and_nothing_typed_is_lost(
    browser: TestClient, session: Session
) -> None:
    code = kept(session)
    sign_in(browser, session, code)
    form = {"key": str(uuid.uuid4()), "kind": "check", "a_pads_in_date": "new", "note": "<b>note</b>"}

    for field, value, words in (
        ("until_pads", "2001-01-01", "expired already"),
        ("until_pads", "soon", "cannot be read"),
    ):
        answer = browser.post(f"/d/{code}/check", data=form | {field: value})
        assert answer.status_code == 422
        assert words in answer.text
        assert "&lt;b&gt;note&lt;/b&gt;" in answer.text
        assert form_key(answer.text) == form["key"]
    contradiction = browser.post(f"/d/{code}/check", data=form | WELL | {"a_status_light": "no"})
    assert contradiction.status_code == 422
    assert "something that is not well" in contradiction.text
    assert browser.post(f"/d/{code}/check", data=form | {"key": "x"}).status_code == 422
    chinese = browser.post(
        f"/d/{code}/check", data=form | {"until_pads": "2001-01-01"}, headers={"Accept-Language": "zh-CN"}
    )
    assert "已过有效期" in chinese.text
    assert checks(session) == []


def test_what_was_entered_outlives_the_end_of_the_session(browser: TestClient, session: Session) -> None:
    code = kept(session)
    sent = browser.post(f"/d/{code}/check", data={"key": str(uuid.uuid4()), "note": "torn seal & more"})
    assert sent.status_code == 401
    held = re.search(r'name="kept" value="([^"]+)"', sent.text)
    assert held is not None
    assert "torn" in unquote(held[1])
    fields = {"phone": PHONE, "kept": held[1].replace("&amp;", "&")}

    browser.post(f"/d/{code}/check/code", data=fields)
    page = browser.post(f"/d/{code}/check/sign-in", data=fields | {"code": codes_sent(session)[-1]})

    assert page.status_code == 200
    assert "torn seal &amp; more" in page.text
    assert SESSION_COOKIE in page.headers["set-cookie"]


def test_a_keeper_gives_their_second_factor_on_the_page_and_loses_nothing(
    browser: TestClient, session: Session
) -> None:
    code = kept(session)
    sign_in(browser, session, code)
    keeper_id = session.scalars(select(Account.person_id)).one()
    app = make.authenticator_app(session, keeper_id)
    session.commit()
    browser.cookies.delete(SESSION_COOKIE)
    held = {"kept": "note=torn+seal&key=" + str(uuid.uuid4())}
    browser.post(f"/d/{code}/check/code", data={"phone": PHONE} | held)
    fields = {"phone": PHONE, "code": codes_sent(session)[-1]} | held

    asked = browser.post(f"/d/{code}/check/sign-in", data=fields)
    assert "Code of the app, or recovery code" in asked.text
    assert "torn" in asked.text, "kept"
    assert "Code of the app, or recovery code" in browser.get(f"/d/{code}/check").text, "also when reloaded"
    assert "torn" in browser.post(f"/d/{code}/check", data={"note": "torn seal"}).text, "also when sent again"
    assert browser.get(f"/d/{code}/check/second-factor").headers["location"] == f"/d/{code}/check"
    other = browser.post(f"/d/{code}/check/code", data=held).text
    assert ("torn" in other, 'name="phone"' in other) == (True, True), "another number can be given"

    wrong = browser.post(f"/d/{code}/check/second-factor", data={"code": "000000"} | held)
    assert (wrong.status_code, "torn" in wrong.text) == (422, True)
    right = browser.post(f"/d/{code}/check/second-factor", data={"code": app.at(clock.now())} | held)
    assert (right.status_code, "torn seal" in right.text, 'name="a_' in right.text) == (200, True, True)
    again = browser.post(f"/d/{code}/check/second-factor", data={"code": "000000"})
    assert again.headers["location"] == f"/d/{code}/check", "a double tap"


def test_a_keeper_who_needs_a_factor_and_has_none_adds_an_app_and_loses_nothing(
    browser: TestClient, session: Session
) -> None:
    code = kept(session)
    sign_in(browser, session, code)
    keeper = session.get_one(Person, session.scalars(select(Account.person_id)).one())
    region = session.scalars(select(Region)).one()
    region.needs_second_factor = True
    make.role(session, keeper, Role.DISPATCHER, region=region)
    session.commit()
    browser.cookies.delete(SESSION_COOKIE)
    held = {"kept": "note=torn+seal&key=" + str(uuid.uuid4())}
    browser.post(f"/d/{code}/check/code", data={"phone": PHONE} | held)
    asked = browser.post(
        f"/d/{code}/check/sign-in", data={"phone": PHONE, "code": codes_sent(session)[-1]} | held
    )
    too_early = browser.post(f"/d/{code}/check/second-factor", data=held)
    for page in (asked.text, too_early.text):
        assert ('href="/sign-in/second-factor"' in page, "torn" in page, 'id="code"' in page) == (
            True,
            True,
            False,
        )
    added = browser.post("/sign-in/second-factor/app").text
    secret = re.search(r'<code class="key">([A-Z2-7]+)</code>', added)
    confirm = re.search(r'action="(/sign-in/second-factor/app/[0-9]+)"', added)
    assert secret is not None
    assert confirm is not None
    assert browser.post(confirm[1], data={"code": pyotp.TOTP(secret[1]).at(clock.now())}).status_code == 200
    after = browser.post(f"/d/{code}/check/second-factor", data=held)
    assert (after.status_code, "torn seal" in after.text, 'name="a_' in after.text) == (200, True, True)


def test_a_visitor_without_a_session_is_asked_for_the_phone_number_first(
    browser: TestClient, session: Session
) -> None:
    code = kept(session)
    page = browser.post(f"/d/{code}/check/second-factor", data={"code": "000000", "kept": "note=torn"})
    assert (page.status_code, 'name="phone"' in page.text, "note=torn" in page.text) == (200, True, True)


def test_a_form_of_another_site_is_refused(browser: TestClient, session: Session) -> None:
    code = kept(session)
    sign_in(browser, session, code)
    other = {"Sec-Fetch-Site": "cross-site"}
    for path in ("", "/code", "/sign-in"):
        answer = browser.post(
            f"/d/{code}/check{path}", data={"key": str(uuid.uuid4()), "phone": PHONE} | WELL, headers=other
        )
        assert answer.status_code == 403, path
    assert checks(session) == []


def test_check_pages_refuse_people_without_permission(browser: TestClient, session: Session) -> None:
    code = kept(session, audience="public", keeper={"name": "Lin", "phone": "138 0013 8444"})
    hidden = kept(session, keeper={"name": "Lin", "phone": "138 0013 8444"})
    mine = kept(session)
    sign_in(browser, session, mine)

    refused = browser.get(f"/d/{code}/check")
    assert (refused.status_code, "not the keeper" in refused.text) == (403, True)
    assert browser.get(f"/d/{hidden}/check").status_code == 404
    assert browser.post(f"/d/{code}/check", data={"key": str(uuid.uuid4())} | WELL).status_code == 403
    assert checks(session) == []


def test_a_resident_glances(browser: TestClient, session: Session) -> None:
    estate = make.estate(session)
    device = make.device(session, of=estate, audience="estate")
    resident = make.person(session)
    make.role(session, resident, Role.RESIDENT, estate=estate)
    browser.cookies.set(SESSION_COOKIE, make.sign_in(session, resident.id))
    code = short_number(device.id)
    session.commit()

    page = browser.get(f"/d/{code}/check").text
    sent = browser.post(f"/d/{code}/check", data={"key": form_key(page), "all": "well", "kind": "glance"})

    assert 'value="service"' not in page
    assert sent.status_code == 303, sent.text
    assert [each.kind for each in checks(session)] == ["glance"]


def test_the_script_gets_json_and_sends_a_kept_check_late(browser: TestClient, session: Session) -> None:
    code = kept(session)
    json = {"Accept": "application/json"}
    key = str(uuid.uuid4())
    phone_now = clock.now() + timedelta(minutes=25)  # a clock that is ahead
    form = {
        "key": key,
        "queued": "1",
        "answered_at": (phone_now - timedelta(hours=30)).isoformat(),
        "phone_now": phone_now.isoformat(),
    } | WELL
    refused = browser.post(f"/d/{code}/check", data=form, headers=json)
    assert refused.status_code == 401
    assert refused.json()["sentence"].startswith("Sign in")
    sign_in(browser, session, code)

    answers = [browser.post(f"/d/{code}/check", data=form, headers=json) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    (check,) = checks(session)
    late = clock.now() - check.answered_at
    assert timedelta(hours=29, minutes=58) < late < timedelta(hours=30, minutes=2)
    wrong = browser.post(f"/d/{code}/check", data=form | {"key": "x"}, headers=json)
    assert (wrong.status_code, "not accepted" in wrong.json()["sentence"]) == (422, True)


def test_the_question_of_a_confirmation_request_is_answered_by_its_link(
    browser: TestClient, session: Session
) -> None:
    person = make.person(session)
    make.confirmation_request(session, make.device(session), person)
    key = f"ask_{person.id}"
    session.commit()

    page = browser.get(f"/d/{key}/check").text
    sent = browser.post(f"/d/{key}/check", data={"answer": "yes"})
    again = browser.get(sent.headers["location"]).text

    assert 'value="yes"' in page
    assert sent.status_code == 303
    assert "has arrived" in again
    assert browser.get("/d/ask_nothing/check").status_code == 404


@pytest.mark.parametrize("minutes_ahead", [-10, 0, 10, 500_000])
def test_the_clock_of_the_phone_does_not_matter(minutes_ahead: int) -> None:
    ahead = timedelta(minutes=minutes_ahead)
    answered, phone_now = NOW - timedelta(hours=2) + ahead, NOW + ahead
    assert moment_of(answered.isoformat(), phone_now.isoformat(), now=NOW) == NOW - timedelta(hours=2)


def test_a_clock_that_was_set_in_between_stays_within_what_is_accepted() -> None:
    assert moment_of((NOW + timedelta(days=3)).isoformat(), NOW.isoformat(), now=NOW) == NOW
    assert moment_of("1970-01-01T00:00:00Z", NOW.isoformat(), now=NOW) == NOW - timedelta(days=60)
    assert moment_of("yesterday", NOW.isoformat(), now=NOW) is None
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"
    assert moment_of(first, last, now=NOW) == NOW - timedelta(days=60)
    assert moment_of(last, first, now=NOW) == NOW


def form_sent(language: str = "en", **form: str) -> CheckIn:
    sent = {"key": str(uuid.uuid4()), **form}
    return check_in_form(sent, ALL, today=NOW.date(), language=language, counts_ground_as_one=True, now=NOW)


def test_a_check_form_answers_what_was_marked_and_keeps_the_note() -> None:
    sent = form_sent(note=" Dusty. ", a_cabinet="yes", a_sign="no", a_pads_in_date="new", a_seal="changed")

    assert sent.note == "Dusty."
    assert form_sent(note=" ").note is None
    assert sent.answers == {Question.CABINET: True, Question.SIGN: False, Question.PADS_IN_DATE: True}
    assert set(form_sent(rest="well", a_sign="no").answers) == set(ALL) - {Question.PHOTO}


@pytest.mark.parametrize(("language", "name"), [("en", "place_en"), ("zh-CN", "place_zh")])
def test_a_new_place_is_in_the_language_of_the_page(language: str, name: str) -> None:
    moved = form_sent(language, a_place="changed", place=" By the lift ", storey="2").moved

    assert moved is not None
    assert moved.model_dump(exclude_unset=True) == {name: "By the lift", "floor": 1}
    assert form_sent(language, place="By the lift").moved is None, "the place was not marked as changed"


def test_a_check_form_without_readings_has_none() -> None:
    assert form_sent(battery_percent=" ", seal_number=" ", action_taken="").readings is None
    assert form_sent(seal_number="A-7").readings == CheckReadings(seal_number="A-7")
    assert form_sent(action_taken="Wiped.").readings == CheckReadings(action_taken="Wiped.")


@pytest.mark.parametrize(("kind", "is_done"), [("check", True), ("service", True), ("glance", False)])
def test_a_recall_is_done_by_a_check_and_not_by_a_glance(kind: str, is_done: bool) -> None:
    form = check_in_form(
        {"key": str(uuid.uuid4()), "kind": kind, "recall": "on"},
        ALL,
        today=NOW.date(),
        language="en",
        counts_ground_as_one=True,
        now=NOW,
    )
    assert (form.kind.value, form.recall_is_done) == (kind, is_done)


def test_all_is_well_answers_every_question_but_the_photo() -> None:
    form = check_in_form(
        {"key": str(uuid.uuid4()), "all": "well"},
        ALL,
        today=NOW.date(),
        language="en",
        counts_ground_as_one=True,
        now=NOW,
    )
    assert set(form.answers) == set(ALL) - {Question.PHOTO}
    assert all(form.answers.values())
    with pytest.raises(BadForm):
        check_in_form(
            {"key": str(uuid.uuid4()), "all": "well", "gone": "on"},
            ALL,
            today=NOW.date(),
            language="en",
            counts_ground_as_one=True,
            now=datetime.now(UTC),
        )
