"""Request and response schemas of declared certificates."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from aed.accounts.fields import Id
from aed.certificates.models import CertificateDeclaration
from aed.certificates.rules import DeclarationState
from aed.issuers.rules import CertificateKind

type Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class DeclarationIn(BaseModel):
    """A certificate as its holder declares it."""

    model_config = ConfigDict(extra="forbid")

    kind: CertificateKind
    issuer: Text
    number: Text | None = None
    issued_on: date | None = None
    valid_until: date
    estate_id: Id | None = None
    """The estate whose manager is asked; by default that of the person's offer to help."""

    @model_validator(mode="after")
    def _check_dates(self) -> Self:
        if self.issued_on is not None and self.issued_on > self.valid_until:
            raise ValueError("issued_on must be before valid_until")
        return self


class DeclarationOut(BaseModel):
    """A declared certificate that waits for a decision, or was decided."""

    model_config = ConfigDict(from_attributes=True)

    id: Id
    name: str
    kind: CertificateKind
    issuer: str
    number: str | None
    issued_on: date | None
    valid_until: date
    declared_at: datetime
    state: DeclarationState

    @classmethod
    def of(cls, declared: CertificateDeclaration) -> DeclarationOut:
        return cls(
            id=declared.id,
            name=declared.person.name,
            kind=declared.kind,
            issuer=declared.issuer,
            number=declared.number,
            issued_on=declared.issued_on,
            valid_until=declared.valid_until,
            declared_at=declared.declared_at,
            state=declared.state,
        )


class DeclarationsPage(BaseModel):
    """Declarations in order of id; `next` is the cursor of the next page."""

    declarations: list[DeclarationOut]
    next: str | None = None


class DeclarationDecisionIn(BaseModel):
    """Whether the certificate is what the person declared."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"decision": "confirm"}]})

    decision: Literal["confirm", "refuse"] = Field(
        description="Confirm only after comparing it with the card or its photo"
    )
