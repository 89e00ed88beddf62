"""Schemas of proofs of service and of their issuers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from aed.accounts.fields import FreeText, Id, Name
from aed.responders.rules import CertificateKind
from aed.volunteering.models import ProofRequest, ServiceCertificate, ServiceIssuer
from aed.volunteering.rules import IdType, ProofState, ServiceIssuerKind, ServiceSource

Day = Annotated[date, Field(ge=date(1990, 1, 1), le=date(2100, 12, 31))]


class ServiceIssuerIn(BaseModel):
    """Who issues proofs for an estate: its residents' committee or a registered team."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "kind": "residents_committee",
                    "name": "幸福社区居民委员会",
                    "responsible": "吴敏",
                    "contact": "+86 571 5550 0101",
                }
            ]
        },
    )

    kind: ServiceIssuerKind
    name: Name
    registration: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="The number under which a team is registered"
    )
    responsible: Name = Field(description="负责人")
    contact: Name = Field(description="联系方式")


class ServiceIssuerOut(BaseModel):
    estate_id: Id
    kind: ServiceIssuerKind
    name: str
    registration: str | None
    responsible: str
    contact: str

    @classmethod
    def of(cls, issuer: ServiceIssuer) -> ServiceIssuerOut:
        return cls.model_validate(issuer, from_attributes=True)


class ServiceCertificateIn(BaseModel):
    """A proof of the service of a volunteer in a period. It costs nothing."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "2a3f8f0a-55a0-4c55-9a33-1c1c8a0f7a11",
                    "person_id": 1,
                    "estate_id": 1,
                    "from_on": "2026-01-01",
                    "until_on": "2026-12-31",
                    "handler": "李明",
                }
            ]
        },
    )

    key: UUID = Field(description="Chosen by the client: the same request sent again is the same proof")
    person_id: Id
    estate_id: Id
    from_on: Day
    until_on: Day
    handler: Name = Field(description="经办人")
    includes_identity: bool = Field(False, description="Print the type and number of the identity document")
    awards: Annotated[FreeText, Field(max_length=500)] | None = Field(
        None, description="表彰奖励: honours and awards for the service, as they are printed"
    )
    notes: Annotated[FreeText, Field(max_length=500)] | None = Field(
        None,
        description="备注; by default the purpose and the recipient asked for",
    )
    request_id: Id | None = Field(None, description="The volunteer's request that it is issued for")

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        if self.until_on < self.from_on:
            raise ValueError("until_on is before from_on")
        return self


class ProofRequestIn(BaseModel):
    """What a volunteer needs a proof of their service for."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "key": "0b7a6f6e-3a53-4c0e-9a5c-6f1b7d1f2a21",
                    "purpose": "申请学校",
                    "recipient": "第一中学",
                    "from_on": "2026-01-01",
                    "until_on": "2026-12-31",
                }
            ]
        },
    )

    key: UUID
    purpose: Name
    recipient: Name
    from_on: Day
    until_on: Day
    includes_identity: bool = False

    @model_validator(mode="after")
    def _require_order(self) -> Self:
        if self.until_on < self.from_on:
            raise ValueError("until_on is before from_on")
        return self


class ProofRequestOut(BaseModel):
    """A request for a proof of service, and what became of it."""

    id: int
    person_id: int
    from_on: date
    until_on: date
    purpose: str
    recipient: str
    state: ProofState
    decline_reason: str | None
    certificate_number: str | None

    @classmethod
    def of(cls, found: ProofRequest) -> Self:
        return cls(
            id=found.id,
            person_id=found.person_id,
            from_on=found.from_on,
            until_on=found.until_on,
            purpose=found.purpose,
            recipient=found.recipient,
            state=found.state,
            decline_reason=found.decline_reason,
            certificate_number=found.certificate.number if found.certificate is not None else None,
        )


class ProofRequestList(BaseModel):
    """The latest requests for proofs of service, newest first."""

    requests: list[ProofRequestOut]


class ContentOut(BaseModel):
    source: ServiceSource
    times: int
    minutes: int


class ServiceTrainingOut(BaseModel):
    """A verified first-aid certificate beside the service."""

    kind: CertificateKind
    issuer: str
    number: str | None
    issued_on: date | None
    valid_until: date


class ServiceCertificateOut(BaseModel):
    """A proof of service as it was issued. The identity number is in the PDF only."""

    number: str
    person_id: Id
    estate_id: Id
    name: str | None
    volunteer_number: str | None
    id_type: IdType | None
    from_on: date
    until_on: date
    minutes: int
    content: list[ContentOut]
    issuer_kind: ServiceIssuerKind
    issuer: str
    responsible: str
    handler: str
    contact: str
    training: list[ServiceTrainingOut] | None = Field(
        description="Null on proofs that were issued without it"
    )
    awards: str | None
    mean_rating: float | None = Field(description="Mean of the ratings from 1 to 5; null without any")
    ratings: int | None = Field(description="How many records were rated")
    notes: str | None
    issued_on: date
    revoked_at: datetime | None

    @classmethod
    def of(cls, certificate: ServiceCertificate) -> ServiceCertificateOut:
        return cls.model_validate(certificate, from_attributes=True)


class ServiceCertificatePage(BaseModel):
    """A page of proofs of service."""

    certificates: list[ServiceCertificateOut]
    next: str | None = Field(description="The cursor of the next page")


_CHECKED: dict[str, Any] = {
    "is_valid": True,
    "number": "SC-2026-0A1B2C3D4E",
    "holder": "王**",
    "issuer": "幸福社区居民委员会",
    "from_on": "2026-01-01",
    "until_on": "2026-12-31",
    "minutes": 1860,
    "issued_on": "2027-01-04",
}


class CheckedServiceOut(BaseModel):
    """The public data of a proof of service, for anyone who scans its code."""

    model_config = ConfigDict(json_schema_extra={"examples": [_CHECKED]})

    is_valid: bool = Field(description="False if it was revoked, or the code is not genuine")
    number: str | None = None
    holder: str | None = Field(None, description="The name, masked")
    issuer: str | None = None
    from_on: date | None = None
    until_on: date | None = None
    minutes: int | None = None
    issued_on: date | None = None
