"""Hand over to upkeep what became of devices that people fetched."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy.orm import Session

from aed.accounts.permissions import SCHEDULER
from aed.debrief.follow_up import rules as follow_up_rules
from aed.incidents.alerts.answers import release_device
from aed.incidents.models import Alert, Incident
from aed.incidents.rules import AlertState, FetchFailure, IncidentState
from aed.registry.devices import queries as device_queries
from aed.registry.devices.rules import DeviceState
from aed.settings import Settings
from aed.upkeep.faults import actions as fault_actions
from aed.upkeep.faults.actions import store_report
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.labels.queries import labelled_device
from aed.upkeep.models import Retrieval
from aed.upkeep.retrievals.actions import close_retrieval, create_retrieval
from aed.upkeep.retrievals.queries import retrieval_by_key
from aed.upkeep.retrievals.schemas import RetrievalIn
from aed.upkeep.rules import FaultKind, QuarantineReason, RetrievalOutcome

_FAILED: Final = {
    FetchFailure.NOT_THERE: (
        QuarantineReason.MISSING,
        "A person sent to fetch it confirmed on site that it is not there. "
        "前往取用者在现场确认：AED不在原位。",
    ),
    FetchFailure.CANNOT_OPEN: (
        QuarantineReason.CANNOT_OPEN,
        "A person sent to fetch it confirmed on site that it cannot be taken out. "
        "前往取用者在现场确认：无法取出。",
    ),
}


def settle_device(
    session: Session, incident: Incident, alert: Alert, *, settings: Settings, at: datetime
) -> bool:
    """Hand over what a call did with a device; return whether upkeep knows all of it now.

    1. Not there, or cannot be opened: record a failed fetch, and quarantine the device until it is checked.
       The person reported it at the cabinet.
    2. Used: quarantine it as used, at once.
    3. Over for this person: open a question about the device, answered if they reported it back. Silence is
       for upkeep to judge.
    4. The person left before they had it: it is in its place, and offered again.

    Until then the device is out on call. The incident is locked. visibility: for a job.
    """
    assert alert.out_device_id is not None
    device = labelled_device(session, alert.out_device_id)
    if device is None or device.state is DeviceState.WITHDRAWN:
        release_device(session, alert, at=at)
        return True
    if alert.fetch_failure is not None:
        reason, note = _FAILED[alert.fetch_failure]
        device = device_queries.device(session, SCHEDULER, device.id, for_update=True)
        failed = ReportIn(kind=FaultKind.NOT_FETCHED, note=note)
        report = store_report(session, SCHEDULER, device, failed, from_key=None, at=at)
        fault_actions.begin_quarantines(session, SCHEDULER, device, [reason], at=at, note=note, report=report)
        release_device(session, alert, at=at)
        return True
    is_over = incident.state is IncidentState.CLOSED or alert.state in (
        AlertState.STOPPED,
        AlertState.DECLINED,
    )
    if not (is_over or alert.device_used_at is not None or alert.device_returned_at is not None):
        return False
    if not (
        alert.device_used_at is not None or follow_up_rules.may_have_fetched_device(alert, incident.kind)
    ):
        release_device(session, alert, at=at)
        return True
    question = open_device_question(session, incident, alert, settings=settings, at=at)
    if alert.device_used_at is not None:
        _answer(session, question, RetrievalOutcome.USED, at)
    elif alert.device_returned_at is not None:
        _answer(session, question, RetrievalOutcome.RETURNED, at)
    if question.outcome is None:
        return False
    release_device(session, alert, at=at)
    return True


def open_device_question(
    session: Session, incident: Incident, alert: Alert, *, settings: Settings, at: datetime
) -> Retrieval:
    """Open the question what became of the device; the same alert always has the same one.

    visibility: for a job.
    """
    known = retrieval_by_key(session, str(follow_up_rules.fetch_key(alert.id)))
    if known is not None:
        return known
    device_id = alert.device_id if alert.device_id is not None else alert.out_device_id
    assert device_id is not None
    new = RetrievalIn(
        key=follow_up_rules.fetch_key(alert.id),
        device_id=device_id,
        person_id=alert.person_id,
        reference=f"incident {incident.id}",
        sent_at=alert.accepted_at,
    )
    over_at = alert.ended_at or incident.closed_at
    return create_retrieval(session, SCHEDULER, new, numbers=settings.returns, at=at, over_at=over_at)


def _answer(session: Session, question: Retrieval, outcome: RetrievalOutcome, at: datetime) -> None:
    """visibility: for a job."""
    if question.outcome is None:
        close_retrieval(session, SCHEDULER, question.id, outcome, None, at=at)
