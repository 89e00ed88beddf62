"""What the routes of the register have in common: what is named in a path, and who sees a history."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from aed.accounts.rules import Scope, Viewer, may_write_estate
from aed.errors import NotSignedIn

DeviceId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
CalendarName = Annotated[str, Path(pattern="^[A-Za-z0-9._:-]{1,32}$", examples=["CN"])]
Year = Annotated[int, Path(ge=1990, le=2100, examples=[2026])]


def may_see_history(viewer: Viewer, estate_id: int | None) -> None:
    if not viewer.is_signed_in:
        raise NotSignedIn("The history is shown to those who may amend it: send a token.")
    reading = Viewer(
        role=viewer.role, scopes=frozenset({Scope.READ, Scope.WRITE}), estate_id=viewer.estate_id
    )
    may_write_estate(reading, estate_id)
