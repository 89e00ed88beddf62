"""Routes for due upkeep and the yearly order of pads and batteries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession
from aed.http.parameters import Limit
from aed.upkeep.device_filter import DeviceFilter
from aed.upkeep.due import ics, queries, sheets
from aed.upkeep.due.queries import Duties
from aed.upkeep.due.rules import CALENDAR_KINDS
from aed.upkeep.due.schemas import (
    DueOut,
    DuePage,
    LineOut,
    ReplacementOut,
)
from aed.upkeep.filter_parameters import DueFilterDep
from aed.upkeep.rules import DueKind

router = APIRouter(tags=["upkeep"])

_FILE: Final = {"schema": {"type": "string", "format": "binary"}}
_XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_SHEET: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The XLSX file", "content": {_XLSX: _FILE}}
}
Days = Annotated[
    int, Query(ge=0, le=800, description="Only what is due within this many days, and everything overdue")
]
DueKinds = Annotated[
    list[DueKind] | None, Query(description="Only tasks of this kind; may be repeated", alias="due_kind")
]
DueAfter = Annotated[str | None, Query(pattern="^[0-9]{1,6}$", description="The `next` of the previous page")]
Months = Annotated[int, Query(ge=1, le=60, description="Number of months, starting with the current one")]


@router.get("/due")
def list_due(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DueFilterDep,
    days: Days = 30,
    due_kind: DueKinds = None,
    limit: Limit = 100,
    cursor: DueAfter = None,
) -> DuePage:
    """List due upkeep of the devices that you keep, manage or dispatch, the longest overdue first."""
    duties = _duties(session, viewer, device_filter, at=clock.now(), days=days, due_kinds=due_kind)
    first = int(cursor or 0)
    page = duties.dues[first : first + limit]
    return DuePage(
        due=[DueOut.of(due, duties) for due in page],
        overdue=duties.overdue,
        line=LineOut.of(duties),
        next=str(first + limit) if len(duties.dues) > first + limit else None,
    )


@router.get("/due.xlsx", response_class=Response, responses=_SHEET)
def get_due_sheet(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DueFilterDep,
    days: Days = 30,
    due_kind: DueKinds = None,
) -> Response:
    """Download due upkeep as a spreadsheet."""
    at = clock.now()
    duties = _duties(session, viewer, device_filter, at=at, days=days, due_kinds=due_kind)
    return _attached(sheets.due_sheet(duties), _XLSX, f"aed-due-{at:%Y%m%d}.xlsx")


@router.get(
    "/due.ics",
    response_class=Response,
    responses={200: {"description": "The calendar", "content": {"text/calendar": _FILE}}},
)
def get_due_calendar(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DueFilterDep,
    days: Days = 366,
) -> Response:
    """Download due upkeep as an iCalendar file of whole-day events, without daily glances."""
    at = clock.now()
    found = _duties(session, viewer, device_filter, at=at, days=days, due_kinds=CALENDAR_KINDS)
    return Response(
        ics.due_calendar(found, at=at),
        media_type="text/calendar",
        headers={"Cache-Control": "private, no-store"},
    )


@router.get("/replacements")
def list_replacements(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DueFilterDep,
    months: Months = 12,
) -> list[ReplacementOut]:
    """List how many pads and batteries expire in each month, by model.

    Items that have already expired count for the current month.
    """
    today = clock.now().date()
    found = queries.replacements(session, viewer, device_filter, today=today, months=months)
    return [ReplacementOut.of(each) for each in found]


@router.get("/replacements.xlsx", response_class=Response, responses=_SHEET)
def get_replacement_sheet(
    session: ReadSession,
    viewer: ViewerDep,
    device_filter: DueFilterDep,
    months: Months = 12,
) -> Response:
    """Download the pads and batteries to order as a spreadsheet.

    It has a row per model and kind and a column per month.
    """
    today = clock.now().date()
    found = queries.replacements(session, viewer, device_filter, today=today, months=months)
    sheet = sheets.replacement_sheet(found, today=today, months=months)
    return _attached(sheet, _XLSX, f"aed-replacements-{today:%Y%m%d}.xlsx")


def _duties(
    session: Session,
    viewer: Viewer,
    device_filter: DeviceFilter,
    *,
    at: datetime,
    days: int,
    due_kinds: Sequence[DueKind] | None,
) -> Duties:
    return queries.duties(
        session, viewer, device_filter, at=at, within_days=days, due_kinds=due_kinds or tuple(DueKind)
    )


def _attached(made: bytes, media_type: str, name: str) -> Response:
    return Response(
        made,
        media_type=media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "private, no-store",
        },
    )
