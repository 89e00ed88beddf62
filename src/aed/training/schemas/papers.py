"""What is said of a code: the one on a certificate, and the one on the trainer's screen."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id


class PublicCertificateOut(BaseModel):
    """All that anyone is told who scans the code of a certificate."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"is_valid": True, "holder": "王**", "valid_until": "2028-09-21"}],
        }
    )

    is_valid: bool
    holder: str | None = Field(description="The name, masked; null: the code is of no certificate")
    valid_until: date | None


class PublicKeysOut(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, Any]] = Field(description="The first signs; the others signed what was made before")


class PresenceCodeOut(BaseModel):
    """What the trainer's screen shows now."""

    address: str = Field(description="What the code says")
    svg: str
    valid_until: datetime
    changes_every_seconds: int
    attended: int
    enrolled: int


class PresenceOut(BaseModel):
    """The session whose code this is."""

    session_id: Id
    course_en: str
    course_zh: str
    begins_at: datetime
    time_zone: str


class SignedInAtSessionOut(BaseModel):
    """The person is there."""

    session_id: Id
    enrolment_id: Id
    is_new: bool = Field(description="False: it was known already")
    said_en: str
    said_zh: str
