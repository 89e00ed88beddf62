"""Routes of the dispatcher's board."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, NotSignedIn
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.incidents import queries
from aed.incidents.calls.steering import PlanningContext
from aed.incidents.live.queries import devices_by_id, running_incidents, with_alerts
from aed.incidents.permissions import require_incident_viewer
from aed.incidents.plan.queries.rough_areas import people_in_reach
from aed.incidents.plan.schemas import plan_out
from aed.lookup.in_view import extent_of_devices
from aed.lookup.named_places import KnownPlace, places_named
from aed.registry.devices.rules import Mark
from aed.settings import Settings
from aed.translation import detail_of
from aed.web.basemap import MANY, datum_of_map, map_config, map_policy
from aed.web.dispatch_board import page
from aed.web.dispatch_board.requests import (
    AnsweredMeanwhile,
    BoardQuery,
    ChangeForm,
    EntryProblem,
    OpenForm,
    change_incident,
    new_key,
    open_incident,
    typed_place,
)
from aed.web.form_fields import NOT_STORABLE
from aed.web.labels import ALERT_STATES
from aed.web.language import language_of
from aed.web.render import NO_STORE, POLICY, render, to_sign_in
from aed.web.words import noop, translator

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_INCIDENTS: Final = 50
"""How many running incidents, the newest, are on the board."""
ANSWERED_MEANWHILE: Final = noop(
    "They have answered meanwhile: “{state}”. You entered “{reply}”. Send again to enter it all the same."
)


@router.get("/board")
def show_board(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    typed: Annotated[BoardQuery, Query()],
) -> Response:
    """Show the running incidents of the dispatcher's regions, and the places whose name was searched for."""
    if viewer.person_id is None:
        return to_sign_in("/board")
    return _board(request, session, viewer, new=typed, joined=typed.joined)


@router.post("/board")
def create_incident(
    request: Request, session: WriteSession, viewer: FormViewerDep, typed: Annotated[OpenForm, Form()]
) -> Response:
    """Open an incident at a place, or join the report to the incident of the same patient."""
    _require_person(viewer)
    require_incident_viewer(viewer)
    try:
        with session.begin_nested():
            incident, is_new = open_incident(session, viewer, typed, now=_now(request))
    except (ValidationError, EntryProblem, AedError) as error:
        status, problem = _problem(request, error)
        return _board(request, session, viewer, new=typed, new_problem=problem, status=status)
    to = f"/board#incident-{incident.id}"
    return RedirectResponse(to if is_new else f"/board?joined={incident.id}#incident-{incident.id}", 303)


@router.get("/board/{incident_id}")
def show_why(request: Request, session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> Response:
    """Show why these people are asked: the arithmetic of the latest plan."""
    if viewer.person_id is None:
        return to_sign_in(f"/board/{incident_id}")
    incident = queries.incident(session, viewer, incident_id)
    plan = queries.last_plan(session, incident.id)
    shown = plan_out(plan) if plan is not None else None
    (running,) = with_alerts(session, [incident])
    why = None
    if shown is not None:
        device_ids = {
            each.device_id for each in (*shown.asked_before, *shown.asked) if each.device_id is not None
        }
        devices = devices_by_id(session, device_ids)
        settings: Settings = request.app.state.settings
        areas = people_in_reach(session, viewer, incident, at=clock.now(), settings=settings)
        why = page.why_of(shown, running, devices, areas, datum_of_map(settings))
    return render(
        request,
        "dispatch_board/why.html.jinja",
        headers=NO_STORE,
        emergency_number=incident.region.emergency_number,
        now=clock.now(),
        incident=incident,
        why=why,
        minutes_from=page.minutes_from,
        minutes_text=page.minutes_text,
    )


@router.post("/board/{incident_id}")
def amend_incident(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    incident_id: RowId,
    typed: Annotated[ChangeForm, Form()],
) -> Response:
    """Do what a form of the incident asks for: hold, ask more, exclude, reply, correct, split, close."""
    _require_person(viewer)
    queries.incident(session, viewer, incident_id)
    try:
        with session.begin_nested():
            shown_id = change_incident(session, viewer, incident_id, typed, now=_now(request))
    except (ValidationError, EntryProblem, AnsweredMeanwhile, AedError) as error:
        status, problem = _problem(request, error)
        session.expire_all()
        return _board(
            request, session, viewer, typed=typed, typed_for=incident_id, problem=problem, status=status
        )
    return RedirectResponse(f"/board#incident-{shown_id}", 303)


def _require_person(viewer: Viewer) -> None:
    """Raise NotSignedIn for a form whose session has ended; the error page keeps what was typed."""
    if viewer.person_id is None:
        raise NotSignedIn(
            "You are no longer signed in. Sign in on another page, go back to the form, and send it again."
        )


def _now(request: Request) -> PlanningContext:
    state = request.app.state
    return PlanningContext(clock.now(), state.network, state.settings)


def _problem(request: Request, error: Exception) -> tuple[int, str]:
    """Return the status and the sentence of an error that the board shows in its form; raise any other."""
    language = language_of(request)
    words = translator(language)
    if isinstance(error, ValidationError):
        return 422, words(NOT_STORABLE)
    if isinstance(error, EntryProblem):
        return 422, words(error.sentence)
    if isinstance(error, AnsweredMeanwhile):
        state, reply = words(ALERT_STATES[error.state]), words(page.REPLIES.get(error.reply, error.reply))
        return 409, words(ANSWERED_MEANWHILE).format(state=state, reply=reply)
    if isinstance(error, AedError) and error.status in (409, 422, 429):
        return error.status, detail_of(error, language)
    raise error


def _places(session: Session, viewer: Viewer, text: str) -> list[KnownPlace]:
    typed = typed_place(text)
    return [typed] if typed is not None else places_named(session, viewer, text.strip())


def _board(
    request: Request,
    session: Session,
    viewer: Viewer,
    *,
    status: int = 200,
    new: OpenForm | None = None,
    new_problem: str = "",
    typed: ChangeForm | None = None,
    typed_for: int | None = None,
    problem: str = "",
    joined: int = 0,
) -> Response:
    new = new or OpenForm()
    settings: Settings = request.app.state.settings
    running = running_incidents(session, viewer, limit=MAX_INCIDENTS)
    cards = page.cards_of(running, datum_of_map(settings))
    return render(
        request,
        "dispatch_board/board.html.jinja",
        status=status,
        headers={**NO_STORE, "Content-Security-Policy": map_policy(settings, POLICY)},
        emergency_number=cards[0].running.incident.region.emergency_number if cards else None,
        now=clock.now(),
        cards=cards,
        map=map_config(settings, devices=MANY if cards else extent_of_devices(session, viewer)),
        marks=list(Mark),
        new=new,
        new_problem=new_problem,
        places=[(page.position_text(each.position), each) for each in _places(session, viewer, new.q)],
        typed=typed,
        typed_for=typed_for,
        problem=problem,
        joined=joined,
        new_key=new_key,
        minutes_from=page.minutes_from,
        kinds=page.KINDS,
        replies=page.REPLIES,
        outcomes=page.OUTCOMES,
        hazards=page.HAZARD_CHOICES,
    )
