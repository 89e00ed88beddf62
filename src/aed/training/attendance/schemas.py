"""Response schemas for check-in codes."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from aed.accounts.fields import Id


class PresenceCodeOut(BaseModel):
    """The check-in code to show on the trainer's screen."""

    address: str = Field(description="What the code says")
    svg: str
    valid_until: datetime
    changes_every_seconds: int
    attended: int
    enrolled: int


class PresenceOut(BaseModel):
    """The session that a check-in code belongs to."""

    session_id: Id
    course_en: str
    course_zh: str
    begins_at: datetime
    time_zone: str


class SignedInAtSessionOut(BaseModel):
    """The result of a check-in."""

    session_id: Id
    enrolment_id: Id
    is_new: bool = Field(description="False: it was known already")
    said_en: str
    said_zh: str
