"""Routes of the form of a device of an estate."""

from __future__ import annotations

import json
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from aed import clock
from aed.accounts.authentication import FormViewerDep, ViewerDep
from aed.accounts.permissions import Viewer
from aed.database.dependencies import ReadSession, WriteSession
from aed.errors import AedError, ChangedMeanwhile
from aed.hours.evaluation import parse_hours
from aed.http.parameters import RowId
from aed.http.query import ANY_PARAMETER
from aed.registry.devices import actions as device_actions
from aed.registry.devices import loans
from aed.registry.devices.loans import LoanAmend, LoanIn
from aed.registry.devices.models import Device
from aed.registry.devices.schemas import DeviceAmend
from aed.registry.devices.undo import undo_change
from aed.translation import detail_of
from aed.upkeep.rules import short_number
from aed.upkeep.signals import actions as signal_actions
from aed.upkeep.signals.queries import monitors_of
from aed.web.estate_desk import page, queries
from aed.web.estate_desk.actions import require_person
from aed.web.estate_desk.page import MAX_VALUE
from aed.web.estate_desk.rules import DAYS
from aed.web.form_fields import Text, fields_by_name, problem_in
from aed.web.language import language_of
from aed.web.render import NO_STORE, render, to_sign_in
from aed.web.signals import signals_of
from aed.web.week import WEEKDAYS, week_of

router = APIRouter(include_in_schema=False, dependencies=[ANY_PARAMETER])

MAX_FIELDS: Final = 50


async def _fields(request: Request) -> dict[str, str]:
    """Return the fields of a form. Raises InvalidInput for one that these pages did not make."""
    return await fields_by_name(request, max_fields=MAX_FIELDS, max_characters=MAX_VALUE)


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.get("/desk/{estate_id}/devices/{device_id}")
def show_device_form(
    request: Request, session: ReadSession, viewer: ViewerDep, estate_id: RowId, device_id: RowId
) -> Response:
    """Show the form of a device of the estate."""
    if viewer.person_id is None:
        return to_sign_in(f"/desk/{estate_id}/devices/{device_id}")
    device = _device(session, viewer, estate_id, device_id)
    return _device_page(request, session, viewer, device, page.fields_of(device))


@router.post("/desk/{estate_id}/devices/{device_id}")
def amend_device(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    device_id: RowId,
    fields: Fields,
) -> Response:
    """Show the hours of the coming week, or save the changes; show a conflict beside what was typed."""
    require_person(viewer)
    device = _device(session, viewer, estate_id, device_id)
    now, was = page.fields_of(device), _was(fields)
    typed = page.typed_in(fields, device)
    changed = page.changed_in(typed, was or now)
    version = int(fields["version"]) if fields.get("version", "").isdecimal() else 0
    try:
        page.require_one_kind_of_hours(typed, changed.keys())
        if (hours := page.hours_in(typed)) is not None:
            parse_hours(hours)
        if fields.get("do") == "preview":
            return _device_page(
                request, session, viewer, device, typed, was=was, version=version, is_preview=True
            )
        change = DeviceAmend.model_validate(page.amendment_of(typed, changed.keys()))
        with session.begin_nested():
            device_actions.amend_device(session, viewer, device_id, change, version=version, at=clock.now())
    except ChangedMeanwhile:
        session.expunge_all()
        device = _device(session, viewer, estate_id, device_id)
        now = page.fields_of(device)
        clashes = page.clashes_of(now | changed, now, changed.keys())
        return _device_page(request, session, viewer, device, now | changed, status=409, clashes=clashes)
    except ValidationError as error:
        problem = problem_in(error, page.LABELS, language_of(request))
        return _device_page(
            request, session, viewer, device, typed, was=was, version=version, status=422, problem=problem
        )
    except AedError as error:
        if error.status not in (409, 422):
            raise
        session.expunge_all()
        device = _device(session, viewer, estate_id, device_id)
        problem = detail_of(error, language_of(request))
        return _device_page(
            request,
            session,
            viewer,
            device,
            typed,
            was=was,
            version=version,
            status=error.status,
            problem=problem,
        )
    return RedirectResponse(f"/desk/{estate_id}#device-{device_id}", 303)


@router.post("/desk/{estate_id}/devices/{device_id}/undo")
def undo_device_change(
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    device_id: RowId,
    change_id: Annotated[int, Form(ge=1, le=2**63 - 1)] = 1,
) -> RedirectResponse:
    """Undo the viewer's own last change of a device; a second time changes nothing."""
    require_person(viewer)
    _device(session, viewer, estate_id, device_id)
    undo_change(session, viewer, device_id, change_id, at=clock.now())
    return RedirectResponse(f"/desk/{estate_id}#device-{device_id}", 303)


@router.post("/desk/{estate_id}/devices/{device_id}/signal-token")
def change_signal_token(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    device_id: RowId,
    do: Annotated[Literal["make", "revoke"], Form()],
) -> Response:
    """Make the token with which the device or its cabinet sends signals, and show it once; or revoke it."""
    require_person(viewer)
    device = _device(session, viewer, estate_id, device_id)
    if do == "revoke":
        signal_actions.revoke_token(session, viewer, device_id, at=clock.now())
        return RedirectResponse(f"/desk/{estate_id}/devices/{device_id}#signal-token", 303)
    token = signal_actions.make_token(session, viewer, device_id, at=clock.now())
    return _device_page(request, session, viewer, device, page.fields_of(device), token=token)


@router.post("/desk/{estate_id}/devices/{device_id}/loan")
def change_loan(
    request: Request,
    session: WriteSession,
    viewer: FormViewerDep,
    estate_id: RowId,
    device_id: RowId,
    do: Annotated[Literal["lend", "extend", "return"], Form()],
    version: Annotated[int, Form(ge=0, le=2**31)] = 0,
    loaner_id: Text = "",
    due_back_on: Text = "",
    reason: Text = "",
) -> Response:
    """Let a spare AED stand in for this one, change the last day of the loan, or return the loaner."""
    require_person(viewer)
    _device(session, viewer, estate_id, device_id)
    typed = {"loaner_id": loaner_id, "due_back_on": due_back_on, "reason": reason}
    given = {name: value.strip() for name, value in typed.items() if value.strip()}
    at, language = clock.now(), language_of(request)
    try:
        with session.begin_nested():
            if do == "lend":
                new = LoanIn.model_validate(given)
                loans.lend_device(session, viewer, device_id, new, at=at)
            elif do == "extend":
                day = given.get("due_back_on", "")
                change = LoanAmend.model_validate({"due_back_on": day})
                loans.amend_loan(session, viewer, device_id, change, version=version, at=at)
            else:
                loans.return_loaner(session, viewer, device_id, version=version, at=at)
    except ValidationError as error:
        problem, status = problem_in(error, page.LOAN_LABELS, language), 422
    except AedError as error:
        if error.status not in (409, 412, 422):
            raise
        problem, status = detail_of(error, language), error.status
    else:
        return RedirectResponse(f"/desk/{estate_id}/devices/{device_id}#loan", 303)
    session.expunge_all()
    device = _device(session, viewer, estate_id, device_id)
    return _device_page(
        request,
        session,
        viewer,
        device,
        page.fields_of(device),
        status=status,
        loan_problem=problem,
        loan_typed=typed,
    )


def _device(session: Session, viewer: Viewer, estate_id: int, device_id: int) -> Device:
    """Return a device of the estate for the manager of it. Raises NotFound, NotAllowed."""
    estate = queries.managed_estate(session, viewer, estate_id)
    return queries.device_of_estate(session, viewer, estate, device_id)


def _was(fields: dict[str, str]) -> dict[str, str] | None:
    """Return what the form showed when it was opened, or None if it was sent without that."""
    try:
        found = json.loads(fields.get("was", ""))
    except ValueError:
        return None
    is_form = isinstance(found, dict) and all(isinstance(each, str) for each in found.values())
    return found if is_form else None


def _device_page(
    request: Request,
    session: Session,
    viewer: Viewer,
    device: Device,
    typed: dict[str, str],
    *,
    was: dict[str, str] | None = None,
    version: int | None = None,
    status: int = 200,
    problem: str = "",
    clashes: list[page.Clash] | None = None,
    is_preview: bool = False,
    token: str | None = None,
    loan_problem: str = "",
    loan_typed: dict[str, str] | None = None,
) -> Response:
    today = clock.now().astimezone(ZoneInfo(page.time_zone_of(device))).date()
    hours: str | None = page.hours_in(typed) if is_preview else device.opening_hours
    monitor = monitors_of(session, [device.id]).get(device.id)
    loan = loans.open_loan(session, device)
    spares = loans.spare_devices(session, viewer, device.estate_id) if device.estate_id else []
    root = request.app.state.settings.public_url or str(request.base_url).rstrip("/")
    return render(
        request,
        "estate_desk/device.html.jinja",
        status=status,
        headers=NO_STORE,
        device=device,
        estate=device.estate,
        code=short_number(device.id),
        signals=signals_of(monitor, at=clock.now()),
        has_token=monitor is not None and monitor.key_hash is not None,
        token=token,
        signal_address=f"{root}/v1/devices/{device.id}/signals",
        typed=typed,
        was=json.dumps(was or page.fields_of(device), ensure_ascii=False),
        version=device.version if version is None else version,
        problem=problem,
        clashes=clashes,
        entries=page.ENTRIES,
        week=week_of(hours, today, queries.calendar_of(session, device)),
        days=[(day.lower(), name) for day, name in zip(DAYS, WEEKDAYS, strict=True)],
        is_preview=is_preview,
        loan=loan,
        other_code=page.number_or_nothing(device.loaner_id or device.stands_in_for_id),
        spares=[page.spare_of(each) for each in spares if each.id != device.id],
        loan_problem=loan_problem,
        loan_typed=loan_typed or {},
    )
