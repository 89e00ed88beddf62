"""Routes of `/d/{code}/checks`: the last checks of a device, and a second person's approval."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import DatabaseDep
from aed.database.session import read_session, transaction
from aed.errors import AedError, NotAllowed, NotFound, NotSignedIn
from aed.http.query import ANY_PARAMETER
from aed.translation import detail_of
from aed.upkeep.checks.approvals import decide_on_check
from aed.upkeep.checks.schemas import ApprovalIn
from aed.web.checks.history import HistoryPage, history_page
from aed.web.checks.requests import Code, device_id_in
from aed.web.checks.responses import refusal_page, sign_in_page
from aed.web.language import language_of
from aed.web.render import NO_STORE, render
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

Text = Annotated[str, Form(max_length=500)]
NEEDS_REASON = noop("Say why the check is not approved, without control characters.")


@router.get("/d/{code}/checks")
def show_checks(request: Request, viewer: ViewerDep, database: DatabaseDep, code: Code) -> Response:
    """Show the last checks of a device, and what waits for a second person, to those who may check it."""
    with read_session(database) as session:
        return _page(request, session, viewer, code, at=clock.now())


@router.post("/d/{code}/checks")
def decide(
    request: Request,
    viewer: FormViewerDep,
    database: DatabaseDep,
    code: Code,
    check_id: Annotated[int, Form(ge=0, le=2**63 - 1)] = 0,
    decision: Text = "",
    reason: Text = "",
) -> Response:
    """Approve or refuse a check, as the JSON route does; the same decision again changes nothing."""
    at, language = clock.now(), language_of(request)
    try:
        given = ApprovalIn.model_validate({"decision": decision, "reason": reason.strip() or None})
        with transaction(database) as session:
            decide_on_check(session, viewer, check_id, given, at=at)
    except ValidationError:
        problem, status = translator(language)(NEEDS_REASON), 422
    except (NotFound, NotSignedIn):
        problem, status = "", 404
    except AedError as error:
        if error.status >= 500:
            raise
        problem, status = detail_of(error, language), error.status
    else:
        return RedirectResponse(f"/d/{code}/checks", 303)
    with read_session(database) as session:
        return _page(request, session, viewer, code, at=at, problem=problem, reason=reason, status=status)


def _page(
    request: Request,
    session: Session,
    viewer: Viewer,
    code: str,
    *,
    at: datetime,
    problem: str = "",
    reason: str = "",
    status: int = 200,
) -> Response:
    device_id = device_id_in(code)
    if device_id is None:
        return render(request, "checks/check_unknown.html.jinja", status=404, code=code, is_mistyped=True)
    try:
        found: HistoryPage = history_page(session, viewer, device_id)
    except (NotFound, NotSignedIn, NotAllowed) as error:
        if not viewer.is_signed_in:
            return sign_in_page(request, session, viewer, code, status=401 if status != 200 else 200)
        return refusal_page(request, session, viewer, code, device_id, error)
    refusal = found.waiting.refusal if found.waiting is not None else None
    return render(
        request,
        "checks/history.html.jinja",
        status=status,
        headers=NO_STORE,
        code=code,
        page=found,
        zone=ZoneInfo(found.time_zone),
        today=at.astimezone(ZoneInfo(found.time_zone)).date(),
        problem=problem,
        reason=reason,
        refusal=detail_of(refusal, language_of(request)) if refusal is not None else "",
    )
