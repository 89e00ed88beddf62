"""Record what became of a patient, and anonymise it later."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import Viewer
from aed.debrief.outcomes import queries
from aed.debrief.outcomes.models import PatientOutcome
from aed.debrief.outcomes.rules import (
    IDENTIFYING_ITEMS,
    STORED_AS_GIVEN,
    CoreItems,
    Sex,
    changed_items,
    is_recorded,
    require_consistent,
)
from aed.errors import ChangedMeanwhile, Conflict, InvalidInput
from aed.incidents.calls.actions import MAX_REPORT_AGE, lock_for_dispatcher
from aed.incidents.models import Incident
from aed.incidents.record.actions import append_entry
from aed.incidents.rules import IncidentKind
from aed.registry.changes import flush_or_conflict

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_MAX_RESUSCITATION: Final = timedelta(days=1)


def record_outcome(
    session: Session, who: Viewer, incident_id: int, items: CoreItems, *, version: int, at: datetime
) -> PatientOutcome:
    """Replace what is known of the patient; version 0: nothing was recorded yet.

    The incident's record gets the names of the changed items only: records are never changed, what is known
    of a patient is.

    Raises NotFound, NotSignedIn, NotAllowed for anybody but its dispatchers; ChangedMeanwhile for another
    version; InvalidInput for items that contradict each other; Conflict for a line test, which has no
    patient, and for age or sex after they were deleted.
    """
    incident = lock_for_dispatcher(session, who, incident_id)
    if incident.kind is IncidentKind.TEST:
        raise Conflict("This was a test of the connection: there was no patient.")
    require_consistent(items)
    _must_fit(incident, items, at)
    outcome = queries.outcome_of(session, incident.id)
    if version != (outcome.version if outcome is not None else 0):
        raise ChangedMeanwhile("This outcome was changed in the meantime. Read it again.")
    before = queries.items_in(outcome)
    changed = changed_items(before, items)
    if outcome is not None and not changed:
        return outcome
    if outcome is None:
        outcome = PatientOutcome(incident_id=incident.id)
        session.add(outcome)
    elif outcome.forgotten_at is not None and any(is_recorded(items, each) for each in IDENTIFYING_ITEMS):
        raise Conflict(
            "Age and sex of this patient have been deleted, as required: leave them out.",
            field="age_years",
        )
    for item in STORED_AS_GIVEN:
        setattr(outcome, item, getattr(items, item))
    outcome.age = None if items.age_years is None else str(items.age_years)
    outcome.sex = None if items.sex is Sex.UNKNOWN else items.sex.value
    outcome.reported_by, outcome.reported_at = who.name, at
    flush_or_conflict(session, "This outcome cannot be stored.", None)
    append_entry(session, incident, "patient_outcome", who.name, at, version=outcome.version, items=changed)
    return outcome


def _must_fit(incident: Incident, items: CoreItems, at: datetime) -> None:
    """Require that the first shock was after the collapse, as far as is known, and not in the future."""
    shock_at = items.first_shock_at
    if shock_at is None:
        return
    last = min(at + _CLOCKS_DIFFER, incident.opened_at + _MAX_RESUSCITATION)
    if not incident.collapsed_at - MAX_REPORT_AGE <= shock_at <= last:
        raise InvalidInput(
            "first_shock_at must be between six hours before the collapse and a day after the report, "
            "and not in the future.",
            field="first_shock_at",
        )


def anonymise_patient(session: Session, incident: Incident, *, at: datetime) -> bool:
    """Delete the patient's age and sex; True if there was anything to delete.

    The other items stay, because they are counted. The incident is locked by this transaction.

    visibility: for a job.
    """
    outcome = queries.outcome_of(session, incident.id)
    if outcome is None or (outcome.age is None and outcome.sex is None):
        return False
    outcome.age = outcome.sex = None
    outcome.forgotten_at = at
    session.flush()
    append_entry(session, incident, "patient_forgotten", "timetable", at, version=outcome.version)
    return True
