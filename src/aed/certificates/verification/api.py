"""Response schemas of certificate checks."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.certificates.rules import CheckState
from aed.certificates.verification import queries as verification_queries
from aed.certificates.verification.queries import CertificateCheckRow
from aed.database.dependencies import ReadSession
from aed.http.parameters import Cursor, Limit, cursor_id
from aed.issuers.rules import CertificateKind
from aed.responders.rules import CertificateTrust
from aed.training.permissions import require_write


class CertificateCheckOut(BaseModel):
    """A certificate and its verification state."""

    certificate_id: Id
    issuer: str
    number: str | None
    name: str
    kind: CertificateKind
    valid_until: date
    trust: CertificateTrust
    state: CheckState
    said: str = Field(description="Why it is pending, or the issuer's answer")
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


router = APIRouter(tags=["verification"])


@router.get("/certificate-checks")
def list_certificate_checks(
    session: ReadSession,
    viewer: ViewerDep,
    issuer_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: Annotated[CheckState | None, Query(description="waiting, disputed, …")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ChecksPage:
    """List the verification state of certificates, with the reason.

    Covers your own certificates and those of people whose training you run.
    """
    require_write(viewer)
    found = verification_queries.checks(
        session, viewer, limit=limit + 1, after_id=cursor_id(cursor), issuer_id=issuer_id, state=state
    )
    page = ChecksPage(checks=[CertificateCheckOut.of(each) for each in found[:limit]])
    if len(found) > limit:
        page.next = str(page.checks[-1].certificate_id)
    return page
