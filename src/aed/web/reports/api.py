"""Routes of the pages on which people report something."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep, client_address
from aed.accounts.sign_in.rules import address_key
from aed.database.dependencies import ReadSession, WriteSession, database_of
from aed.errors import NotFound, TooBusy
from aed.http.query import ANY_PARAMETER
from aed.upkeep.faults.actions import report_by_number
from aed.upkeep.faults.queries import report_by_status_key, status_key
from aed.upkeep.faults.schemas import ReportIn
from aed.upkeep.rules import device_id_of
from aed.web.render import render
from aed.web.reports.rules import MAX_NOTE, OFFERED, STATES, kind_chosen

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])
MAX_CODE: Final = 64
Code = Annotated[str, Path(max_length=MAX_CODE)]
Typed = Annotated[str, Form(max_length=10_000)]


def _number(code: Code) -> int:
    """Return the device id of a well-formed number. Raises NotFound, and InvalidInput if mistyped."""
    device_id = device_id_of(code)
    if device_id >= 2**63:
        raise NotFound("There is no such device.", field="code")
    return device_id


Number = Annotated[int, Depends(_number)]


@router.get("/d/{code}/report")
def show_report_form(request: Request, code: Code, _number: Number) -> Response:
    """Show the form for a problem with a device; it looks the same whether there is such a device."""
    return _form(request, code)


@router.post("/d/{code}/report")
def send_report(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    code: Code,
    number: Number,
    kind: Typed = "",
    note: Typed = "",
) -> Response:
    """Store the report, notify the device's keepers, and go on to the page that follows it."""
    chosen, note = kind_chosen(kind), note.strip()
    problem = "kind" if chosen is None else "note" if len(note) > MAX_NOTE else ""
    if problem or chosen is None:
        return _form(request, code, kind=kind, note=note, problem=problem, status=422)
    at = clock.now()
    report = ReportIn(kind=chosen, note=note or None)
    try:
        report_by_number(session, viewer, code, report, from_key=address_key(client_address(request)), at=at)
    except TooBusy:
        return _form(request, code, kind=kind, note=note, problem="too-many", status=429)
    key = status_key(database_of(request).keys, number, chosen, at)
    return RedirectResponse(f"/d/{code}/report/{key}", 303)


def _form(
    request: Request, code: str, *, kind: str = "", note: str = "", problem: str = "", status: int = 200
) -> Response:
    return render(
        request,
        "reports/problem.html.jinja",
        status=status,
        code=code,
        kinds=OFFERED,
        kind=kind,
        note=note,
        problem=problem,
        max_note=MAX_NOTE,
    )


@router.get("/d/{code}/report/{key}")
def show_report_status(
    request: Request,
    session: ReadSession,
    viewer: ViewerDep,
    code: Code,
    number: Number,
    key: Annotated[str, Path(max_length=100)],
) -> Response:
    """Show the state of a report to anyone with its secret link.

    What comes of a report about a device that the viewer may not see is not shown, as for a number that
    belongs to no device.
    """
    found = report_by_status_key(session, viewer, database_of(request).keys, number, key)
    return render(
        request,
        "reports/problem_status.html.jinja",
        code=code,
        state=STATES[found.state] if found is not None else "",
        is_open=found is not None and found.closed_at is None,
    )
