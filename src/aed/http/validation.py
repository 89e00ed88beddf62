"""Say in words what is wrong with a request that does not fit its schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticKnownError

from aed.translation import has_translation, noop, translate

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
