"""Routes for fault reports, readiness and quarantines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from aed import clock
from aed.accounts.authentication import ViewerDep, client_address
from aed.accounts.sign_in.rules import address_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.registry.devices import queries as device_queries
from aed.upkeep.faults import actions, queries
from aed.upkeep.faults.queries import readiness_of
from aed.upkeep.faults.schemas import (
    ClosedIn,
    QuarantineOut,
    QuarantinePage,
    ReadinessOut,
    ReportByNumberIn,
    ReportIn,
    ReportOut,
    ReportPage,
    ThanksOut,
)
from aed.upkeep.filter_parameters import DeviceFilterDep
from aed.upkeep.rules import QuarantineReason

router = APIRouter(tags=["upkeep"])


@router.post("/devices/{device_id}/reports", status_code=202)
def report_device(
    request: Request, session: WriteSession, viewer: ViewerDep, device_id: RowId, new: ReportIn
) -> ThanksOut:
    """Report a problem with a device: missing, beeping, damaged and so on.

    Anyone who can see the device may report; its keepers are notified and confirm or dismiss the report. The
    kinds `used` and `not_fetched` are accepted only from people and tokens of the estate and from
    dispatchers, because they can quarantine the device at once.
    """
    from_key = address_key(client_address(request))
    actions.report_device(session, viewer, device_id, new, from_key=from_key, at=clock.now())
    return ThanksOut()


@router.post("/reports", status_code=202)
def report_device_by_number(
    request: Request, session: WriteSession, viewer: ViewerDep, new: ReportByNumberIn
) -> ThanksOut:
    """Report a problem using the number on the device's label.

    Works for private devices too, as someone who reads the label stands in front of the device. The response
    does not reveal whether a device with that number exists.
    """
    from_key = address_key(client_address(request))
    report = ReportIn(kind=new.kind, note=new.note)
    actions.report_by_number(session, viewer, new.number, report, from_key=from_key, at=clock.now())
    return ThanksOut()


@router.get("/reports")
def list_reports(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DeviceFilterDep,
    closed: Annotated[bool, Query(description="Include closed reports")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ReportPage:
    """List open fault reports of the devices that you keep, manage or dispatch."""
    found = queries.reports(
        session, viewer, device_filter, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
    )
    return ReportPage(
        reports=[ReportOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.patch("/reports/{report_id}")
def close_report(session: WriteSession, viewer: ViewerDep, report_id: RowId, given: ClosedIn) -> ReportOut:
    """Confirm or dismiss a fault report.

    Confirming a report may quarantine the device. For viewers who may check the device.
    """
    found = actions.close_report(session, viewer, report_id, state=given.state, at=clock.now())
    return ReportOut.of(found)


@router.get("/devices/{device_id}/readiness")
def get_readiness(
    request: Request, session: ReadSession, viewer: ViewerDep, device_id: RowId
) -> ReadinessOut:
    """Return whether a device can be offered now and, if not, why.

    For everyone who may see the device.
    """
    device = device_queries.device(session, viewer, device_id)
    within = request.app.state.settings.arrival.checked_within_days
    return ReadinessOut.of(readiness_of(session, device, at=clock.now(), checked_within_days=within))


@router.get("/quarantines")
def list_quarantines(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DeviceFilterDep,
    reason: QuarantineReason | None = None,
    lifted: Annotated[bool, Query(description="Include quarantines that have ended")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> QuarantinePage:
    """List quarantined devices and the reasons, among the devices that you keep, manage or dispatch."""
    found = queries.quarantines(
        session,
        viewer,
        device_filter,
        limit=limit + 1,
        after_id=cursor_id(cursor),
        reason=reason,
        also_lifted=lifted,
    )
    return QuarantinePage(
        quarantines=[QuarantineOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )
