"""Routes of proofs of service: issuing, PDF, checking and revoking them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.masking import mask_name
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.http.pages import PAGE_RESPONSE, WantsPage, render_page
from aed.http.parameters import Cursor, Limit, PublicAddress, SettingsDep, cursor_id, next_cursor
from aed.signatures import TokenPurpose, opened, signed, signing_keys
from aed.training.parameters import PDF, pdf_response
from aed.volunteering.certificates import actions, queries
from aed.volunteering.certificates.pdf import proof_pdf
from aed.volunteering.certificates.schemas import (
    CheckedServiceOut,
    ProofRequestIn,
    ProofRequestList,
    ProofRequestOut,
    ServiceCertificateIn,
    ServiceCertificateOut,
    ServiceCertificatePage,
    ServiceIssuerIn,
    ServiceIssuerOut,
)
from aed.volunteering.permissions import require_signed_in
from aed.volunteering.records.schemas import Reason, ServiceReasonIn
from aed.volunteering.rules import hours_and_minutes

router = APIRouter(tags=["volunteering"])
EstateId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
ProofRequestId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[1])]
ServiceNumber = Annotated[
    str, Path(min_length=4, max_length=40, pattern="^[A-Z0-9-]+$", examples=["SC-2026-0A1B2C3D4E"])
]


@router.get("/estates/{estate_id}/service-issuer")
def get_service_issuer(session: ReadSession, viewer: ViewerDep, estate_id: EstateId) -> ServiceIssuerOut:
    """Get who issues proofs of service for an estate."""
    require_signed_in(viewer)
    found = queries.issuer_of(session, estate_id)
    if found is None:
        raise NotFound("No issuer of proofs is named for this estate.", field="estate_id")
    return ServiceIssuerOut.of(found)


@router.put("/estates/{estate_id}/service-issuer")
def set_service_issuer(
    session: WriteSession, viewer: ViewerDep, estate_id: EstateId, new: ServiceIssuerIn
) -> ServiceIssuerOut:
    """Set who issues proofs of service for an estate. For the region's administrator.

    It is the residents' committee or a registered volunteer team. A property company is refused.
    """
    require_signed_in(viewer)
    return ServiceIssuerOut.of(actions.set_issuer(session, viewer, estate_id, new, at=clock.now()))


@router.get("/service-certificates")
def list_service_certificates(
    session: ReadSession,
    viewer: ViewerDep,
    person_id: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ServiceCertificatePage:
    """List your proofs of service, and those of estates that you manage."""
    require_signed_in(viewer)
    found = queries.certificates(
        session, viewer, person_id=person_id, limit=limit + 1, after_id=cursor_id(cursor)
    )
    return ServiceCertificatePage(
        certificates=[ServiceCertificateOut.of(each) for each in found[:limit]],
        next=next_cursor(found, limit),
    )


@router.get("/service-proof-requests")
def list_proof_requests(session: ReadSession, viewer: ViewerDep, limit: Limit = 100) -> ProofRequestList:
    """List your latest requests for proofs of service, and those at estates that you manage."""
    require_signed_in(viewer)
    found = queries.proof_requests(session, viewer, is_open=False, limit=limit)
    return ProofRequestList(requests=[ProofRequestOut.of(each) for each in found])


@router.post("/service-proof-requests", status_code=201)
def ask_for_proof(session: WriteSession, viewer: ViewerDep, new: ProofRequestIn) -> ProofRequestOut:
    """Ask for a proof of your own service. The manager of your estate issues it, or says why not."""
    require_signed_in(viewer)
    made = actions.ask_for_proof(session, viewer, new, at=clock.now())
    return ProofRequestOut.of(queries.proof_request(session, viewer, made.id))


@router.post("/service-proof-requests/{proof_request_id}/withdrawal")
def withdraw_proof_request(
    session: WriteSession, viewer: ViewerDep, proof_request_id: ProofRequestId
) -> ProofRequestOut:
    """Withdraw your request for a proof. Sent again, it changes nothing; once decided on, 409."""
    require_signed_in(viewer)
    return ProofRequestOut.of(actions.withdraw_request(session, viewer, proof_request_id, at=clock.now()))


@router.post("/service-proof-requests/{proof_request_id}/refusal")
def decline_proof_request(
    session: WriteSession, viewer: ViewerDep, proof_request_id: ProofRequestId, given: ServiceReasonIn
) -> ProofRequestOut:
    """Decline a request for a proof, with the reason that the volunteer reads. For the estate's manager."""
    require_signed_in(viewer)
    return ProofRequestOut.of(
        actions.decline_request(session, viewer, proof_request_id, reason=given.reason, at=clock.now())
    )


@router.post("/service-certificates", status_code=201)
def issue_service_certificate(
    session: WriteSession, viewer: ViewerDep, new: ServiceCertificateIn
) -> ServiceCertificateOut:
    """Issue a proof of a volunteer's service in a period. For the estate's manager; free.

    It counts service that was posted within the team for seven days.
    """
    require_signed_in(viewer)
    return ServiceCertificateOut.of(actions.issue_certificate(session, viewer, new, at=clock.now()))


@router.get("/service-certificates/{service_number}")
def get_service_certificate(
    session: ReadSession, viewer: ViewerDep, service_number: ServiceNumber
) -> ServiceCertificateOut:
    """Get a proof of service."""
    require_signed_in(viewer)
    return ServiceCertificateOut.of(queries.certificate(session, viewer, service_number))


@router.get("/service-certificates/{service_number}/pdf", response_class=Response, responses=PDF)
def get_service_certificate_pdf(
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    address: PublicAddress,
    service_number: ServiceNumber,
) -> Response:
    """Download a proof of service as PDF, with a code by which anyone can check it."""
    require_signed_in(viewer)
    found = queries.certificate(session, viewer, service_number)
    token = signed(signing_keys(settings), TokenPurpose.SERVICE, found.number)
    return pdf_response(
        proof_pdf(found, address=f"{address}/v1/service-check/{token}"), f"{found.number}.pdf"
    )


@router.delete("/service-certificates/{service_number}", status_code=204)
def revoke_service_certificate(
    session: WriteSession,
    viewer: ViewerDep,
    service_number: ServiceNumber,
    reason: Annotated[Reason, Query(description="The reason; stored, and shown to nobody else")] = (
        "Issued by mistake."
    ),
) -> None:
    """Revoke a proof of service. Its code then shows that it is not valid. For managers."""
    require_signed_in(viewer)
    actions.revoke_certificate(session, viewer, service_number, reason=reason, at=clock.now())


@router.get("/service-check/{token}", response_model=CheckedServiceOut, responses=PAGE_RESPONSE)
def check_service_certificate(
    session: ReadSession,
    settings: SettingsDep,
    wants_page: WantsPage,
    token: Annotated[
        str, Path(max_length=1000, description="The token in the code on the proof", examples=["eyJhbGc…"])
    ],
    response: Response,
) -> CheckedServiceOut | Response:
    """Check a proof of service by its code. Public; browsers get a page."""
    number = opened(signing_keys(settings), TokenPurpose.SERVICE, token)
    found = queries.by_number(session, number) if number is not None else None
    checked = CheckedServiceOut(is_valid=False)
    if found is not None:
        checked = CheckedServiceOut(
            is_valid=found.revoked_at is None,
            number=found.number,
            holder=mask_name(found.name) if found.name is not None else None,
            issuer=found.issuer,
            from_on=found.from_on,
            until_on=found.until_on,
            minutes=found.minutes,
            issued_on=found.issued_on,
        )
    if wants_page:
        page = render_page(
            "volunteering/certificates/check.html.jinja",
            title="志愿服务证明查验 Proof of service",
            checked=checked,
            hours=hours_and_minutes(checked.minutes or 0),
        )
        return HTMLResponse(page.html, headers=page.headers)
    response.headers["Cache-Control"] = "no-store"  # a revocation shows at once
    response.headers["Vary"] = "Accept"
    return checked
