"""What the routes of my page share: the signed-in person, and how many rows are shown."""

from __future__ import annotations

from typing import Final

from aed.accounts.permissions import Viewer
from aed.errors import NotSignedIn

MAX_SHOWN: Final = 20


def person_of(viewer: Viewer) -> int:
    """Return the id of the signed-in person. Raises NotSignedIn."""
    if viewer.person_id is None:
        raise NotSignedIn("Sign in first.")
    return viewer.person_id
