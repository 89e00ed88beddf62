"""TODO."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.certificates.rules import Refresher
from aed.responders.rules import CertificateKind


class LapsingOut(BaseModel):
    """The last certificate of its kind that somebody holds, and it runs out soon."""

    name: str
    phone: str | None
    estate_id: Id | None
    kind: CertificateKind
    valid_until: date
    days_left: int


class LapsingPage(BaseModel):
    certificates: list[LapsingOut]
    next: str | None = Field(description="The cursor of the page that follows")


class RefresherOut(BaseModel):
    """Somebody whose skills fade, whatever the card says."""

    person_id: Id
    name: str
    phone: str | None
    course: str = Field(description="Its code")
    practised_on: date
    refresher: Refresher


class RefresherPage(BaseModel):
    refreshers: list[RefresherOut]
    next: str | None = Field(description="The cursor of the page that follows")


class CertificateOut(BaseModel):
    """All that a stranger is told who holds its number."""

    number: str
    is_valid: bool
    holder: str = Field(description="The name, masked", examples=["王**"])
    valid_until: date


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
