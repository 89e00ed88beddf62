"""What opens a cabinet, in and out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.schemas import Words
from aed.registry.models import CabinetCode


class CabinetCodeIn(BaseModel):
    """What opens the cabinet; null: it has no code any longer."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "4711#"}]})

    code: Annotated[Words, Field(min_length=1, max_length=50)] | None


class CabinetCodeOut(BaseModel):
    """What opens the cabinet, since when, and who said so; null: no code is known."""

    code: str | None
    set_at: datetime | None
    set_by: str | None

    @classmethod
    def of(cls, kept: CabinetCode | None) -> Self:
        if kept is None:
            return cls(code=None, set_at=None, set_by=None)
        return cls(code=kept.code, set_at=kept.set_at.astimezone(UTC), set_by=kept.set_by)
