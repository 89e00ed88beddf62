"""Bad input into every form of every page: a sentence in the reader's language, and nothing lost.

The forms are found by reading the pages, so that a new one is tested as soon as it is on a page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.rules import Language
from aed.accounts.permissions import Role
from aed.accounts.role_grants import RoleGrant
from aed.accounts.sessions import SESSION_COOKIE
from aed.notifications.models import OutboxMessage
from aed.notifications.short_links import KEY_IN_PATH, short_link
from aed.registry.estates.residence import residence_path
from aed.responders.models import Responder, ResponderPlace
from aed.training.messages import enrolment_path
from aed.upkeep.sightings.actions import draft_sighting
from tests import make
from tests.accounts import everyone
from tests.accounts.everyone import FAR_FUTURE, Everyone
from tests.http.test_query import routes_of
from tests.make import PATIENT

VIEWERS = ("anonymous", "resident", "keeper", "manager", "training officer", "administrator")
BROWSER = {"Accept": "text/html", "Accept-Language": "zh-CN", "Sec-Fetch-Site": "same-origin"}
SCRIPT = "<script>alert(1)</script>"
BAD = {
    "script": SCRIPT + "\"'><img src=x onerror=alert(1)>{{ 7 * 7 }}",
    "control characters": "a\x00b\x1b[31m\u202e",
    "long": "长" * 9_000,
}
MAX_IN_ADDRESS = 5_000
"""Longer addresses are refused by the client of these tests, and by servers."""
TEXT = {"text", "tel", "search", "email", "url", "password"}
NOT_PAGES = {"/static/{version}/{name:path}", "/d/open"}
"""Files; and the check form without a number, which a script fills in without signal."""
NUMBER_OF_FORMS = 15
"""At least; fewer would mean that the pages are not read."""


@dataclass
class Form:
    """A form of a page, with what it sends if nothing but text is filled in."""

    action: str
    is_post: bool
    texts: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)
    has_file: bool = False

    def key(self) -> tuple[str, ...]:
        return (re.sub(r"\d+(-\d)?", "1", self.action), *self.texts, *self.others)

    def filled(self, text: str) -> dict[str, str]:
        return self.others | dict.fromkeys(self.texts, text)


class Forms(HTMLParser):
    """Read the forms of a page: text fields, and a value for each other field."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.found: list[Form] = []
        self._is_open = False
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            action = urljoin(self.address, given.get("action", ""))
            self.found.append(Form(action, is_post=given.get("method") == "post"))
            self._is_open = True
        if not self._is_open:
            return
        form, name, kind = self.found[-1], given.get("name", ""), given.get("type", "text")
        if tag == "option" and self._select and given.get("value"):
            form.others.setdefault(self._select, given["value"])
        elif not name:
            return
        elif tag == "textarea" or (tag == "input" and kind in TEXT):
            form.texts.append(name)
        elif tag == "select":
            self._select = name
        elif kind == "file":
            form.has_file = True
        elif tag in ("input", "button"):
            form.others.setdefault(name, given.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False
        elif tag == "select":
            self._select = ""


def forms_of(page: Response) -> list[Form]:
    reader = Forms(page.request.url.path)
    reader.feed(page.text)
    return [each for each in reader.found if each.texts]


@pytest.fixture
def world(session: Session) -> Everyone:
    """Add people of each kind, and what the secret pages are about."""
    return everyone.build(session)


def page_paths(app: FastAPI, session: Session, world: Everyone) -> Iterator[str]:
    """Yield the address of each page, those behind a secret link too."""
    known = world.known
    for method, path, route in routes_of(app.routes):
        if method == "GET" and route.endpoint.__module__.startswith("aed.web.") and path not in NOT_PAGES:
            yield path.format_map(known)
    for path in (
        enrolment_path(int(known["enrolment_id"]), KEY_IN_PATH),
        residence_path(int(known["person_id"]), int(known["estate_id"]), int(known["manager_id"])),
    ):
        yield short_link(session, path, FAR_FUTURE)
    draft = draft_sighting(
        session,
        here=PATIENT,
        words="门厅",
        language=Language.ZH,
        picture=None,
        taken_at=None,
        from_key="x",
        at=clock.now(),
    )
    yield f"/report/{draft}"


def pages_with_forms(
    client: TestClient, paths: list[str], world: Everyone, viewer: str
) -> Iterator[Response]:
    """Yield each page that the viewer may open, and the second steps of signing in."""
    headers = BROWSER | world.headers[viewer]
    for path in paths:
        page = client.get(path, headers=headers)
        assert page.status_code < 500, path
        if page.headers.get("content-type", "").startswith("text/html"):
            yield page
    if viewer == "anonymous":
        for path in ("/sign-in/code", f"/d/{world.known['code']}/check/code"):
            yield client.post(path, headers=headers, data={"phone": "13800138999"})


def send(client: TestClient, form: Form, text: str, headers: dict[str, str]) -> Response:
    given = form.filled(text)
    if not form.is_post:
        given = {name: value[:MAX_IN_ADDRESS] for name, value in given.items()}
        return client.get(form.action, params=given, headers=headers)
    files = {"photo": ("a.jpg", b"no photo", "image/jpeg")} if form.has_file else None
    return client.post(form.action, data=given, files=files, headers=headers)


def test_bad_text_in_every_form_gets_a_sentence_and_is_no_script(
    client: TestClient, session: Session, world: Everyone
) -> None:
    """On PostGIS, only with the text that its driver refuses: pages are escaped without the database."""
    app = client.app
    assert isinstance(app, FastAPI)
    paths = list(page_paths(app, session, world))
    session.commit()
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    bad = BAD if is_sqlite else {"control characters": BAD["control characters"]}
    done, wrong = set[tuple[str, ...]](), list[tuple[str, ...]]()
    for viewer in VIEWERS:
        headers = BROWSER | world.headers[viewer]
        for page in list(pages_with_forms(client, paths, world, viewer)):
            for form in forms_of(page):
                if form.key() in done:
                    continue
                done.add(form.key())
                for kind, text in bad.items():
                    answer = send(client, form, text, headers)
                    wrong += [(viewer, form.action, kind, each) for each in problems(answer, form, kind)]
    assert wrong == []
    assert len(done) >= NUMBER_OF_FORMS
    for viewer in VIEWERS if is_sqlite else ():
        for page in pages_with_forms(client, paths, world, viewer):
            assert SCRIPT not in page.text, page.request.url


def problems(answer: Response, form: Form, kind: str) -> Iterator[str]:
    """Yield what is wrong with the answer to a form with bad text."""
    if answer.status_code >= 500 or not answer.headers["content-type"].startswith("text/html"):
        yield f"{answer.status_code} {answer.text[:200]}"
    if SCRIPT in answer.text:
        yield "a script"
    if answer.status_code >= 400 and not sentences(answer.text):
        yield f"{answer.status_code} without a sentence"
    is_kept = html.escape(SCRIPT) in answer.text or form.texts == ["code"]
    if answer.status_code == 422 and kind == "script" and not is_kept:
        yield "what was typed is lost"


def sentences(page: str) -> list[str]:
    """Return what a page says beside the fields and in its notices, if it is Chinese."""
    said = re.findall(
        r'<(?:p|li)[^>]*(?:role="alert"|field-error|notice)[^>]*>(.*?)</(?:p|li)>', page, re.DOTALL
    )
    return [each for each in said if re.search("[一-鿿]{4}", each)]


# --- links, tabs, double taps -----------------------------------------------------------------------------


@dataclass
class Request:
    """A person who asked to be confirmed as a resident, and the page that the manager's link leads to."""

    person_id: int
    phone: TestClient
    manager: TestClient
    path: str


@pytest.fixture
def asked(client: TestClient, session: Session) -> Request:
    estate = make.estate(session, name_en="Heron Court", name_zh="白鹭苑")
    manager, person = make.person(session), make.person(session, name="林小满")
    make.role(session, manager, Role.ESTATE_MANAGER, estate=estate)
    path = residence_path(person.id, estate.id, manager.id)
    link = short_link(session, path, FAR_FUTURE)
    key = make.sign_in(session, person.id)
    session.commit()

    def phone(**cookies: str) -> TestClient:
        opened = TestClient(client.app, base_url="https://testserver", headers=BROWSER, cookies=cookies)
        opened.follow_redirects = False
        return opened

    of_manager = phone()
    return Request(
        person.id, phone(**{SESSION_COOKIE: key}), of_manager, of_manager.get(link).headers["location"]
    )


def roles_of(session: Session, person_id: int) -> int:
    session.rollback()
    held = select(RoleGrant.id).where(RoleGrant.person_id == person_id, RoleGrant.revoked_at.is_(None))
    count = len(session.scalars(held).all())
    session.rollback()
    return count


def messages(session: Session) -> int:
    session.rollback()
    count = len(session.scalars(select(OutboxMessage.id)).all())
    session.rollback()
    return count


def test_a_double_tap_of_a_manager_is_one_answer_and_no_after_yes_says_how_it_stands(
    session: Session, asked: Request
) -> None:
    for answer in ("yes", "yes", "no"):
        page = asked.manager.post(asked.path, data={"answer": answer})
        assert "林小满已成为白鹭苑的住户" in page.text, answer
    assert "已成为白鹭苑的住户" in asked.manager.get(asked.path).text
    assert (roles_of(session, asked.person_id), messages(session)) == (1, 1)


def test_a_managers_link_to_a_person_who_has_erased_their_data_says_so(
    session: Session, asked: Request
) -> None:
    assert asked.phone.post("/me/erasure", data={"is_sure": "yes"}).status_code == 200
    for page in (asked.manager.get(asked.path), asked.manager.post(asked.path, data={"answer": "yes"})):
        assert page.status_code == 410
        assert sentences(page.text)
    assert roles_of(session, asked.person_id) == 0


def test_two_tabs_and_the_back_button_on_my_page(session: Session, asked: Request) -> None:
    phone = asked.phone
    offer = {"position": "30.30, 120.11", "hours": "24/7", "of_age": "yes", "consent": "yes", "floor": "3"}
    for _double_tap in range(2):
        assert phone.post("/me/offer", data=offer).status_code == 303
    assert len(session.scalars(select(Responder.id)).all()) == 1
    session.rollback()
    for _in_two_tabs in range(2):
        assert phone.post("/me/offer/withdrawal").status_code in (303, 404, 409)
    paused = phone.post("/me/offer/pause", data={"days": "7"})
    assert paused.status_code in (404, 409)
    assert sentences(paused.text)
    phone.post("/me/sign-out")
    forgotten = phone.post("/me/offer", data=offer)
    assert forgotten.status_code == 401
    assert 'href="/sign-in' in forgotten.text
    assert session.scalars(select(ResponderPlace.id)).all() == []


@pytest.mark.one_engine("the photo is refused before the database is asked")
@pytest.mark.parametrize("path", ["/report", "/me/certificate"])
def test_a_photo_of_50_megabytes_gets_a_sentence(asked: Request, path: str) -> None:
    photo = {"photo": ("large.jpg", b"\xff\xd8" + bytes(50_000_000), "image/jpeg")}
    answer = asked.phone.post(path, data={"words": "门厅"}, files=photo)
    assert answer.status_code in (413, 422)
    assert sentences(answer.text)
