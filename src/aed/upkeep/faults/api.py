"""Routes of what people report in passing."""

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
    """Something is wrong with a device: missing, beeping, damaged. Anyone may say so of a device that they
    may see; whoever keeps it is told and confirms it. That it was used, or could not be had twice, is taken
    from people and tokens of the place and from its dispatchers, and takes it out of what is offered."""
    from_key = address_key(client_address(request))
    actions.report_device(session, viewer, device_id, new, from_key=from_key, at=clock.now())
    return ThanksOut()


@router.post("/reports", status_code=202)
def report_device_by_number(
    request: Request, session: WriteSession, viewer: ViewerDep, new: ReportByNumberIn
) -> ThanksOut:
    """The same by the number on the label: whoever reads it stands before the device, which may be an
    estate's alone. Whether there is a device of that number the answer does not tell."""
    from_key = address_key(client_address(request))
    told = ReportIn(kind=new.kind, note=new.note)
    actions.report_by_number(session, viewer, new.number, told, from_key=from_key, at=clock.now())
    return ThanksOut()


@router.get("/reports")
def list_reports(
    session: ReadSession,
    viewer: ViewerDep,
    whose: DeviceFilterDep,
    closed: Annotated[bool, Query(description="Those that are closed too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> ReportPage:
    """What was reported and nobody has looked at yet, of devices whose upkeep is yours."""
    found = queries.reports(
        session, viewer, whose, limit=limit + 1, after_id=cursor_id(cursor), also_closed=closed
    )
    return ReportPage(
        reports=[ReportOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )


@router.patch("/reports/{report_id}")
def close_report(session: WriteSession, viewer: ViewerDep, report_id: RowId, given: ClosedIn) -> ReportOut:
    """Confirms a report, and then the device is quarantined, or dismisses it. For whoever may check it."""
    found = actions.close_report(session, viewer, report_id, state=given.state, at=clock.now())
    return ReportOut.of(found)


@router.get("/devices/{device_id}/readiness")
def get_readiness(
    request: Request, session: ReadSession, viewer: ViewerDep, device_id: RowId
) -> ReadinessOut:
    """Whether the device would be offered now, and why not; for everyone who may see it."""
    device = device_queries.device(session, viewer, device_id)
    within = request.app.state.settings.arrival.checked_within_days
    return ReadinessOut.of(readiness_of(session, device, at=clock.now(), checked_within_days=within))


@router.get("/quarantines")
def list_quarantines(
    session: ReadSession,
    viewer: ViewerDep,
    whose: DeviceFilterDep,
    reason: QuarantineReason | None = None,
    lifted: Annotated[bool, Query(description="Those that are over too")] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> QuarantinePage:
    """Which devices must not be offered, and why, of those whose upkeep is yours."""
    found = queries.quarantines(
        session,
        viewer,
        whose,
        limit=limit + 1,
        after_id=cursor_id(cursor),
        reason=reason,
        also_lifted=lifted,
    )
    return QuarantinePage(
        quarantines=[QuarantineOut.of(each) for each in found[:limit]],
        next=str(found[limit - 1].id) if len(found) > limit else None,
    )
