"""Routes of what people report in passing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from aed import clock
from aed.accounts.authentication import ViewerDep, client_address
from aed.accounts.sign_in.rules import address_key
from aed.database.dependencies import ReadSession, WriteSession
from aed.http.parameters import Cursor, Limit, RowId, cursor_id
from aed.upkeep.actions import reports as actions
from aed.upkeep.api.whose import WhoseDep
from aed.upkeep.queries import checks as queries
from aed.upkeep.schemas.checks import ClosedIn, ReportByNumberIn, ReportIn, ReportOut, ReportPage, ThanksOut

router = APIRouter()


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
    whose: WhoseDep,
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
