"""What the routes of my page share: the signed-in person, texts of forms, headers."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Form

from aed.accounts.permissions import Viewer
from aed.errors import NotSignedIn

MAX_SHOWN: Final = 20
NO_STORE: Final = {"Cache-Control": "no-store"}
Text = Annotated[str, Form(max_length=300)]


def person_of(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn."""
    if viewer.person_id is None:
        raise NotSignedIn("Sign in first.")
    return viewer.person_id
