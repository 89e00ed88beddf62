"""Routes for certificate checks."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from aed.accounts.authentication import ViewerDep
from aed.certificates.rules import CheckState
from aed.certificates.verification import queries as verification_queries
from aed.certificates.verification.schemas import CertificateCheckOut, ChecksPage
from aed.database.dependencies import ReadSession
from aed.http.parameters import Cursor, Limit, cursor_id
from aed.training.permissions import require_write

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
