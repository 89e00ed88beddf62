"""Response headers, the home page, the documentation, and expired tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from importlib import resources

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session
from tests import make
from tests.apps import app_on
from tests.make import PATIENT
from tests.test_app import assert_problem

from aed import clock
from aed.accounts.permissions import TokenRole
from aed.accounts.tokens import Token
from aed.http.headers import DEFAULT_HEADERS
from aed.http.routes import PathTemplates
from aed.settings import Settings
from aed.web.basemap import OSM_COPYRIGHT

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PUBLISHED = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}
"""SHA-256 of the files of swagger-ui-dist 5.35.0 in the npm registry."""


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Return the application without a database."""
    return app_on(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False))


def test_responses_are_not_cached_and_run_nothing_in_a_browser(app: FastAPI) -> None:
    @app.get("/broken-inside", include_in_schema=False)
    def broken() -> None:
        raise RuntimeError("it broke")

    client = TestClient(app, raise_server_exceptions=False)
    for path in ("/healthz", "/nothing", "/readyz", NEAREST, "/v1/me", "/broken-inside", "/v1/nearest?x=1"):
        answer = client.get(path)
        for name, value in DEFAULT_HEADERS.items():
            assert answer.headers[name] == value, (path, answer.status_code, name)
    assert client.post("/v1/reports", content=b"x" * 70_000).headers["Cache-Control"] == "private, no-store"


def test_public_data_may_be_cached_for_a_minute(client: TestClient) -> None:
    assert client.get("/ogc/collections").headers["Cache-Control"] == "public, max-age=60"
    assert client.get(NEAREST).headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("path", ["/", "/docs", "/d/1234-4"])
def test_every_page_has_a_policy_without_unsafe_inline_and_names_no_other_host(
    app: FastAPI, path: str
) -> None:
    answer = TestClient(app).get(path, headers=BROWSER)

    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    # Forms of a page need an Origin, which `no-referrer` would hide.
    assert answer.headers["Referrer-Policy"] == ("no-referrer" if path == "/docs" else "same-origin")
    assert re.findall(r"(?:src|href)=\"(?:[a-z]+:)?//", answer.text) == []
    without_scripts = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", answer.text, flags=re.DOTALL)
    assert "//" not in without_scripts.replace(OSM_COPYRIGHT, "")  # the map's credit: a link to tap


def test_the_documentation_is_that_of_the_package_byte_by_byte(app: FastAPI) -> None:
    client = TestClient(app)
    page = client.get("/docs").text
    loaded = re.findall(r'(?:src|href)="(/docs/[^"]+)"', page)
    assert set(loaded) == {"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/docs/start.js"}
    for path in loaded:
        answer = client.get(path)
        assert answer.status_code == 200
        again = client.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304
    for name, digest in PUBLISHED.items():
        assert sha256(client.get(f"/docs/{name}").content).hexdigest() == digest
    assert client.get("/docs/LICENSE").status_code == 404
    licence = resources.files("aed.http").joinpath("swagger_ui", "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert client.get("/v1/openapi.json").json()["openapi"].startswith("3.1")


def test_the_first_page_shows_the_emergency_number_in_the_readers_language(app: FastAPI) -> None:
    client = TestClient(app)
    chinese = client.get("/", headers=BROWSER | {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    english = client.get("/", headers=BROWSER | {"Accept-Language": "en-GB,en;q=0.9"})

    assert 'lang="zh-CN"' in chinese.text
    assert "先拨打 120" in chinese.text
    assert 'lang="en"' in english.text
    assert "Call 120 first" in english.text
    for page in (chinese.text, english.text):
        assert 'href="tel:120"' in page
        assert page.index("tel:120") < page.index("/v1/nearest") < page.index('href="/docs"')
    body = client.get("/", headers={"Accept": "application/json"}).json()
    assert body["emergency_numbers"] == {"mainland_china": "120", "elsewhere": "112"}
    for path in (body["documentation"], body["openapi"]):
        assert client.get(path).status_code == 200


# --- cross-origin reads ---------------------------------------------------------------------------------


def test_named_sites_may_read_public_data(
    settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    client = client_on(settings.model_copy(update={"cors_origins": ("https://map.example",)}))
    origin = {"Origin": "https://map.example"}
    answer = client.get(NEAREST, headers=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == "https://map.example"
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert (
        "Access-Control-Allow-Origin"
        not in client.get(NEAREST, headers={"Origin": "https://x.example"}).headers
    )
    posted = client.post("/v1/reports", json={}, headers=origin)
    assert "Access-Control-Allow-Origin" not in posted.headers
    asked = origin | {"Access-Control-Request-Method": "POST"}
    assert client.options("/v1/reports", headers=asked).status_code == 400


def test_an_app_of_a_named_origin_signs_in_and_changes_with_a_bearer_token(
    session: Session, settings: Settings, client_on: Callable[[Settings], TestClient]
) -> None:
    """A browser asks before each of these requests, and never sends the cookie of this site."""
    settings = settings.model_copy(
        update={"app_origins": ("https://app.example",), "cors_origins": ("https://map.example",)}
    )
    client = client_on(settings)
    app, other = {"Origin": "https://app.example"}, {"Origin": "https://map.example"}

    def preflight(origin: dict[str, str], method: str, names: str) -> httpx2.Response:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
        return client.options("/v1/me", headers=origin | asked)

    allowed = preflight(app, "PATCH", "authorization, content-type, if-match")
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert preflight(app, "GET", "cookie").status_code == 400
    assert preflight(other, "PATCH", "authorization").status_code == 400

    refused = client.post("/v1/sign-in/token", json={"phone": "13800138000", "code": "1"}, headers=app)
    assert refused.status_code == 401
    assert refused.headers["Access-Control-Allow-Origin"] == "https://app.example", "an app can read errors"
    person = make.person(session, phone="+8613800138000")
    own = app | {"Authorization": f"Bearer {make.sign_in(session, person.id, bearer=True)}"}
    session.commit()
    me = client.get("/v1/me", headers=own)
    assert me.json()["person_id"] == person.id
    assert me.headers.get_list("Access-Control-Allow-Origin") == ["https://app.example"]
    assert client.get(NEAREST, headers=other).headers["Access-Control-Allow-Origin"] == other["Origin"]


def test_without_the_setting_no_other_site_may_read(client: TestClient) -> None:
    answer = client.get(NEAREST, headers={"Origin": "https://map.example"})

    assert "Access-Control-Allow-Origin" not in answer.headers


# --- expired tokens -------------------------------------------------------------------------------------


def test_an_expired_token_gets_the_public_answer_and_a_warning(session: Session, client: TestClient) -> None:
    public = make.device(session)
    private = make.device(session, of=make.estate(session, around=PATIENT), audience="estate")
    key = make.key(session, TokenRole.ADMINISTRATOR, writes=True)
    session.commit()
    assert len(client.get("/v1/devices", headers=key).json()["features"]) == 2
    session.execute(update(Token).values(expires_at=clock.now() - timedelta(days=1)))
    session.commit()

    for path in (NEAREST, "/v1/devices", f"/v1/devices/{public.id}", "/ogc/collections/devices/items"):
        answer = client.get(path, headers=key)
        assert answer.status_code == 200, path
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"], path
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "WWW-Authenticate" not in client.get(path).headers
    listed = client.get("/v1/devices", headers=key).json()["features"]
    assert [each["id"] for each in listed] == [public.id]
    for refused in (
        client.get(f"/v1/devices/{private.id}", headers=key),
        client.get("/v1/people", headers=key),
        client.post("/v1/devices", headers=key, json={"position": {"lat": 1, "lon": 2}}),
    ):
        problem = assert_problem(refused, 401, "not-signed-in")
        assert "expired" in problem["detail"]


def test_a_token_that_was_never_good_or_was_revoked_is_refused(session: Session, client: TestClient) -> None:
    key = make.key(session, TokenRole.ADMINISTRATOR)
    session.execute(update(Token).values(revoked_at=clock.now()))
    session.commit()

    for headers in (key, {"Authorization": "Bearer x"}, {"Authorization": "x"}):
        assert_problem(client.get(NEAREST, headers=headers), 401, "not-signed-in")


# --- paths in logs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "/"),
        ("/v1/calls", "/v1/calls"),
        ("/v1/calls/secret", "/v1/calls/{key}"),
        ("/v1/calls/secret/place", "/v1/calls/{key}/place"),
        ("/v1/calls/secret/nothing", "/v1/calls/{key}/…"),
        ("/v1/calls/secret/", "/v1/calls/{key}/…"),
        ("/v1/papers/secret.pdf", "/v1/papers/{number}.pdf"),
        ("/v1/papers/secret", "/v1/papers/{number}"),
        ("/v1/papers/list", "/v1/papers/list"),
        ("/secret", "/…"),
        ("//v1/calls/secret", "//…"),
        ("secret", "/…"),
        ("/v1/papers/a\nb", "/v1/papers/{number}"),
    ],
)
def test_logs_contain_path_templates_without_their_values(path: str, shown: str) -> None:
    templates = PathTemplates(
        [
            "/",
            "/v1/calls",
            "/v1/calls/{key}",
            "/v1/calls/{key}/place",
            "/v1/papers/{number}",
            "/v1/papers/list",
            "/v1/papers/{number}.pdf",
        ]
    )

    assert templates.template_of(path) == shown
