"""Applications for tests, with routes prepared only once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.testclient import TestClient

from aed.app import create_app, make_routes_ready
from aed.settings import Settings


def app_on(settings: Settings | None = None) -> FastAPI:
    """Return `create_app(settings)`, with routes and a document that an earlier app of this process made.

    FastAPI prepares included routers when it matches an app's first request. For 650 routes this takes
    2 s of CPU time, and writing the OpenAPI document 3 s, longer than most tests. Both hold neither
    settings nor a database: handlers find these through the app of the request. Routes do hold the first
    app's `dependency_overrides`, so use `create_app` if a test overrides a dependency.
    """
    app = create_app(settings)
    ready = ready_app().routes
    assert len(ready) == len(app.routes)
    for index, (route, made) in enumerate(zip(app.routes, ready, strict=True)):
        router = getattr(route, "original_router", None)
        if router is not None:
            assert router is getattr(made, "original_router", None)
            app.router.routes[index] = made

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = orjson.loads(_document())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation does
    return app


@cache
def served_document() -> dict[str, Any]:
    """Return the OpenAPI document as served, the same for all tests of this process."""
    _document()  # which is without the examples that are added as it is served
    with TestClient(ready_app()) as client:
        answer = client.get("/v1/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


@cache
def _document() -> bytes:
    """Return the OpenAPI document as JSON, as the application makes it: without examples."""
    return orjson.dumps(ready_app().openapi())


@cache
def ready_app() -> FastAPI:
    """Return an app without a database whose routes are all prepared."""
    app = create_app(
        Settings(
            database_url="postgresql+psycopg://nobody@127.0.0.1:1/none",
            walking_network=Path("none"),
            access_log=False,
        )
    )
    make_routes_ready(app)
    return app
