"""Routes for people who report, dispatch, steer and correct incidents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.people.queries import names_of
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import TooBusy
from aed.http.concurrency_limits import QueueLimits, wait_for_turn
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.incidents import queries
from aed.incidents.alerts.answers import take_reply
from aed.incidents.alerts.queries import latest_locations
from aed.incidents.calls import actions, corrections, steering
from aed.incidents.calls.schemas import (
    AgeGroupIn,
    AskMoreIn,
    ExclusionIn,
    ExclusionOut,
    HazardIn,
    HoldIn,
    LocationCorrection,
    OpenedIncidentOut,
    RadiusIn,
    SplitReportIn,
    SteeringResultOut,
)
from aed.incidents.calls.steering import PlanningContext, SteeringResult
from aed.incidents.permissions import require_dispatcher
from aed.incidents.plan.queries.case import exclusions
from aed.incidents.plan.schemas import PlanOut, no_fetch_reason_out, plan_out
from aed.incidents.rules import IncidentKind, IncidentState
from aed.incidents.schemas import (
    AlertReplyIn,
    AmbulanceIn,
    CloseIn,
    IncidentFull,
    IncidentOut,
    IncidentPage,
    PatientReportIn,
    RecordEntryOut,
    SignsIn,
)
from aed.registry.estates.gate_codes import gates_with_codes

router = APIRouter(tags=["incidents"])

REPORTS: Final = QueueLimits(
    "reports of patients",
    at_once=1,
    waiting=8,
    each=2,
    otherwise="Too many reports are arriving right now. Call the emergency number: a dispatcher can open "
    "this incident. 目前报告过多，请立即拨打急救电话，由调度员处理。",
)
"""Reports by everybody except dispatchers wait in this queue: planning holds the interpreter and SQLite's
write lock for some 50 ms.
"""


async def _report_slot(request: Request, viewer: ViewerDep) -> AsyncIterator[None]:
    """Queue reports; those of dispatchers and administrators pass without waiting."""
    if viewer.sees_responders or not viewer.is_signed_in:
        yield
        return
    async with wait_for_turn(request, REPORTS, viewer.name):
        yield


TurnDep = Annotated[None, Depends(_report_slot, scope="function")]


async def _planning_context(request: Request) -> PlanningContext:
    state = request.app.state
    return PlanningContext(clock.now(), state.network, state.settings)


PlanningDep = Annotated[PlanningContext, Depends(_planning_context)]
"""The moment of the request, and the network and settings with which an incident is planned again."""


def _out(done: SteeringResult) -> SteeringResultOut:
    return SteeringResultOut.after(done.incident, asked=done.asked, exclusion=done.exclusion)


@router.post("/incidents")
def create_incident(
    request: Request, _report_slot: TurnDep, session: WriteSession, viewer: ViewerDep, new: PatientReportIn
) -> OpenedIncidentOut:
    """Report a patient, and alert people nearby. Call the emergency number first.

    For dispatchers of the region, and for people of the estate where the patient is. A repeated report, or
    another report of the same patient, returns the incident that exists. Returns how many people are alerted
    and when the first could arrive. Conflict: the case number belongs to an incident that is over.
    """
    state, now = request.app.state, clock.now()
    if new.kind is not IncidentKind.REAL and state.responder_lookups.count(viewer.name, now) is None:
        raise TooBusy(
            "Too many tests and exercises within the hour: try again later. Real incidents are always "
            "accepted.",
            retry_after_seconds=600,
        )
    incident = actions.report_patient(
        session, viewer, new, at=now, network=state.network, settings=state.settings
    )
    plan = queries.last_plan(session, incident.id)
    return OpenedIncidentOut.opened(
        incident,
        queries.alerts(session, incident.id),
        no_fetch_reason_out(plan) if plan is not None else None,
        case_number=new.case_number,
        is_new=incident.opened_at == now,
        at=now,
    )


@router.get("/incidents")
def list_incidents(
    session: ReadSession,
    viewer: ViewerDep,
    state: Annotated[IncidentState | None, Query(description="Only incidents in this state")] = None,
    kind: Annotated[IncidentKind | None, Query(description="Only incidents of this kind")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> IncidentPage:
    """List the incidents of your regions, newest first. For dispatchers."""
    found = queries.incidents(
        session, viewer, state=state, kind=kind, limit=limit + 1, before_id=cursor_id(cursor) or None
    )
    return IncidentPage(
        incidents=[IncidentOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get("/incidents/{incident_id}")
def get_incident(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> IncidentFull:
    """Get an incident with its reports and alerts. For dispatchers of its region."""
    found = queries.incident(session, viewer, incident_id)
    alerts = queries.alerts(session, found.id)
    names = names_of(session, [each.person_id for each in alerts])
    places = latest_locations(session, [each.id for each in alerts])
    estate_ids = {found.estate_id} if found.estate_id is not None else set()
    gates = gates_with_codes(session, estate_ids).get(found.estate_id or 0, [])
    return IncidentFull.whole(found, queries.reports(session, found.id), alerts, names, places, gates)


@router.get("/incidents/{incident_id}/plans")
def list_incident_plans(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> list[PlanOut]:
    """List the plans of an incident: who was asked to do what, and why others were not.

    For dispatchers of its region. Until a person accepts, times are computed from the centre of their cell.
    """
    found = queries.incident(session, viewer, incident_id)
    return [plan_out(each) for each in queries.plans(session, found.id)]


@router.get("/incidents/{incident_id}/record")
def get_incident_record(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> list[RecordEntryOut]:
    """Get the record of an incident in order; each entry holds the hash of the one before. For
    dispatchers.
    """
    found = queries.incident(session, viewer, incident_id)
    return [RecordEntryOut.of(each) for each in queries.events(session, found.id)]


@router.put("/incidents/{incident_id}/ambulance")
def set_ambulance(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: AmbulanceIn
) -> IncidentOut:
    """Set when the ambulance arrives, in seconds from now; 0: it has arrived, and all alerts are stopped."""
    return IncidentOut.of(
        actions.update_ambulance(
            session,
            viewer,
            incident_id,
            body.seconds,
            at=now.at,
            network=now.network,
            settings=now.settings,
        )
    )


@router.put("/incidents/{incident_id}/signs")
def set_signs(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: SignsIn
) -> IncidentOut:
    """Set what is known of the patient. For dispatchers of the region."""
    return IncidentOut.of(
        actions.update_signs(
            session,
            viewer,
            incident_id,
            has_cpr=body.has_cpr,
            at=now.at,
            network=now.network,
            settings=now.settings,
        )
    )


@router.post("/incidents/{incident_id}/alerts/{alert_id}")
def answer_alert_on_behalf(
    session: WriteSession,
    viewer: ViewerDep,
    now: PlanningDep,
    incident_id: RowId,
    alert_id: RowId,
    reply: AlertReplyIn,
) -> IncidentFull:
    """Reply to an alert for a person who called the dispatcher by telephone or radio."""
    found = queries.incident(session, viewer, incident_id)
    require_dispatcher(viewer, found.region_id)
    alert = queries.alert_of(session, found.id, alert_id)
    take_reply(
        session,
        alert.id,
        reply.reply,
        by=viewer.name,
        at=now.at,
        network=now.network,
        settings=now.settings,
        key=reply.key,
    )
    return get_incident(session, viewer, incident_id)


@router.patch("/incidents/{incident_id}/location")
def correct_incident_place(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: LocationCorrection
) -> IncidentOut:
    """Correct the patient's location: people who were alerted are notified, and the plan is made again.

    For dispatchers of the region.
    """
    return IncidentOut.of(corrections.correct_location(session, viewer, incident_id, body, now=now))


@router.post("/incidents/{incident_id}/reports/{patient_report_id}/split")
def split_report(
    session: WriteSession,
    viewer: ViewerDep,
    now: PlanningDep,
    incident_id: RowId,
    patient_report_id: RowId,
    body: SplitReportIn,
) -> IncidentOut:
    """Split off a report that is of another patient, and return the new incident. For dispatchers of the
    region.
    """
    return IncidentOut.of(
        corrections.split_report(session, viewer, incident_id, patient_report_id, body, now=now)
    )


@router.put("/incidents/{incident_id}/hold")
def set_alerting_hold(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: HoldIn
) -> SteeringResultOut:
    """Hold or resume alerting; people who were asked stay asked. For dispatchers of the region."""
    return _out(steering.hold_calling(session, viewer, incident_id, held=body.held, now=now))


@router.post("/incidents/{incident_id}/ask-more")
def alert_more_responders(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: AskMoreIn
) -> SteeringResultOut:
    """Alert this many more people now, the best that the plan left out. For dispatchers of the region."""
    return _out(steering.ask_more(session, viewer, incident_id, body, now=now))


@router.put("/incidents/{incident_id}/radius")
def set_incident_radius(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: RadiusIn
) -> SteeringResultOut:
    """Set the radius within which people are searched. For dispatchers of the region."""
    return _out(steering.set_radius(session, viewer, incident_id, body.metres, now=now))


@router.put("/incidents/{incident_id}/patient")
def set_patient(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: AgeGroupIn
) -> SteeringResultOut:
    """Set the patient's age group; people who fetch a device then see what is known of its child pads."""
    return _out(steering.set_age_group(session, viewer, incident_id, body.age_group, now=now))


@router.put("/incidents/{incident_id}/hazard")
def set_hazard(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, body: HazardIn
) -> SteeringResultOut:
    """Set the hazard at the scene: none, inform people, or send nobody. For dispatchers of the region."""
    return _out(steering.set_hazard(session, viewer, incident_id, body, now=now))


@router.get("/incidents/{incident_id}/exclusions")
def list_exclusions(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> list[ExclusionOut]:
    """List the people and devices that are excluded from the plan. For dispatchers of the region."""
    found = queries.incident(session, viewer, incident_id)
    return [ExclusionOut.of(each) for each in exclusions(session, found.id)]


@router.post("/incidents/{incident_id}/exclusions")
def create_exclusion(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, given: ExclusionIn
) -> SteeringResultOut:
    """Exclude a person or a device from the plan; people who were asked are notified."""
    return _out(steering.exclude(session, viewer, incident_id, given, now=now))


@router.delete("/incidents/{incident_id}/exclusions/{exclusion_id}")
def delete_exclusion(
    session: WriteSession, viewer: ViewerDep, now: PlanningDep, incident_id: RowId, exclusion_id: RowId
) -> SteeringResultOut:
    """Lift an exclusion. For dispatchers of the region."""
    return _out(steering.lift_exclusion(session, viewer, incident_id, exclusion_id, now=now))


@router.post("/incidents/{incident_id}/close")
def close_incident(
    session: WriteSession, viewer: ViewerDep, incident_id: RowId, body: CloseIn
) -> IncidentOut:
    """Close an incident; everybody who was alerted is notified."""
    return IncidentOut.of(
        actions.close_incident(session, viewer, incident_id, body.outcome, body.note, at=clock.now())
    )
