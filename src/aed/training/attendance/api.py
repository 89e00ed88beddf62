"""Response schemas for check-in codes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.fields import Id
from aed.accounts.permissions import SCHEDULER
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, Conflict, InvalidInput
from aed.files.typesetting import qr_svg
from aed.http.pages import PAGE_RESPONSE, Page, WantsPage, render_page
from aed.http.parameters import PublicAddress, SettingsDep
from aed.settings import Settings
from aed.training import queries as session_queries
from aed.training.attendance import actions, queries
from aed.training.attendance.rules import CHANGES_EVERY, PresenceCode, closed_reason, read_code
from aed.training.attendance.sheet import SheetOf, sheet_pdf
from aed.training.enrolments import queries as enrolment_queries
from aed.training.models import TrainingSession
from aed.training.parameters import PDF, SessionId, pdf_response
from aed.training.permissions import require_trainer
from aed.training.signatures import TokenPurpose, opened, signed, signing_keys
from aed.translation import CHINESE, detail_of


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
_SCREEN_TITLE: Final = "签到码 Attendance code"
_CHINESE_ENDS: Final = re.compile("(?<=。)(?=[A-Za-z])")
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
    for one person. Browsers get a page that keeps showing new codes.
    """
    path, every = f"/v1/sessions/{session_id}/attendance-code", int(CHANGES_EVERY.total_seconds())
    try:
        training, code = actions.new_code(session, viewer, session_id, at=clock.now())
    except AedError as error:
        if not wants_page:
            raise
        is_nobody = not viewer.is_signed_in
        page = _sign_in_page(path) if is_nobody else _refusal_page(error)
        return HTMLResponse(page.html, status_code=error.status, headers=page.headers)
    if wants_page:
        page = render_page(
            "training/attendance/screen.html.jinja",
            title=_SCREEN_TITLE,
            scripts=("training/attendance/screen.js",),
            wide=True,
            course_zh=training.course.name_zh,
            course_en=training.course.name_en,
            when=_when(training),
            path=path,
            every_seconds=every,
        )
        return HTMLResponse(page.html, headers=page.headers)
    scan = address + SCAN + signed(signing_keys(settings), TokenPurpose.PRESENCE, code.written())
    here = queries.present_people(session, training.id)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    return PresenceCodeOut(
        address=scan,
        svg=qr_svg(scan),
        valid_until=code.valid_until,
        changes_every_seconds=every,
        attended=here.attended,
        enrolled=here.enrolled,
    )


@router.get("/attendance/{token}", response_model=PresenceOut, responses=PAGE_RESPONSE)
def get_check_in(
    session: ReadSession, settings: SettingsDep, wants_page: WantsPage, token: Token, response: Response
) -> PresenceOut | Response:
    """Show the session of a scanned code.

    Browsers get the page on which the person confirms the check-in. The response reveals only that the
    session exists.
    """
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept"
    try:
        training = _session_of(session, _read(settings, token))
    except AedError as error:
        if not wants_page:
            raise
        page = _refusal_page(error)
        return HTMLResponse(page.html, status_code=error.status, headers=page.headers)
    if wants_page:
        page = render_page(
            "training/attendance/check_in.html.jinja",
            title="培训签到 Attendance",
            scripts=("training/attendance/sign_in.js", "training/attendance/check_in.js"),
            course_zh=training.course.name_zh,
            course_en=training.course.name_en,
            when=_when(training),
            path=f"{SCAN}{token}",
        )
        return HTMLResponse(page.html, headers=page.headers)
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
    done = actions.sign_in(session, viewer, _read(settings, token), at=clock.now())
    return SignedInAtSessionOut(
        session_id=done.session_id,
        enrolment_id=done.enrolment_id,
        is_new=done.is_new,
        said_en="Your attendance is recorded." if done.is_new else "Your attendance was already recorded.",
        said_zh="签到成功，出勤已记录。" if done.is_new else "您已签到，无需重复扫码。",
    )


def _read(settings: Settings, token: str) -> PresenceCode | None:
    """Return the presence code in a token; None if its signature is not valid."""
    text = opened(signing_keys(settings), TokenPurpose.PRESENCE, token)
    return read_code(text) if text is not None else None


def _session_of(session: ReadSession, code: PresenceCode | None) -> TrainingSession:
    """Return the session of a code that is valid now. Raise InvalidInput or Conflict otherwise."""
    if code is None:
        raise InvalidInput(actions.NO_CODE, field="token")
    training = session_queries.training_session(session, SCHEDULER, code.session_id)
    over = closed_reason(code, at=clock.now(), time_zone=training.time_zone)
    if over is not None:
        raise Conflict(over, field="token")
    return training


def _sign_in_page(path: str) -> Page:
    """Render the sign-in form for the trainer's screen; after sign-in it reloads the page at `path`."""
    return render_page(
        "training/attendance/sign_in.html.jinja",
        title="登录 Sign in",
        scripts=("training/attendance/sign_in.js",),
        path=path,
    )


def _refusal_page(error: AedError) -> Page:
    """Render the page that explains why a code was refused, each language on a line of its own."""
    chinese, english = detail_of(error, CHINESE), error.detail
    lines = [chinese, english] if chinese != english else _CHINESE_ENDS.split(english)
    return render_page("training/attendance/refusal.html.jinja", title=_SCREEN_TITLE, lines=lines)


def _when(training: TrainingSession) -> str:
    """Format the session's start and end in its own time zone."""
    zone = ZoneInfo(training.time_zone)
    begins, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    return f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}"


@router.get("/sessions/{session_id}/sheet.pdf", response_class=Response, responses=PDF)
def get_attendance_sheet(session: ReadSession, viewer: ViewerDep, session_id: SessionId) -> Response:
    """Download the attendance sheet of a session as PDF.

    Lists the enrolled people with a line for each signature. For those who run the session.
    """
    training = session_queries.training_session(session, viewer, session_id)
    require_trainer(viewer, training.estate_id, training.region_id)
    people = enrolment_queries.roster(session, viewer, training.id)
    return pdf_response(sheet_pdf(SheetOf(training, people)), f"session-{training.id}.pdf")
