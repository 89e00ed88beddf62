"""Routes of `/service`: the service of others that the signed-in person may confirm."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.timebank.permissions import require_person
from aed.volunteering.records import actions as service_actions
from aed.volunteering.records import queries as service
from aed.volunteering.rules import OF_CALLS
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.time_bank import queries
from aed.web.time_bank.page import MAX_TO_CONFIRM, problem_of, service_line
from aed.web.time_bank_words import hours_and_minutes

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])


@router.get("/service")
def show_service_to_confirm(request: Request, session: ReadSession, viewer: ViewerDep) -> Response:
    """Show the service of others that waits for the signed-in person."""
    if viewer.person_id is None:
        return to_sign_in("/service")
    return _service_page(request, session, viewer)


def _service_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    problem: str = "",
    at_record: int | None = None,
) -> Response:
    require_person(viewer)
    found = queries.service_to_confirm(session, viewer, limit=MAX_TO_CONFIRM)
    zones = {each: ZoneInfo(service.time_zone_of(session, each)) for each in {one.estate_id for one in found}}
    return render(
        request,
        "time_bank/service.html.jinja",
        status=status,
        headers=NO_STORE,
        lines=[
            service_line(each, zones[each.estate_id], shows_time=each.source not in OF_CALLS)
            for each in found
        ],
        hours_and_minutes=hours_and_minutes,
        problem=problem,
        at_record=at_record if at_record in {each.id for each in found} else None,
    )


@router.post("/service/{record_id}/confirmation")
def confirm_service(
    request: Request, session: WriteSession, viewer: FormViewerDep, record_id: RowId
) -> Response:
    """Confirm another person's service."""
    try:
        with session.begin_nested():
            service_actions.confirm_record(session, viewer, record_id, rating=None, at=clock.now())
    except AedError as error:
        problem = problem_of(request, viewer, error)
        return _service_page(
            request, session, viewer, status=error.status, problem=problem, at_record=record_id
        )
    return RedirectResponse("/service", 303)
