"""Routes of incidents, for those who open and dispatch them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from aed import clock
from aed.accounts.access import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import TooBusy
from aed.http.concurrency_limits import Turns, turn
from aed.http.parameters import Cursor, Limit, RowId, after
from aed.incidents.actions import opening
from aed.incidents.actions.calling import take_answer
from aed.incidents.formats.plan_out import plan_out, why_nobody_fetches_out
from aed.incidents.queries import incidents as queries
from aed.incidents.queries.on_the_way import newest_places
from aed.incidents.rules.incident import Kind, State
from aed.incidents.rules.who import may_dispatch
from aed.incidents.schemas.incidents import (
    AmbulanceIn,
    CloseIn,
    EventOut,
    IncidentFull,
    IncidentOut,
    IncidentPage,
    PatientReportIn,
    SaidIn,
    SignsIn,
)
from aed.incidents.schemas.opened import OpenedOut
from aed.incidents.schemas.plans import PlanOut

router = APIRouter()

REPORTS: Final = Turns(
    "reports of patients",
    at_once=1,
    waiting=8,
    each=2,
    otherwise="Too many reports arrive at this moment. Call the emergency number now: the dispatcher can "
    "open this one. 此刻报告过多，请立即拨打急救电话，由调度员处理。",
)
"""Of all who are no dispatchers. Planning takes the interpreter and SQLite's lock for some 50 ms."""


async def _turn(request: Request, viewer: ViewerDep) -> AsyncIterator[None]:
    """Dispatchers and administrators wait for nobody's report."""
    if viewer.sees_responders or not viewer.is_signed_in:
        yield
        return
    async with turn(request, REPORTS, viewer.name):
        yield


TurnDep = Annotated[None, Depends(_turn, scope="function")]


@router.post("/incidents")
def create_incident(
    request: Request, _turn: TurnDep, session: WriteSession, viewer: ViewerDep, new: PatientReportIn
) -> OpenedOut:
    """Somebody has told of a patient: call the emergency number first. People nearby are called at once, by
    the plan. For dispatchers of the region, and for people of the estate where the patient is. The same
    report again, and another of the same patient, answers the incident that there is. Answers how many are
    called, and when the first is expected. A case number of an incident that is over is a conflict."""
    state, now = request.app.state, clock.now()
    if new.kind is not Kind.REAL and state.responder_lookups.count(viewer.name, now) is None:
        raise TooBusy("Too many tests and exercises within the hour. Real incidents are always taken.")
    incident = opening.take_report(
        session, viewer, new, at=now, network=state.network, settings=state.settings
    )
    plan = queries.last_plan(session, incident.id)
    return OpenedOut.opened(
        incident,
        queries.alerts(session, incident.id),
        why_nobody_fetches_out(plan) if plan is not None else None,
        case_number=new.case_number,
        is_new=incident.opened_at == now,
        at=now,
    )


@router.get("/incidents")
def list_incidents(
    session: ReadSession,
    viewer: ViewerDep,
    state: Annotated[State | None, Query(description="Open or closed; all when left out")] = None,
    kind: Annotated[Kind | None, Query(description="Real, exercise or test; all when left out")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> IncidentPage:
    """The incidents of your region, the newest first; for dispatchers."""
    found = queries.incidents(
        session, viewer, state=state, kind=kind, limit=limit + 1, before_id=after(cursor) or None
    )
    return IncidentPage(
        incidents=[IncidentOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/incidents/{incident_id}")
def get_incident(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> IncidentFull:
    """An incident with its reports and whom it called; for dispatchers of its region."""
    found = queries.incident(session, viewer, incident_id)
    alerts = queries.alerts(session, found.id)
    names = queries.names_of(session, [each.person_id for each in alerts])
    places = newest_places(session, [each.id for each in alerts])
    return IncidentFull.whole(found, queries.reports(session, found.id), alerts, names, places)


@router.get("/incidents/{incident_id}/plans")
def list_incident_plans(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> list[PlanOut]:
    """Every plan that was made: who was asked to do what, and why others were not; for dispatchers of its
    region. Times are reckoned from the centres of people's cells until they accept."""
    found = queries.incident(session, viewer, incident_id)
    return [plan_out(each) for each in queries.plans(session, found.id)]


@router.get("/incidents/{incident_id}/record")
def get_incident_record(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> list[EventOut]:
    """All that happened, in order; each entry holds the hash of the one before. For dispatchers."""
    found = queries.incident(session, viewer, incident_id)
    return [EventOut.of(each) for each in queries.events(session, found.id)]


@router.put("/incidents/{incident_id}/ambulance")
def set_ambulance(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: AmbulanceIn
) -> IncidentOut:
    """When the ambulance will be there, in seconds from now; 0: it is, and everybody is called off."""
    state = request.app.state
    return IncidentOut.of(
        opening.tell_of_ambulance(
            session,
            viewer,
            incident_id,
            told.seconds,
            at=clock.now(),
            network=state.network,
            settings=state.settings,
        )
    )


@router.put("/incidents/{incident_id}/signs")
def set_signs(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: SignsIn
) -> IncidentOut:
    """What is known of the patient."""
    state = request.app.state
    return IncidentOut.of(
        opening.tell_of_signs(
            session,
            viewer,
            incident_id,
            has_cpr=told.has_cpr,
            at=clock.now(),
            network=state.network,
            settings=state.settings,
        )
    )


@router.post("/incidents/{incident_id}/close")
def close_incident(
    session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: CloseIn
) -> IncidentOut:
    """It is over: everybody is called off, and hears so."""
    return IncidentOut.of(
        opening.close(session, viewer, incident_id, told.outcome, told.note, at=clock.now())
    )


@router.post("/incidents/{incident_id}/alerts/{alert_id}")
def answer_alert_on_behalf(
    request: Request,
    session: WriteSession,
    viewer: ViewerDep,
    incident_id: RowId,
    alert_id: RowId,
    said: SaidIn,
) -> IncidentFull:
    """What somebody who was called has told the dispatcher, by telephone or radio."""
    found = queries.incident(session, viewer, incident_id)
    may_dispatch(viewer, found.region_id)
    alert = queries.alert_of(session, found.id, alert_id)
    state = request.app.state
    take_answer(
        session,
        alert.id,
        said.said,
        by=viewer.name,
        at=clock.now(),
        network=state.network,
        settings=state.settings,
        key=said.key,
    )
    return get_incident(session, viewer, incident_id)
