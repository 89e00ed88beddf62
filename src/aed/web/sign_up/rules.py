"""What the forms of signing in take."""

from __future__ import annotations

import re
from typing import Final

from pydantic import TypeAdapter, ValidationError

from aed.accounts.fields import Name

HOME: Final = "/me"
"""Where people go after signing in, if no page asked them to."""
MAX_PATH: Final = 300
_OWN_PATH: Final = re.compile(r"/(?:[^/\\\s][^\\\s]*)?", re.ASCII)
_NAME: Final = TypeAdapter[str](Name)


def own_path(given: str) -> str:
    """Return a path of this site to go to; HOME for anything that a browser could take for another site."""
    return given if len(given) <= MAX_PATH and _OWN_PATH.fullmatch(given) else HOME


def name_in(given: str, *, otherwise: str) -> str | None:
    """Return the name that was typed, `otherwise` for an empty one; None if it cannot be stored."""
    if not given.strip():
        return otherwise
    try:
        return _NAME.validate_python(given)
    except ValidationError:
        return None
