"""Path parameters and permission checks shared by the routes of the register."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from fastapi import Path

from aed.accounts.permissions import TokenScope, Viewer
from aed.errors import NotSignedIn

DeviceId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
CalendarName = Annotated[str, Path(pattern="^[A-Za-z0-9._:-]{1,32}$", examples=["CN"])]
Year = Annotated[int, Path(ge=1990, le=2100, examples=[2026])]


def require_can_see_history(
    may_amend: Callable[..., None], viewer: Viewer, estate_id: int | None, *, region_id: int
) -> None:
    """Require that `may_amend` permits the viewer; the write scope is not needed to see a history."""
    if not viewer.is_signed_in:
        raise NotSignedIn(
            "The history is visible only to people who can change it: sign in, or send a token."
        )
    may_amend(replace(viewer, scopes=frozenset(TokenScope)), estate_id, region_id=region_id)
