"""Routes that put right an incident's place, and that take two patients apart."""

from __future__ import annotations

from fastapi import APIRouter, Request

from aed import clock
from aed.accounts.access import ViewerDep
from aed.database.dependencies import WriteSession
from aed.http.parameters import RowId
from aed.incidents.actions import correcting
from aed.incidents.actions.steering import Now
from aed.incidents.schemas.correcting import PlaceAmend, SplitIn
from aed.incidents.schemas.incidents import IncidentOut

router = APIRouter()


@router.patch("/incidents/{incident_id}/place")
def correct_incident_place(
    request: Request, session: WriteSession, viewer: ViewerDep, incident_id: RowId, told: PlaceAmend
) -> IncidentOut:
    """Correct where the patient is: everybody who was called is told, and the plan is made again. For
    dispatchers of its region."""
    state = request.app.state
    now = Now(clock.now(), state.network, state.settings)
    return IncidentOut.of(correcting.correct_place(session, viewer, incident_id, told, now=now))


@router.post("/incidents/{incident_id}/reports/{patient_report_id}/split")
def split_report(
    request: Request,
    session: WriteSession,
    viewer: ViewerDep,
    incident_id: RowId,
    patient_report_id: RowId,
    told: SplitIn,
) -> IncidentOut:
    """The report is of another patient: it makes an incident of its own, which is answered. For dispatchers
    of its region."""
    state = request.app.state
    now = Now(clock.now(), state.network, state.settings)
    return IncidentOut.of(correcting.split(session, viewer, incident_id, patient_report_id, told, now=now))
