"""Fields shared by several training schemas."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field


def _in_utc(given: datetime) -> datetime:
    return given.astimezone(UTC)


Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1990, 1, 1, tzinfo=UTC), le=datetime(2100, 12, 31, tzinfo=UTC)),
    AfterValidator(_in_utc),
]
"""A time with a UTC offset, such as 2030-05-04T09:00:00+08:00, converted to UTC."""
Language = Literal["zh", "en"]
