"""Unknown query parameters are rejected on every route."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from tests.apps import app_on
from tests.make import PATIENT
from tests.test_app import assert_problem

from aed.http.query import known_parameters
from aed.settings import Settings

NEAREST = f"/v1/nearest?lat={PATIENT.lat}&lon={PATIENT.lon}"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TAKES_ANY = {
    ("GET", "/v1/sign-in/provider/back"),
    ("GET", "/v1/sign-in/platforms/{platform}/back"),
    ("GET", "/c/{code}"),
}
"""RFC 6749 4.1.2: clients ignore parameters that they do not know; messengers add some to links."""


def is_page(path: str, route: APIRoute) -> bool:
    """Return True for a page of `aed.web`: messengers add parameters to the links that people open."""
    is_for_programs = path.startswith(("/v1", "/ogc", "/docs", "/c/"))
    return not is_for_programs and not route.include_in_schema and known_parameters(route) is None


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """Return the application without a database: rejection happens before any query."""
    return app_on(Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none", access_log=False))


def routes_of(routes: Any, prefix: str = "") -> list[tuple[str, str, APIRoute]]:
    found: list[tuple[str, str, APIRoute]] = []
    for route in routes:
        if (inner := getattr(route, "original_router", None)) is not None:
            found += routes_of(inner.routes, prefix + route.include_context.prefix)
        elif isinstance(route, APIRoute):
            found += [(method, prefix + route.path, route) for method in sorted(route.methods or ())]
        else:
            raise AssertionError(f"{route} is no route that refuses unknown parameters")
    return found


def test_every_route_refuses_a_parameter_that_it_does_not_declare(app: FastAPI) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    asked = 0
    for method, path, route in routes_of(app.routes):
        if (method, path) in TAKES_ANY or is_page(path, route):
            continue
        where = path.replace("{z}/{x}/{y}", "1/1/1").replace("{", "1").replace("}", "")
        answer = client.request(method, f"{where}?Datum=gcj02")
        status = 400 if path.startswith("/ogc") else 422
        assert answer.status_code == status, (method, path, answer.text)
        assert answer.json()["field"] == "Datum", (method, path)
        asked += 1
    assert asked > 150


def test_routes_accept_exactly_the_documented_parameters(app: FastAPI) -> None:
    document = app.openapi()["paths"]
    for method, path, route in routes_of(app.routes):
        if path not in document or (method, path) in TAKES_ANY:
            continue
        parameters = document[path][method.lower()].get("parameters", [])
        documented = {each["name"] for each in parameters if each["in"] == "query"}
        assert set(known_parameters(route) or {}) == documented, (method, path)


def test_an_unknown_parameter_is_refused_with_the_closest_match(app: FastAPI) -> None:
    client = TestClient(app)
    for sent, field, near in (
        ("Datum=gcj02", "Datum", "datum"),
        ("dtaum=gcj02", "dtaum", "datum"),
        ("Lat=1", "Lat", "lat"),
        ("flor=3", "flor", "floor"),
    ):
        body = assert_problem(client.get(f"{NEAREST}&{sent}"), 422, "invalid-input", field=field)
        assert body["detail"].endswith(f"the closest match is '{near}'."), body["detail"]
    body = assert_problem(client.get(f"{NEAREST}&zzzz=1"), 422, "invalid-input", field="zzzz")
    assert "datum, floor, lat" in body["detail"]


def test_a_parameter_given_twice_is_refused(app: FastAPI) -> None:
    answer = TestClient(app).get(f"{NEAREST}&lat=31")

    assert_problem(answer, 422, "invalid-input", field="lat")


def test_the_name_of_an_unknown_parameter_is_cut(app: FastAPI) -> None:
    answer = TestClient(app).get(f"{NEAREST}&{'x' * 5_000}=1")

    assert len(answer.content) < 1_000


def test_a_link_that_a_messenger_has_added_to_still_opens_its_page(app: FastAPI) -> None:
    client = TestClient(app)
    assert client.get("/d/1234-4?from=singlemessage&isappinstalled=0", headers=BROWSER).status_code == 200
    assert client.get("/d/1234-4?from=singlemessage").status_code == 422, "a program gets no page"
    answer = client.get(f"{NEAREST}&from=singlemessage", headers=BROWSER)
    assert answer.status_code == 422, "what takes parameters can take one for another"


def test_an_identity_provider_may_add_parameters_of_its_own(app: FastAPI) -> None:
    answer = TestClient(app).get("/v1/sign-in/provider/back?session_state=1&state=x")

    assert answer.status_code == 404, "no provider is set up"
