"""The pages `/demo` and `/demo/exercises/{id}`.

404 unless `aed demo` has made the database, and unless the browser is on the machine of the service itself
(AED_DEMO_FROM_ANYWHERE says otherwise): a demo database that became a real one lets nobody in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final
from uuid import uuid4

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import (
    FormViewerDep,
    ViewerDep,
    client_address,
    require_same_origin,
    session_key_in_cookie,
)
from aed.accounts.demo_people import DemoRole, demo_people
from aed.accounts.people.models import Person
from aed.accounts.permissions import Viewer
from aed.accounts.sessions import SESSION_COOKIE, sign_out
from aed.accounts.sign_in.actions import open_session
from aed.accounts.sign_in.requests import set_sign_in_cookie
from aed.accounts.sign_in.rules import Browser
from aed.accounts.viewers import viewer_of_person
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import NotFound
from aed.http.connections import is_from_this_machine
from aed.http.parameters import RowId, SettingsDep
from aed.http.query import ANY_PARAMETER
from aed.incidents import queries
from aed.incidents.alerts.actions import renew_link
from aed.incidents.alerts.answers import take_reply
from aed.incidents.calls.actions import close_incident, report_patient
from aed.incidents.models import Incident
from aed.incidents.rules import AlertReply, AlertState, IncidentKind, IncidentOutcome
from aed.incidents.schemas import PatientReportIn
from aed.sharing.decisions.actions import create_link
from aed.sharing.decisions.schemas import LinkIn
from aed.web.demo_roles.page import DESKS, PARTS, alert_lines, part_of
from aed.web.demo_roles.queries import first_device, party_to_decide
from aed.web.render import render


def _require_demo(request: Request, settings: SettingsDep) -> None:
    if request.method != "GET":
        require_same_origin(request)
    if not (settings.demo_from_anywhere or is_from_this_machine(request, settings.public_url)):
        raise NotFound("This is not a demo.")


router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER, Depends(_require_demo)])
PATIENT: Final = {"lat": 30.2945, "lon": 120.0980}
"""In Paper Crane Gardens, where volunteers are available at every hour."""
OTHER_PATIENT: Final = {"lat": 30.2918, "lon": 120.0982}
"""In Whale Song Residence, next to it."""
SESSION_LASTS: Final = timedelta(hours=2)
STRANGER: Final = "stranger"
BOARD: Final = "/board"


@router.get("/demo")
def show_demo(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    switched: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Show the people as whom a newcomer can sign in, and the current one.

    visibility: invented people of a demo, for everybody.
    """
    people = demo_people(session)
    device = first_device(session, viewer)
    return render(
        request,
        "demo_roles/demo_roles.html.jinja",
        parts=PARTS,
        desks=[each for each in DESKS if each.part in people],
        part=part_of(viewer.person_id, people),
        names={role: session.get_one(Person, person_id).name for role, person_id in people.items()},
        is_switched=bool(switched),
        device=device,
    )


@router.post("/demo")
def switch_person(
    request: Request,
    session: WriteSession,
    _viewer: FormViewerDep,
    part: Annotated[str, Form(max_length=20)] = "",
    desk: Annotated[str, Form(max_length=40)] = "",
) -> Response:
    """Sign in as one of the invented people, or as the person of a desk; or sign out to be a stranger.

    `desk` is the path of a desk, which is opened. Exercises run on the board.

    visibility: invented people of a demo, for everybody.
    """
    people, now = demo_people(session), clock.now()
    opens = next((each for each in DESKS if each.path == desk), None)
    part = opens.part if opens is not None else part
    if part != STRANGER and part not in people:
        raise NotFound("There is no such person in the demo.", field="part")
    before = session_key_in_cookie(request)
    if before is not None:
        sign_out(session, before, at=now)
    if desk == BOARD:
        _run_exercises(request, session)
    response = RedirectResponse(opens.path if opens is not None else "/demo?switched=1", 303)
    if part == STRANGER:
        response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        return response
    browser = Browser(client_address(request), user_agent=request.headers.get("user-agent"))
    person = session.get_one(Person, people[DemoRole(part)])
    opened = open_session(session, person, browser=browser, lasts=SESSION_LASTS, at=now)
    set_sign_in_cookie(response, opened.key, lasts=SESSION_LASTS)
    return response


@router.post("/demo/agreements/party")
def open_party(session: WriteSession, _viewer: FormViewerDep) -> Response:
    """Open the page of a party that has yet to decide on an agreement, as its representative has it."""
    manager = viewer_of_person(session, demo_people(session)[DemoRole.MANAGER])
    party = party_to_decide(session, manager)
    if party is None:
        raise NotFound("There is no agreement in the demo.")
    _, key = create_link(session, party, LinkIn(), by=manager.name, at=clock.now())
    return RedirectResponse(f"/agreements/party/{key}", 303)


@router.post("/demo/exercises")
def start_exercise(request: Request, session: WriteSession, _viewer: FormViewerDep) -> Response:
    """Start an exercise as the dispatcher, or join the one that runs."""
    incident = _report_exercise(request, session, PATIENT)
    return RedirectResponse(f"/demo/exercises/{incident.id}", 303)


def _report_exercise(request: Request, session: Session, position: Mapping[str, float]) -> Incident:
    state = request.app.state
    report = PatientReportIn.model_validate(
        {"key": str(uuid4()), "kind": "exercise", "position": position, "storey": "5", "address": "5幢501"}
    )
    return report_patient(
        session,
        _dispatcher(session),
        report,
        at=clock.now(),
        network=state.network,
        settings=state.settings,
    )


def _run_exercises(request: Request, session: Session) -> None:
    """Start two exercises, or join those that run; in a new one a volunteer accepts and another declines."""
    state, who = request.app.state, _dispatcher(session)
    for position in (PATIENT, OTHER_PATIENT):
        incident = _report_exercise(request, session, position)
        alerts = queries.alerts(session, incident.id)
        if any(each.state is not AlertState.ASKED for each in alerts):
            continue
        for alert, reply in zip(alerts, (AlertReply.ACCEPT, AlertReply.DECLINE), strict=False):
            take_reply(
                session,
                alert.id,
                reply,
                by=who.name,
                at=clock.now(),
                network=state.network,
                settings=state.settings,
            )


@router.get("/demo/exercises/{exercise_id}")
def show_exercise(request: Request, session: ReadSession, exercise_id: RowId) -> Response:
    """Show who was called and what they have answered, as the dispatcher sees it."""
    incident = _exercise(session, exercise_id)
    return render(
        request,
        "demo_roles/exercise.html.jinja",
        incident=incident,
        alerts=alert_lines(queries.alerts(session, incident.id), at=clock.now()),
    )


@router.post("/demo/exercises/{exercise_id}/alerts/{alert_id}")
def open_phone(
    session: WriteSession, _viewer: FormViewerDep, exercise_id: RowId, alert_id: RowId
) -> Response:
    """Open the page of the call as the person who was called has it on their phone, under a new link."""
    incident = _exercise(session, exercise_id)
    alert = next((each for each in queries.alerts(session, incident.id) if each.id == alert_id), None)
    if alert is None:
        raise NotFound("Nobody was called by this alert.", field="alert_id")
    return RedirectResponse(renew_link(session, alert), 303)


@router.post("/demo/exercises/{exercise_id}/end")
def end_exercise(session: WriteSession, _viewer: FormViewerDep, exercise_id: RowId) -> Response:
    """End the exercise, and notify the people who were alerted."""
    incident = _exercise(session, exercise_id)
    who = _dispatcher(session)
    close_incident(session, who, incident.id, IncidentOutcome.HANDED_OVER, None, at=clock.now())
    return RedirectResponse(f"/demo/exercises/{exercise_id}", 303)


def _dispatcher(session: Session) -> Viewer:
    return viewer_of_person(session, demo_people(session)[DemoRole.DISPATCHER])


def _exercise(session: Session, incident_id: int) -> Incident:
    """Return an exercise of the demo. Raises NotFound, also for a real incident."""
    incident = queries.incident(session, _dispatcher(session), incident_id)
    if incident.kind is not IncidentKind.EXERCISE:
        raise NotFound("This is not an exercise.", field="exercise_id")
    return incident
