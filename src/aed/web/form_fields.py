"""The text fields of forms: read them, and what to say of a wrong one."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Form, Request

from aed.errors import InvalidInput
from aed.web.words import noop

Text = Annotated[str, Form(max_length=300)]
"""A field of one line."""
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
