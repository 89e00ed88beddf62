"""Routes of the dispatcher's hand on an incident."""

from __future__ import annotations

from fastapi import APIRouter, Request

from aed import clock
from aed.accounts.access import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import RowId
from aed.incidents.actions import steering
from aed.incidents.actions.steering import Now, Steered
from aed.incidents.queries import incidents as queries
from aed.incidents.queries.steering import exclusions
from aed.incidents.schemas.steering import (
    AgeIn,
    AskMoreIn,
    ExclusionIn,
    ExclusionOut,
    HazardIn,
    HoldIn,
    RadiusIn,
    SteeredOut,
)

router = APIRouter()


def _now(request: Request) -> Now:
    state = request.app.state
    return Now(clock.now(), state.network, state.settings)


def _out(done: Steered) -> SteeredOut:
    return SteeredOut.after(done.incident, asked=done.asked, exclusion=done.exclusion)


@router.put("/incidents/{incident_id}/hold")
def set_alerting_hold(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: HoldIn
) -> SteeredOut:
    """Ask nobody more until it is resumed; those who were asked stay asked. For dispatchers of its region."""
    return _out(steering.hold_calling(session, viewer, incident_id, held=told.held, now=_now(request)))


@router.post("/incidents/{incident_id}/ask-more")
def alert_more_responders(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: AskMoreIn
) -> SteeredOut:
    """Ask so many more now, the best of those whom the plan leaves; for dispatchers of its region."""
    return _out(steering.ask_more(session, viewer, incident_id, told, now=_now(request)))


@router.put("/incidents/{incident_id}/radius")
def set_incident_radius(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: RadiusIn
) -> SteeredOut:
    """Look for people within that radius from now on; for dispatchers of its region."""
    return _out(steering.widen(session, viewer, incident_id, told.metres, now=_now(request)))


@router.put("/incidents/{incident_id}/patient")
def set_patient(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: AgeIn
) -> SteeredOut:
    """Set the patient's age group; people who fetch a device see what is known of its pads for children."""
    return _out(steering.tell_of_age(session, viewer, incident_id, told.age_group, now=_now(request)))


@router.put("/incidents/{incident_id}/hazard")
def set_hazard(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: HazardIn
) -> SteeredOut:
    """Set whether people may be sent to the scene: as usual, only informed, or nobody. For dispatchers."""
    return _out(steering.tell_of_hazard(session, viewer, incident_id, told, now=_now(request)))


@router.get("/incidents/{incident_id}/exclusions")
def list_exclusions(session: ReadSession, viewer: ViewerDep, incident_id: RowId) -> list[ExclusionOut]:
    """List the people and devices that are taken out of the plan; for dispatchers of its region."""
    found = queries.incident(session, viewer, incident_id)
    return [ExclusionOut.of(each) for each in exclusions(session, found.id)]


@router.post("/incidents/{incident_id}/exclusions")
def create_exclusion(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, given: ExclusionIn
) -> SteeredOut:
    """Take a person or a device out of the plan; somebody who was asked is told that they are not needed."""
    return _out(steering.exclude(session, viewer, incident_id, given, now=_now(request)))


@router.delete("/incidents/{incident_id}/exclusions/{exclusion_id}")
def delete_exclusion(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, exclusion_id: RowId
) -> SteeredOut:
    """Undo an exclusion; for dispatchers of its region."""
    return _out(steering.lift_exclusion(session, viewer, incident_id, exclusion_id, now=_now(request)))
