"""The time bank in an app: a link that opens once, to a page that reads and does nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.people.models import Person
from aed.accounts.permissions import Role
from aed.accounts.sessions import SESSION_COOKIE
from aed.errors import NotAllowed, NotFound, NotSignedIn
from aed.registry.estates.models import Estate
from aed.settings import Settings
from aed.timebank.apps import actions, queries
from aed.timebank.models import ClientApp, EmbeddedView
from tests import make
from tests.accounts.test_routes import mounted
from tests.apps import app_on
from tests.make import ADMINISTRATOR, NOW, PATIENT, east_of

HEADERS = {"Accept": "text/html", "Accept-Language": "en"}
ORIGINS = ["https://app.example.org", "https://m.example.org:8443"]


@pytest.fixture
def estate(session: Session) -> Estate:
    return make.estate(session)


@pytest.fixture
def person(session: Session, estate: Estate) -> Person:
    someone = make.person(session)
    make.goods_order(session, make.goods(session, estate), someone)
    return someone


@pytest.fixture
def registered(session: Session, estate: Estate) -> tuple[ClientApp, str]:
    return make.client_app(session, estate, origins=ORIGINS)


@pytest.fixture
def browser(settings: Settings) -> Iterator[TestClient]:
    opened = app_on(settings.model_copy(update={"access_log": True}))
    with TestClient(opened, base_url="https://testserver", headers=HEADERS, follow_redirects=False) as client:
        yield client


@pytest.fixture
def link(session: Session, browser: TestClient, registered: tuple[ClientApp, str], person: Person) -> str:
    """Return the path of a link that the app's server asked for."""
    app, secret = registered
    key = make.sign_in(session, person.id, bearer=True)
    session.commit()
    answer = browser.post(
        "/v1/time-bank/app-links",
        headers={"Authorization": f"Bearer {key}"},
        json={"client_id": app.client_id, "client_secret": secret},
    )
    assert answer.status_code == 201, answer.text
    return urlsplit(str(answer.json()["url"])).path


def test_only_those_who_manage_the_estate_register_and_remove_its_apps(
    session: Session, estate: Estate
) -> None:
    manager = make.person_with_role(session, Role.ESTATE_MANAGER, estate=estate)
    other = make.estate(session, around=east_of(PATIENT, metres=5_000))
    elsewhere = make.person_with_role(session, Role.ESTATE_MANAGER, estate=other)
    with pytest.raises(NotAllowed):
        actions.register_app(
            session, elsewhere, name="App", estate_id=estate.id, region=None, origins=[], at=NOW
        )
    made, _ = actions.register_app(
        session, manager, name="App", estate_id=estate.id, region=None, origins=[], at=NOW
    )
    with pytest.raises(NotFound):
        actions.remove_app(session, elsewhere, made.client_id, at=NOW)
    actions.remove_app(session, manager, made.client_id, at=NOW)
    assert queries.apps(session, ADMINISTRATOR, limit=9, after_id=0) == []


def test_a_link_needs_the_secret_of_the_app_and_the_session_of_the_person(
    session: Session, estate: Estate, registered: tuple[ClientApp, str], person: Person
) -> None:
    app, secret = registered
    viewer = make.person_with_role(session, Role.RESIDENT, estate=estate)
    with pytest.raises(NotAllowed):
        actions.create_link(session, ADMINISTRATOR, client_id=app.client_id, client_secret=secret, at=NOW)
    for client_id, wrong in ((app.client_id, "x"), ("0" * 24, secret), ("0" * 24, "")):
        with pytest.raises(NotSignedIn):
            actions.create_link(session, viewer, client_id=client_id, client_secret=wrong, at=NOW)
    new = actions.change_secret(session, ADMINISTRATOR, app.client_id)
    with pytest.raises(NotSignedIn):
        actions.create_link(session, viewer, client_id=app.client_id, client_secret=secret, at=NOW)
    assert actions.create_link(session, viewer, client_id=app.client_id, client_secret=new, at=NOW)


def test_a_link_opens_once_within_a_minute_and_the_view_ends(
    session: Session, estate: Estate, registered: tuple[ClientApp, str]
) -> None:
    app, secret = registered
    viewer = make.person_with_role(session, Role.RESIDENT, estate=estate)
    minute = timedelta(minutes=1)

    def link() -> str:
        return actions.create_link(session, viewer, client_id=app.client_id, client_secret=secret, at=NOW)

    assert actions.open_view(session, link(), at=NOW + minute) is None
    unopened = queries.view_by_key(session, link())
    assert unopened is not None
    assert not queries.is_open(unopened, NOW)
    key = link()
    opened = actions.open_view(session, key, at=NOW)
    assert opened is not None
    assert actions.open_view(session, key, at=NOW) is None
    assert actions.open_view(session, opened, at=NOW) is None
    view = queries.view_by_key(session, opened)
    assert view is not None
    assert view.person_id == viewer.person_id
    assert queries.is_open(view, NOW + 14 * minute)
    assert not queries.is_open(view, NOW + 15 * minute)
    actions.remove_app(session, ADMINISTRATOR, app.client_id, at=NOW)
    assert queries.view_by_key(session, opened) is None


def test_the_view_shows_balance_statement_and_catalogue_in_both_languages(
    browser: TestClient, link: str
) -> None:
    opened = browser.get(link)
    assert opened.status_code == 303
    english = browser.get(opened.headers["location"])
    assert english.status_code == 200
    for text in ("100 h 0 min", "<dd>99</dd>", "Earned by service", "+100", "Held", "−1", "Rice", "9 left"):
        assert text in english.text
    chinese = browser.get(urlsplit(opened.headers["location"]).path, params={"lang": "zh-CN"})
    for text in ("100小时0分钟", "积分明细", "大米", 'lang="zh-CN"'):
        assert text in chinese.text
    assert "<script" not in english.text
    assert "<form" not in english.text
    outside = re.findall(r'href="(/[^"?]*)', english.text)
    assert all(each.startswith(("/static/", "/embed/")) for each in outside), outside
    assert browser.get(link).status_code == 410


def test_only_the_origins_of_the_app_may_frame_the_view_and_nothing_else_may_be_framed(
    browser: TestClient, link: str
) -> None:
    opened = browser.get(link)
    view = browser.get(opened.headers["location"])
    for answer in (view, browser.get(link + "x"), browser.get("/"), browser.get("/v1/regions")):
        policy = answer.headers["content-security-policy"]
        ancestors = next(each for each in policy.split("; ") if each.startswith("frame-ancestors"))
        expected = " ".join(ORIGINS) if answer is view else "'none'"
        assert ancestors == f"frame-ancestors {expected}"
    assert "form-action 'none'" in view.headers["content-security-policy"]
    assert view.headers["referrer-policy"] == "no-referrer"
    assert "no-store" in view.headers["cache-control"]


def test_the_key_of_a_view_is_no_session_and_other_routes_answer_as_to_a_stranger(
    browser: TestClient, link: str, person: Person
) -> None:
    opened = browser.get(link)
    path = urlsplit(opened.headers["location"]).path
    view = browser.get(path)
    assert "set-cookie" not in opened.headers
    assert "set-cookie" not in view.headers
    assert browser.get(path, params={"lang": "en"}).headers.get("set-cookie") is None
    assert not browser.cookies
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert browser.request(method, path).status_code == 405
    key = path.rsplit("/", 1)[1]
    routes = [
        name.removeprefix("GET ")
        for name, _ in mounted(browser.app.routes)  # type: ignore[attr-defined] # it is a FastAPI
        if name.startswith("GET ") and "{" not in name and not re.search(r"live|stream|docs|openapi", name)
    ]
    assert len(routes) > 60
    for each in routes:
        for name, value in (("Cookie", f"{SESSION_COOKIE}="), ("Authorization", "Bearer ")):
            answer, stranger = (
                browser.get(each, headers={name: value + sent}) for sent in (key, "aedv_nobodys")
            )
            assert answer.status_code == stranger.status_code, each
            assert person.name not in answer.text, each
    for each in ("/v1/me", "/v1/time-bank/accounts", "/v1/time-bank/orders"):
        assert browser.get(each, headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_logs_have_the_route_and_not_the_key(browser: TestClient, link: str) -> None:
    with structlog.testing.capture_logs() as logs:
        opened = browser.get(link)
        browser.get(opened.headers["location"])
    paths = {each.get("path") for each in logs}
    assert "/embed/time-bank/{view_key}" in paths
    assert "aedv_" not in repr(logs)


def test_an_unknown_key_and_an_expired_one_are_answered_alike(
    session: Session, browser: TestClient, link: str
) -> None:
    path = urlsplit(browser.get(link).headers["location"]).path
    session.execute(update(EmbeddedView).values(expires_at=clock.now()))
    session.commit()
    expired, unknown = browser.get(path), browser.get("/embed/time-bank/aedv_x")
    assert (expired.status_code, unknown.status_code) == (410, 410)
    assert "expired" in expired.text
    assert "100 h" not in expired.text
