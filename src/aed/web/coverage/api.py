"""Routes of the pages of previews."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Audience, Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import InvalidInput
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.planning.bands import BANDS, Band
from aed.planning.coverage import actions
from aed.planning.coverage.formats import interval
from aed.planning.coverage.maps import band_with_most, coverage_map
from aed.planning.coverage.schemas import PreviewOut, StepIn
from aed.registry.estates import queries as estate_queries
from aed.web.labels import BAND_NAMES
from aed.web.render import render
from aed.web.words import noop

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

AUDIENCES: Final = {
    Audience.NEIGHBOURS: noop("The neighbourhood"),
    Audience.DISPATCH: noop("The neighbourhood and the dispatch centre"),
    Audience.PUBLIC: noop("The public"),
}
_LISTED: Final = 20


@router.get("/estates/{estate_id}/coverage")
def show_previews(request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId) -> Response:
    """Show the form of a step, and the previews that were made."""
    return _form_page(request, session, viewer, estate_id)


def _form_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    estate_id: int,
    *,
    status: int = 200,
    problem: str | None = None,
    audience: str = Audience.NEIGHBOURS.value,
    hours: str = "",
) -> Response:
    estate = estate_queries.estate(session, viewer, estate_id)
    found = actions.previews(session, viewer, estate_id, limit=_LISTED)
    return render(
        request,
        "coverage/step.html.jinja",
        status=status,
        emergency_number=estate.region.emergency_number,
        estate=estate,
        audiences=AUDIENCES,
        previews=[(each, Audience(each.inputs["step"]["audience"])) for each in found],
        problem=problem,
        audience=audience,
        hours=hours,
    )


@router.post("/estates/{estate_id}/coverage")
def make_preview(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    audience: Annotated[str, Form(max_length=20)] = "",
    hours: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Make the preview of a step, and go to its page."""
    state = request.app.state
    given: dict[str, Any] = {"audience": audience, "hours": hours.strip() or None}
    try:
        step = StepIn.model_validate(given)
        made = actions.make_preview(
            session, viewer, estate_id, step, network=state.network, settings=state.settings, at=clock.now()
        )
    except (ValidationError, InvalidInput) as error:
        is_hours = isinstance(error, ValidationError) and error.errors()[0]["loc"][:1] == ("hours",)
        is_step = isinstance(error, ValidationError)
        return _form_page(
            request,
            session,
            viewer,
            estate_id,
            status=422,
            problem="hours" if is_hours else "audience" if is_step else "nothing",
            audience=audience,
            hours=hours,
        )
    return RedirectResponse(f"/coverage/{made.id}", status_code=303)


@router.get("/coverage/{preview_id}")
def show_preview(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    preview_id: RowId,
    band: Annotated[str | None, Query(max_length=20)] = None,
) -> Response:
    """Show a preview: two maps by part of the week, tables, what a year may bring."""
    found, estate = actions.preview(session, viewer, preview_id)
    out = actions.preview_out(found, estate)
    chosen = Band(band) if band in BANDS else band_with_most(out.result)
    return render(
        request,
        "coverage/preview.html.jinja",
        emergency_number=estate_queries.estate(session, viewer, estate.id).region.emergency_number,
        out=out,
        audience=AUDIENCES[out.step.audience],
        devices=sum(each.is_proposed for each in out.result.devices),
        chosen=chosen,
        band_names=BAND_NAMES,
        bands=list(zip(BANDS, out.result.bands, strict=True)),
        maps={each: _maps(out, each) for each in BANDS},
        interval=interval,
    )


def _maps(out: PreviewOut, band: Band) -> tuple[Markup, Markup]:
    """Return the two maps; their words are in the caption beside them."""
    before, after = (Markup(coverage_map(out.result, band, after=each)) for each in (False, True))
    return before, after
