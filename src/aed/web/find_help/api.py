"""The route `/`: the page *Find help* for people, the entry points of the API for programs."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import database_of
from aed.database.session import read_session, retry_on_stale_connection
from aed.errors import AedError, InvalidInput, NotFound
from aed.http.docs import DOCS, OPENAPI
from aed.http.pages import PAGE_RESPONSE, WantsPage
from aed.lookup.answer import LookupAnswer, answer_lookup
from aed.lookup.question import LookupQuestion
from aed.settings import Settings
from aed.web.find_help import queries
from aed.web.find_help.page import sections_of
from aed.web.find_help.rules import MAX_TEXT, Show, Where, position_from_form
from aed.web.find_help.schemas import NEAREST, EmergencyNumbersOut, HomeOut
from aed.web.render import render

log = structlog.get_logger("aed")
router = APIRouter(tags=["pages"])
MAX_DEVICES: Final = 6


@router.get("/", responses=PAGE_RESPONSE, response_model=HomeOut)
def get_home_page(request: Request, response: Response, viewer: ViewerDep, wants_page: WantsPage) -> Any:
    """Show whom to call and the nearest devices as a page, or the entry points of the API as JSON."""
    if wants_page:
        return _page(request, viewer)
    settings: Settings = request.app.state.settings
    response.headers["Vary"] = "Accept, Accept-Language"
    return HomeOut(
        title="AED and first-aid network",
        emergency_numbers=EmergencyNumbersOut(
            mainland_china=settings.emergency_number_mainland_china,
            elsewhere=settings.emergency_number_elsewhere,
        ),
        nearest=NEAREST,
        documentation=DOCS,
        openapi=OPENAPI,
        ogc_api_features="/ogc",
    )


def _page(request: Request, viewer: Viewer) -> Response:
    """Render the page.

    Whatever fails, the page is shown, since it says whom to call: without a database it has no list.
    """
    found, estates, answer, problem = list[queries.KnownPlace](), list[queries.NamedEstate](), None, ""
    try:
        where = position_from_form(request.query_params)
    except InvalidInput:
        where, problem = Where(text=request.query_params.get("q", "")[:MAX_TEXT]), "bad-coordinates"
    try:
        with read_session(database_of(request)) as session:
            estates = queries.estates_with_devices(session, viewer, limit=queries.MAX_ESTATES + 1)
            found = _places(session, viewer, where) if not problem else []
        if where.here is None and len(found) == 1:
            where = Where(here=found[0].position, text=where.text, show=where.show)
        if where.here is not None:
            answer = _look_up(request, viewer, where)
        elif where.text and not found and not problem:
            problem = "unknown-place"
    except NotFound:
        problem = "unknown-place"
    except AedError as error:
        log.error("find help without a list", reason=error.detail)
        problem = "unavailable"
    return render(
        request,
        "find_help/find_help.html.jinja",
        where=where,
        Show=Show,
        found=found,
        estates=estates if len(estates) <= queries.MAX_ESTATES else [],
        sections=sections_of(answer, where.show) if answer is not None else None,
        problem=problem,
        nearest=NEAREST,
        docs=DOCS,
        openapi=OPENAPI,
        emergency_number=answer.emergency_number if answer is not None else None,
    )


def _places(session: Session, viewer: Viewer, where: Where) -> list[queries.KnownPlace]:
    if where.estate_id is not None:
        return [queries.estate_place(session, viewer, where.estate_id)]
    if where.here is None and where.text:
        return queries.places_named(session, viewer, where.text)
    return []


def _look_up(request: Request, viewer: Viewer, where: Where) -> LookupAnswer:
    assert where.here is not None
    state = request.app.state
    question = LookupQuestion(here=where.here, at=clock.now(), limit=MAX_DEVICES, responders=0)
    lookup = partial(
        answer_lookup, viewer=viewer, question=question, network=state.network, settings=state.settings
    )
    return retry_on_stale_connection(lookup, database_of(request).autocommit_engine.connect)
