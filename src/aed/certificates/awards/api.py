"""Response schemas of certificates."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.accounts.masking import mask_name
from aed.certificates.awards import actions, queries
from aed.certificates.awards.pdf import certificate_pdf
from aed.certificates.rules import Refresher, is_valid
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput, NotFound
from aed.http.pages import PAGE_RESPONSE, WantsPage, render_page
from aed.http.parameters import Limit, PublicAddress, SettingsDep
from aed.responders.rules import CertificateKind
from aed.signatures import TokenPurpose, opened, public_keys, signed, signing_keys
from aed.training.parameters import PDF, ReasonText, pdf_response
from aed.training.permissions import require_write


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
    next: str | None = Field(description="The cursor of the next page")


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
    next: str | None = Field(description="The cursor of the next page")


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
    holder: str | None = Field(description="The name, masked; null: the code belongs to no certificate")
    valid_until: date | None


class PublicKeysOut(BaseModel):
    """A JWK set (RFC 7517)."""

    keys: list[dict[str, Any]] = Field(
        description="The first signs new certificates; the others signed earlier ones"
    )


router = APIRouter(tags=["training"])


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
    """Download a certificate as PDF, in Chinese and English.

    It carries a QR code with which anyone can check it. For its holder and those who run the training that
    awarded it.
    """
    paper = queries.on_paper(session, viewer, number)
    token = signed(signing_keys(settings), TokenPurpose.CERTIFICATE, paper.number)
    return pdf_response(certificate_pdf(paper, address=f"{address}{CHECK}{token}"), f"{paper.number}.pdf")


@router.get("/check/{token}", response_model=PublicCertificateOut, responses=PAGE_RESPONSE)
def check_certificate(
    session: ReadSession,
    settings: SettingsDep,
    wants_page: WantsPage,
    token: Annotated[
        str,
        Path(max_length=1000, description="The token in the code on the certificate", examples=["eyJhbGc…"]),
    ],
    response: Response,
) -> PublicCertificateOut | Response:
    """Check a certificate by its QR code.

    Returns whether it is valid today, the masked holder, and the last valid day. Public; browsers get a
    page. A forged or altered code is reported as not valid.
    """
    checked = _checked(session, settings, token)
    if wants_page:
        page = render_page(
            "certificates/awards/check.html.jinja", title="证书查验 Certificate check", checked=checked
        )
        return HTMLResponse(page.html, headers=page.headers)
    response.headers["Cache-Control"] = "no-store"  # a revocation shows at once
    response.headers["Vary"] = "Accept"
    return checked


def _checked(session: ReadSession, settings: SettingsDep, token: str) -> PublicCertificateOut:
    """Return the public data of the certificate in a token; not valid if the token or certificate is
    unknown.
    """
    number = opened(signing_keys(settings), TokenPurpose.CERTIFICATE, token)
    if number is None:
        return _NOTHING
    try:
        found = queries.by_number(session, number)
    except NotFound:  # correctly signed but missing, for example after an older backup was restored
        return _NOTHING
    today = clock.now().astimezone(ZoneInfo(found.time_zone)).date()
    return PublicCertificateOut(
        is_valid=is_valid(today=today, valid_until=found.valid_until, revoked_at=found.revoked_at),
        holder=mask_name(found.name),
        valid_until=found.valid_until,
    )


@router.get("/certificates/jwks.json")
def get_signing_keys(settings: SettingsDep) -> PublicKeysOut:
    """Get the public keys that sign certificate codes.

    Third parties can verify codes with them offline. Revocation can only be checked online.
    """
    return PublicKeysOut.model_validate(public_keys(signing_keys(settings)))


Number = Annotated[
    str,
    Path(min_length=1, max_length=100, pattern="^[A-Za-z0-9._:-]+$", examples=["CPR-AED-2026-0A1B2C3D4E"]),
]


LapsingCursor = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]{1,18}\.[a-z_]{1,32}$",
        description="The `next` of the previous page",
    ),
]
RefresherCursor = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\.[0-9]{1,18}\.[A-Za-z0-9._:-]{1,32}$",
        description="The `next` of the previous page",
    ),
]


@router.get("/certificates/lapsing")
def list_lapsing_certificates(
    session: ReadSession,
    viewer: ViewerDep,
    days: Annotated[int, Query(ge=0, le=3650, description="Number of days from today")] = 90,
    limit: Limit = 100,
    cursor: LapsingCursor = None,
) -> LapsingPage:
    """List certificates that expire soon and have not been renewed, soonest first.

    Covers your own and those of people whom you may enrol or train.
    """
    require_write(viewer)
    today = clock.now().date()
    after = None
    if cursor is not None:
        day, responder_id, kind = cursor.split(".")
        after = queries.AfterLapsing(_day_in(day), int(responder_id), kind)
    found = queries.lapsing(session, viewer, today=today, within_days=days, limit=limit + 1, after=after)
    last = found[limit - 1] if len(found) > limit else None
    return LapsingPage(
        certificates=[
            LapsingOut(
                name=each.name,
                phone=each.phone,
                estate_id=each.estate_id,
                kind=each.kind,
                valid_until=each.valid_until,
                days_left=(each.valid_until - today).days,
            )
            for each in found[:limit]
        ],
        next=f"{last.valid_until}.{last.responder_id}.{last.kind}" if last is not None else None,
    )


@router.get("/certificates/refreshers")
def list_refreshers(
    session: ReadSession, viewer: ViewerDep, limit: Limit = 100, cursor: RefresherCursor = None
) -> RefresherPage:
    """List people who should practise again, longest without practice first.

    Skills decline within three to six months, even while the certificate is valid. Covers you and the people
    whom you may enrol or train.
    """
    require_write(viewer)
    after = None
    if cursor is not None:
        day, person_id, course = cursor.split(".", 2)
        after = queries.AfterRefresh(_day_in(day), int(person_id), course)
    found = queries.to_refresh(session, viewer, today=clock.now().date(), limit=limit + 1, after=after)
    last = found[limit - 1] if len(found) > limit else None
    return RefresherPage(
        refreshers=[RefresherOut(**each._asdict()) for each in found[:limit]],
        next=f"{last.practised_on}.{last.person_id}.{last.course}" if last is not None else None,
    )


def _day_in(text: str) -> date:
    """Parse a date in a cursor. Raise InvalidInput if it is malformed."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("cursor must be the `next` of the previous page.", field="cursor") from None


@router.get("/certificates/{number}")
def verify_certificate(session: ReadSession, number: Number, response: Response) -> CertificateOut:
    """Check a certificate by its number.

    Returns whether it is valid today, the masked holder, and the last valid day. Public, for anyone who has
    the number.
    """
    found = queries.by_number(session, number)
    today = clock.now().astimezone(ZoneInfo(found.time_zone)).date()
    response.headers["Cache-Control"] = "no-store"  # a revocation shows at once
    return CertificateOut(
        number=found.number,
        is_valid=is_valid(today=today, valid_until=found.valid_until, revoked_at=found.revoked_at),
        holder=mask_name(found.name),
        valid_until=found.valid_until,
    )


@router.delete("/certificates/{number}", status_code=204)
def revoke_certificate(
    session: WriteSession,
    viewer: ViewerDep,
    number: Number,
    reason: Annotated[
        ReasonText, Query(description="The reason; stored, and shown to nobody else")
    ] = "Awarded by mistake.",
) -> None:
    """Revoke a certificate. For those who run the training that awarded it."""
    require_write(viewer)
    actions.revoke_awarded(session, viewer, number, reason=reason, at=clock.now())
