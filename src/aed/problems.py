"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field

PROBLEM_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    field: str = Field(description="The part of the input, or of a file: line 3")
    detail: str


class Problem(BaseModel):
    """What went wrong, for people and for programs."""

    type: str = Field(examples=["urn:aed:problem:invalid-input"])
    title: str
    status: int
    detail: str = Field(description="A sentence that says what would be right")
    instance: str = Field(description="The path that was asked")
    field: str | None = Field(None, description="The part of the input that is wrong")
    errors: list[FieldProblem] | None = Field(None, description="All of them, where there are several")


def problem(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    field: str | None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
) -> Response:
    """A response with a problem document."""
    body: dict[str, Any] = {
        "type": f"urn:aed:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
    }
    if field is not None:
        body["field"] = field
    if errors is not None:
        body["errors"] = list(errors)
    return Response(
        orjson.dumps(body), status_code=status, headers=dict(headers or {}), media_type=PROBLEM_TYPE
    )
