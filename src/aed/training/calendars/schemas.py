"""Request and response schemas of private calendar addresses."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.training.models import CalendarAddress
from aed.training.rules import CalendarKind


class CalendarIn(BaseModel):
    """A calendar to subscribe to."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"kind": "estate", "estate_id": 1}]}
    )

    kind: CalendarKind
    estate_id: Id | None = Field(None, description="Of an estate's calendar")
    person_id: Id | None = Field(None, description="Left out: your own; another's is for administrators")


class CalendarOut(BaseModel):
    """A calendar address, without its key."""

    id: Id
    kind: CalendarKind
    person_id: Id | None
    estate_id: Id | None
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, address: CalendarAddress) -> CalendarOut:
        return cls.model_validate(address, from_attributes=True)


class NewCalendarOut(CalendarOut):
    """A new calendar address, with its key. Returned only once."""

    address: str = Field(description="Told this once; whoever has it reads the calendar")


class CalendarPage(BaseModel):
    """A page of calendar addresses."""

    calendars: list[CalendarOut]
    next: str | None = Field(description="The cursor of the page that follows")
