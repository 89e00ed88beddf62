"""Errors as problem documents (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

import orjson
from fastapi import Request, Response
from pydantic import BaseModel, Field
from pydantic_core import PydanticKnownError

from aed.translation import has_translation, noop, translate

PROBLEM_TYPE = "application/problem+json"
MAX_ERRORS: Final = 20
"""So many errors are named; nobody mends more at once, and a body can hold thousands."""
MAX_FIELD_CHARACTERS: Final = 200
MAX_DETAIL_CHARACTERS: Final = 1_000
MAX_INSTANCE_CHARACTERS: Final = 500


class FieldProblem(BaseModel):
    field: str = Field(description="Part of the input that is wrong; for files also the line")
    detail: str


class Problem(BaseModel):
    """What went wrong, for people and for programs."""

    type: str = Field(examples=["urn:aed:problem:invalid-input"])
    title: str
    status: int
    detail: str = Field(description="What is wrong, and what would be right")
    instance: str = Field(description="Path of the request")
    field: str | None = Field(None, description="Part of the input that is wrong")
    errors: list[FieldProblem] | None = Field(
        None, description=f"All errors if there are several, at most {MAX_ERRORS}"
    )
    more_errors: int | None = Field(None, description="Number of further errors that are not listed")


def problem(
    request: Request,
    status: int,
    code: str,
    title: str,
    detail: str,
    field: str | None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
    more_errors: int = 0,
) -> Response:
    """A response with a problem document, of a bounded size whatever was sent."""
    body: dict[str, Any] = {
        "type": f"urn:aed:problem:{code}",
        "title": _truncated(title, MAX_FIELD_CHARACTERS),
        "status": status,
        "detail": _truncated(detail, MAX_DETAIL_CHARACTERS),
        "instance": request.url.path[:MAX_INSTANCE_CHARACTERS],
    }
    if field is not None:
        body["field"] = _truncated(field, MAX_FIELD_CHARACTERS)
    if errors is not None:
        body["errors"] = [
            {
                name: _truncated(value, MAX_FIELD_CHARACTERS if name == "field" else MAX_DETAIL_CHARACTERS)
                for name, value in each.items()
            }
            for each in islice(errors, MAX_ERRORS)
        ]
        if len(errors) + more_errors > MAX_ERRORS:
            body["more_errors"] = len(errors) + more_errors - MAX_ERRORS
    return Response(
        orjson.dumps(body), status_code=status, headers=dict(headers or {}), media_type=PROBLEM_TYPE
    )


def _truncated(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…."


# --- Requests that do not fit their schema ---

NOT_VALID: Final = noop("The input is not valid")
FIELD_IS_WRONG: Final = noop("{field}: {detail}.")
VALUE_ERROR: Final = "value_error"


def validation_sentence(error: Mapping[str, Any], language: str) -> str:
    """Return the message of one error of pydantic in a language; in English where it is not translated."""
    values: Mapping[str, Any] = error.get("ctx") or {}
    if error["type"] == VALUE_ERROR and "error" in values:
        return translate(str(values["error"]), language)
    template = _template(error["type"], dict(values))
    if not has_translation(template, language):
        return str(error["msg"])
    return translate(template, language, values)


def _template(kind: str, values: dict[str, Any]) -> str:
    """Return pydantic's message of a type of error, with placeholders; empty for a type of others."""
    try:
        known = PydanticKnownError(kind, values or None)  # type: ignore[arg-type]  # any type
    except (KeyError, TypeError):
        return ""
    return known.message_template
