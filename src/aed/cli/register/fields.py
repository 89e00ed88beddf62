"""Fields as words, NAME=VALUE, by the names that the API uses; `null` empties one, @FILE reads JSON.

A position is lat=… lon=… datum=…, a keeper keeper_name=… keeper_phone=…, a trainer likewise.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ValidationError

from aed.errors import InvalidInput

Fields = Annotated[list[str], typer.Argument(help="NAME=VALUE …", metavar="NAME=VALUE…")]


def fields_in[SchemaT: BaseModel](shape: type[SchemaT], given: Iterable[str]) -> SchemaT:
    """NAME=VALUE words as the schema. Raises InvalidInput naming the field."""
    values: dict[str, object] = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise InvalidInput(f"'{word}' is not NAME=VALUE.", field=word)
        values[name.strip()] = _value(value)
    _gather(values, "position", {"lat": "lat", "lon": "lon", "datum": "datum"})
    _gather(values, "keeper", {"keeper_name": "name", "keeper_phone": "phone"})
    _gather(values, "trainer", {"trainer_name": "name", "trainer_phone": "phone"})
    return validated(shape, values)


def validated[SchemaT: BaseModel](shape: type[SchemaT], values: Mapping[str, object]) -> SchemaT:
    """The values as the schema. Raises InvalidInput naming the field."""
    try:
        return shape.model_validate(values)
    except ValidationError as error:
        # A name that is not known comes first: it is why what was meant by it is missing.
        wrong = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
        field = ".".join(str(part) for part in wrong["loc"])
        known = ", ".join(shape.model_fields)
        hint = f" Known: {known}." if wrong["type"] == "extra_forbidden" else ""
        raise InvalidInput(f"{field or 'fields'}: {wrong['msg']}.{hint}", field=field) from None


def _value(text: str) -> object:
    if text == "null":
        return None
    if text.startswith("@"):
        try:
            return json.loads(Path(text[1:]).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:  # ValueError: no UTF-8, or no JSON
            raise InvalidInput(f"{text[1:]} cannot be read as JSON: {error}.", field=text) from None
    return text


def _gather(values: dict[str, object], into: str, parts: dict[str, str]) -> None:
    found = {inner: values.pop(outer) for outer, inner in parts.items() if outer in values}
    if found:
        values[into] = found
