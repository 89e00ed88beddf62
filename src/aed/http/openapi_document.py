"""Complete the OpenAPI document that FastAPI generates."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from aed.http.problems import PROBLEM_TYPE

_CREATED_HEADERS = {
    "Location": {"description": "The URL of the new resource", "schema": {"type": "string"}},
    "ETag": {"description": "The version, for If-Match", "schema": {"type": "string"}},
}


def complete_document(app: FastAPI) -> None:
    """Let the application's OpenAPI document include what FastAPI cannot know.

    These are problem documents, headers, and the token.
    """
    made_by_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = made_by_fastapi()
        document["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "A key made by `aed tokens create`"}
        }
        document["security"] = [{}, {"token": []}]  # anonymous requests are answered too
        operations = [each for path in document["paths"].values() for each in path.values()]
        for status, answer in (each for one in operations for each in one["responses"].items()):
            if status == "4XX" or status.startswith("5"):
                answer["content"] = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            if status == "201":
                answer["headers"] = _CREATED_HEADERS
        return document

    app.openapi = openapi  # type: ignore[method-assign] # as FastAPI's documentation does
