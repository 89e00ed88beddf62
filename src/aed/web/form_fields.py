"""The text fields of forms: read them, and what to say of a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Form, Request
from pydantic import ValidationError

from aed.errors import InvalidInput
from aed.http.problems import validation_sentence
from aed.web.words import noop, translator

Text = Annotated[str, Form(max_length=300)]
"""A field of one line."""
NOT_STORABLE: Final = noop("These values cannot be stored. Leave out unusual characters, and shorten them.")
FIELD_PROBLEM: Final = noop("%(field)s: %(problem)s")
BAD_PHONE: Final = noop("This is not a phone number that can receive messages. Check the digits.")


async def text_fields(request: Request, *, max_fields: int) -> list[tuple[str, str]]:
    """Return names and values in the order of the form; boxes of one name have several values."""
    found = await request.form(max_files=0, max_fields=max_fields)
    return [(name, value) for name, value in found.multi_items() if isinstance(value, str)]


async def fields_by_name(request: Request, *, max_fields: int, max_characters: int) -> dict[str, str]:
    """Return the value of each field, the last of several. Raises InvalidInput for one that is too long."""
    fields = dict(await text_fields(request, max_fields=max_fields))
    if any(len(value) > max_characters for value in fields.values()):
        raise InvalidInput("A field of this form is too long.", field="form")
    return fields


def problem_in(error: ValidationError, labels: Mapping[str, str], language: str) -> str:
    """Return the label of the first wrong field of a form, and what would be right, in the language.

    `labels` has the label of each field in English, by its name in the schema; a part of a field has that of
    the whole.
    """
    _ = translator(language)
    for each in error.errors(include_url=False):
        if each["loc"] and (label := labels.get(str(each["loc"][0]))) is not None:
            problem = validation_sentence(each, language)
            return _(FIELD_PROBLEM) % {"field": _(label), "problem": problem}
    return _(NOT_STORABLE)
