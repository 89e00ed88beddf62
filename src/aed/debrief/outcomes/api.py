"""Routes of patient outcomes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.database.dependencies import ReadSession, WriteSession
from aed.debrief.outcomes import queries
from aed.debrief.outcomes.actions import record_outcome
from aed.debrief.outcomes.schemas import PatientOutcomeIn, PatientOutcomeOut
from aed.http.parameters import IfMatch, RowId, set_etag, version_from_if_match
from aed.incidents import queries as incident_queries

router = APIRouter(tags=["incidents"])


@router.get("/incidents/{incident_id}/patient-outcome")
def get_patient_outcome(
    session: ReadSession, viewer: ViewerDep, incident_id: RowId, response: Response
) -> PatientOutcomeOut:
    """Get what became of the patient (Utstein 2014 core items), beside what the incident's record knows.

    For dispatchers of the region. Version 0 with everything unknown until something is recorded.
    """
    incident = incident_queries.incident(session, viewer, incident_id)
    outcome = queries.outcome_of(session, incident.id)
    set_etag(response, outcome.version if outcome is not None else 0)
    response.headers["Cache-Control"] = "private, no-store"
    return PatientOutcomeOut.of(incident.id, outcome, queries.measured(session, incident))


@router.put("/incidents/{incident_id}/patient-outcome")
def set_patient_outcome(
    session: WriteSession,
    viewer: ViewerDep,
    incident_id: RowId,
    body: PatientOutcomeIn,
    response: Response,
    if_match: IfMatch = None,
) -> PatientOutcomeOut:
    """Replace what is known of the patient; items that are left out are unknown.

    Refused (412) if somebody else changed it meanwhile. The incident's record lists the changed items without
    their values.
    """
    outcome = record_outcome(
        session, viewer, incident_id, body.items(), version=version_from_if_match(if_match), at=clock.now()
    )
    set_etag(response, outcome.version)
    incident = incident_queries.incident(session, viewer, incident_id)
    return PatientOutcomeOut.of(incident.id, outcome, queries.measured(session, incident))
