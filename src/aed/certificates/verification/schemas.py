"""Response schemas of certificate checks."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field

from aed.accounts.fields import Id
from aed.certificates.rules import CheckState
from aed.certificates.verification.queries import CertificateCheckRow
from aed.issuers.rules import CertificateKind
from aed.responders.rules import Trust


class CertificateCheckOut(BaseModel):
    """A certificate and its verification state."""

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
    """Checks in order of certificate id; `next` is the cursor of the next page."""

    checks: list[CertificateCheckOut]
    next: str | None = None
