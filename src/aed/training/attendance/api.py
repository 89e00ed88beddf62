"""Response schemas for check-in codes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.database.dependencies import ReadSession, WriteSession
from aed.files.typesetting import qr_svg
from aed.http.pages import PAGE_RESPONSE, WantsPage
from aed.http.parameters import PublicAddress, SettingsDep
from aed.signatures import TokenPurpose, signed, signing_keys
from aed.training import queries as session_queries
from aed.training.attendance import actions, queries
from aed.training.attendance.rules import CHANGES_EVERY, CHECK_IN_PAGE, screen_page
from aed.training.attendance.sheet import SheetOf, sheet_pdf
from aed.training.enrolments import queries as enrolment_queries
from aed.training.parameters import PDF, SessionId, pdf_response
from aed.training.permissions import require_trainer


class PresenceCodeOut(BaseModel):
    """The check-in code to show on the trainer's screen."""

    address: str = Field(description="The contents of the QR code")
    svg: str
    valid_until: datetime
    changes_every_seconds: int
    attended: int
    enrolled: int


class PresenceOut(BaseModel):
    """The session that a check-in code belongs to."""

    session_id: Id
    course_en: str
    course_zh: str
    begins_at: datetime
    time_zone: str


class SignedInAtSessionOut(BaseModel):
    """The result of a check-in."""

    session_id: Id
    enrolment_id: Id
    is_new: bool = Field(description="False: the attendance was recorded before")
    said_en: str
    said_zh: str


router = APIRouter(tags=["training"])


SCAN: Final = "/v1/attendance/"
Token = Annotated[
    str,
    Path(max_length=1000, description="The token in the code on the trainer's screen", examples=["eyJhbGc…"]),
]


@router.get("/sessions/{session_id}/attendance-code", response_model=PresenceCodeOut, responses=PAGE_RESPONSE)
def get_attendance_code(
    session: ReadSession,
    viewer: ViewerDep,
    settings: SettingsDep,
    address: PublicAddress,
    wants_page: WantsPage,
    session_id: SessionId,
    response: Response,
) -> PresenceCodeOut | Response:
    """Get a new check-in code for the trainer's screen.

    Available from two hours before the session to those who run it. Each code is valid for one minute and
    for one person. Browsers are led to a page that keeps showing new codes.
    """
    if wants_page:
        return RedirectResponse(screen_page(session_id), headers={"Vary": "Accept"})
    training, code = actions.new_code(session, viewer, session_id, at=clock.now())
    scan = address + SCAN + signed(signing_keys(settings), TokenPurpose.PRESENCE, code.written())
    here = queries.present_people(session, training.id)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return PresenceCodeOut(
        address=scan,
        svg=qr_svg(scan),
        valid_until=code.valid_until,
        changes_every_seconds=int(CHANGES_EVERY.total_seconds()),
        attended=here.attended,
        enrolled=here.enrolled,
    )


@router.get("/attendance/{token}", response_model=PresenceOut, responses=PAGE_RESPONSE)
def get_check_in(
    session: ReadSession, settings: SettingsDep, wants_page: WantsPage, token: Token, response: Response
) -> PresenceOut | Response:
    """Show the session of a scanned code.

    Browsers are led to the page on which the person confirms the check-in. The response reveals only that the
    session exists.
    """
    if wants_page:
        return RedirectResponse(f"{CHECK_IN_PAGE}{token}", headers={"Vary": "Accept"})
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    training = actions.session_of_code(session, actions.read_token(settings, token), at=clock.now())
    return PresenceOut(
        session_id=training.id,
        course_en=training.course.name_en,
        course_zh=training.course.name_zh,
        begins_at=training.starts_at,
        time_zone=training.time_zone,
    )


@router.post("/attendance/{token}")
def check_in_to_session(
    session: WriteSession, viewer: ViewerDep, settings: SettingsDep, token: Token
) -> SignedInAtSessionOut:
    """Check in to a session with the scanned code.

    Records that the signed-in person attended. A code is valid for one minute and for one person; repeating
    the request changes nothing.
    """
    done = actions.sign_in(session, viewer, actions.read_token(settings, token), at=clock.now())
    return SignedInAtSessionOut(
        session_id=done.session_id,
        enrolment_id=done.enrolment_id,
        is_new=done.is_new,
        said_en="Your attendance is recorded." if done.is_new else "Your attendance was already recorded.",
        said_zh="签到成功，出勤已记录。" if done.is_new else "您已签到，无需重复扫码。",
    )


@router.get("/sessions/{session_id}/sheet.pdf", response_class=Response, responses=PDF)
def get_attendance_sheet(session: ReadSession, viewer: ViewerDep, session_id: SessionId) -> Response:
    """Download the attendance sheet of a session as PDF.

    Lists the enrolled people with a line for each signature. For those who run the session.
    """
    training = session_queries.training_session(session, viewer, session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    people = enrolment_queries.roster(session, viewer, training.id)
    return pdf_response(sheet_pdf(SheetOf(training, people)), f"session-{training.id}.pdf")
