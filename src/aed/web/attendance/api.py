"""Routes of the pages with which attendance is recorded."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Path, Request, Response

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, NotSignedIn
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.training.attendance import actions
from aed.training.attendance.rules import CHANGES_EVERY, CHECK_IN_PAGE
from aed.training.models import TrainingSession
from aed.translation import detail_of
from aed.web.language import language_of
from aed.web.render import NO_STORE, render

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
Token = Annotated[str, Path(max_length=1000)]


@router.get("/learn/sessions/{session_id}/attendance")
def show_attendance_screen(
    request: Request, session: ReadSession, viewer: ViewerDep, session_id: RowId
) -> Response:
    """Show the page for the trainer's screen, which keeps showing new codes."""
    if not viewer.is_signed_in:
        return _refused(request, NotSignedIn("Sign in first."), back=request.url.path)
    try:
        training, _code = actions.new_code(session, viewer, session_id, at=clock.now())
    except AedError as error:
        return _refused(request, error, back=request.url.path)
    return _page(
        request,
        "screen",
        training,
        path=f"/v1/sessions/{session_id}/attendance-code",
        every_seconds=int(CHANGES_EVERY.total_seconds()),
    )


@router.get(CHECK_IN_PAGE + "{token}")
def show_check_in(
    request: Request, session: ReadSession, viewer: ViewerDep, settings: SettingsDep, token: Token
) -> Response:
    """Show the session of a scanned code, with the button that records the person's attendance."""
    try:
        training = actions.session_of_code(session, actions.read_token(settings, token), at=clock.now())
    except AedError as error:
        return _refused(request, error)
    return _page(request, "check_in", training, is_signed_in=viewer.person_id is not None)


@router.post(CHECK_IN_PAGE + "{token}")
def check_in(
    request: Request, session: WriteSession, viewer: FormViewerDep, settings: SettingsDep, token: Token
) -> Response:
    """Record that the signed-in person attended; the same form sent twice changes nothing."""
    code, at = actions.read_token(settings, token), clock.now()
    try:
        training = actions.session_of_code(session, code, at=at)
        with session.begin_nested():
            done = actions.sign_in(session, viewer, code, at=at)
    except AedError as error:
        return _refused(request, error)
    return _page(request, "check_in", training, is_done=True, is_new=done.is_new)


def _page(
    request: Request,
    name: str,
    training: TrainingSession,
    *,
    path: str = "",
    every_seconds: int = 0,
    is_signed_in: bool = True,
    is_done: bool = False,
    is_new: bool = False,
) -> Response:
    zone = ZoneInfo(training.time_zone)
    begins, ends = training.starts_at.astimezone(zone), training.ends_at.astimezone(zone)
    return render(
        request,
        f"attendance/{name}.html.jinja",
        headers=NO_STORE,
        course={"en": training.course.name_en, "zh": training.course.name_zh},
        when=f"{begins:%Y-%m-%d %H:%M}–{ends:%H:%M}",
        path=path,
        every_seconds=every_seconds,
        is_signed_in=is_signed_in,
        is_done=is_done,
        is_new=is_new,
    )


def _refused(request: Request, error: AedError, *, back: str = "/me") -> Response:
    """Say why a code or a screen is refused. Raises the error if it is not the reader's."""
    if error.status >= 500:
        raise error
    return render(
        request,
        "attendance/refusal.html.jinja",
        status=error.status,
        headers=NO_STORE,
        detail=detail_of(error, language_of(request)),
        sign_in=f"/sign-in?next={back}" if isinstance(error, NotSignedIn) else "",
    )
