"""Parameters and limits that the routes of the check page share."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Path, Request

from aed.errors import InvalidInput
from aed.upkeep.rules import device_id_of
from aed.web.form_fields import fields_by_name

MAX_FIELDS: Final = 100
MAX_KEPT: Final = 8_000
"""Characters of a field, and of what was entered before the sign-in."""


async def fields_of_form(request: Request) -> dict[str, str]:
    """Return the text fields of a form. Raises InvalidInput for one that this page did not make."""
    return await fields_by_name(request, max_fields=MAX_FIELDS, max_characters=MAX_KEPT)


Fields = Annotated[dict[str, str], Depends(fields_of_form)]
Code = Annotated[str, Path(max_length=64)]


def device_id_in(code: str) -> int | None:
    """Return the id of the device that a label's code names, or None if it cannot be one."""
    try:
        found = device_id_of(code)
    except InvalidInput:
        return None
    return found if found < 2**63 else None
