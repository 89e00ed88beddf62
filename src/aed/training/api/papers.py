"""Routes of papers: certificates and attendance sheets as PDF, and the check that anyone can make."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession
from aed.errors import NotFound
from aed.http.pages import PAGE_RESPONSE, WantsPage
from aed.training.api.requests import PDF, PublicAddress, SettingsDep
from aed.training.api.sessions import SessionId
from aed.training.formats.pages import certificate_page
from aed.training.formats.papers import SheetOf, certificate_pdf, sheet_pdf
from aed.training.formats.signed import Purpose, opened, public_keys, signed, signing_keys
from aed.training.queries import certificates, rosters, sessions
from aed.training.rules.certificate import is_valid, masked
from aed.training.rules.who import may_run_training
from aed.training.schemas.papers import PublicCertificateOut, PublicKeysOut

router = APIRouter()

CHECK: str = "/v1/check/"
PrintedNumber = Annotated[
    str,
    Path(min_length=1, max_length=100, pattern="^[A-Za-z0-9._:-]+$", examples=["CPR-AED-2026-0A1B2C3D4E"]),
]
_NOTHING = PublicCertificateOut(is_valid=False, holder=None, valid_until=None)


@router.get("/certificates/{number}.pdf", response_class=Response, responses=PDF)
def get_certificate_pdf(
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    address: PublicAddress,
    number: PrintedNumber,
) -> Response:
    """The certificate to print, in Chinese and English, with a code by which anyone can check it. For its
    holder, and for those who run the training that awarded it."""
    paper = certificates.on_paper(session, viewer, number)
    token = signed(signing_keys(settings), Purpose.CERTIFICATE, paper.number)
    return _pdf(certificate_pdf(paper, address=f"{address}{CHECK}{token}"), f"{paper.number}.pdf")


@router.get("/sessions/{session_id}/sheet.pdf", response_class=Response, responses=PDF)
def get_attendance_sheet(session: ReadSession, viewer: ViewerDep, session_id: SessionId) -> Response:
    """The people of a session with a line for each to sign. For those who run it."""
    training = sessions.training_session(session, viewer, session_id)
    may_run_training(viewer, training.estate_id, training.region_id)
    people = rosters.roster(session, viewer, training.id)
    return _pdf(sheet_pdf(SheetOf(training, people)), f"session-{training.id}.pdf")


@router.get("/check/{token}", response_model=PublicCertificateOut, responses=PAGE_RESPONSE)
def check_certificate(
    session: ReadSession,
    settings: SettingsDep,
    wants_page: WantsPage,
    token: Annotated[
        str, Path(max_length=1000, description="From the code on the certificate", examples=["eyJhbGc…"])
    ],
    response: Response,
) -> PublicCertificateOut | Response:
    """Whether the certificate with this code is valid today, whose it is (masked), and until when: for anyone
    who scans it, as a page for a browser. A code that is forged or was altered is not valid."""
    checked = _checked(session, settings, token)
    if wants_page:
        page = certificate_page(
            is_valid=checked.is_valid, holder=checked.holder, valid_until=checked.valid_until
        )
        return HTMLResponse(page.html, headers=page.headers)
    response.headers["Cache-Control"] = "no-store"  # a revocation shows at once
    response.headers["Vary"] = "Accept"
    return checked


def _checked(session: ReadSession, settings: SettingsDep, token: str) -> PublicCertificateOut:
    number = opened(signing_keys(settings), Purpose.CERTIFICATE, token)
    if number is None:
        return _NOTHING
    try:
        found = certificates.by_number(session, number)
    except NotFound:  # signed by us, and yet gone, such as after a backup from before was restored
        return _NOTHING
    today = clock.now().astimezone(ZoneInfo(found.time_zone)).date()
    return PublicCertificateOut(
        is_valid=is_valid(today=today, valid_until=found.valid_until, revoked_at=found.revoked_at),
        holder=masked(found.name),
        valid_until=found.valid_until,
    )


@router.get("/certificates/jwks.json")
def get_signing_keys(settings: SettingsDep) -> PublicKeysOut:
    """The public keys of the codes on certificates, for who wants to check that they are of this network
    without asking it. Whether one was revoked is known only here."""
    return PublicKeysOut.model_validate(public_keys(signing_keys(settings)))


def _pdf(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type="application/pdf", headers=headers)
