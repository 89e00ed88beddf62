"""What the routes of the time bank share: limits, and refusals in words."""

from __future__ import annotations

from typing import Final

from fastapi import Request

from aed.accounts.permissions import Viewer
from aed.errors import AedError
from aed.translation import detail_of
from aed.web.language import language_of

MAX_SHOWN: Final = 20
MAX_TO_CONFIRM: Final = 100


def problem_of(request: Request, viewer: Viewer, error: AedError) -> str:
    """Return a refusal in the reader's language, to show beside the form.

    Raises the error if the reader can do nothing about it.
    """
    if error.status >= 500 or viewer.person_id is None:
        raise error
    return detail_of(error, language_of(request))
