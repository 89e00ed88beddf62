"""Which routers a request is compared with."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.responses import Response
from starlette.routing import Match, Mount, Route
from starlette.types import Scope
from tests.apps import ready_app

from aed.http.route_paths import match_routers_by_path, paths_pattern

OTHERS = [
    "",
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v1/estates/",
    "/desk/1/",
    "/nothing",
    "/v1/nearest\n",
    "/static/1/b/c",
]


def scope_of(path: str, method: str) -> Scope:
    return {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_router_matches_the_same_requests_as_without_the_index(method: str) -> None:
    """Compared with what FastAPI's own method says of the paths of all routes, and of other paths."""
    app = ready_app()
    paths = sorted({context.path or "" for context in iter_route_contexts(app.routes)})
    found: set[Match] = set()
    for path in [*paths[::5], *(path.replace("{", "").replace("}", "") for path in paths[1::5]), *OTHERS]:
        for router in app.routes:
            expected = type(router).matches(router, scope_of(path, method))
            assert router.matches(scope_of(path, method)) == expected, (method, path)
            found.add(expected[0])
    assert found == set(Match)


def test_a_router_without_the_path_does_not_look_at_its_routes(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def matches(_: APIRouter, scope: Scope) -> tuple[Match, Scope]:
        looked.append(scope["path"])
        return Match.NONE, {}

    monkeypatch.setattr(APIRouter, "matches", matches)  # answers do not show which routers were looked at
    app = ready_app()

    for router in app.routes:
        router.matches(scope_of("/nothing", "GET"))
    assert looked == []
    for router in app.routes:
        router.matches(scope_of("/v1/nearest", "GET"))
    assert looked == ["/v1/nearest"]


def test_a_router_with_a_mounted_application_is_left_as_it_is() -> None:
    async def answer(scope: Scope, receive: object, send: object) -> None:
        await Response("inside")(scope, receive, send)  # type: ignore[arg-type] # Starlette's own types

    router = APIRouter(routes=[Mount("/files", answer), Route("/files-list", lambda _: Response("list"))])
    app = FastAPI(openapi_url=None)
    app.include_router(router, prefix="/v1")
    assert paths_pattern(app.routes[0]) is None
    match_routers_by_path(app)

    client = TestClient(app)
    assert client.get("/v1/files/any/name").text == "inside"
    assert client.get("/v1/files-list").text == "list"
    assert client.get("/v1/others").status_code == 404
