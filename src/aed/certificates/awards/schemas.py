"""Response schemas of certificates."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aed.accounts.fields import Id
from aed.certificates.rules import Refresher
from aed.responders.rules import CertificateKind


class LapsingOut(BaseModel):
    """A person's last certificate of one kind, which expires soon."""

    name: str
    phone: str | None
    estate_id: Id | None
    kind: CertificateKind
    valid_until: date
    days_left: int


class LapsingPage(BaseModel):
    """A page of certificates that expire soon."""

    certificates: list[LapsingOut]
    next: str | None = Field(description="The cursor of the page that follows")


class RefresherOut(BaseModel):
    """A person who should practise again, whether or not their certificate is valid."""

    person_id: Id
    name: str
    phone: str | None
    course: str = Field(description="Its code")
    practised_on: date
    refresher: Refresher


class RefresherPage(BaseModel):
    """A page of people who should practise again."""

    refreshers: list[RefresherOut]
    next: str | None = Field(description="The cursor of the page that follows")


class CertificateOut(BaseModel):
    """The public data of a certificate, for anyone who has its number."""

    number: str
    is_valid: bool
    holder: str = Field(description="The name, masked", examples=["王**"])
    valid_until: date


class PublicCertificateOut(BaseModel):
    """The public data of a certificate, for anyone who scans its code."""

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
