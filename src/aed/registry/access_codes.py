"""Codes that open the way to a device: of cabinets and of gates."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Protocol, Self

from pydantic import BaseModel, Field

from aed.accounts.fields import FreeText

AccessCode = Annotated[FreeText, Field(min_length=1, max_length=50)]


class StoredCode(Protocol):
    """A row with a code: of a cabinet or of a gate."""

    @property
    def code(self) -> str: ...
    @property
    def set_at(self) -> datetime: ...
    @property
    def set_by(self) -> str: ...


class AccessCodeOut(BaseModel):
    """A code, when it was set, and by whom; null if no code is known."""

    code: str | None
    set_at: datetime | None
    set_by: str | None

    @classmethod
    def of(cls, stored: StoredCode | None) -> Self:
        if stored is None:
            return cls(code=None, set_at=None, set_by=None)
        return cls(code=stored.code, set_at=stored.set_at.astimezone(UTC), set_by=stored.set_by)
