"""What issuers say of certificates, and pairs of people, as they cross the boundary."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from aed.accounts.fields import Id
from aed.certificates.rules import CheckState
from aed.certificates.verification.queries import CertificateCheckRow
from aed.issuers.rules import CertificateKind
from aed.responders.rules import Trust


class CertificateCheckOut(BaseModel):
    """A certificate, and how its verification stands."""

    certificate_id: Id
    issuer: str
    number: str | None
    name: str
    kind: CertificateKind
    valid_until: date
    trust: Trust
    state: CheckState
    said: str = Field(description="Why it waits, or what the issuer said")
    tries: int
    next_try_at: datetime | None
    changed_at: datetime

    @classmethod
    def of(cls, check: CertificateCheckRow) -> CertificateCheckOut:
        return cls(**check._asdict())


class ChecksPage(BaseModel):
    """In order of the certificate's id; `next` is the cursor of the following page."""

    checks: list[CertificateCheckOut]
    next: str | None = None
