"""Signing in and up from a browser: by phone and code, without telling strangers who has an account."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pyotp
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Account, Person
from aed.accounts.people.rules import spellings
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.accounts.sign_in.rules import RECOVERY_CODE_COUNT
from aed.notifications.models import OutboxMessage
from aed.settings import Settings
from aed.web.sign_up.rules import HOME, own_path
from tests import make
from tests.accounts.conftest import codes_sent
from tests.apps import app_on

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}
NEW, KNOWN = "+8613800130001", "+8613800130002"

type Phones = Callable[..., TestClient]


@pytest.fixture
def phones(settings: Settings) -> Iterator[Phones]:
    """Yield a function that opens a browser of its own; settings can be changed for the first."""
    opened: list[FastAPI] = []
    with ExitStack() as stack:

        def new(**changed: object) -> TestClient:
            if not opened or changed:
                opened.append(app_on(settings.model_copy(update=changed)))
                stack.enter_context(TestClient(opened[-1]))
            return TestClient(
                opened[-1], base_url="https://testserver", headers=SAME_ORIGIN, follow_redirects=False
            )

        yield new


def sign_up(phone: TestClient, session: Session, number: str, **fields: str) -> str:
    """Sign in at the page; return where it leads."""
    assert phone.post("/sign-in/code", data={"phone": number}).status_code == 200
    code = codes_sent(session)[-1]
    done = phone.post("/sign-in", data={"phone": number, "code": code, **fields})
    assert done.status_code == 303, done.text
    return str(done.headers["location"])


def test_a_stranger_cannot_tell_whether_a_number_has_an_account(phones: Phones, session: Session) -> None:
    make.person(session, phone=KNOWN)
    session.commit()
    stranger = phones()

    answers = [
        stranger.post(path, data={"phone": number, "code": "000000", "name": "X"})
        for number in (NEW, KNOWN)
        for path in ("/sign-in/code", "/sign-in")
    ]

    texts = [each.text.replace(NEW, "").replace(KNOWN, "") for each in answers]
    assert texts[:2] == texts[2:]
    assert [each.status_code for each in answers] == [200, 422, 200, 422]
    assert SESSION_COOKIE not in stranger.cookies
    assert len(codes_sent(session)) == 2
    assert session.scalar(select(func.count()).select_from(Account)) == 1
    session.rollback()


def test_a_code_opens_an_account_the_first_time(phones: Phones, session: Session) -> None:
    phone = phones()

    assert sign_up(phone, session, "138 0013 0001", name="Lin") == "/me"

    assert "Lin" in phone.get("/me").text
    assert sign_up(phones(), session, NEW, name="Another name") == "/me"
    assert session.scalars(select(Person.name)).all() == ["Lin"]
    session.rollback()
    phone.post("/me/name", data={"name": "林", "language": "en"})
    assert "林" in phone.get("/me").text
    assert phone.post("/me/name", data={"name": " ", "language": "en"}).status_code == 422


@pytest.mark.parametrize("written", ["138-0013-0001", "+86 138 0013 0001", "008613800130001"])
def test_a_number_that_a_list_brought_becomes_that_persons_account(
    phones: Phones, session: Session, written: str
) -> None:
    keeper = Person(name="Keeper", phone=written, language="zh")
    session.add(keeper)
    session.commit()

    sign_up(phones(), session, NEW, name="Someone else")

    session.expire_all()
    assert session.scalars(select(Account.person_id)).all() == [keeper.id]
    assert (keeper.name, keeper.phone) == ("Keeper", NEW)


def test_of_two_who_share_a_number_the_name_decides(phones: Phones, session: Session) -> None:
    couple = [Person(name=each, phone=NEW, language="zh") for each in ("Ann", "Bo")]
    session.add_all(couple)
    session.commit()
    sign_up(phones(), session, NEW, name="bo")
    assert session.scalars(select(Account.person_id)).all() == [couple[1].id]


def test_a_number_gives_nobody_the_roles_of_a_name(phones: Phones, session: Session) -> None:
    manager = Person(name="Manager", phone=NEW, language="zh")
    session.add(manager)
    session.flush()
    make.role(session, manager, Role.ESTATE_MANAGER, estate=make.estate(session))
    session.commit()
    sign_up(phones(), session, NEW, name="Manager")
    assert session.scalars(select(Account.person_id)).all() != [manager.id]


def test_without_a_name_the_page_asks_later(phones: Phones, session: Session) -> None:
    sign_up(phones(), session, NEW)
    assert session.scalars(select(Person.name)).all() == ["New volunteer"]


def test_codes_for_signing_up_are_limited_and_can_be_closed(phones: Phones, session: Session) -> None:
    make.person(session, phone=KNOWN)
    session.commit()
    closed = phones(sign_up_codes_per_day=0)
    for number in (NEW, KNOWN):
        assert closed.post("/sign-in/code", data={"phone": number}).status_code == 200
    assert len(codes_sent(session)) == 1
    few = phones(sign_up_codes_per_day=1)
    for number in ("+8613800130011", "+8613800130012", "+447911123456"):
        assert few.post("/sign-in/code", data={"phone": number}).status_code == 200
    assert len(codes_sent(session)) == 2
    assert session.scalars(select(OutboxMessage.person_id).order_by(OutboxMessage.id)).all()[1] is None


def test_too_many_codes_for_one_number_are_refused(phones: Phones, session: Session) -> None:
    stranger = phones()
    asked = [stranger.post("/sign-in/code", data={"phone": NEW}).status_code for _ in range(4)]
    assert asked == [200, 200, 200, 429]


def test_forms_of_other_sites_are_refused(phones: Phones, session: Session) -> None:
    make.person(session, phone=KNOWN)
    session.commit()
    phone = phones()
    sign_up(phone, session, KNOWN)
    for path in ("/sign-in", "/sign-in/code", "/sign-in/second-factor", "/me/name", "/me/sign-out"):
        answer = phone.post(path, data={"phone": KNOWN}, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403, path


def test_bad_input_gets_a_sentence_and_loses_nothing(phones: Phones, session: Session) -> None:
    phone = phones()
    for wrong in ("", "12", "<script>alert(1)</script>", "１３８"):
        answer = phone.post("/sign-in/code", data={"phone": wrong, "next": "/learn"})
        assert answer.status_code == 422
        assert "This is not a phone number" in answer.text
        assert "<script>alert" not in answer.text
        assert 'value="/learn"' in answer.text
    phone.post("/sign-in/code", data={"phone": NEW})
    (code,) = codes_sent(session)
    answer = phone.post("/sign-in", data={"phone": NEW, "code": code, "name": "a\x00b"})
    assert answer.status_code == 422
    assert phone.post("/sign-in", data={"phone": NEW, "code": code, "name": "Ann"}).status_code == 303
    again = phones().post("/sign-in", data={"phone": NEW, "code": code})
    assert (again.status_code, "wrong or has expired" in again.text) == (422, True)


def dispatcher_who_needs_a_factor(session: Session) -> None:
    """Add a dispatcher whose region requires a second factor, and who has none."""
    region = make.region(session, "CN-33")
    region.needs_second_factor = True
    make.role(session, make.person(session, phone=KNOWN), Role.DISPATCHER, region=region)
    session.commit()


def test_a_dispatcher_without_the_required_factor_adds_an_app_and_is_signed_in(
    phones: Phones, session: Session
) -> None:
    dispatcher_who_needs_a_factor(session)
    phone = phones()
    where = sign_up(phone, session, KNOWN)
    assert where == "/sign-in/second-factor?next=/me"
    assert "Set up the app" in phone.get(where).text
    assert phone.get("/me").status_code == 303, "not yet signed in"

    page = phone.post("/sign-in/second-factor/app", data={"next": "/agreements"})
    secret, confirm = app_shown(page.text)
    wrong = phone.post(confirm, data={"code": "000000", "next": "/agreements"})
    assert (wrong.status_code, app_shown(wrong.text)) == (422, (secret, confirm)), "the same app to try again"
    assert "newest code" in wrong.text
    done = phone.post(confirm, data={"code": pyotp.TOTP(secret).at(clock.now()), "next": "/agreements"})
    assert done.status_code == 200
    recovery = re.findall(r"<li><code>([a-z2-7-]{19})</code>", done.text)
    assert len(set(recovery)) == RECOVERY_CODE_COUNT
    assert 'href="/agreements"' in done.text
    assert phone.get("/me").status_code == 200
    again = phone.post(confirm, data={"code": "000000", "next": "/agreements"})
    assert (again.status_code, phone.get(again.headers["location"]).headers["location"]) == (
        303,
        "/agreements",
    ), "a double tap leads on"

    other = phones()
    where = sign_up(other, session, KNOWN)
    assert "recovery code" in other.get(where).text
    assert other.post("/sign-in/second-factor", data={"code": recovery[0]}).status_code == 303
    assert other.get("/me").status_code == 200


def test_a_dispatcher_is_led_to_the_second_factor_once_the_region_requires_it(
    phones: Phones, session: Session
) -> None:
    region = make.region(session, "CN-33")
    dispatcher = make.person(session, phone=KNOWN)
    make.role(session, dispatcher, Role.DISPATCHER, region=region)
    key = make.sign_in(session, dispatcher.id)
    session.commit()
    phone = phones()
    phone.cookies.set(SESSION_COOKIE, key)
    assert phone.get("/sign-in?next=/board").headers["location"] == "/board"

    region.needs_second_factor = True
    session.commit()
    assert phone.get("/me").status_code == 303, "signed out for everything else"
    where = phone.get("/sign-in?next=/board").headers["location"]
    assert where == "/sign-in/second-factor?next=/board"
    assert "Set up the app" in phone.get(where).text


def test_another_persons_app_cannot_be_confirmed_or_seen(phones: Phones, session: Session) -> None:
    dispatcher_who_needs_a_factor(session)
    phone, other = phones(), phones()
    sign_up(phone, session, KNOWN)
    secret, confirm = app_shown(phone.post("/sign-in/second-factor/app").text)
    sign_up(other, session, NEW, name="Lin")
    for code in ("000000", pyotp.TOTP(secret).at(clock.now())):
        refused = other.post(confirm, data={"code": code})
        assert (refused.status_code, secret in refused.text) == (303, False)
    assert phone.get("/me").status_code == 303
    assert phones().post(confirm).headers["location"] == "/sign-in"
    assert phones().post("/sign-in/second-factor/app").headers["location"] == "/sign-in"


def app_shown(page: str) -> tuple[str, str]:
    """Return the key and the form's address of the app that a page offers to scan."""
    secret = re.search(r'<code class="key">([A-Z2-7]{32})</code>', page)
    confirm = re.search(r'action="(/sign-in/second-factor/app/[0-9]+)"', page)
    assert secret is not None
    assert confirm is not None
    assert f"secret={secret[1]}" in page, "the link opens the app"
    assert "<svg" in page
    return secret[1], confirm[1]


def test_signing_out_here_or_everywhere(phones: Phones, session: Session) -> None:
    first, second = phones(), phones()
    for each in (first, second):
        sign_up(each, session, NEW, name="Lin")
    first.post("/me/sign-out")
    assert first.get("/me").headers["location"] == "/sign-in?next=/me"
    assert second.get("/me").status_code == 200
    sign_up(first, session, NEW)
    first.post("/me/sign-out", data={"everywhere": "true"})
    assert second.get("/me").status_code == 303


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("/learn?x=1", "/learn?x=1"),
        ("/", "/"),
        *(
            (each, HOME)
            for each in ("", "x", "//evil.example", "/\\evil", "https://evil", "/a\nb", "/" * 999)
        ),
    ],
)
def test_only_paths_of_this_site_are_gone_to(given: str, path: str) -> None:
    assert own_path(given) == path


def test_lists_write_a_number_in_many_ways() -> None:
    assert set(spellings(NEW)) >= {NEW, "13800130001", "8613800130001", "008613800130001"}


def test_the_page_says_what_it_does(phones: Phones) -> None:
    page = phones().get("/sign-in")
    assert re.search(r'<input id="phone"[^>]*type="tel"', page.text)
    assert page.headers["cache-control"] == "no-store"
    assert phones().get("/sign-in/code?lang=en").headers["location"] == "/sign-in?lang=en"
